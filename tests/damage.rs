//! The state file, damaged in every place and of an older program: no limit may loosen, nothing may crash, and a
//! person is told once.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::host::memory::{Memory, Start};
use picoclaw_watchdog::recovery::decide::{Decision, decide};
use picoclaw_watchdog::recovery::evidence::{Evidence, Name, ProbeReport, Reading};
use picoclaw_watchdog::recovery::outbox::Kind;
use picoclaw_watchdog::recovery::state::{Phase, State};
use picoclaw_watchdog::recovery::time::Now;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILES: [&str; 2] = ["state.json", "state.prev.json"];
/// More than it takes to believe in a failure and to act on it.
const PASSES: u32 = 4;
/// As configured. All passes lie within one window.
const INTERVAL: Duration = Duration::from_secs(60);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state")
}

fn config() -> Config {
    let path = fixtures().join("watchdog.toml");
    let text = fs::read_to_string(&path).unwrap();
    let toml = Some(SourceFile { path, text, mode: 0o600 });
    compile(&Sources { home: "/home/pico".into(), toml, ..Sources::default() }).config.unwrap()
}

/// The two generations that release 0.1.0 left behind in the middle of an incident, its window spent.
fn generations() -> [Vec<u8>; 2] {
    FILES.map(|file| fs::read(fixtures().join("0.1.0").join(file)).unwrap())
}

fn open(dir: &Path, documents: &[Vec<u8>; 2], config: &Config) -> Start {
    for (file, document) in FILES.iter().zip(documents) {
        fs::write(dir.join(file), document).unwrap();
    }
    let start = Memory::open(dir, &config.policy).1;
    for entry in fs::read_dir(dir).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    start
}

/// What a first start saves: nothing was ever tried.
fn unspent(config: &Config) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let _opened = Memory::open(dir.path(), &config.policy);
    fs::read(dir.path().join(FILES[0])).unwrap()
}

/// A pass in which the gateway is down, and everything that would be done about it.
fn decide_on(start: &Start, state: State, config: &Config, now: Now) -> Decision {
    let name = |text| Name::parse(text).unwrap();
    let reading = Reading::Fail("nothing listens on port 59871".to_owned());
    let report = ProbeReport {
        target: name("gateway"),
        probe: name("port"),
        reading,
        blames: Vec::new(),
        excused: None,
    };
    let troubles = start.trouble.iter().cloned().collect();
    let evidence = Evidence { probes: vec![report], troubles, ..Evidence::default() };
    decide(&config.policy, state, &evidence, now)
}

/// How often anything is done about a gateway that stays down.
fn attempts_on(start: &Start, config: &Config) -> usize {
    let (mut state, mut now, mut attempts) = (start.state.clone(), start.clock.now(), 0);
    for _ in 0..PASSES {
        let decision = decide_on(start, state, config, now);
        attempts += decision.attempts.len();
        state = decision.state;
        now.at = now.at.after(INTERVAL);
    }
    attempts
}

#[test]
fn the_state_of_an_older_release_is_taken_over_whole() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let start = open(dir.path(), &generations(), &config);
    assert_eq!(start.trouble, None);
    let gateway = &start.state.targets[&config.policy.targets[0].name];
    assert_eq!(gateway.attempts.len(), 3);
    assert!(matches!(gateway.phase, Phase::Exhausted { .. }));
    let (line, outbox) = (Name::parse("line").unwrap(), &start.state.outbox);
    assert!(outbox.letters.len() == 2 && outbox.letters.iter().all(|letter| letter.channel == line));
    assert_eq!(gateway.incident.as_ref().unwrap().heard[&line].raised.len(), 2);
}

/// Checks what follows from generations of which the current one, or both, are damaged. The window counts as spent
/// then, whatever the older one says, so it allows nothing.
fn check(dir: &Path, documents: &[Vec<u8>; 2], config: &Config, what: &str) {
    let start = open(dir, documents, config);
    assert_eq!(attempts_on(&start, config), 0, "{what}");
    let decision = decide_on(&start, start.state.clone(), config, start.clock.now());
    assert_eq!(
        start.trouble.as_ref().map(|trouble| trouble.key.as_str()),
        Some("state_unreadable"),
        "{what}"
    );
    let told = |kind| {
        let letters = decision.state.outbox.letters.iter();
        letters.filter(|letter| letter.key == "state_unreadable" && letter.kind == kind).count()
    };
    assert_eq!((told(Kind::Fault), told(Kind::Recovery)), (1, 0), "{what}");
}

#[test]
fn every_flipped_byte_and_every_truncation_keeps_the_limits_and_is_told_once() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let ([current, previous], unspent) = (generations(), unspent(&config));
    let whole = open(dir.path(), &[unspent.clone(), unspent.clone()], &config);
    assert!(attempts_on(&whole, &config) > 0, "without damage these passes are enough to act");
    for at in 0..current.len() {
        let mut flipped = current.clone();
        flipped[at] ^= 1 << (at % 8);
        let cut = current[..at].to_vec();
        let short = previous[..at.min(previous.len() - 1)].to_vec();
        let cases = [
            ("flipped", &flipped, &previous),
            ("flipped, unspent before", &flipped, &unspent),
            ("cut", &cut, &previous),
            ("cut, unspent before", &cut, &unspent),
            ("both", &flipped, &short),
        ];
        for (how, current, previous) in cases {
            let documents = [current.clone(), previous.clone()];
            check(dir.path(), &documents, &config, &format!("{how}, bit {} of byte {at}", at % 8));
        }
    }
}
