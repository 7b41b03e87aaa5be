//! Any text as the `.env` file: what is read is bounded and in its place, and nothing is invented.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::config::dotenv;
use std::path::Path;

/// The bound of one value, as the reader has it, and a last piece on top.
const VALUE_BYTES_MAX: usize = 128 * 1024;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let env = [("HOME", "/home/x"), ("A", "from the environment")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let found = dotenv::parse(&text, &env, Path::new("/home/x"));
    let lines = text.matches('\n').count() + 1;
    for (name, (value, line)) in &found.values {
        assert!(text.contains(name.as_str()) && !name.starts_with(|c: char| c.is_ascii_digit()), "{name:?}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name:?}");
        assert!((1..=lines).contains(line), "{name} on line {line} of {lines}");
        assert!(value.len() <= VALUE_BYTES_MAX, "{name} has {} bytes", value.len());
    }
    assert!(found.refusals.iter().all(|refusal| (1..=lines).contains(&refusal.line)), "{:?}", found.refusals);
});
