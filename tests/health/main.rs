//! The health checks against real servers: PostgreSQL and Redis as Debian packages them, up, stopped, hung, full,
//! refusing, and killed while they are asked. Then the program as a whole: what `once` and `status` print of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]
#![allow(clippy::print_stderr, reason = "a skipped test must be seen")]

#[path = "../common/mod.rs"]
mod common;

mod postgres;
mod program;
mod redis;
mod server;

use picoclaw_watchdog::config::{SourceFile, Sources, compile};
use picoclaw_watchdog::probe::Probe;
use picoclaw_watchdog::probe::clients::Clients;
use picoclaw_watchdog::recovery::evidence::Reading;

/// The probe `check.KIND = { SETTINGS }`.
fn probe(check: &str) -> Probe {
    let text =
        format!("[[target]]\nname = \"server\"\n[[target.probe]]\nname = \"answers\"\ncheck.{check}\n");
    let toml = Some(SourceFile { path: "watchdog.toml".into(), text, mode: 0o600 });
    let compiled = compile(&Sources { home: "/home/pico".into(), toml, ..Sources::default() });
    compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems)).probes.remove(0)
}

/// What it says.
fn ask(check: &str) -> Reading {
    let probe = probe(check);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(probe.ask(&Clients::new(), None)).reading
}

#[track_caller]
fn passes(reading: Reading, words: &str) {
    assert!(matches!(&reading, Reading::Pass(text) if text.contains(words)), "{words}: {reading:?}");
}

#[track_caller]
fn fails(reading: Reading, words: &str) {
    assert!(matches!(&reading, Reading::Fail(text) if text.contains(words)), "{words}: {reading:?}");
}

#[track_caller]
fn knows_nothing(reading: Reading, words: &str) {
    assert!(matches!(&reading, Reading::Unknown(text) if text.contains(words)), "{words}: {reading:?}");
}
