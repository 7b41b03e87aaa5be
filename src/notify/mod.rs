//! The channels on which a person is told. A channel composes a body once, sends exactly that, and says what became
//! of it; whether and when to send is the core's decision, and no channel may retry by itself.

pub mod email;
pub mod file;
pub mod line;
mod record;
pub mod webhook;

use crate::probe::clients::Clients;
use crate::recovery::evidence::Delivery;
use crate::recovery::outbox::Letter;
use crate::values::Secret;
use email::Email;
use file::File;
use jiff::tz::TimeZone;
use line::Line;
use webhook::Webhook;

/// A way to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A push on LINE.
    Line(Line),
    /// A mail.
    Email(Email),
    /// A request to somebody's server.
    Webhook(Webhook),
    /// A line of `alerts.log`.
    File(File),
}

impl Way {
    /// The exact bytes of one push that holds these letters, to be sent unchanged at every try.
    pub fn compose(&self, letters: &[&Letter], zone: &TimeZone) -> String {
        let Some(first) = letters.first() else { return String::new() };
        match self {
            Self::Line(line) => {
                line.compose(&letters.iter().map(|letter| letter.text.as_str()).collect::<Vec<_>>())
            }
            Self::Email(email) => email.compose(first, zone),
            Self::Webhook(webhook) => webhook.compose(first, zone),
            Self::File(_) => record::json(first, zone),
        }
    }

    /// Sends the body of a letter, within a bound of its own.
    pub async fn send(&self, clients: &Clients, letter: &Letter) -> Delivery {
        let body = letter.body.as_deref().unwrap_or_default();
        match self {
            Self::Line(line) => match line.endpoint.parse().map_err(|_| "bad endpoint".to_owned()) {
                Ok(url) => match clients.for_url(&url) {
                    Ok(client) => line.send(client, body, &letter.retry_key).await,
                    Err(why) => Delivery::Retry(why),
                },
                Err(why) => Delivery::Retry(why),
            },
            Self::Email(email) => email.send(body).await,
            Self::Webhook(webhook) => webhook.send(clients, letter, body).await,
            Self::File(file) => file.append(letter),
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Line(line) => vec![&line.token],
            Self::Email(email) => vec![&email.server.password],
            Self::Webhook(webhook) => webhook.secrets(),
            Self::File(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::recovery::evidence::Name;
    use crate::recovery::outbox::{Fate, Kind, line as line_name};
    use crate::recovery::policy::Severity;
    use crate::recovery::time::Timestamp;

    /// A fault of the gateway, raised at 2026-02-20 03:00 UTC.
    pub(crate) fn letter() -> Letter {
        Letter {
            id: 1,
            channel: line_name(),
            key: "gateway_limit".to_owned(),
            kind: Kind::Fault,
            severity: Severity::Critical,
            target: Name::parse("gateway").ok(),
            incident: 7,
            text: "[WATCHDOG] gateway: repair limit reached (3 per 10 min).\nLook: explain".to_owned(),
            raised: Timestamp(0),
            raised_wall: 1_771_556_400,
            push: Some(1),
            retry_key: "123e4567-e89b-12d3-a456-426614174000".to_owned(),
            body: None,
            first_try: None,
            tries: 1,
            last_answer: String::new(),
            passed_on: false,
            fate: Fate::Pending,
        }
    }
}
