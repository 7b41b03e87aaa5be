//! A request to somebody's server: ntfy, Slack, Discord, or a JSON object for whoever reads it. It must not retry, and
//! its address, which is a token with all of them, is repeated nowhere.

mod body;
mod read;

pub use body::Format;
pub use read::read;

use crate::probe::clients::Clients;
use crate::probe::http::exchange::{Answer, Request, send};
use crate::recovery::evidence::Delivery;
use crate::recovery::outbox::Letter;
use crate::values::{Secret, mask, one_line};
use jiff::tz::TimeZone;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use std::time::Duration;
use tokio::time::timeout;

/// From the first byte sent to the last one read.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// The least wait before a second try: longer than one may take.
pub const GAP: Duration = Duration::from_secs(15);
/// Answers say "ok", or why not.
const REPLY_BYTES_MAX: usize = 4 << 10;
const REASON_CHARS_MAX: usize = 300;
/// By which a server that keeps count can know a repetition; see draft-ietf-httpapi-idempotency-key-header.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A server to which messages are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The address, a good URL; whoever knows it can write in our name.
    pub url: Secret,
    /// What the server understands.
    pub format: Format,
    /// More headers, such as `Authorization`.
    pub headers: Vec<(HeaderName, Secret)>,
}

impl Webhook {
    /// The body for one letter.
    pub(super) fn compose(&self, letter: &Letter, zone: &TimeZone) -> String {
        body::of(self.format, letter, zone)
    }

    /// Posts the body. Takes at most ten seconds.
    pub(super) async fn send(&self, clients: &Clients, letter: &Letter, body: &str) -> Delivery {
        let exchange = async {
            let request = self.request(letter, body)?;
            send(clients, &request, REPLY_BYTES_MAX).await.map_err(|fault| fault.reason())
        };
        let late = || Err(format!("no answer within {} s", SEND_TIMEOUT.as_secs()));
        match timeout(SEND_TIMEOUT, exchange).await.unwrap_or_else(|_| late()) {
            Ok(answer) => self.judge(&answer),
            Err(why) => Delivery::Retry(self.tidy(&why)),
        }
    }

    fn request(&self, letter: &Letter, body: &str) -> Result<Request, String> {
        let url: Url = self.url.expose().parse().map_err(|_| "the address is no URL".to_owned())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.extend(body::headers(self.format, letter));
        if let Ok(key) = letter.retry_key.parse() {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        for (name, value) in &self.headers {
            let value = value.expose().parse().map_err(|_| format!("the header {name} cannot be sent"))?;
            headers.insert(name.clone(), value);
        }
        Ok(Request { method: Method::POST, url, headers, body: Some(body.to_owned()) })
    }

    /// What no repetition cures is refused: an address that is gone, a token that is not known, a body that is not
    /// understood. All else may go well later.
    fn judge(&self, answer: &Answer) -> Delivery {
        let status = answer.status;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        let said = if said.trim().is_empty() { String::new() } else { format!(": {said}") };
        match status {
            200..=299 => Delivery::Accepted { request_id: String::new() },
            400..=499 if ![408, 425, 429].contains(&status) => {
                Delivery::Refused(self.tidy(&format!("{status}{said}")))
            }
            _ => match answer.header(RETRY_AFTER).and_then(peace) {
                Some(seconds) => {
                    let reason = self.tidy(&format!("{status}, it wants {seconds} s of peace{said}"));
                    Delivery::Later { reason, seconds }
                }
                None => Delivery::Retry(self.tidy(&format!("{status}{said}"))),
            },
        }
    }

    /// Whatever the server echoed, a reason shows neither the address nor a header. The path is masked too, for it
    /// is what makes the address a secret.
    fn tidy(&self, why: &str) -> String {
        let url = Url::parse(self.url.expose()).ok();
        let path = url.as_ref().map(|url| Secret::new(url.path().trim_start_matches('/')));
        let secrets: Vec<Secret> = self.secrets().into_iter().cloned().chain(path).collect();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        format!("{host}: {}", one_line(&mask(why, &secrets), REASON_CHARS_MAX))
    }

    /// What must be masked everywhere.
    pub(super) fn secrets(&self) -> Vec<&Secret> {
        std::iter::once(&self.url).chain(self.headers.iter().map(|(_, value)| value)).collect()
    }
}

/// Seconds as `Retry-After` has them, rounded up: Discord writes fractions. A date, which none of these servers sends,
/// is taken for no wish at all: it would need both clocks to be right.
fn peace(wish: &str) -> Option<u64> {
    let (whole, fraction) = wish.trim().split_once('.').unwrap_or((wish.trim(), ""));
    let seconds: u64 = whole.parse().ok()?;
    Some(seconds.saturating_add(u64::from(fraction.contains(|c| c != '0'))))
}

#[cfg(test)]
mod tests {
    use super::peace;

    #[test]
    fn only_seconds_are_a_wish() {
        assert_eq!(
            [peace("30"), peace(" 1.5 "), peace("2.0"), peace("0")],
            [Some(30), Some(2), Some(2), Some(0)]
        );
        for none in ["", "-1", "soon", "Sun, 06 Nov 1994 08:49:37 GMT", "99999999999999999999"] {
            assert_eq!(peace(none), None, "{none}");
        }
    }
}
