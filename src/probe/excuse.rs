//! What is asked when a probe fails: where it holds, the failure is none. A sleeper is not woken again and again to be
//! asked, so what it said is remembered for a while; and nothing excuses for ever.

use super::{Answer, Check, Unit};
use crate::probe::clients::Clients;
use crate::recovery::evidence::{Excused, Reading};
use crate::section::{Section, parse};
use std::time::Duration;

const LEAST: Duration = Duration::from_secs(1);
/// Ten years, the longest duration that can be written.
const MOST: Duration = Duration::from_secs(3650 * 86_400);
/// A day: what was said longer ago says nothing of now.
const MOST_EVERY: Duration = Duration::from_secs(86_400);

/// One excuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excuse {
    /// What has to hold.
    pub check: Check,
    /// How long beyond its limit an age may be for this to excuse it; none means for ever.
    pub bound: Option<Duration>,
    /// How long what was said counts; none means that it is asked each time.
    pub every: Option<Duration>,
}

impl Excuse {
    /// Reads `excuse = { … }` or a list of them, of which one is enough. Those that are switched off are left out.
    pub fn read_all(section: &mut Section<'_>) -> Vec<Self> {
        match section.is_table("excuse") {
            true => section.table("excuse", Self::read).into_iter().collect(),
            false => section.tables("excuse", Self::read),
        }
    }

    fn read(section: &mut Section<'_>) -> Option<Self> {
        let on = section.switched_off().is_none();
        let bound = section.opt("for", parse::span(LEAST..=MOST));
        let every = section.opt("every", parse::span(LEAST..=MOST_EVERY));
        let check = Check::read_within(section, "excuse")?;
        on.then_some(Self { check, bound, every })
    }

    /// What became of a failure, when this excuses it.
    pub(super) async fn ask(
        &self,
        answer: &Answer,
        clients: &Clients,
        unit: Option<&Unit>,
    ) -> Option<Answer> {
        // Since when it is too late only an age tells; what is broken in another way is not a matter of time.
        let left = match self.bound {
            Some(bound) => bound.checked_sub(answer.overdue?)?,
            None => MOST,
        };
        match Box::pin(self.check.ask(clients, unit)).await.reading {
            Reading::Pass(said) => {
                let holds = self.every.unwrap_or_default().min(left);
                let reading = excused(answer.reading.detail(), &said);
                Some(Answer { excused: Some(Excused::Anew { said, holds }), ..reading.into() })
            }
            Reading::Fail(_) | Reading::Unknown(_) => None,
        }
    }
}

/// A failure that is told as a pass.
pub(super) fn excused(why: &str, said: &str) -> Reading {
    Reading::Pass(format!("{why}, but excused: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Probe;
    use crate::recovery::evidence::Name;
    use crate::section::{Source, Variables, read};
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    /// A moltworker whose backup is so many minutes old, and what it says of itself.
    fn worker(minutes: i64, status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for visitor in listener.incoming() {
                let visitor = visitor.unwrap();
                let (mut reader, mut first) = (BufReader::new(&visitor), String::new());
                reader.read_line(&mut first).unwrap();
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                let now = jiff::Timestamp::now();
                let body = match first.contains("/status") {
                    true => format!(r#"{{"status":"{status}"}}"#),
                    false => format!(r#"{{"lastSync":{}}}"#, now.as_second() - minutes * 60),
                };
                let (date, length) = (now.strftime("%a, %d %b %Y %H:%M:%S GMT"), body.len());
                let _ = write!(
                    &visitor,
                    "HTTP/1.1 200 X\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            }
        });
        base
    }

    fn probe(base: &str) -> Probe {
        let text = format!(
            "check.http = {{ url = \"{base}/storage\", age = {{ pointer = \"/lastSync\", max = \"20m\" }} }}\n\
             [[excuse]]\nfor = \"30d\"\nevery = \"6h\"\n\
             http = {{ url = \"{base}/status\", json = [{{ pointer = \"/status\", equals = \"not_running\" }}] }}\n\
             [[excuse]]\nfor = \"15m\"\n\
             http = {{ url = \"{base}/status\", json = [{{ pointer = \"/status\", equals = \"not_responding\" }}] }}\n"
        );
        let variables = Variables::new();
        let (probe, findings) = read(Source { file: "f", text: &text, variables: &variables }, |root| {
            let (target, name) = (Name::known("backup"), Name::known("age"));
            Some(Probe { target, name, check: Check::read(root)?, excuses: Excuse::read_all(root) })
        });
        assert!(findings.problems.is_empty(), "{:?}", findings.problems);
        probe.flatten().unwrap()
    }

    async fn asked(minutes: i64, status: &'static str) -> Answer {
        probe(&worker(minutes, status)).ask(&Clients::new(), None).await
    }

    #[tokio::test]
    async fn a_start_is_an_excuse_for_minutes_and_sleep_for_weeks() {
        let passes = async |minutes, status| matches!(asked(minutes, status).await.reading, Reading::Pass(_));
        assert!(passes(30, "not_responding").await && !passes(36, "not_responding").await);
        assert!(passes(29 * 1440, "not_running").await && !passes(31 * 1440, "not_running").await);
        assert!(!passes(30, "running").await);
    }

    #[tokio::test]
    async fn what_a_sleeper_said_is_remembered_but_never_beyond_its_bound() {
        let holds = async |minutes, status| match asked(minutes, status).await.excused {
            Some(Excused::Anew { holds, .. }) => holds.as_secs().div_ceil(3600),
            other @ (Some(Excused::Still) | None) => panic!("{other:?}"),
        };
        assert_eq!(holds(60, "not_running").await, 6);
        assert_eq!(holds(30 * 1440 - 60, "not_running").await, 2, "an hour and twenty minutes are left");
        assert_eq!(holds(30, "not_responding").await, 0);
    }

    #[tokio::test]
    async fn nobody_is_asked_while_a_sleeper_is_remembered() {
        let (probe, clients) = (probe(&worker(60, "running")), Clients::new());
        let answer = probe.ask_again(&clients, None, Some("200, it sleeps")).await;
        assert_eq!(answer.excused, Some(Excused::Still));
        assert!(answer.reading.detail().ends_with("more than 20 min, but excused: 200, it sleeps"));
        assert!(matches!(probe.ask(&clients, None).await.reading, Reading::Fail(_)));
    }
}
