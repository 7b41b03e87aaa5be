//! The webhook as LINE sees it: is it switched on, does it lead to us, and does LINE's own test call arrive?
//!
//! The only probe that asks the sender itself. What LINE's API refuses, or is too busy for, says nothing of the
//! webhook and is `Unknown`. Nothing here changes a setting of the channel.

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
    #[serde(default)]
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

fn host(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    match text.chars().all(good) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "{text:?} is not the name of a host; write something like \"box.tailnet-name.ts.net\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> LineWebhook {
        LineWebhook {
            token: Secret::new("a-token"),
            endpoint: Url::parse(LINE).unwrap(),
            host: "box.tail1234.ts.net".to_owned(),
            test: true,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.into(), date: None }
    }

    fn set(status: u16, body: &str) -> Reading {
        probe().leads_to(&reply(status, body)).map_or_else(|reading| reading, Reading::Pass)
    }

    fn tested(body: &str) -> String {
        probe().tested(&reply(200, body)).unwrap_err().detail().to_owned()
    }

    #[test]
    fn a_webhook_that_is_off_or_leads_elsewhere_fails() {
        let ours = r#"{"endpoint":"https://BOX.tail1234.ts.net/webhook/line","active":true}"#;
        assert_eq!(set(200, ours), Reading::Pass("https://BOX.tail1234.ts.net/webhook/line".to_owned()));
        let off = ours.replace("true", "false");
        assert!(matches!(set(200, &off), Reading::Fail(why) if why.contains("switched off")));
        for other in
            ["https://old.tail1234.ts.net/webhook/line", "https://box.tail1234.ts.net.evil.example/", "?"]
        {
            let body = format!(r#"{{"endpoint":"{other}","active":true}}"#);
            assert!(matches!(set(200, &body), Reading::Fail(why) if why.contains(other)), "{other}");
        }
        assert!(matches!(set(404, r#"{"message":"Not found"}"#), Reading::Fail(_)));
        let anywhere = LineWebhook { host: String::new(), ..probe() };
        assert!(anywhere.leads_to(&reply(200, r#"{"endpoint":"https://x.example/","active":true}"#)).is_ok());
    }

    #[test]
    fn what_is_lines_own_affair_is_unknown() {
        for status in [400, 401, 403, 429, 500, 503] {
            assert!(matches!(set(status, r#"{"message":"no"}"#), Reading::Unknown(_)), "{status}");
            assert!(matches!(probe().judge_given(Some(status)), Reading::Unknown(_)), "{status}");
        }
        for garbage in ["", "<html>", "7", r#"{"endpoint":7}"#, r#"{"success":1,"endpoint":"https://a.b/"}"#]
        {
            assert!(matches!(set(200, garbage), Reading::Unknown(_)), "{garbage}");
            assert!(matches!(probe().tested(&reply(200, garbage)), Err(Reading::Unknown(_))), "{garbage}");
        }
        assert!(matches!(probe().tested(&reply(429, "{}")), Err(Reading::Unknown(_))));
        for silence in [Silence::Late, Silence::Theirs("x".into()), Silence::Unclear("x".into())] {
            assert!(matches!(probe().unanswered(silence), Reading::Unknown(_)));
        }
    }

    #[test]
    fn a_failed_test_names_the_hop() {
        let failed = |status: i64, reason: &str| {
            tested(&format!(
                r#"{{"success":false,"timestamp":"2026-11-22T12:00:00.0Z","statusCode":{status},"reason":"{reason}","detail":"d"}}"#
            ))
        };
        assert!(failed(0, "COULD_NOT_CONNECT").contains("Funnel"));
        assert!(failed(-1, "REQUEST_TIMEOUT").contains("longer than LINE waits"));
        assert!(failed(502, "ERROR_STATUS_CODE").contains("gateway behind it"));
        assert!(failed(403, "ERROR_STATUS_CODE").contains("channel secret"));
        assert!(failed(404, "ERROR_STATUS_CODE").ends_with("(ERROR_STATUS_CODE 404: d)"));
        assert!(failed(0, "SOMETHING_NEW").contains("SOMETHING_NEW: d"));
        let good = r#"{"success":true,"timestamp":"2026-11-22T12:00:00.0Z","statusCode":200,"reason":"OK","detail":"200"}"#;
        assert_eq!(probe().tested(&reply(200, good)), Ok(200));
        assert_eq!(probe().tested(&reply(200, &good.replace(r#""success":true,"#, ""))), Ok(200));
        assert!(tested(r#"{"statusCode":0,"reason":"REQUEST_TIMEOUT","detail":""}"#).contains("longer"));
    }

    #[test]
    fn only_a_test_call_needs_a_pace_of_its_own() {
        assert_eq!(probe().needs_every(), Some(Duration::from_secs(300)));
        assert_eq!(LineWebhook { test: false, ..probe() }.needs_every(), None);
        assert!(probe().is_external());
    }
}
