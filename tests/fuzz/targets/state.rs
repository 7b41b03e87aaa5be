//! Any bytes as the state document, in either generation: nothing panics, and damage never leaves a budget.
//!
//! The first byte says how the rest is laid out; without that a fuzzer would only ever see wrong checksums:
//! bit 0 puts a right checksum over the rest, bit 1 adds a good other generation, bit 2 swaps the two.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::host::memory::{Memory, Start};
use picoclaw_watchdog::recovery::decide::decide;
use picoclaw_watchdog::recovery::evidence::{Evidence, Name, ProbeReport, Reading};
use picoclaw_watchdog::recovery::record::{Outcome, record};
use picoclaw_watchdog::recovery::time::Now;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

const POLICY: &str = include_str!("../../fixtures/state/watchdog.toml");
const GOOD: &[u8] = include_bytes!("../../fixtures/state/0.1.0/state.json");

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let toml = Some(SourceFile { path: "w.toml".into(), text: POLICY.to_owned(), mode: 0o600 });
    compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() })
        .config
        .expect("the fixture is good")
});

/// The checksum of the format, written a second time, so that the two check each other.
fn checksum(version: u32, payload: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in version.to_le_bytes().iter().chain(payload) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

fn sealed(payload: &[u8]) -> Vec<u8> {
    let header = format!("{{\"version\":2,\"checksum\":\"{}\"}}\n", checksum(2, payload));
    [header.as_bytes(), payload].concat()
}

fn is_whole(document: &[u8]) -> bool {
    let Some(end) = document.iter().position(|byte| *byte == b'\n') else { return false };
    let Ok(header) = serde_json::from_slice::<serde_json::Value>(&document[..end]) else { return false };
    let Some(version) = header["version"].as_u64().and_then(|version| u32::try_from(version).ok()) else {
        return false;
    };
    header["checksum"] == checksum(version, &document[end + 1..])
}

fn open(documents: [Option<&[u8]>; 2]) -> Start {
    let dir = tempfile::tempdir().expect("a directory");
    for (file, document) in ["state.json", "state.prev.json"].iter().zip(documents) {
        if let Some(document) = document {
            fs::write(dir.path().join(file), document).expect("room");
        }
    }
    let peeked = Memory::peek(dir.path(), &CONFIG.policy).1;
    let start = Memory::open(dir.path(), &CONFIG.policy).1;
    assert!(peeked.trouble.is_none() || start.trouble.is_some(), "a look is no stricter than a start");
    again(dir.path(), &start);
    start
}

/// A crash right after the start, before anything was saved, must not look like a first start.
fn again(dir: &Path, first: &Start) {
    let second = Memory::open(dir, &CONFIG.policy).1;
    assert!(first.trouble.is_none() || second.trouble.is_some(), "{:?}", first.trouble);
}

fn seen(reading: Reading) -> Evidence {
    let name = |text| Name::parse(text).expect("a name");
    let report = ProbeReport { target: name("gateway"), probe: name("port"), reading, blames: Vec::new(), excused: None };
    Evidence { probes: vec![report], ..Evidence::default() }
}

/// A few passes in which the gateway is down, and a few in which it is up. Returns how much was attempted.
fn live(start: &Start) -> usize {
    let (mut state, mut attempts, first) = (start.state.clone(), 0, start.clock.now());
    for pass in 0..8 {
        let now = Now { at: first.at.after(Duration::from_secs(pass)), ..first };
        let text = "what was seen".to_owned();
        let reading = if pass < 4 { Reading::Fail(text) } else { Reading::Pass(text) };
        let decision = decide(&CONFIG.policy, state.clone(), &seen(reading), now);
        state = decision.state;
        for attempt in &decision.attempts {
            record(&CONFIG.policy, &mut state, attempt, &Outcome::Failed("no".to_owned()), now);
        }
        attempts += decision.attempts.len();
    }
    attempts
}

fuzz_target!(|data: &[u8]| {
    let Some((layout, rest)) = data.split_first() else { return };
    let document = if layout & 1 == 0 { rest.to_vec() } else { sealed(rest) };
    let other = (layout & 2 != 0).then_some(GOOD);
    let swapped = layout & 4 != 0;
    let documents = if swapped { [other, Some(&*document)] } else { [Some(&*document), other] };
    let start = open(documents);
    let attempts = live(&start);
    match &start.trouble {
        Some(trouble) => assert_eq!((trouble.key.as_str(), attempts), ("state_unreadable", 0)),
        None => assert!(documents[0].is_some_and(is_whole), "damage was believed"),
    }
});
