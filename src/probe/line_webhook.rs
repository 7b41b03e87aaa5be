//! The webhook as LINE sees it: is it switched on, does it lead to us, and does LINE's own test call arrive?
//!
//! The only probe that asks the sender itself. What LINE's API refuses, or is too busy for, says nothing of the
//! webhook and is `Unknown`. Nothing here changes a setting of the channel.

#[cfg(test)]
mod tests;

use super::api::{Reply, Request, Silence, deadline};
use super::clients::{self, Clients};
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use crate::section::{Section, parse};
use crate::values::{Secret, one_line};
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::time::Instant;

/// LINE takes 60 test calls an hour; one in five minutes leaves most of them to people.
const TEST_EVERY: Duration = Duration::from_secs(300);
/// A test call waits for the webhook, to which LINE gives some seconds.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The limits of every probe's timeout.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// LINE's API.
const LINE: &str = "https://api.line.me";
const ENDPOINT: &str = "/v2/bot/channel/webhook/endpoint";
const TEST: &str = "/v2/bot/channel/webhook/test";
/// Characters shown of what LINE says.
const SHOWN_CHARS: usize = 200;

/// A probe of the webhook of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineWebhook {
    /// The channel access token.
    pub token: Secret,
    /// Where LINE's API is, without a path.
    pub endpoint: Url,
    /// The host that the webhook must have; empty when any will do.
    pub host: String,
    /// Whether LINE is asked to call it.
    pub test: bool,
    /// The bound of all requests together.
    pub timeout: Duration,
}

/// What LINE says of the webhook.
#[derive(Deserialize)]
struct Endpoint {
    endpoint: String,
    active: bool,
}

/// What came of LINE's test call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    /// LINE may leave it out.
    success: Option<bool>,
    /// What the webhook answered; not positive when it did not.
    status_code: i64,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    detail: String,
}

impl LineWebhook {
    /// Reads `check.line-webhook = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let token = section.secret("token");
        if token.is_empty() {
            let hint = "fill it, or switch the probe off with when = \"${THE_VARIABLE:-}\"";
            section.error(&section.spot("token"), "there is no token with which LINE could be asked", hint);
        }
        let endpoint = section.opt("endpoint", parse::private_url).or_else(|| Url::parse(LINE).ok());
        let host = section.or("host", String::new(), host);
        let test = section.or("test", false, parse::flag);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(TIMEOUTS));
        Some(Self { token, endpoint: endpoint?, host, test, timeout })
    }

    /// Asks once.
    pub async fn check(&self, clients: &Clients) -> Reading {
        self.ask(clients, deadline(self.timeout)).await.unwrap_or_else(|reading| reading)
    }

    /// The least time between two questions, for those that cost something.
    pub fn needs_every(&self) -> Option<Duration> {
        self.test.then_some(TEST_EVERY)
    }

    /// Whether LINE is beyond our own network; a stand-in is not.
    pub fn is_external(&self) -> bool {
        clients::is_external(&self.endpoint)
    }

    /// What it makes of a status that it did not ask for, such as one of a simulated service. No status stands
    /// for a LINE that finds everything well.
    pub fn judge_given(&self, status: Option<u16>) -> Reading {
        match status {
            None | Some(200) => Reading::Pass("as it should be".to_owned()),
            Some(status) => refused(&Reply { status, ..Reply::default() }),
        }
    }

    async fn ask(&self, clients: &Clients, until: Instant) -> Result<Reading, Reading> {
        let question = Request::get(self.url(ENDPOINT)).by(&self.token).ask(clients, until).await;
        let url = self.leads_to(&question.map_err(|silence| self.unanswered(silence))?)?;
        if !self.test {
            return Ok(Reading::Pass(format!("LINE calls {url}")));
        }
        // Without an endpoint in it, the one that is registered is called.
        let test = Request::post(self.url(TEST), json!({})).by(&self.token).ask(clients, until).await;
        let test = self.tested(&test.map_err(|silence| self.unanswered(silence))?)?;
        Ok(Reading::Pass(format!("LINE called {url} and got {test}")))
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.endpoint.clone();
        url.set_path(path);
        url
    }

    /// Silence of LINE's is not the webhook's failure.
    fn unanswered(&self, silence: Silence) -> Reading {
        Reading::Unknown(match silence {
            Silence::Theirs(why) | Silence::Unclear(why) => format!("LINE cannot be asked: {why}"),
            Silence::Late => format!("LINE did not answer within {}", Age(self.timeout)),
        })
    }

    /// The webhook's URL, when it is on and ours.
    fn leads_to(&self, reply: &Reply) -> Result<String, Reading> {
        match reply.status {
            200 => {}
            404 => {
                let what = "no webhook URL is set: enter it in the LINE Developers console, Messaging API";
                return Err(Reading::Fail(what.to_owned()));
            }
            _ => return Err(refused(reply)),
        }
        let Ok(Endpoint { endpoint, active }) = serde_json::from_slice(&reply.body) else {
            return Err(Reading::Unknown("what LINE says of the webhook cannot be read".to_owned()));
        };
        let shown = one_line(&endpoint, SHOWN_CHARS);
        if !active {
            return Err(Reading::Fail(format!(
                "LINE calls nobody: the webhook {shown} is switched off; switch \"Use webhook\" on in the LINE \
                 Developers console, Messaging API"
            )));
        }
        let called = Url::parse(&endpoint).ok().and_then(|url| url.host_str().map(str::to_ascii_lowercase));
        if !self.host.is_empty() && called.is_none_or(|called| called != self.host) {
            return Err(Reading::Fail(format!(
                "LINE calls {shown}, not {}: correct the webhook URL in the LINE Developers console, Messaging API",
                self.host
            )));
        }
        Ok(shown)
    }

    /// What the webhook answered to LINE's test call.
    fn tested(&self, reply: &Reply) -> Result<i64, Reading> {
        if reply.status != 200 {
            return Err(refused(reply));
        }
        let Ok(test) = serde_json::from_slice::<Test>(&reply.body) else {
            return Err(Reading::Unknown("what LINE says of its test call cannot be read".to_owned()));
        };
        let answered = (200..300).contains(&test.status_code);
        if test.success.unwrap_or(answered) {
            Ok(test.status_code)
        } else {
            Err(Reading::Fail(test.failure()))
        }
    }
}

impl Test {
    /// Names the hop that is broken, as far as LINE's words tell. Its reasons are no closed list.
    fn failure(&self) -> String {
        let hop = match (self.reason.as_str(), self.status_code) {
            (_, 401 | 403) => {
                "the gateway refuses LINE's signature: its channel secret is not that of this channel"
            }
            (_, 404 | 405) => "the gateway has no webhook at this path",
            (_, 500..=599) => "the way in stands, but the gateway behind it does not answer well",
            ("COULD_NOT_CONNECT", _) => "there is no way in: look at Funnel and its name in DNS",
            ("REQUEST_TIMEOUT", _) => "the gateway took longer than LINE waits",
            _ => "see what LINE says",
        };
        let Self { reason, detail, status_code, .. } = self;
        let status = if *status_code > 0 { format!(" {status_code}") } else { String::new() };
        let said = one_line(&format!("{reason}{status}: {detail}"), SHOWN_CHARS);
        format!("LINE's test call failed, {hop} ({said})")
    }
}

/// LINE did not say anything of the webhook.
fn refused(reply: &Reply) -> Reading {
    let told = reply.told();
    Reading::Unknown(match reply.status {
        401 => format!("LINE refuses the channel access token, issue a new one: {told}"),
        403 => format!("this LINE account may not ask for its webhook: {told}"),
        429 => format!("LINE is asked too often: {told}"),
        _ => format!("LINE did not say: {told}"),
    })
}

/// The name of a host, or the one in the URL of the webhook.
fn host(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return parse::url(text).map(|url| url.host_str().unwrap_or_default().to_ascii_lowercase());
    }
    let good = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    match text.chars().all(good) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "{text:?} is not the name of a host; write something like \"box.tailnet-name.ts.net\""
        )),
    }
}
