//! The state file, damaged in every place and of an older program: no limit may loosen, nothing may crash, and a
//! person is told once.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::host::memory::{Memory, Start};
use picoclaw_watchdog::recovery::decide::{Decision, decide};
use picoclaw_watchdog::recovery::evidence::{Evidence, Name, ProbeReport, Reading};
use picoclaw_watchdog::recovery::outbox::Kind;
use picoclaw_watchdog::recovery::state::Phase;
use std::fs;
use std::path::{Path, PathBuf};

const FILES: [&str; 2] = ["state.json", "state.prev.json"];

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

/// A pass in which the gateway is down, and everything that would be done about it.
fn decide_on(start: &Start, config: &Config) -> Decision {
    let name = |text| Name::parse(text).unwrap();
    let reading = Reading::Fail("nothing listens on port 59871".to_owned());
    let report = ProbeReport { target: name("gateway"), probe: name("port"), reading, blames: Vec::new() };
    let troubles = start.trouble.iter().cloned().collect();
    let evidence = Evidence { probes: vec![report], troubles, ..Evidence::default() };
    decide(&config.policy, start.state.clone(), &evidence, start.clock.now())
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

/// Damages one or both generations in one way and checks what follows.
fn check(dir: &Path, documents: &[Vec<u8>; 2], config: &Config, what: &str) {
    let start = open(dir, documents, config);
    let decision = decide_on(&start, config);
    assert!(decision.attempts.is_empty(), "{what}: {:?}", decision.attempts);
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
    let [current, previous] = generations();
    for at in 0..current.len() {
        let mut flipped = current.clone();
        flipped[at] ^= 1 << (at % 8);
        check(
            dir.path(),
            &[flipped.clone(), previous.clone()],
            &config,
            &format!("bit {} of byte {at}", at % 8),
        );
        let cut = current[..at].to_vec();
        check(dir.path(), &[cut, previous.clone()], &config, &format!("cut at {at}"));
        let mut both = previous.clone();
        both.truncate(at.min(previous.len() - 1));
        check(dir.path(), &[flipped, both], &config, &format!("both, at {at}"));
    }
}
