//! Any bytes as an error_patterns.json: it compiles into rules that can be scanned for, or every problem is said.
//! The same file is read twice: as it is, and trusted, with all that its fixes may need.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::config::{SourceFile, Sources, compile};
use picoclaw_watchdog::logscan::scanner::Scanner;
use picoclaw_watchdog::recovery::decide::decide;
use picoclaw_watchdog::recovery::evidence::Evidence;
use picoclaw_watchdog::recovery::scan::ScanMark;
use picoclaw_watchdog::recovery::state::State;
use picoclaw_watchdog::recovery::time::{Now, Timestamp};
use picoclaw_watchdog::section::Severity;

const PATH: &str = "/m/scripts/error_patterns.json";
const TRUSTED: &str = include_str!("../../fixtures/mirai/trusted.toml");

fn read(patterns: &str, more: &str) {
    let file = |path: &str, text: String| Some(SourceFile { path: path.into(), text, mode: 0o600 });
    let toml = format!("[mirai]\npatterns_file = \"{PATH}\"\n{more}");
    let sources = Sources {
        toml: file("w.toml", toml),
        patterns: file(PATH, patterns.to_owned()),
        home: "/home/x".into(),
        ..Sources::default()
    };
    let compiled = compile(&sources);
    let errors: Vec<_> =
        compiled.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert_eq!(compiled.config.is_none(), !errors.is_empty());
    for problem in &compiled.problems {
        let said = problem.to_string();
        assert!(!said.trim().is_empty() && said.contains(['/', '.']), "it says where: {said:?}");
    }
    let Some(config) = compiled.config else { return };
    Scanner::look(&config.scan, &ScanMark::default()).expect("what was accepted can be looked for");
    if more.is_empty() {
        let acts = config.policy.targets.iter().any(|target| !target.ladder.is_empty());
        assert!(!acts, "what nobody trusts leads to no action");
    }
    let now = Now { at: Timestamp(10_000_000), wall: 1_770_000_000, entropy: 1 };
    let spent = State::assume_spent(&config.policy, now.at);
    assert!(decide(&config.policy, spent, &Evidence::default(), now).attempts.is_empty());
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    read(&text, "");
    read(&text, TRUSTED);
});
