//! From blocks of bytes to events: a line, or a whole traceback, that a rule is about. It knows neither files nor time.

use super::engine::{self, Engine, Hits, Refused};
use super::rule::Rule;
use super::traceback;
use crate::recovery::evidence::Name;
use memchr::{memmem, memrchr};
use regex_automata::meta::Regex;
use std::collections::BTreeMap;
use std::ops::Range;

/// Something that a rule's pattern matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'b> {
    /// The rule, by its number.
    pub rule: usize,
    /// The line; of a traceback the last one, which names the exception.
    pub line: &'b [u8],
    /// Where the line, or the first one of the traceback, begins in the block.
    pub at: usize,
    /// The exclusion that took it out, by its number; none when it counts.
    pub excluded: Option<usize>,
}

/// How we are called in the system's log, which takes over the journal with our lines in it.
const OWN_TAG: &[u8] = b"picoclaw-watchdog";
/// What stands in each of our lines, in this order; the stamp before it is in brackets.
const OWN_FIELDS: [&[u8]; 4] = [b"] level=", b" target=", b" result=", b" action="];

/// All rules, compiled together.
#[derive(Debug)]
pub struct Matcher {
    engine: Engine,
    rules: Vec<Compiled>,
    lines: u64,
}

#[derive(Debug)]
struct Compiled {
    logs: Vec<Name>,
    exclude: Vec<Regex>,
}

impl Matcher {
    /// Compiles them.
    ///
    /// # Errors
    /// For each rule that cannot be compiled, its number and why not.
    pub fn new<'r>(rules: impl Iterator<Item = &'r Rule> + Clone) -> Result<Self, Vec<Refused>> {
        let patterns = rules.clone().map(|rule| rule.pattern.as_str()).chain([traceback::HEADER]);
        let engine = Engine::compile(&patterns.collect::<Vec<_>>())?;
        let compiled = rules.map(|rule| Compiled {
            logs: rule.logs.clone(),
            // What the configuration accepted compiles; what did not come through it excludes nothing.
            exclude: rule.exclude.iter().filter_map(|text| engine::alone(text).ok()).collect(),
        });
        Ok(Self { engine, rules: compiled.collect(), lines: 0 })
    }

    /// The rules that have no word in common with all lines that they match, and so are slow to find, with the reason.
    pub fn slow(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.engine.fallbacks().iter().take(self.rules.len()).enumerate();
        all.filter_map(|(rule, why)| Some((rule, (*why)?)))
    }

    /// The lines so far that any rule's pattern matched, each counted once, excluded or not.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Finds the events of a block of one log (none: of a text that belongs to no log, for all rules) and tells them in
    /// order. Returns how much of it was used: what is left over may be the beginning of an event, unless the block is
    /// said to be `whole`.
    pub fn events<'b>(
        &mut self,
        log: Option<&Name>,
        block: &'b [u8],
        whole: bool,
        tell: &mut dyn FnMut(Event<'b>),
    ) -> usize {
        let end = if whole { block.len() } else { memrchr(b'\n', block).map_or(0, |newline| newline + 1) };
        let lines = &block[..end];
        let mut pass =
            Pass { rules: &self.rules, log, lines, whole, used: end, matched: 0, trace: None, tell };
        self.engine.scan(lines, |line, hits| pass.line(line, hits));
        pass.close();
        self.lines += pass.matched;
        pass.used
    }
}

/// The work on one block.
struct Pass<'p, 'b> {
    rules: &'p [Compiled],
    log: Option<&'p Name>,
    lines: &'b [u8],
    whole: bool,
    used: usize,
    matched: u64,
    trace: Option<Trace>,
    tell: &'p mut dyn FnMut(Event<'b>),
}

/// A traceback, and the rules that its lines match: each with the exclusion, if all those lines were excluded.
struct Trace {
    lines: Range<usize>,
    rules: BTreeMap<usize, Option<usize>>,
}

impl<'b> Pass<'_, 'b> {
    fn line(&mut self, line: Range<usize>, hits: &Hits) {
        if self.trace.as_ref().is_some_and(|trace| line.start >= trace.lines.end) {
            self.close();
        }
        // Our own line quotes what a rule has found already.
        if line.start >= self.used || is_own(&self.lines[line.clone()]) {
            return;
        }
        if self.trace.is_none() && hits.contains(self.rules.len()) {
            match traceback::end(self.lines, line.start) {
                Some(end) => self.open(line.start..end),
                None if self.whole => self.open(line.start..self.lines.len()),
                None => {
                    self.used = line.start;
                    return;
                }
            }
        }
        let mut matched = false;
        for rule in hits.iter() {
            if self.is_about(rule) {
                matched = true;
                self.hit(rule, line.clone());
            }
        }
        self.matched += u64::from(matched);
    }

    fn open(&mut self, lines: Range<usize>) {
        self.trace = Some(Trace { lines, rules: BTreeMap::new() });
    }

    fn is_about(&self, rule: usize) -> bool {
        let Some(compiled) = self.rules.get(rule) else { return false };
        self.log.is_none_or(|log| compiled.logs.contains(log))
    }

    fn hit(&mut self, rule: usize, line: Range<usize>) {
        let (at, line) = (line.start, &self.lines[line]);
        let excluded = self.rules[rule].exclude.iter().position(|exclude| exclude.is_match(line));
        match &mut self.trace {
            // One line that counts is enough.
            Some(trace) => {
                trace
                    .rules
                    .entry(rule)
                    .and_modify(|so_far| *so_far = so_far.and(excluded))
                    .or_insert(excluded);
            }
            None => (self.tell)(Event { rule, line, at, excluded }),
        }
    }

    /// Tells the traceback, once for each rule.
    fn close(&mut self) {
        let Some(Trace { lines, rules }) = self.trace.take() else { return };
        let text = self.lines[lines.clone()].trim_ascii_end();
        let last = memrchr(b'\n', text).map_or(text, |newline| &text[newline + 1..]);
        for (rule, excluded) in rules {
            (self.tell)(Event { rule, line: last, at: lines.start, excluded });
        }
    }
}

/// Whether the system's log has this line from us: `Feb 20 12:00:00 host picoclaw-watchdog[7]: [… JST] level=…`. The
/// name has to stand where syslog writes it, or a stranger could hide a line by putting it there.
fn is_own(line: &[u8]) -> bool {
    let Some(colon) = memmem::find(line, b": ") else { return false };
    let (head, text) = (&line[..colon], &line[colon + 2..]);
    let program = head.rsplit(|byte| *byte == b' ').next().unwrap_or(head);
    let ends = |rest: &[u8]| rest.is_empty() || rest.starts_with(b"[");
    program.strip_prefix(OWN_TAG).is_some_and(ends) && text.starts_with(b"[") && has_own_fields(text)
}

fn has_own_fields(text: &[u8]) -> bool {
    let mut rest = text;
    OWN_FIELDS.iter().all(|field| match memmem::find(rest, field) {
        Some(at) => {
            rest = &rest[at + field.len()..];
            true
        }
        None => false,
    })
}

/// One rule by itself, for lines that are few.
#[derive(Debug)]
pub struct Single(Regex, Vec<Regex>);

impl Single {
    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(rule: &Rule) -> Result<Self, String> {
        let exclude = rule.exclude.iter().map(|text| engine::alone(text)).collect::<Result<_, _>>()?;
        Ok(Self(engine::alone(&rule.pattern)?, exclude))
    }

    /// Whether a line counts: the pattern matches, and none of the exclusions does.
    pub fn counts(&self, line: &str) -> bool {
        let line = line.as_bytes();
        self.0.is_match(line) && !self.1.iter().any(|exclude| exclude.is_match(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn rule(pattern: &str, exclude: &[&str]) -> Rule {
        Rule {
            logs: vec![Name::parse("app").unwrap()],
            pattern: pattern.to_owned(),
            exclude: exclude.iter().map(|text| (*text).to_owned()).collect(),
            least: 1,
            within: Duration::from_secs(60),
            trusted: false,
            strict: true,
            hits: Vec::new(),
            misses: Vec::new(),
        }
    }

    fn found(rules: &[Rule], block: &str, whole: bool) -> (Vec<(usize, String, usize, bool)>, usize) {
        let mut all = Vec::new();
        let log = Name::parse("app").unwrap();
        let used =
            Matcher::new(rules.iter()).unwrap().events(Some(&log), block.as_bytes(), whole, &mut |event| {
                let line = String::from_utf8_lossy(event.line).into_owned();
                all.push((event.rule, line, event.at, event.excluded.is_some()));
            });
        (all, used)
    }

    const TRACE: &str =
        "Traceback (most recent call last):\n  File \"a\", line 1\n    raise MemoryError\nMemoryError: x\n";

    #[test]
    fn lines_are_events_and_half_a_line_waits() {
        let rules = [rule("error", &["ignored"]), rule("b$", &[])];
        let (events, used) = found(&rules, "an error\nno\nerror ignored b\nerr", false);
        let told =
            [(0, "an error", 0, false), (0, "error ignored b", 12, true), (1, "error ignored b", 12, false)];
        assert_eq!(events, told.map(|(rule, line, at, out)| (rule, line.to_owned(), at, out)));
        assert_eq!(used, 28);
        assert_eq!(found(&rules, "err", false), (Vec::new(), 0));
        assert_eq!(found(&rules, "no error", true).1, 8);
        assert_eq!(found(&rules, "no error", true).0.len(), 1);
    }

    #[test]
    fn a_traceback_is_one_event_for_each_rule_and_waits_for_its_end() {
        let rules = [rule("memoryerror", &[]), rule("Traceback", &[]), rule("line 1", &[".*"])];
        let block = format!("ok\n{TRACE}then\nMemoryError again\n");
        let (events, used) = found(&rules, &block, false);
        let last = "MemoryError: x".to_owned();
        let trace = [(0, last.clone(), 3, false), (1, last.clone(), 3, false), (2, last, 3, true)];
        assert_eq!(events[..3], trace);
        assert_eq!((events[3].1.as_str(), events.len(), used), ("MemoryError again", 4, block.len()));
        let unfinished = format!("memoryerror\n{TRACE}");
        let (events, used) = found(&rules, &unfinished, false);
        assert_eq!((events.len(), used), (1, 12), "it may go on");
        assert_eq!(found(&rules, &unfinished, true).0.len(), 4, "nothing more comes");
    }

    #[test]
    fn what_we_quote_in_a_copy_of_our_own_line_is_no_event() {
        let rules = [rule("no space left", &[]), rule("Traceback", &[])];
        let original = "Feb 20 12:00:00 host app[9]: ERROR: No space left on device";
        let ours = "[2026-02-20 12:00:01 JST] level=ERROR target=disk result=NG action=detect detail=\"log: in the \
                    log: ERROR: No space left on device, Traceback (most recent call last): (1 in 1 min)\"";
        let copies = format!(
            "Feb 20 12:00:01 host picoclaw-watchdog[7]: {ours}\n\
             2026-02-20T12:00:01.5+09:00 host picoclaw-watchdog: {ours}\n"
        );
        let (events, used) = found(&rules, &format!("{original}\n{copies}"), false);
        assert_eq!(events, [(0, original.to_owned(), 0, false)]);
        assert_eq!(used, original.len() + 1 + copies.len());
        let strangers = format!(
            "Feb 20 12:00:01 host app[9]: picoclaw-watchdog[7]: {ours}\n\
             Feb 20 12:00:01 host picoclaw-watchdog-x[9]: {ours}\n\
             Feb 20 12:00:01 host picoclaw-watchdog[7]: No space left on device\n"
        );
        let (events, _) = found(&rules[..1], &strangers.replace("Traceback", "trace"), false);
        assert_eq!(events.len(), 3, "the name alone hides nothing: {events:?}");
    }

    #[test]
    fn a_rule_reads_its_own_logs_only() {
        let other = Name::parse("other").unwrap();
        let mut matcher = Matcher::new([rule("x", &[])].iter()).unwrap();
        let mut count = |log| {
            let mut count = 0;
            matcher.events(log, b"x\n", true, &mut |_| count += 1);
            count
        };
        assert_eq!([count(Some(&other)), count(None)], [0, 1]);
    }
}
