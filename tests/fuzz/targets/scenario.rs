//! Any text as a scenario: it is read and played for a while, or every problem is said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::command::simulate;
use picoclaw_watchdog::config::Sources;
use std::time::Duration;

/// Long enough for its first events.
const PLAYED: Duration = Duration::from_secs(120);

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let sources = Sources { home: "/home/pico".into(), ..Sources::default() };
    match simulate::read("scenario.toml", &text, sources) {
        Ok((scenario, blueprint)) => drop(scenario.play(&blueprint, 1, PLAYED, |_| {})),
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
});
