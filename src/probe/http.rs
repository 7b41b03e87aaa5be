//! One HTTP request over a fresh connection, judged by its status and its JSON.
//!
//! An answer that does not prove the service dead (a login page, a quota, our own lack of files or of a
//! resolver) is `Unknown`. Nothing here may retry, or print a header, a body that is sent, or the query of a
//! URL: they may hold a secret.

mod age;
pub(super) mod call;
mod condition;
pub mod error;
pub mod exchange;
mod read;
mod template;
#[cfg(test)]
mod tests;

pub use age::AgeCondition;
pub use call::Call;
pub use condition::{JsonCondition, Wanted};
pub use exchange::Answer;
pub use template::Template;

use super::checks::{BlameRule, Faults, faults};
use super::clients::Clients;
use super::figures::rounded;
use crate::probe;
use crate::recovery::evidence::{Blame, Reading};
use crate::recovery::time::Age;
use crate::values::one_line;
use error::Fault;
use exchange::{send, send_over};
use jiff::Timestamp;
use reqwest::{Client, Url};
use serde_json::Value;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Bytes read of a body, unless configured otherwise: the health bodies that we know have less than 2 KiB.
pub const BODY_CAP: usize = 64 * 1024;
/// Redirects followed, when they are: one to `https`, one to the right host, and some to spare.
const MAX_REDIRECTS: usize = 5;
/// Characters shown of a URL.
const SHOWN_CHARS: usize = 100;

/// A probe of one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// What is sent.
    pub call: Call,
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
    /// How old a time in the JSON body may be.
    pub age: Option<AgeCondition>,
    /// Whose fault a failing check in the body is, if not this target's.
    pub blame: Vec<BlameRule>,
}

impl Http {
    /// A question of which only the statuses count.
    pub fn plain(call: Call, expect: &[u16], timeout: Duration) -> Self {
        Self {
            call,
            expect: expect.iter().map(|status| *status..=*status).collect(),
            timeout,
            slow_after: None,
            body_cap: BODY_CAP,
            follow_redirects: false,
            json: Vec::new(),
            age: None,
            blame: Vec::new(),
        }
    }

    /// Asks once. Beside the reading come the faults of other targets that the body named.
    pub async fn check(&self, clients: &Clients) -> probe::Answer {
        self.within(self.exchange(clients)).await
    }

    /// As [`Self::check`], but over this client, which may know better where the host is, and without following
    /// redirects.
    pub async fn check_over(&self, client: &Client) -> Reading {
        let exchange = async {
            let request = self.call.request(Timestamp::now()).map_err(Fault::Unclear)?;
            send_over(client, &request, self.body_cap).await
        };
        self.within(exchange).await.reading
    }

    async fn within(&self, exchange: impl Future<Output = Result<Answer, Fault>>) -> probe::Answer {
        let started = Instant::now();
        match timeout(self.timeout, exchange).await {
            Ok(Ok(answer)) => {
                let took = started.elapsed();
                let (reading, blames) = self.judge(&answer, took);
                let ms = rounded(took.as_secs_f64() * 1000.0);
                let figures = [("status_code", answer.status.into()), ("response_time_ms", ms)].into();
                let overdue = self.overdue(&answer);
                probe::Answer { figures, overdue, blames, ..reading.into() }
            }
            Ok(Err(Fault::Theirs(reason))) => Reading::Fail(reason).into(),
            Ok(Err(Fault::Unclear(reason))) => Reading::Unknown(reason).into(),
            Err(_) => Reading::Fail(format!("no full answer within {}", span(self.timeout))).into(),
        }
    }

    /// What it makes of an answer that it did not ask for, such as one of a simulated service. No status
    /// stands for an answer that meets every condition.
    pub fn judge_given(&self, status: Option<u16>, body: &str, took: Duration) -> (Reading, Vec<Blame>) {
        let wanted = self.expect.first().map_or(200, |range| *range.start());
        match status {
            None => (Reading::Pass(self.praise(wanted, took)), Vec::new()),
            Some(status) => {
                let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
                self.judge(&answer, took)
            }
        }
    }

    async fn exchange(&self, clients: &Clients) -> Result<Answer, Fault> {
        let mut request = self.call.request(Timestamp::now()).map_err(Fault::Unclear)?;
        for _ in 0..MAX_REDIRECTS {
            let answer = send(clients, &request, self.body_cap).await?;
            match answer.location.clone().filter(|_| self.follow_redirects) {
                Some(to) => request = request.redirected(to),
                None => return Ok(answer),
            }
        }
        Err(Fault::Unclear(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Judges an answer that took so long. Pure, so that any answer can be tried without a server.
    pub fn judge(&self, answer: &Answer, took: Duration) -> (Reading, Vec<Blame>) {
        let Faults { blames, blamed, own } = match self.blame.is_empty() {
            true => Faults::default(),
            false => faults(&answer.body, &self.blame),
        };
        let good = self.status(answer).and_then(|()| self.conditions(answer));
        let wrong = match good {
            Ok(found) => return (Reading::Pass(self.praise(answer.status, took) + &found), blames),
            Err(Reading::Fail(wrong)) => wrong,
            Err(reading) => return (reading, blames),
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

    /// Whether the status is as expected; if not, what that means.
    fn status(&self, answer: &Answer) -> Result<(), Reading> {
        match self.expect.iter().any(|range| range.contains(&answer.status)) {
            true => Ok(()),
            false => Err(unexpected(answer.status, answer.location.as_ref())),
        }
    }

    /// What the conditions on the body have found, fit to follow a sentence; or which one is not met.
    fn conditions(&self, answer: &Answer) -> Result<String, Reading> {
        let status = answer.status;
        if !self.reads_json() {
            return Ok(String::new());
        }
        if answer.cut {
            let cap = self.body_cap;
            return Err(Reading::Unknown(format!(
                "{status}, but the body is longer than the {cap} bytes we read"
            )));
        }
        let body = serde_json::from_slice::<Value>(&answer.body)
            .map_err(|_| Reading::Fail(format!("{status}, but the body is not JSON")))?;
        if let Some(what) = self.json.iter().find_map(|condition| condition.broken(&body)) {
            return Err(Reading::Fail(format!("{status}, but {what}")));
        }
        let found = self.json.iter().filter_map(|condition| condition.found(&body));
        let mut found = found.map(|what| format!(", {what}")).collect::<String>();
        if let Some(age) = &self.age {
            found.push_str(&age.told(&body, answer.date()).map_err(|why| after(status, why))?);
        }
        Ok(found)
    }

    /// By how much the age in the body is beyond its limit.
    fn overdue(&self, answer: &Answer) -> Option<Duration> {
        let age = self.age.as_ref()?;
        age.overdue(&serde_json::from_slice(&answer.body).ok()?, answer.date())
    }

    fn reads_json(&self) -> bool {
        !self.json.is_empty() || self.age.is_some()
    }
}

/// What a status says that was not expected.
pub(crate) fn unexpected(status: u16, location: Option<&Url>) -> Reading {
    let misconfigured = |what: String| Reading::Unknown(format!("misconfigured probe: {status}, {what}"));
    match (status, location) {
        (300..=399, Some(to)) => {
            misconfigured(format!("redirected to {}: is a login page in front of it?", shown(to)))
        }
        (300..=399, None) => misconfigured("a redirect to nowhere".to_owned()),
        (401, _) => misconfigured("it wants credentials that the probe has not".to_owned()),
        (403, _) => misconfigured("what the probe has for credentials is not enough".to_owned()),
        (407, _) => Reading::Unknown("407: the proxy wants credentials".to_owned()),
        (429, _) => Reading::Unknown("429: it is asked too often".to_owned()),
        (_, _) => Reading::Fail(status.to_string()),
    }
}

/// A reading of the body, with the status that came with it.
fn after(status: u16, reading: Reading) -> Reading {
    match reading {
        Reading::Pass(text) => Reading::Pass(format!("{status}, and {text}")),
        Reading::Fail(text) => Reading::Fail(format!("{status}, but {text}")),
        Reading::Unknown(text) => Reading::Unknown(format!("{status}, but {text}")),
    }
}

/// A URL fit to be shown: without credentials, query and fragment.
pub(super) fn shown(url: &Url) -> String {
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
