//! One HTTP request over a fresh connection, judged by its status and its JSON.
//!
//! An answer that does not prove the service dead (a login page, a quota, our own lack of files or of a
//! resolver) is `Unknown`. Nothing here may retry, or print the query of a URL: it may hold a signature.

mod error;
mod read;
#[cfg(test)]
mod tests;

use super::checks::{BlameRule, Faults, faults};
use super::clients::Clients;
use crate::recovery::evidence::{Blame, Reading};
use crate::recovery::time::Age;
use crate::values::one_line;
pub(super) use error::{Fault, fault, io_fault};
pub(super) use read::method;
use reqwest::header::{CONTENT_LENGTH, LOCATION};
use reqwest::{Client, Method, Response, Url};
use serde_json::Value;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Bytes read of a body, unless configured otherwise: the health bodies that we know have less than 2 KiB.
pub const BODY_CAP: usize = 64 * 1024;
/// Redirects followed, when they are: one to `https`, one to the right host, and some to spare.
const MAX_REDIRECTS: usize = 5;
/// Characters shown of a URL or a JSON value.
const SHOWN_CHARS: usize = 100;

/// A probe of one URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Where.
    pub url: Url,
    /// How to ask: `GET`, or `POST` with an empty body.
    pub method: Method,
    /// The statuses that mean "well".
    pub expect: Vec<RangeInclusive<u16>>,
    /// The bound of the whole exchange: resolving, connecting, TLS, redirects and the body.
    pub timeout: Duration,
    /// Beyond this a good answer is called slow; none means never.
    pub slow_after: Option<Duration>,
    /// Bytes read of the body, usually [`BODY_CAP`]; the rest is left unread.
    pub body_cap: usize,
    /// Whether to follow redirects, and to judge where they lead.
    pub follow_redirects: bool,
    /// What must hold of the JSON body.
    pub json: Vec<JsonCondition>,
    /// Whose fault a failing check in the body is, if not this target's.
    pub blame: Vec<BlameRule>,
}

/// A condition on a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonCondition {
    /// A JSON pointer, such as `/status`.
    pub pointer: String,
    /// The value that must be there.
    pub equals: Value,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where a redirect that was not followed leads, without its query.
    pub location: Option<String>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether there was more of the body than we read.
    pub cut: bool,
}

impl Http {
    /// Asks once. Beside the reading come the faults of other targets that the body named.
    pub async fn check(&self, clients: &Clients) -> (Reading, Vec<Blame>) {
        self.within(self.exchange(clients)).await
    }

    /// As [`Self::check`], but over this client, which may know better where the host is, and without
    /// following redirects.
    pub async fn check_over(&self, client: &Client) -> Reading {
        let exchange =
            async { self.receive(send(client, self.method.clone(), self.url.clone()).await?).await };
        self.within(exchange).await.0
    }

    async fn within(&self, exchange: impl Future<Output = Result<Answer, Fault>>) -> (Reading, Vec<Blame>) {
        let started = Instant::now();
        match timeout(self.timeout, exchange).await {
            Ok(Ok(answer)) => self.judge(&answer, started.elapsed()),
            Ok(Err(Fault::Theirs(reason))) => (Reading::Fail(reason), Vec::new()),
            Ok(Err(Fault::Unclear(reason))) => (Reading::Unknown(reason), Vec::new()),
            Err(_) => (Reading::Fail(format!("no full answer within {}", span(self.timeout))), Vec::new()),
        }
    }

    /// What it makes of an answer that it did not ask for, such as one of a simulated service. No status
    /// stands for an answer that meets every condition.
    pub fn judge_given(&self, status: Option<u16>, body: &str, took: Duration) -> (Reading, Vec<Blame>) {
        let wanted = self.expect.first().map_or(200, |range| *range.start());
        match status {
            None => (Reading::Pass(self.praise(wanted, took)), Vec::new()),
            Some(status) => {
                let answer = Answer { status, location: None, body: body.as_bytes().to_vec(), cut: false };
                self.judge(&answer, took)
            }
        }
    }

    async fn exchange(&self, clients: &Clients) -> Result<Answer, Fault> {
        let mut url = self.url.clone();
        let mut method = self.method.clone();
        for _ in 0..MAX_REDIRECTS {
            let client = clients.for_url(&url).map_err(Fault::Unclear)?;
            let response = send(client, method, url.clone()).await?;
            match onward(&response).filter(|_| self.follow_redirects) {
                Some(next) => url = next,
                None => return self.receive(response).await,
            }
            // As browsers do: what a redirect leads to is looked at, not posted to again.
            method = Method::GET;
        }
        Err(Fault::Unclear(format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn receive(&self, mut response: Response) -> Result<Answer, Fault> {
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        let location = onward(&response).map(|url| shown(&url));
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            let room = self.body_cap - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                return Ok(Answer { status, location, body, cut: true });
            }
        }
        Ok(Answer { status, location, body, cut: false })
    }

    /// Judges an answer that took so long. Pure, so that any answer can be tried without a server.
    pub fn judge(&self, answer: &Answer, took: Duration) -> (Reading, Vec<Blame>) {
        let status = answer.status;
        let Faults { blames, blamed, own } = match self.blame.is_empty() {
            true => Faults::default(),
            false => faults(&answer.body, &self.blame),
        };
        let wrong = match self.wrong_status(answer).map_or_else(|| self.wrong_json(answer), Some) {
            Some(Reading::Fail(wrong)) => wrong,
            Some(reading) => return (reading, blames),
            None => return (Reading::Pass(self.praise(status, took)), blames),
        };
        let reading = match (own.is_empty(), blamed.is_empty()) {
            (true, false) => Reading::Pass(format!("{wrong}, but only blamed checks fail: {blamed}")),
            (true, true) => Reading::Fail(wrong),
            (false, _) => Reading::Fail(format!("{wrong}: {own}")),
        };
        (reading, blames)
    }

    fn praise(&self, status: u16, took: Duration) -> String {
        match self.slow_after.is_some_and(|limit| took > limit) {
            true => format!("{status}, slow: {}", span(took)),
            false => format!("{status} in {}", span(took)),
        }
    }

    /// What is wrong with the status; none when it is as expected.
    fn wrong_status(&self, answer: &Answer) -> Option<Reading> {
        let status = answer.status;
        if self.expect.iter().any(|range| range.contains(&status)) {
            return None;
        }
        Some(match (status, &answer.location) {
            (300..=399, Some(to)) => {
                Reading::Unknown(format!("{status}, redirected to {to}: is a login page in front of it?"))
            }
            (300..=399, None) => Reading::Unknown(format!("{status}, a redirect to nowhere")),
            (401 | 403, _) => {
                Reading::Unknown(format!("{status}: it wants credentials that the probe has not"))
            }
            (407, _) => Reading::Unknown("407: the proxy wants credentials".to_owned()),
            (429, _) => Reading::Unknown("429: it is asked too often".to_owned()),
            (_, _) => Reading::Fail(status.to_string()),
        })
    }

    /// Which condition the body does not meet; none when it meets all.
    fn wrong_json(&self, answer: &Answer) -> Option<Reading> {
        let status = answer.status;
        if self.json.is_empty() {
            return None;
        }
        if answer.cut {
            let cap = self.body_cap;
            return Some(Reading::Unknown(format!(
                "{status}, but the body is longer than the {cap} bytes we read"
            )));
        }
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
            return Some(Reading::Fail(format!("{status}, but the body is not JSON")));
        };
        self.json
            .iter()
            .find_map(|condition| condition.broken(&body))
            .map(|what| Reading::Fail(format!("{status}, but {what}")))
    }
}

impl JsonCondition {
    fn broken(&self, body: &Value) -> Option<String> {
        let Self { pointer, equals } = self;
        match body.pointer(pointer) {
            Some(found) if found == equals => None,
            Some(found) => {
                Some(format!("{pointer} is {}, not {equals}", one_line(&found.to_string(), SHOWN_CHARS)))
            }
            None => Some(format!("there is no {pointer}")),
        }
    }
}

async fn send(client: &Client, method: Method, url: Url) -> Result<Response, Fault> {
    let posts = method == Method::POST;
    let request = client.request(method, url);
    // The library leaves the length of an empty body out, and some servers answer that with 411.
    let request = if posts { request.header(CONTENT_LENGTH, 0) } else { request };
    request.send().await.map_err(fault)
}

/// Where a redirect leads, if it is one that names a place we could ask.
fn onward(response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    let url = response.url().join(location.to_str().ok()?).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// A URL fit to be shown: without credentials, query and fragment.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    one_line(&format!("{}://{host}{port}{}", url.scheme(), url.path()), SHOWN_CHARS)
}

/// A span in whole milliseconds while it is short, else as a person says it.
pub(super) fn span(span: Duration) -> impl fmt::Display {
    fmt::from_fn(move |f| match span < Duration::from_secs(1) {
        true => write!(f, "{} ms", span.as_millis()),
        false => Age(span).fmt(f),
    })
}
