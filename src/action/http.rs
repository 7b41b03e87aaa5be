//! Asks a service over HTTP to do something, such as to back up now. Whatever it says of its success is quoted
//! and not believed: the probes judge.

use crate::probe::Check;
use crate::probe::clients::Clients;
use crate::probe::http::error::Fault;
use crate::probe::http::exchange::{Answer, send};
use crate::probe::http::{BODY_CAP, Call, unexpected};
use crate::recovery::evidence::Reading;
use crate::recovery::record::Outcome;
use crate::recovery::time::Age;
use crate::section::{Section, parse};
use crate::values::one_line;
use jiff::Timestamp;
use reqwest::Method;
use std::ops::RangeInclusive;
use std::time::Duration;

/// As long as a program may run by default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The backups that were seen took up to 400 s; beyond half an hour nobody is there any more.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(1800);
/// Characters quoted of an answer.
const QUOTED_CHARS: usize = 200;

/// A request that makes a service do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// What is sent.
    pub call: Call,
    /// The statuses that mean that it was heard.
    pub expect: Vec<RangeInclusive<u16>>,
    /// What has to be so, or nothing is sent.
    pub only_if: Option<Check>,
    /// The longest that the answer may take.
    pub timeout: Duration,
}

impl Http {
    /// Reads `do.http = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let call = Call::read(section, Method::POST);
        let expect = section.list("expect", parse::within(100..=599));
        let only_if = Check::read_by_choice(section, "only_if");
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(TIMEOUT));
        let expect = expect.map(|list| list.into_iter().map(|status| status..=status).collect());
        Some(Self {
            call: call?.for_json(),
            expect: expect.unwrap_or_else(|| vec![200..=299]),
            only_if,
            timeout,
        })
    }

    /// Whether it may be sent now.
    ///
    /// # Errors
    /// What is not as it has to be.
    pub async fn allowed(&self, clients: &Clients) -> Result<(), String> {
        let Some(condition) = &self.only_if else { return Ok(()) };
        match condition.ask(clients, None).await.reading {
            Reading::Pass(_) => Ok(()),
            Reading::Fail(why) | Reading::Unknown(why) => Err(why),
        }
    }

    /// Sends it, and waits for the answer.
    pub async fn perform(&self, clients: &Clients) -> Outcome {
        let exchange = async {
            let request = self.call.request(Timestamp::now()).map_err(Fault::Unclear)?;
            send(clients, &request, BODY_CAP).await
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok(answer)) => self.outcome(&answer),
            Ok(Err(Fault::Theirs(why) | Fault::Unclear(why))) => Outcome::Failed(why),
            Err(_) => Outcome::Failed(format!("no answer within {}", Age(self.timeout))),
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = match answer.body.is_empty() {
            true => String::new(),
            false => format!(", says: {}", one_line(&String::from_utf8_lossy(&answer.body), QUOTED_CHARS)),
        };
        match self.expect.iter().any(|range| range.contains(&answer.status)) {
            true => Outcome::Done(format!("{}{said}", answer.status)),
            false => {
                let why = unexpected(answer.status, answer.location.as_ref());
                Outcome::Failed(format!("{}{said}", why.detail()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::{Source, Variables, read};

    fn reading(text: &str) -> (Option<Http>, Vec<String>) {
        let variables = Variables::new();
        let (http, findings) = read(Source { file: "f", text, variables: &variables }, Http::read);
        (http.flatten(), findings.problems.iter().map(ToString::to_string).collect())
    }

    fn outcome(status: u16, body: &str) -> Outcome {
        let http = reading("url = \"http://x/sync\"").0.unwrap();
        http.outcome(&Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() })
    }

    #[test]
    fn what_a_service_says_is_quoted() {
        let lie = r#"{"success":true,"message":"Sync completed successfully"}"#;
        assert_eq!(outcome(200, lie), Outcome::Done(format!("200, says: {lie}")));
        let failed = r#"{"success":false,"error":"Sync failed"}"#;
        assert_eq!(outcome(500, failed), Outcome::Failed(format!("500, says: {failed}")));
        assert!(outcome(302, "").detail().starts_with("misconfigured probe: 302"));
        assert_eq!(outcome(204, ""), Outcome::Done("204".to_owned()));
        assert!(outcome(200, &"x".repeat(9999)).detail().len() < 300);
    }

    #[test]
    fn it_posts_unless_told_otherwise() {
        let (http, problems) = reading("url = \"http://x/\"\ntimeout = \"420s\"");
        let http = http.unwrap();
        assert_eq!(problems, [""; 0]);
        assert_eq!((http.call.method, http.timeout.as_secs()), (Method::POST, 420));
        assert_eq!(http.expect, [200..=299]);
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_a_problem_and_never_just_left_out() {
        let (_, problems) = reading("url = \"http://x/\"\nonly_if.http = { url = \"x\" }");
        assert!(problems[0].contains("error") && problems[0].contains("only_if.http.url"), "{problems:?}");
    }
}
