//! The scenarios that come with the program, over the built-in configuration.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test binary uses its own part")]

use picoclaw_watchdog::command::simulate;
use picoclaw_watchdog::config::Sources;
use picoclaw_watchdog::sim::blueprint::Blueprint;
use picoclaw_watchdog::sim::scenario::Scenario;

/// A scenario over the built-in configuration, with nothing of this machine in it.
pub(crate) fn load(name: &str, text: &str) -> (Scenario, Blueprint) {
    let sources = Sources { home: "/home/pico".into(), ..Sources::default() };
    simulate::read(&format!("{name}.toml"), text, sources).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

/// The text of a scenario that comes with the program.
pub(crate) fn shipped(name: &str) -> &'static str {
    simulate::SHIPPED.iter().find(|(known, _)| *known == name).unwrap().1
}
