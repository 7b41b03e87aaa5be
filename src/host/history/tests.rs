//! The recorder on real files: what is written, what is not, how much, and what survives.

use super::*;
use crate::config::{Sources, compile};
use crate::cycle::Scope;
use crate::recovery::decide::decide;
use crate::recovery::evidence::{ProbeReport, Reading};
use crate::recovery::record::Outcome;
use crate::recovery::time::Timestamp;
use nix::time::ClockId;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

fn policy() -> Policy {
    let config = r#"
interval = "60s"
[[target]]
name = "gateway"
window = { attempts = 3, per = "10m" }
ladder = [{ action = "restart", tries = 3 }]
[[target.probe]]
name = "health"
fail_after = 2
check.http = { url = "http://127.0.0.1:1/health", timeout = "1s" }
[action.restart]
do.run = { argv = ["true"] }
"#;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("watchdog.toml");
    fs::write(&path, config).unwrap();
    let mut sources = Sources::gather(Some(&path));
    sources.home = "/home/pico".into();
    let compiled = compile(&sources);
    compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems)).policy
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn at(seconds: u64) -> Now {
    Now { at: Timestamp(seconds * 1000), wall: 1_771_556_400 + seconds, entropy: 1 }
}

/// A watchdog without a world: the policy, its state, and the recorder.
struct Story {
    policy: Policy,
    state: State,
    history: History,
    dir: tempfile::TempDir,
}

impl Story {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::default();
        let history = History::begin(dir.path(), &state, &[Secret::new("hunt\"er2")], at(0));
        Self { policy: policy(), state, history, dir }
    }

    fn pass(&mut self, seconds: u64, scope: &Scope, reading: Reading) -> Vec<Attempt> {
        let (target, probe) = (name("gateway"), name("health"));
        let probes = vec![ProbeReport { target, probe, reading, blames: Vec::new(), excused: None }];
        let evidence = Evidence { probes, ..Evidence::default() };
        let now = at(seconds);
        self.history.saw(scope, &evidence, now);
        let decision = decide(&self.policy, self.state.clone(), &evidence, now);
        self.state = decision.state;
        self.history.offered(&self.state);
        for attempt in &decision.attempts {
            self.history.attempt(&self.policy, attempt, now);
            self.history.outcome(attempt, &Outcome::Failed("no hunt\"er2 here".to_owned()), now);
        }
        let (verdicts, closed, quick) = (decision.verdicts, decision.closed, decision.quick);
        self.history
            .pass(&self.state, &Report { began: now.at, now, verdicts, done: Vec::new(), closed, quick });
        decision.attempts
    }

    fn full(&mut self, seconds: u64, reading: Reading) -> Vec<Attempt> {
        self.pass(seconds, &Scope::Everything, reading)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.dir.path().join("history/history.jsonl")).unwrap()
    }
}

fn pass(text: &str) -> Reading {
    Reading::Pass(text.to_owned())
}

fn fail() -> Reading {
    Reading::Fail("connection refused".to_owned())
}

#[test]
fn a_healthy_cycle_writes_nothing_and_a_change_writes_a_line() {
    let mut story = Story::new();
    story.full(1, pass("200 in 1 ms"));
    let began = story.text();
    assert_eq!(began.lines().count(), 2, "{began}");
    (1..50).for_each(|n| drop(story.full(n * 60, pass(&format!("200 in {n} ms")))));
    assert_eq!(story.text(), began);
    story.full(3000, Reading::Unknown("no route".to_owned()));
    assert_eq!(story.text().lines().count(), 3);
    story.pass(3002, &Scope::Targets(BTreeSet::new()), pass("nothing new for a letter"));
    story.full(3060, pass("200 in 1 ms"));
    assert_eq!(story.text().lines().count(), 4, "{}", story.text());
}

#[test]
fn an_attempt_is_kept_with_what_was_seen_and_the_budget() {
    let mut story = Story::new();
    story.full(1, pass("200"));
    assert!(story.full(60, fail()).is_empty());
    let targets = BTreeSet::from([name("gateway")]);
    assert_eq!(story.pass(62, &Scope::Targets(targets), fail()).len(), 1);
    let lines = read(story.dir.path()).unwrap();
    let attempt = lines.iter().find(|line| kind_of(&line.record) == "attempt").unwrap();
    let Record::Attempt { id: 1, verdict, .. } = &attempt.record else { panic!("{attempt:?}") };
    assert_eq!((verdict.probes[0].fails, verdict.probes[0].fail_after), (2, 2), "{verdict:#?}");
    assert_eq!(verdict.probes[0].detail, "connection refused");
    assert_eq!((verdict.attempts_used, verdict.attempts_allowed), (1, 3));
    assert!(verdict.incident.is_some() && verdict.ruling.starts_with("do restart now"), "{verdict:#?}");
    let kinds: Vec<String> = lines.iter().map(|line| kind_of(&line.record)).collect();
    assert_eq!(kinds, ["keyframe", "pass", "pass", "pass", "attempt", "outcome", "opened"]);
    assert!(!story.text().contains("hunt"), "{}", story.text());
}

fn kind_of(record: &Record) -> String {
    serde_json::to_value(record).unwrap()["is"].as_str().unwrap().to_owned()
}

#[test]
fn it_is_bounded_and_every_file_can_be_understood_by_itself() {
    let mut story = Story::new();
    let long = "x".repeat(20_000);
    for n in 0..1_000 {
        let reading = if n % 2 == 0 { Reading::Unknown(long.clone()) } else { pass(&long) };
        story.full(n * 60, reading);
    }
    let entries: Vec<u64> = fs::read_dir(story.dir.path().join("history"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert_eq!(entries.len(), OLD_FILES + 1);
    assert!(entries.iter().all(|len| *len <= FILE_BYTES_MAX), "{entries:?}");
    let text = story.text();
    let kinds: Vec<String> = text.lines().take(3).map(|line| line.to_owned()).collect();
    assert!(kinds.iter().any(|line| line.contains("\"is\":\"keyframe\"")), "near the head of each file");
    let lines = read(story.dir.path()).unwrap();
    assert!(lines.windows(2).all(|two| two[0].at <= two[1].at));
}

#[test]
fn a_torn_line_a_newer_one_and_garbage_are_left_out() {
    let mut story = Story::new();
    story.full(1, pass("200"));
    let path = story.dir.path().join("history/history.jsonl");
    let newer = story.text().lines().next().unwrap().replacen("\"v\":1", "\"v\":2", 1);
    fs::write(&path, format!("{}{newer}\n\u{0}garbage\n{{\"v\":1,\"at\":5,\"wa", story.text())).unwrap();
    let mut history = History::begin(story.dir.path(), &story.state, &[], at(5));
    assert_eq!(
        read(story.dir.path()).unwrap().len(),
        3,
        "the two from before, and the new keyframe on its own line"
    );
    history.write(at(6), &[Record::Outcome { id: 1, word: "done".to_owned(), detail: String::new() }]);
    assert_eq!(read(story.dir.path()).unwrap().len(), 4);
    fs::remove_dir_all(story.dir.path().join("history")).unwrap();
    assert!(read(story.dir.path()).unwrap().is_empty());
    history.write(at(7), &[Record::Outcome { id: 2, word: "done".to_owned(), detail: String::new() }]);
    assert_eq!(read(story.dir.path()).unwrap().len(), 1, "it comes back after somebody has cleared it away");
}

#[test]
fn a_run_of_one_cycle_goes_on_where_the_last_one_left_off() {
    let mut story = Story::new();
    story.full(1, pass("200"));
    let before = story.text();
    for n in 1..5 {
        story.history = History::resume(story.dir.path(), &story.state, &[], at(n * 60));
        story.full(n * 60, pass("200"));
    }
    assert_eq!(story.text(), before);
    story.history = History::resume(story.dir.path(), &story.state, &[], at(300));
    story.full(300, fail());
    assert_eq!(story.text().lines().count(), 3);
}

#[test]
fn a_full_disk_costs_lines_only() {
    let mut story = Story::new();
    let path = story.dir.path().join("history/history.jsonl");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    story.full(60, fail());
    assert_eq!(story.full(62, fail()).len(), 1, "the repair goes on");
    assert!(!story.history.works);
    fs::remove_dir(&path).unwrap();
    story.full(120, pass("200"));
    assert!(story.history.works);
}

/// Prints what a pass costs; the bound only catches what is wrong by a factor of ten.
#[test]
fn it_costs_microseconds() {
    let mut story = Story::new();
    story.full(1, pass("200"));
    // Of the processor: others may have it meanwhile.
    let spent = || Duration::from(ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap());
    let timed = |count: u32, work: &mut dyn FnMut(u64)| {
        let began = spent();
        (0..count).for_each(|n| work(u64::from(n)));
        (spent() - began) / count
    };
    let (target, probe) = (name("gateway"), name("health"));
    let probes =
        vec![ProbeReport { target, probe, reading: pass("200 in 1 ms"), blames: Vec::new(), excused: None }];
    let evidence = Evidence { probes, ..Evidence::default() };
    let report = Report {
        began: at(2).at,
        now: at(2),
        verdicts: Vec::new(),
        done: Vec::new(),
        closed: Vec::new(),
        quick: None,
    };
    let state = story.state.clone();
    let quiet = timed(10_000, &mut |_| {
        story.history.saw(&Scope::Everything, &evidence, at(2));
        story.history.offered(&state);
        story.history.pass(&state, &report);
    });
    let record = Record::Outcome { id: 1, word: "done".to_owned(), detail: "x".repeat(200) };
    let written = timed(1_000, &mut |_| story.history.write(at(3), std::slice::from_ref(&record)));
    println!("a healthy pass {quiet:?}, a line {written:?}");
    assert!(
        quiet < Duration::from_micros(500) && written < Duration::from_millis(10),
        "{quiet:?} {written:?}"
    );
}
