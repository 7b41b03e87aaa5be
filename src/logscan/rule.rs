//! A rule: which lines of which logs it is about, and how many of them in how much time are a fault. It is the
//! only signal that is not asked for; what follows from it is the target's business, as with every other one.

use super::engine;
use crate::recovery::evidence::{Name, QUOTED, Reading};
use crate::recovery::tally::Tally;
use crate::recovery::time::{Age, Timestamp};
use crate::section::{Section, parse};
use std::ops::RangeInclusive;
use std::time::Duration;

/// As long as a person looks back when asked what just happened.
const WITHIN: Duration = Duration::from_secs(60);
/// What lies further back than a day says nothing of now, and a shorter span than a second no clock of a log tells.
const SPANS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
/// More samples are a file of their own.
const SAMPLES_MAX: usize = 50;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The logs that it is about, by name.
    pub logs: Vec<Name>,
    /// What a line of it looks like.
    pub pattern: String,
    /// What such a line must not look like besides.
    pub exclude: Vec<String>,
    /// So many events…
    pub least: u32,
    /// …in so much time are a fault. So long after the last one it is over.
    pub within: Duration,
    /// Whether the text cannot come from outside, so that it may lead to action.
    pub trusted: bool,
    /// Whether what is dangerous about it is refused; else it is only warned of.
    pub strict: bool,
    /// Lines that it must match.
    pub hits: Vec<String>,
    /// Lines that it must not match.
    pub misses: Vec<String>,
}

impl Rule {
    /// Reads `check.log = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        if section.count("in") == 0 {
            let hint = "write in = [\"NAME\"], the name of a [[source]]";
            section.error(&section.here(), "in is missing, or an empty list", hint);
        }
        let logs = section.list("in", Name::parse);
        let pattern = pattern(section);
        let rule = Self {
            exclude: section.verbatim("exclude", expression),
            least: section.or("least", 1, parse::within(1..=1_000_000)),
            within: section.or("within", WITHIN, parse::span(SPANS)),
            trusted: section.or("trusted", false, parse::flag),
            strict: section.or("strict", true, parse::flag),
            hits: section.verbatim("hits", parse::filled),
            misses: section.verbatim("misses", parse::filled),
            logs: logs?,
            pattern: pattern?,
        };
        let samples = [("hits", rule.hits.len()), ("misses", rule.misses.len())];
        for (key, count) in samples.into_iter().filter(|(_, count)| *count > SAMPLES_MAX) {
            let what = format!("{count} samples, and {SAMPLES_MAX} are enough");
            section.error(&section.spot(key), what, "keep those that differ");
        }
        Some(rule)
    }

    /// What the events so far say at this moment. The text shows the newest of them.
    pub fn judge(&self, mark: Option<&Tally>, now: Timestamp) -> Reading {
        let within = Age(self.within);
        let count = mark.map_or(0, |mark| mark.since(now.before(self.within)));
        match (count, mark) {
            (1.., Some(mark)) if count >= u64::from(self.least) => {
                Reading::Fail(format!("{QUOTED}{} ({count} in {within})", mark.sample))
            }
            (1.., _) => Reading::Pass(format!("{count} in {within}, fewer than {}", self.least)),
            (0, _) => Reading::Pass(format!("none in {within}")),
        }
    }
}

/// The one pattern that a rule has.
fn pattern(section: &mut Section<'_>) -> Option<String> {
    match section.count("pattern") {
        0 => {
            let hint = "write pattern = '…', a regular expression";
            section.error(&section.here(), "pattern is missing, or an empty list", hint);
            None
        }
        1 => section.verbatim("pattern", expression).pop(),
        count => {
            let what = format!("{count} patterns, and a rule has one");
            section.error(&section.spot("pattern"), what, "join them with |, or write a probe for each");
            None
        }
    }
}

fn expression(text: &str) -> Result<String, String> {
    engine::alone(text).map(|_| text.to_owned())
}
