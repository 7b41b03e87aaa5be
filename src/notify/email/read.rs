//! Reads `[email]`.

use super::{Email, NAME, Server, Tls};
use crate::section::{Section, parse};
use lettre::message::Mailbox;
use std::path::Path;
use std::sync::Arc;

/// What the table makes: a channel for each recipient, or why there is none.
pub type Table = Vec<(String, Result<Email, String>)>;

/// Reads the server and its recipients, all but who is told of what.
pub fn read(section: &mut Section<'_>, home: &Path) -> Table {
    let enabled = section.or("enabled", true, parse::flag);
    let host = section.or("host", String::new(), host);
    let tls = section.or("tls", Tls::StartTls, tls);
    let port = section.or("port", tls.usual_port(), parse::within(1..=65_535_u16));
    let ca = section.opt("ca", parse::path(home));
    let user = section.or("user", String::new(), parse::text);
    let password = section.secret("password");
    let from = section.opt("from", |text| if text.is_empty() { Ok(None) } else { mailbox(text).map(Some) });
    let to = section.list("to", |text| if text.is_empty() { Ok(None) } else { mailbox(text).map(Some) });
    let to: Vec<Mailbox> = to.unwrap_or_default().into_iter().flatten().collect();
    if tls == Tls::None && !parse::is_local(&host) && !host.is_empty() {
        section.error(
            &section.spot("tls"),
            "everybody on the way could read the messages",
            "write tls = \"starttls\"",
        );
    }
    let off = match (enabled, from.flatten()) {
        (false, _) => Err("switched off".to_owned()),
        (true, _) if host.is_empty() => Err(missing(section, "host", "there is no server")),
        (true, _) if to.is_empty() => Err(missing(section, "to", "there is nobody to write to")),
        (true, _) if !user.is_empty() && password.is_empty() => {
            Err(missing(section, "password", "there is no password"))
        }
        (true, None) => Err(missing(section, "from", "there is no sender")),
        (true, Some(from)) => Ok(Arc::new(Server { host, port, tls, ca, user, password, from })),
    };
    channels(off, to)
}

/// One for each recipient; the one that would be, when there is none.
fn channels(server: Result<Arc<Server>, String>, to: Vec<Mailbox>) -> Table {
    let name = |number: usize| if number == 0 { NAME.to_owned() } else { format!("{NAME}-{}", number + 1) };
    match server {
        Err(why) => (0..to.len().max(1)).map(|number| (name(number), Err(why.clone()))).collect(),
        Ok(server) => {
            let email = |to| Email { server: Arc::clone(&server), to };
            to.into_iter().enumerate().map(|(number, to)| (name(number), Ok(email(to)))).collect()
        }
    }
}

fn missing(section: &Section<'_>, key: &str, what: &str) -> String {
    let hint = format!("fill {key}, or set enabled = false");
    section.warn(&section.spot(key), format!("mail stays off: {what}"), hint);
    what.to_owned()
}

fn host(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
    match text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("{text:?} is not the name of a server; write something like \"smtp.example.org\""))
        }
    }
}

fn tls(text: &str) -> Result<Tls, String> {
    match text {
        "starttls" => Ok(Tls::StartTls),
        "tls" => Ok(Tls::Implicit),
        "none" => Ok(Tls::None),
        _ => Err(format!("{text:?} is no way to keep mail private; write starttls, tls or none")),
    }
}

impl Tls {
    fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// ASCII only: few servers take anything else, and none has to.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    let read = text.parse::<Mailbox>().ok().filter(|mailbox| {
        let address: &str = mailbox.email.as_ref();
        address.is_ascii()
    });
    read.ok_or_else(|| format!("{text:?} is not a mail address; write something like \"me@example.org\""))
}
