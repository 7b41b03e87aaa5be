//! A made-up night, recorded as the daemon records it, and run again: under the same policy nothing differs.

use super::*;
use crate::config::{Sources, compile};
use crate::cycle::{self, Scope, World};
use crate::host::history::History;
use crate::recovery::cadence::Fulls;
use crate::recovery::decide::{Answer, Attempt};
use crate::recovery::evidence::{Delivery, Evidence, ProbeReport, Reading, Receipt, Resting};
use crate::recovery::outbox::Letter;
use crate::recovery::policy::Policy;
use crate::recovery::state::State;
use crate::recovery::time::{Now, Timestamp};
use std::ops::Range;

const CONFIG: &str = r#"
interval = "60s"
[[target]]
name = "gateway"
window = { attempts = 3, per = "10m" }
ladder = [{ action = "restart", tries = 3 }]
[[target.probe]]
name = "health"
fail_after = 2
check.http = { url = "http://127.0.0.1:1/health", timeout = "12s" }
[action.restart]
do.run = { argv = ["true"] }
"#;

fn policy(config: &str) -> Policy {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("watchdog.toml");
    std::fs::write(&path, config).unwrap();
    let mut sources = Sources::gather(Some(&path));
    sources.home = "/home/pico".into();
    let compiled = compile(&sources);
    let mut policy = compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems)).policy;
    policy.alerts.channels[0].on = Ok(());
    policy
}

/// A gateway that does not answer in some spans of time (in seconds), whatever is done.
struct Night {
    policy: Policy,
    history: History,
    now_ms: u64,
    down: Vec<Range<u64>>,
    receipts: Vec<Receipt>,
}

impl World for Night {
    fn now(&mut self) -> Now {
        Now {
            at: Timestamp(self.now_ms),
            wall: 1_771_556_400 + self.now_ms / 1000,
            entropy: u128::from(self.now_ms),
        }
    }

    async fn observe(&mut self, scope: &Scope, _: &Resting) -> Evidence {
        let gateway = Name::parse("gateway").unwrap();
        let asked = match scope {
            Scope::Everything => true,
            Scope::Targets(names) => names.contains(&gateway),
            Scope::Units(_) => false,
        };
        let mut evidence = Evidence { receipts: std::mem::take(&mut self.receipts), ..Evidence::default() };
        if asked {
            let down = self.down.iter().any(|span| span.contains(&(self.now_ms / 1000)));
            // Who hangs is known to hang only when the time is over.
            self.now_ms += if down { 12_000 } else { 20 };
            let reading = if down {
                Reading::Fail("no full answer within 12 s".to_owned())
            } else {
                Reading::Pass("200".to_owned())
            };
            let probe = Name::parse("health").unwrap();
            evidence.probes.push(ProbeReport {
                target: gateway,
                probe,
                reading,
                blames: Vec::new(),
                excused: None,
            });
        }
        let now = self.now();
        self.history.saw(scope, &evidence, now);
        evidence
    }

    fn compose(&mut self, letters: &[&Letter]) -> String {
        letters.iter().map(|letter| letter.text.as_str()).collect()
    }

    fn save(&mut self, state: &State) -> Result<(), String> {
        self.history.offered(state);
        Ok(())
    }

    async fn perform(&mut self, attempt: &Attempt) -> Outcome {
        let now = self.now();
        self.history.attempt(&self.policy, attempt, now);
        self.now_ms += 300;
        let outcome = Outcome::Done("restarted".to_owned());
        let now = self.now();
        self.history.outcome(attempt, &outcome, now);
        outcome
    }

    fn send(&mut self, letter: &Letter) {
        let delivery = Delivery::Accepted { request_id: "r".to_owned() };
        self.receipts.push(Receipt { alert: letter.id, delivery });
    }

    fn answer(&mut self, _: &Answer, _: Option<&Outcome>) {}
}

/// Six hours: a hang that one restart ends, and one that lasts for an hour.
async fn night() -> (tempfile::TempDir, Vec<Line>) {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::default();
    let start = Now { at: Timestamp(1_000_000), wall: 1_771_557_400, entropy: 1 };
    let history = History::begin(dir.path(), &state, &[], start);
    let policy = policy(CONFIG);
    let down = vec![3_000..3_070, 7_777..11_400];
    let mut night = Night { policy: policy.clone(), history, now_ms: 1_000_000, down, receipts: Vec::new() };
    let (mut scope, mut fulls) = (Scope::Everything, Fulls::default());
    while night.now_ms < 22_600_000 {
        let report = cycle::run(&policy, &mut state, &mut night, &scope).await;
        night.history.pass(&state, &report);
        if scope == Scope::Everything {
            fulls.add(report.began, report.now.at);
        }
        let (at, next) = cycle::next_pass(&policy, fulls, &report);
        night.now_ms = night.now_ms.max(at.0);
        scope = next;
    }
    let lines = history::read(dir.path()).unwrap();
    (dir, lines)
}

fn again(lines: &[Line], policy: &Policy, wanted: u64) -> Comparison {
    let (recording, then) = recording(lines, wanted).unwrap();
    compare(&recording, &then, replay(policy, &recording), wanted)
}

#[tokio::test(flavor = "current_thread")]
async fn under_the_same_policy_nothing_differs() {
    let (_dir, lines) = night().await;
    let same = again(&lines, &policy(CONFIG), 0);
    let rows: Vec<String> = same.decisions.iter().map(Row::text).collect();
    assert_eq!(same.differ, 0, "{rows:#?}");
    let count = |words: &str| same.decisions.iter().filter(|row| row.what.contains(words)).count();
    assert!(count("gateway: restart") >= 5 && count("gateway: over") == 2, "{rows:#?}");
    assert!(count("gateway_limit") + count("(fault)") >= 1 && count("(recovery)") >= 1, "{rows:#?}");
    // What follows the last line is silence, and is not played.
    assert!(same.passes > 200 && same.not_recorded.is_empty(), "{}", same.passes);
}

#[tokio::test(flavor = "current_thread")]
async fn another_policy_shows_what_it_would_have_changed() {
    let (_dir, lines) = night().await;
    let patient = policy(&CONFIG.replace("fail_after = 2", "fail_after = 90"));
    let other = again(&lines, &patient, 0);
    let lost = |row: &&Row| row.what == "gateway: restart" && row.now.is_none();
    assert!(other.decisions.iter().filter(lost).count() >= 5 && other.differ > 5, "{}", other.differ);
    let later = again(&lines, &patient, 1_771_556_400 + 7_000);
    assert!(later.decisions.len() < other.decisions.len(), "only what was asked for is shown");
    let more = policy(&format!(
        "{CONFIG}\n[[target]]\nname = \"ollama\"\n[[target.probe]]\nname = \"models\"\ncheck.http = {{ url = \"http://127.0.0.1:1/\" }}\n"
    ));
    assert_eq!(again(&lines, &more, 0).not_recorded, ["ollama/models"]);
}

#[test]
fn without_a_beginning_nothing_can_be_played() {
    assert!(recording(&[], 0).is_none());
}
