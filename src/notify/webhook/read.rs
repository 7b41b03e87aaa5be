//! Reads one `[[webhook]]`. Its address is a secret, and is repeated in no message.

use super::{Format, Webhook};
use crate::recovery::evidence::Name;
use crate::section::{Section, parse};
use crate::values::Secret;
use reqwest::header::{HeaderName, HeaderValue};

/// The name and the server, or why there is none; all but who is told of what.
pub fn read(section: &mut Section<'_>) -> Option<(Name, Result<Webhook, String>)> {
    let name = section.need("name", Name::parse);
    let enabled = section.or("enabled", true, parse::flag);
    let format = section.or("format", Format::Json, format);
    let url = section.secret("url");
    let headers = headers(section);
    let way = match (enabled, url.is_empty()) {
        (false, _) => Err("switched off".to_owned()),
        (true, true) => {
            let hint = "fill url, or set enabled = false";
            section.warn(&section.spot("url"), "this webhook stays off: it has no address", hint);
            Err("it has no address".to_owned())
        }
        (true, false) => {
            if parse::private_url(url.expose()).is_err() {
                let hint = "write something like \"https://ntfy.sh/TOPIC\"";
                section.error(&section.spot("url"), "this is no https URL", hint);
            }
            Ok(Webhook { url, format, headers })
        }
    };
    Some((name?, way))
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "json" => Ok(Format::Json),
        "ntfy" => Ok(Format::Ntfy),
        "slack" => Ok(Format::Slack),
        "discord" => Ok(Format::Discord),
        _ => Err(format!("{text:?} is not a form of message; write json, ntfy, slack or discord")),
    }
}

/// All of them may be secrets, and empty ones are left out: a variable that is not set.
fn headers(section: &mut Section<'_>) -> Vec<(HeaderName, Secret)> {
    section.note_literals("headers", |_| true);
    let texts = section.map("headers", |text| match HeaderValue::from_str(text) {
        Ok(_) => Ok(Secret::new(text)),
        Err(_) => Err("a header cannot hold this; write one line of plain text".to_owned()),
    });
    let spot = section.spot("headers");
    let header = |(name, value): (String, Secret)| match name.parse() {
        Ok(name) => Some((name, value)),
        Err(_) => {
            let what = format!("{name:?} is not the name of a header");
            section.error(&spot, what, "write something like \"Authorization\"");
            None
        }
    };
    texts.into_iter().filter(|(_, value)| !value.is_empty()).filter_map(header).collect()
}
