//! Any text as a scenario: it is read, or every problem is said. Not built yet: the reader of scenarios comes with
//! the rewrite of the simulation. Fill in its name below and uncomment this, and the [[bin]] in Cargo.toml.
// #![no_main]
//
// use libfuzzer_sys::fuzz_target;
//
// fuzz_target!(|data: &[u8]| {
//     let text = String::from_utf8_lossy(data);
//     let _ = picoclaw_watchdog::sim::scenario::parse(&text);
// });
