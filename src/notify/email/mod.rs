//! Mail over SMTP: one finished message to one recipient, handed to one server. It must not retry, and it sends
//! nothing in the clear, except to this machine itself.

mod compose;
mod read;
mod server;

pub use read::{Table, read};
pub use server::{Server, Tls, Trouble};

use crate::recovery::evidence::Delivery;
use crate::recovery::outbox::Letter;
use crate::values::{mask, one_line};
use jiff::tz::TimeZone;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How this channel is called; the second recipient is `email-2`.
pub const NAME: &str = "email";
/// From the connection to the server's last word. Servers that look a sender up first take some seconds.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// The least wait before a second try: longer than one may take, and as long as a server that makes strangers come
/// back wants them to wait.
pub const GAP: Duration = Duration::from_secs(60);
const REASON_CHARS_MAX: usize = 300;

/// A server and a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The server, the same for all recipients.
    pub server: Arc<Server>,
    /// The recipient.
    pub to: Mailbox,
}

impl Email {
    /// The message as it goes over the wire; empty when none can be made of it, which no server takes.
    pub(super) fn compose(&self, letter: &Letter, _: &TimeZone) -> String {
        compose::message(&self.server.from, &self.to, letter).unwrap_or_default()
    }

    /// Hands the message to the server. Takes at most twenty seconds.
    pub(super) async fn send(&self, message: &str) -> Delivery {
        let late = || Trouble::Passing(format!("no answer within {} s", SEND_TIMEOUT.as_secs()));
        let sent = timeout(SEND_TIMEOUT, self.hand_over(message)).await.unwrap_or_else(|_| Err(late()));
        let tidy = |why: &str| {
            let why = one_line(&mask(why, std::slice::from_ref(&self.server.password)), REASON_CHARS_MAX);
            format!("{}: {why}", self.server.host)
        };
        match sent {
            Ok(said) => Delivery::Accepted { request_id: one_line(&said, REASON_CHARS_MAX) },
            Err(Trouble::Passing(why)) => Delivery::Retry(tidy(&why)),
            Err(Trouble::ForGood(why)) => Delivery::Refused(tidy(&why)),
        }
    }

    async fn hand_over(&self, message: &str) -> Result<String, Trouble> {
        let unfit = |error: lettre::error::Error| Trouble::ForGood(error.to_string());
        let envelope = Envelope::new(Some(self.server.from.email.clone()), vec![self.to.email.clone()]);
        let envelope = envelope.map_err(unfit)?;
        let mut connection = self.server.open().await?;
        let answer = connection.send(&envelope, message.as_bytes()).await.map_err(Trouble::from)?;
        // It has the message; how the conversation ends does not matter any more.
        connection.abort().await;
        Ok(answer.first_line().unwrap_or_default().to_owned())
    }
}
