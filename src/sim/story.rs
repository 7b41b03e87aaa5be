//! The story of a run, for people: what happened, what was seen when that changed, what was decided and why,
//! what was done and what was sent. Stretches without news become one line.

use crate::cycle::Report;
use crate::recovery::decide::{Attempt, Closed};
use crate::recovery::evidence::Name;
use crate::recovery::health::Health;
use crate::recovery::record::Outcome;
use crate::recovery::time::{Age, Timestamp};
use crate::recovery::verdict::{Ruling, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A stretch without news that is longer than this is said to be one.
const QUIET: Duration = Duration::from_secs(600);
/// Lines that are kept; nobody reads more, and a year of faults would fill the memory.
const LINES_MAX: usize = 20_000;

/// One line of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, in milliseconds from the start.
    pub at_ms: u64,
    /// What kind of line it is.
    pub what: What,
    /// The news.
    pub text: String,
}

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The world did this.
    World,
    /// The watchdog sees this, and decides that.
    Sees,
    /// It does this.
    Does,
    /// An incident is over.
    Over,
    /// A message is written.
    Writes,
    /// What becomes of a message.
    Line,
    /// A person who asked is answered.
    Answers,
    /// Nothing new.
    Quiet,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::World => "world",
            Self::Sees => "sees",
            Self::Does => "does",
            Self::Over => "over",
            Self::Writes => "writes",
            Self::Line => "line",
            Self::Answers => "answers",
            Self::Quiet => "...",
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.replace('\n', "\n                      | ");
        if self.what == What::Quiet {
            return write!(f, "             {:<8} {text}", self.what);
        }
        write!(f, "{:>12} {:<8} {text}", Watch(self.at_ms), self.what)
    }
}

/// A time as a stopwatch shows it: `2d 03:04:05.6`.
#[derive(Clone, Copy, Debug)]
pub struct Watch(pub u64);

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, tenths) = (self.0 / 1000, self.0 % 1000 / 100);
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        let mut text = if days > 0 { format!("{days}d ") } else { String::new() };
        text += &format!("{hours}:{minutes:02}:{:02}", seconds % 60);
        if tenths > 0 {
            text += &format!(".{tenths}");
        }
        f.pad(&text)
    }
}

/// Writes it down.
#[derive(Clone, Debug)]
pub struct Story {
    /// The lines.
    pub lines: Vec<Line>,
    /// Lines that were not kept.
    pub dropped: u64,
    begin: Timestamp,
    now: Timestamp,
    last: Timestamp,
    passes: u64,
    said: BTreeMap<Name, String>,
    /// What is told after what was seen in the same pass.
    later: Vec<(What, String)>,
}

impl Story {
    /// One that begins at `begin`.
    pub(super) fn new(begin: Timestamp) -> Self {
        Self {
            lines: Vec::new(),
            dropped: 0,
            begin,
            now: begin,
            last: begin,
            passes: 0,
            said: BTreeMap::new(),
            later: Vec::new(),
        }
    }

    /// It is so late.
    pub(super) fn at(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Tells something now.
    pub(super) fn tell(&mut self, what: What, text: impl Into<String>) {
        self.end_of_quiet();
        self.push(what, text.into());
    }

    /// Tells something once it was told what this pass saw.
    pub(super) fn tell_later(&mut self, what: What, text: String) {
        self.later.push((what, text));
    }

    /// Tells what a pass saw and decided, as far as it is news.
    pub(super) fn pass(&mut self, report: &Report) {
        for verdict in &report.verdicts {
            self.verdict(verdict);
        }
        for Closed { target, incident, lasted, how } in &report.closed {
            self.tell(What::Over, format!("incident {incident} lasted {}: {target} {how}", Age(*lasted)));
        }
        self.passes += 1;
        self.flush();
    }

    /// Tells what is left when a pass does not come to its end.
    pub(super) fn flush(&mut self) {
        for (what, text) in std::mem::take(&mut self.later) {
            self.tell(what, text);
        }
    }

    /// The watchdog has forgotten what it said.
    pub(super) fn forget(&mut self) {
        self.flush();
        self.said.clear();
    }

    /// The numbers in a sentence change with every pass while something is awaited; only a change of the
    /// words is news, as in the log.
    fn verdict(&mut self, verdict: &Verdict) {
        let well = verdict.health == Health::Healthy
            && verdict.ruling == Ruling::Fine
            && verdict.not_ready.is_none();
        let known = self.said.get(&verdict.target).map(String::as_str);
        if well && known.is_some_and(str::is_empty) {
            return;
        }
        let sentence = verdict.to_string();
        let words = if well { String::new() } else { words(&sentence) };
        if known == Some(words.as_str()) {
            return;
        }
        let first = self.said.insert(verdict.target.clone(), words).is_none();
        let is_no_news = first && well;
        if !is_no_news && !verdict.is_told_elsewhere() {
            self.tell(What::Sees, format!("{}: {sentence}", verdict.target));
        }
    }

    fn end_of_quiet(&mut self) {
        let span = self.now.since(self.last);
        if span >= QUIET && self.passes > 1 {
            let text = format!("{} without news, {} passes", Age(span), self.passes);
            self.push(What::Quiet, text);
        }
        (self.last, self.passes) = (self.now, 0);
    }

    fn push(&mut self, what: What, text: String) {
        if self.lines.len() >= LINES_MAX {
            self.dropped += 1;
            return;
        }
        let at_ms = self.now.since(self.begin).as_millis();
        self.lines.push(Line { at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX), what, text });
    }

    /// The last stretch.
    pub(super) fn end(&mut self, now: Timestamp) {
        self.at(now);
        self.flush();
        self.end_of_quiet();
    }
}

/// A sentence without its numbers and their units.
fn words(sentence: &str) -> String {
    let bare = |word: &&str| {
        let word = word.trim_matches(['(', ')', ',', ';', ':']);
        !word.starts_with(|c: char| c.is_ascii_digit()) && !["ms", "s", "min", "h", "d"].contains(&word)
    };
    sentence.split_whitespace().filter(bare).collect::<Vec<_>>().join(" ")
}

/// What an attempt is, why it is made, and what becomes of it.
pub(super) fn attempt(attempt: &Attempt, outcome: &Outcome) -> String {
    let Attempt { id, target, action, number: (number, of), why } = attempt;
    let what = match outcome {
        Outcome::Done(text) => format!("done: {text}"),
        Outcome::Running(text) => format!("under way: {text}"),
        Outcome::Failed(text) => format!("failed: {text}"),
    };
    format!("{action} for {target}, attempt {id} ({number} of {of} in the window), because {why}\n{what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_a_stopwatch() {
        let shown = [0, 90_000, 90_100, 3_600_000, 2 * 86_400_000 + 5_000].map(|ms| Watch(ms).to_string());
        assert_eq!(shown, ["0:00:00", "0:01:30", "0:01:30.1", "1:00:00", "2d 0:00:05"]);
    }

    #[test]
    fn a_quiet_stretch_is_one_line_and_numbers_are_no_news() {
        let mut story = Story::new(Timestamp(0));
        story.passes = 60;
        story.at(Timestamp(3_600_000));
        story.tell(What::World, "it rains\nagain");
        let lines: Vec<String> = story.lines.iter().map(Line::to_string).collect();
        assert_eq!(lines[0], "             ...      1 h without news, 60 passes");
        assert_eq!(lines[1], "     1:00:00 world    it rains\n                      | again");
        assert_eq!(words("waited (1.5 s of 3 min)"), words("waited (2 min 5 s of 3 min)"));
        assert_ne!(words("waited 3 s"), words("waits 3 s"));
    }
}
