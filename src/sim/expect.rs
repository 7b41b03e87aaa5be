//! What must hold of a run. The names of all that can be expected are in two tables, from which the reader,
//! the report and the README live.

use super::ledger::Totals;
use crate::recovery::time::Age;
use crate::section::{Section, parse};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

type Count = fn(&Totals) -> u64;
type Span = fn(&Totals) -> Option<u64>;

/// What is counted: each may be a number, or `{ min = …, max = … }`.
pub const COUNTS: [(&str, Count); 15] = [
    ("restarts", |totals| totals.restarts),
    ("commands", |totals| totals.commands),
    ("actions", |totals| totals.restarts + totals.commands),
    ("attempts_per_window", |totals| totals.attempts_per_window),
    ("acted_on_the_healthy", |totals| totals.acted_on_the_healthy),
    ("raised", |totals| totals.raised),
    ("messages", |totals| totals.messages),
    ("lost", |totals| totals.lost),
    ("doubled", |totals| totals.doubled),
    ("pending", |totals| totals.pending),
    ("reserve_touched", |totals| totals.reserve_touched),
    ("open", |totals| totals.open),
    ("faults", |totals| totals.faults),
    ("passes", |totals| totals.passes),
    ("log_lines", |totals| totals.log_lines),
];

/// What takes time: each is the longest that is allowed.
pub const SPANS: [(&str, Span); 5] = [
    ("detected_by", |totals| totals.detected),
    ("up_by", |totals| totals.repaired),
    ("told_by", |totals| totals.told),
    ("told_after_line_by", |totals| totals.told_after_line),
    ("silence", |totals| totals.silence),
];

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// A count lies within these bounds.
    Count(&'static str, u64, u64),
    /// Something happens, within this time.
    Within(&'static str, Duration),
    /// A message that people receive holds this.
    Says(String),
    /// No message that people receive holds this.
    NeverSays(String),
    /// The same is done and sent when nothing happens to this part of the world.
    SameWithout(String),
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What must hold.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Whether it holds.
    pub met: bool,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(name, min, max) if min == max => write!(f, "{name} = {min}"),
            Self::Count(name, 0, max) => write!(f, "{name} at most {max}"),
            Self::Count(name, min, u64::MAX) => write!(f, "{name} at least {min}"),
            Self::Count(name, min, max) => write!(f, "{name} from {min} to {max}"),
            Self::Within(name, span) => write!(f, "{name} {}", parse::written(*span)),
            Self::Says(text) => write!(f, "a message says {text:?}"),
            Self::NeverSays(text) => write!(f, "no message says {text:?}"),
            Self::SameWithout(part) => write!(f, "the same without what happens to the {part}"),
        }
    }
}

impl Expectation {
    /// Compares it with what was found; `same` tells whether a run without a part of the world did the same.
    pub fn check(&self, totals: &Totals, messages: &[String], same: impl Fn(&str) -> bool) -> Finding {
        let (met, found) = match self {
            Self::Count(name, min, max) => {
                let found = COUNTS.iter().find(|(known, _)| known == name).map_or(0, |(_, of)| of(totals));
                ((*min..=*max).contains(&found), found.to_string())
            }
            Self::Within(name, limit) => {
                let found = SPANS.iter().find(|(known, _)| known == name).and_then(|(_, of)| of(totals));
                let found = found.map(Duration::from_millis);
                // A silence that never was is short enough; anything else must have happened.
                let met = found.map_or(*name == "silence", |found| found <= *limit);
                (met, found.map_or("never".to_owned(), |found| Age(found).to_string()))
            }
            Self::Says(text) => said(messages, text, true),
            Self::NeverSays(text) => said(messages, text, false),
            Self::SameWithout(part) => {
                let same = same(part);
                (same, if same { "the same" } else { "something else" }.to_owned())
            }
        };
        Finding { expected: self.to_string(), found, met }
    }
}

fn said(messages: &[String], text: &str, wanted: bool) -> (bool, String) {
    let count = messages.iter().filter(|message| message.contains(text)).count();
    ((count > 0) == wanted, format!("{count} messages do"))
}

/// Reads `[expect]`.
pub(super) fn read(section: &mut Section<'_>) -> Vec<Expectation> {
    let mut expected = Vec::new();
    for (name, _) in COUNTS {
        if section.is_table(name) {
            let bounds = section.table(name, |bounds| {
                Some((bounds.or("min", 0, number), bounds.or("max", u64::MAX, number)))
            });
            expected.extend(bounds.map(|(min, max)| Expectation::Count(name, min, max)));
        } else {
            expected.extend(section.opt(name, number).map(|only| Expectation::Count(name, only, only)));
        }
    }
    for (name, _) in SPANS {
        expected.extend(section.opt(name, parse::duration).map(|span| Expectation::Within(name, span)));
    }
    if section.or("no_action", false, parse::flag) {
        expected.push(Expectation::Count("actions", 0, 0));
    }
    let mut texts = |key, make: fn(String) -> Expectation| {
        expected.extend(section.list(key, parse::filled).unwrap_or_default().into_iter().map(make));
    };
    texts("says", Expectation::Says);
    texts("never_says", Expectation::NeverSays);
    texts("same_without", Expectation::SameWithout);
    expected
}

fn number(text: &str) -> Result<u64, String> {
    parse::within(0..=u64::MAX)(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(expectation: &Expectation, totals: &Totals) -> (bool, String) {
        let finding = expectation.check(totals, &["the limit".to_owned()], |_| true);
        (finding.met, finding.found)
    }

    #[test]
    fn bounds_are_inclusive_and_what_never_happened_is_not_in_time() {
        let totals = Totals { restarts: 3, repaired: Some(147_000), ..Totals::default() };
        let restarts = |min, max| found(&Expectation::Count("restarts", min, max), &totals).0;
        assert!(restarts(3, 3) && restarts(0, 3) && !restarts(0, 2) && !restarts(4, 9));
        let up_by = |seconds| Expectation::Within("up_by", Duration::from_secs(seconds));
        assert!(found(&up_by(147), &totals).0 && !found(&up_by(146), &totals).0);
        assert_eq!(
            found(&Expectation::Within("told_by", Duration::MAX), &totals),
            (false, "never".to_owned())
        );
        assert!(found(&Expectation::Says("limit".to_owned()), &totals).0);
        assert!(!found(&Expectation::NeverSays("limit".to_owned()), &totals).0);
    }

    #[test]
    fn expectations_read_like_speech() {
        let shown = [
            Expectation::Count("restarts", 1, 1),
            Expectation::Count("restarts", 0, 1),
            Expectation::Count("messages", 2, u64::MAX),
            Expectation::Within("up_by", Duration::from_secs(147)),
        ]
        .map(|expectation| expectation.to_string());
        assert_eq!(shown, ["restarts = 1", "restarts at most 1", "messages at least 2", "up_by 147s"]);
    }
}
