//! The rules that come with the program: every sample line of every format is matched, or not, as annotated.

use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::logscan::matcher::{Matcher, counts};
use std::collections::BTreeSet;
use std::path::Path;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples");
/// What a rule is tried on at least, on each side.
const LEAST: usize = 10;

fn mirai() -> Config {
    let text = include_str!("../config/mirai.toml").to_owned();
    let toml = Some(SourceFile { path: "mirai.toml".into(), text, mode: 0o600 });
    let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
    let told: Vec<String> = compiled.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0]);
    compiled.config.unwrap()
}

/// The lines of a rule: whether each must match, and its text.
fn samples(name: &str) -> Vec<(bool, String)> {
    let text = std::fs::read_to_string(Path::new(SAMPLES).join(format!("{name}.log"))).unwrap();
    let line = |line: &str| match line.split_at(2) {
        ("+ ", text) => Some((true, text.to_owned())),
        ("- ", text) => Some((false, text.to_owned())),
        ("# ", _) => None,
        (_, _) => panic!("{name}: not annotated: {line}"),
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn every_shipped_rule_matches_what_it_means_and_nothing_else() {
    let config = mirai();
    assert_eq!(config.scan.rules.len(), 12, "the rules of the Mirai system");
    let mut wrong = Vec::new();
    for watched in &config.scan.rules {
        let samples = samples(watched.target.as_str());
        for wanted in [true, false] {
            let count = samples.iter().filter(|(matches, _)| *matches == wanted).count();
            assert!(count >= LEAST, "{}: {count} samples that match: {wanted}", watched.target);
        }
        let differs = samples.iter().filter(|(wanted, line)| counts(&watched.rule, line) != *wanted);
        wrong.extend(
            differs.map(|(wanted, line)| format!("{}: should match: {wanted}: {line}", watched.target)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is found in one pass over everything is what each rule alone finds.
#[test]
fn all_rules_together_find_what_each_finds_alone() {
    let config = mirai();
    let rules: Vec<_> = config.scan.rules.iter().map(|watched| &watched.rule).collect();
    let mut matcher = Matcher::new(rules.iter().copied()).unwrap();
    for watched in &config.scan.rules {
        for (_, line) in samples(watched.target.as_str()) {
            let mut found = BTreeSet::new();
            matcher.events(None, line.as_bytes(), true, &mut |event| {
                if event.excluded.is_none() {
                    found.insert(event.rule);
                }
            });
            let alone =
                rules.iter().enumerate().filter(|(_, rule)| counts(rule, &line)).map(|(index, _)| index);
            assert_eq!(found, alone.collect(), "{line}");
        }
    }
}
