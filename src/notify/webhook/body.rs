//! The same message in the forms that servers understand. What a service said may be in it, so nothing of it may call
//! people by name or become a header.

use crate::notify::record;
use crate::recovery::outbox::{Kind, Letter};
use crate::recovery::policy::Severity;
use jiff::tz::TimeZone;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

/// Discord refuses longer ones.
const DISCORD_CHARS_MAX: usize = 2_000;
/// ntfy makes an attachment of longer ones.
const NTFY_BYTES_MAX: usize = 4_000;
/// Slack cuts at 40,000; nobody reads so much in a chat.
const SLACK_CHARS_MAX: usize = 8_000;

/// What a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object with all that is known.
    Json,
    /// ntfy: the text, with title, priority and tags in headers.
    Ntfy,
    /// A Slack incoming webhook.
    Slack,
    /// A Discord webhook.
    Discord,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::Slack | Self::Discord => "application/json",
            Self::Ntfy => "text/plain; charset=utf-8",
        }
    }
}

/// The body.
pub(super) fn of(format: Format, letter: &Letter, zone: &TimeZone) -> String {
    let text = letter.text.as_str();
    match format {
        Format::Json => record::json(letter, zone),
        Format::Ntfy => cut(text, NTFY_BYTES_MAX, char::len_utf8),
        // Slack reads <!channel> and <https://…|label> in a text, unless these three are written so.
        Format::Slack => {
            let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json!({ "text": cut(&plain, SLACK_CHARS_MAX, |_| 1) }).to_string()
        }
        // Without a word on mentions, an @everyone in a log line would call everyone.
        Format::Discord => {
            let content = cut(text, DISCORD_CHARS_MAX, |_| 1);
            json!({ "content": content, "allowed_mentions": { "parse": [] } }).to_string()
        }
    }
}

/// The headers that belong to the body.
pub(super) fn headers(format: Format, letter: &Letter) -> Vec<(HeaderName, HeaderValue)> {
    if format != Format::Ntfy {
        return Vec::new();
    }
    let title = letter.target.as_ref().map_or("watchdog", |target| target.as_str());
    let (priority, tag) = urgency(letter);
    let header = |name, value: &str| Some((HeaderName::from_static(name), value.parse().ok()?));
    [header("title", title), header("priority", priority), header("tags", tag)]
        .into_iter()
        .flatten()
        .collect()
}

/// The priorities of ntfy: 5 wakes people, 3 is as usual.
fn urgency(letter: &Letter) -> (&'static str, &'static str) {
    match (letter.kind, letter.severity) {
        (Kind::Fault | Kind::Reminder, Severity::Critical) => ("5", "rotating_light"),
        (Kind::Fault | Kind::Reminder, Severity::Error) => ("4", "warning"),
        (Kind::Fault | Kind::Reminder, Severity::Warning) => ("3", "warning"),
        (Kind::Recovery, _) => ("3", "white_check_mark"),
        (Kind::Notice | Kind::Digest | Kind::Test, _) => ("3", "information_source"),
    }
}

/// At most so much, by this measure of a character, the last one an ellipsis when something is missing.
fn cut(text: &str, max: usize, measure: impl Fn(char) -> usize) -> String {
    if text.chars().map(&measure).sum::<usize>() <= max {
        return text.to_owned();
    }
    let mut used = measure('…');
    let fits = |c: &char| {
        used += measure(*c);
        used <= max
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests::letter;

    fn body(format: Format, text: &str) -> String {
        of(format, &Letter { text: text.to_owned(), ..letter() }, &TimeZone::UTC)
    }

    #[test]
    fn each_server_gets_its_own_form() {
        let text = "[WATCHDOG] gateway: 停止 <!channel> & \"x\"\n@everyone";
        assert_eq!(body(Format::Ntfy, text), text);
        assert_eq!(
            body(Format::Slack, text),
            r#"{"text":"[WATCHDOG] gateway: 停止 &lt;!channel&gt; &amp; \"x\"\n@everyone"}"#
        );
        assert_eq!(
            body(Format::Discord, text),
            r#"{"allowed_mentions":{"parse":[]},"content":"[WATCHDOG] gateway: 停止 <!channel> & \"x\"\n@everyone"}"#
        );
        assert!(
            body(Format::Json, text).starts_with(r#"{"timestamp":"2026-02-20T03:00:00+00:00","severity":"#)
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "字".repeat(9_000);
        assert!(body(Format::Ntfy, &long).len() <= NTFY_BYTES_MAX);
        let discord: serde_json::Value = serde_json::from_str(&body(Format::Discord, &long)).unwrap();
        assert_eq!(discord["content"].as_str().unwrap().chars().count(), DISCORD_CHARS_MAX);
        let whole = "x".repeat(DISCORD_CHARS_MAX);
        assert_eq!(cut(&whole, DISCORD_CHARS_MAX, |_| 1), whole);
    }

    #[test]
    fn ntfy_wakes_people_for_what_is_critical_only() {
        let of = |kind, severity| {
            let letter = Letter { kind, severity, ..letter() };
            headers(Format::Ntfy, &letter).into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(of(Kind::Fault, Severity::Critical), ["gateway", "5", "rotating_light"]);
        assert_eq!(of(Kind::Reminder, Severity::Warning), ["gateway", "3", "warning"]);
        assert_eq!(of(Kind::Recovery, Severity::Critical), ["gateway", "3", "white_check_mark"]);
    }
}
