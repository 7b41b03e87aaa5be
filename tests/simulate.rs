//! `simulate` and what `check` foretells, as they are typed: the real binary, its configuration, its exit codes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use serde_json::Value;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// The gateway crashes once, and may be restarted so often.
fn crash(restarts: u32) -> String {
    format!(
        r#"
title = "A crash"
for = "1h"
[[event]]
at = "10m"
target = "gateway"
is = "crashed"
[expect]
restarts = {{ max = {restarts} }}
"#
    )
}

/// A home without anything in it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.0.path().join(".picoclaw")).unwrap();
        desk
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Its exit code, and all that it printed.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picoclaw-watchdog"));
        command.env_clear().env("HOME", self.0.path()).current_dir(self.0.path());
        let output = command.args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// What it prints of a day in which everything goes wrong by chance.
    fn day(&self, more: &[&str]) -> String {
        let (code, out, err) = self.run(&[&["simulate", "random", "--for", "1d"], more].concat());
        assert!([0, 1].contains(&code), "{code}: {err}");
        out
    }
}

#[test]
fn the_same_seed_tells_the_same_story_to_the_byte() {
    let desk = Desk::new();
    let story = desk.day(&["--seed", "7", "--json"]);
    assert_eq!(desk.day(&["--seed", "7", "--json"]), story);
    assert_ne!(desk.day(&["--seed", "8", "--json"]), story);
    let told: Value = serde_json::from_str(&story).unwrap();
    assert_eq!(
        (told["schema"].as_u64(), told["seed"].as_u64(), told["for_s"].as_u64()),
        (Some(1), Some(7), Some(86_400))
    );
    assert!(told["totals"].is_object() && !told["story"].as_array().unwrap().is_empty());
}

#[test]
fn it_is_the_real_configuration_that_is_played() {
    let desk = Desk::new();
    let usual = desk.day(&[]);
    desk.put("own.toml", include_str!("../config/watchdog.toml"));
    // Commands in its messages name the file.
    let (own, option) =
        (desk.day(&["--config", "own.toml"]), format!(" --config {}/own.toml", desk.0.path().display()));
    assert!(own.contains(&format!("picoclaw-watchdog{option} explain ollama")), "{own}");
    assert_eq!(own.replace(&option, ""), usual, "the built-in one");
    desk.put(".picoclaw/.env", "PICOCLAW_WATCHDOG_INTERVAL_SEC=300\n");
    assert_ne!(desk.day(&[]), usual);
    desk.put("own.toml", "interval = 60\n");
    let (code, _, err) = desk.run(&["simulate", "S0", "--config", "own.toml"]);
    assert!(code == 78 && err.contains("own.toml:1:12"), "{code}: {err}");
}

#[test]
fn a_scenario_of_ones_own_is_judged() {
    let desk = Desk::new();
    for (restarts, ends) in [(1, 0), (0, 1)] {
        desk.put("crash.toml", &crash(restarts));
        let (code, out, err) = desk.run(&["simulate", "crash.toml"]);
        assert_eq!(code, ends, "{out}{err}");
        assert_eq!(out.contains("MISSED restarts = 0: 1"), restarts == 0, "{out}");
    }
    desk.put("crash.toml", "fro = '1h'\n");
    let (code, _, err) = desk.run(&["simulate", "crash.toml"]);
    assert!(code != 0 && err.contains("crash.toml"), "{code}: {err}");
}

#[test]
fn those_that_come_with_the_program_are_listed() {
    let (code, out, _) = Desk::new().run(&["simulate", "--list"]);
    assert_eq!(code, 0);
    for name in ["S0", "S10", "random", "port-taken"] {
        assert!(out.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}: {out}");
    }
}

#[test]
fn check_foretells_the_worst() {
    let desk = Desk::new();
    // Messages are foretold once somebody is written to.
    let somebody = "PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED=true\nPICOCLAW_WATCHDOG_LINE_NOTIFY_TO=U00000000000000000000000000000000\n\
                    PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN=a-token\n";
    desk.put(".picoclaw/.env", somebody);
    let (code, out, err) = desk.run(&["check"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.lines().any(|line| line.starts_with("at worst   gateway: 18 attempts in an hour")), "{out}");
    assert!(
        out.lines().any(|line| line.starts_with("at worst") && line.contains(" messages a month")),
        "{out}"
    );
    let told: Value = serde_json::from_str(&desk.run(&["check", "--json"]).1).unwrap();
    assert_eq!(told["schema"], 1);
    assert!(told["worst"].is_object(), "{told}");
}
