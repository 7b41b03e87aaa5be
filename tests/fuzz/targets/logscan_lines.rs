//! Any patterns on any bytes: what the engine finds in blocks is what plain regular expressions find line by line.
//!
//! The first lines are the patterns; behind an empty line follows the log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::logscan::engine::Engine;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// More than can disturb one another at one place.
const PATTERNS_MAX: usize = 8;

/// A line, by number, and the patterns that match it.
type Found = Vec<(usize, Vec<usize>)>;

/// Expressions that know nothing of texts, blocks and lines.
fn plain(patterns: &[&str]) -> Option<Vec<Regex>> {
    let syntax = syntax::Config::new().case_insensitive(true).multi_line(true).unicode(false).utf8(false);
    let config = Regex::config().utf8_empty(false);
    let one = |text: &&str| Regex::builder().syntax(syntax).configure(config.clone()).build(text).ok();
    patterns.iter().map(one).collect()
}

fn expected(plain: &[Regex], lines: &[&[u8]]) -> Found {
    let hits = |line: &[u8]| (0..plain.len()).filter(|at| plain[*at].is_match(line)).collect::<Vec<_>>();
    lines.iter().map(|line| hits(line)).enumerate().filter(|(_, hits)| !hits.is_empty()).collect()
}

/// What the engine finds in a text, whose first line has the number `first`.
fn found(engine: &mut Engine, text: &[u8], first: usize, into: &mut Found) {
    engine.scan(text, |line, hits| {
        let number = text[..line.start].iter().filter(|byte| **byte == b'\n').count();
        assert!(!text[line].contains(&b'\n'), "a line is one line");
        into.push((first + number, hits.iter().collect()));
    });
}

fuzz_target!(|data: &[u8]| {
    let split = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let log = data.get(split + 2..).unwrap_or_default();
    let Ok(head) = std::str::from_utf8(&data[..split]) else { return };
    let mut patterns: Vec<&str> = head.lines().take(PATTERNS_MAX).collect();
    // What is refused says why, each by itself and none because of another.
    patterns.retain(|pattern| match Engine::compile(&[pattern]) {
        Ok(_) => true,
        Err(refused) => {
            assert!(refused.len() == 1 && refused[0].pattern == 0 && !refused[0].reason.is_empty());
            false
        }
    });
    let (Ok(mut engine), Some(plain)) = (Engine::compile(&patterns), plain(&patterns)) else { return };
    let whole = log.strip_suffix(b"\n").unwrap_or(log);
    let lines: Vec<&[u8]> =
        if log.is_empty() { Vec::new() } else { whole.split(|byte| *byte == b'\n').collect() };
    let expected = expected(&plain, &lines);
    let (mut at_once, mut halves) = (Found::new(), Found::new());
    found(&mut engine, log, 0, &mut at_once);
    assert_eq!(at_once, expected, "{patterns:?}");
    let half = log[..log.len() / 2].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let before = log[..half].iter().filter(|byte| **byte == b'\n').count();
    found(&mut engine, &log[..half], 0, &mut halves);
    found(&mut engine, &log[half..], before, &mut halves);
    assert_eq!(halves, expected, "{patterns:?}, in two blocks");
});
