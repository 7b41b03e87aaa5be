//! Something that people may have to be told of. When it begins and ends, and who is told of it, is decided
//! elsewhere.

use crate::recovery::evidence::{Name, unquoted};
use crate::recovery::policy::Severity;
use crate::recovery::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Something that people may have to be told of, from its first sign to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: u64,
    /// When it began.
    pub since: Timestamp,
    /// What was seen first.
    pub cause: String,
    /// Which probe saw somebody else on its port, and in which words, until it sees something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<(Name, String)>,
    /// What was tried, in order; bounded by the window and half-open gaps, and cut at 20.
    pub tried: Vec<String>,
    /// Attempts that did not help.
    pub failed: u32,
    /// Single tries made since the window was spent; none before that.
    pub half_open: Option<u32>,
    /// What is spent, once single tries are all that is left.
    #[serde(default)]
    pub spent: Option<Spent>,
    /// How the fault looked at the last attempt, or when single tries began: [`pattern`] of the reason.
    #[serde(default)]
    pub pattern: String,
    /// Attempts in a row that changed nothing, by action.
    #[serde(default)]
    pub futile: BTreeMap<Name, u32>,
    /// What the fault looked like when it was last seen, once there are single tries only.
    #[serde(default)]
    pub looks: BTreeSet<String>,
    /// The looks for which the gap before a single try was waived.
    #[serde(default)]
    pub waived: BTreeSet<String>,
    /// What each channel was told of it.
    #[serde(flatten, with = "by_channel")]
    pub heard: BTreeMap<Name, Heard>,
}

/// What one channel was told of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Alert keys already raised for it.
    pub raised: BTreeSet<String>,
    /// The newest letter of it.
    pub letter: Option<u64>,
    /// When that was accepted.
    pub told: Option<Timestamp>,
    /// Reminders sent.
    pub reminders: u32,
    /// The newest word of it that was accepted; none before one was. It is kept here because letters are forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Word>,
}

/// What an accepted letter was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Its alert key.
    pub key: String,
    /// How bad that is.
    pub severity: Severity,
}

impl Heard {
    /// Under which key, and as how bad, it was told; none before it was. A state that is older than this memory has
    /// the keys only.
    pub fn told_as(&self) -> Option<Word> {
        let older = || Some(Word { key: self.raised.last()?.clone(), severity: Severity::default() });
        self.accepted.clone().or_else(|| self.told.and_then(|_| older()))
    }
}

/// Why only single tries are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spent {
    /// The window has no room.
    Window,
    /// Every rung was tried.
    Ladder,
    /// What is left on the ladder has changed nothing before.
    Futile,
}

/// Attempts of one kind that changed nothing forbid another of that kind.
const FUTILE_AFTER: u32 = 2;

/// What the gravest of the reasons looks like without its numbers and without what it quotes: ages, ids, counts and
/// lines differ each time, although nothing has changed.
pub fn pattern(reasons: &str) -> String {
    looks(reasons).next().unwrap_or_default()
}

/// Whether a fault of this pattern is still among the reasons. Others may have joined it: a dead process
/// fails one probe after the other.
fn still_looks(pattern: &str, reasons: &str) -> bool {
    looks(reasons).any(|look| look == pattern)
}

/// What each of the reasons looks like.
pub fn looks(reasons: &str) -> impl Iterator<Item = String> {
    reasons.split("; ").map(|reason| {
        let mut look = String::with_capacity(reason.len());
        for c in unquoted(reason).chars() {
            match c.is_ascii_digit() {
                false => look.push(c),
                true if look.ends_with('#') => {}
                true => look.push('#'),
            }
        }
        look
    })
}

/// So many looks waive a gap, at most: a fault that looks different each time says nothing by it.
const WAIVED_MAX: usize = 8;

/// How many attempts an incident lists; older ones are counted only.
const TRIED_MAX: usize = 20;

impl Incident {
    /// Opens one.
    pub fn open(id: u64, since: Timestamp, cause: &str) -> Self {
        Self {
            id,
            since,
            cause: cause.to_owned(),
            holder: None,
            tried: Vec::new(),
            failed: 0,
            half_open: None,
            spent: None,
            pattern: String::new(),
            futile: BTreeMap::new(),
            looks: BTreeSet::new(),
            waived: BTreeSet::new(),
            heard: BTreeMap::new(),
        }
    }

    /// Whether anybody was told of it, by the newest message to them.
    pub fn is_told(&self) -> bool {
        self.heard.values().any(|heard| heard.told.is_some())
    }

    /// Counts an attempt that did not help. `after` is what is seen now; none when it was not carried out.
    pub fn count_failed(&mut self, action: &Name, after: Option<&str>) {
        self.failed = self.failed.saturating_add(1);
        let unchanged = after.is_none_or(|after| still_looks(&self.pattern, after));
        let count = self.futile.entry(action.clone()).or_default();
        *count = if unchanged { count.saturating_add(1) } else { 0 };
    }

    /// Whether another attempt of this kind would be one too many: the last ones changed nothing, and the
    /// fault still looks the same.
    pub fn is_futile(&self, action: &Name, now: &str) -> bool {
        self.futile.get(action).is_some_and(|count| *count >= FUTILE_AFTER) && self.looks_as_before(now)
    }

    /// Whether the fault looks as it did at the last attempt, or when single tries began.
    pub fn looks_as_before(&self, now: &str) -> bool {
        still_looks(&self.pattern, now)
    }

    /// Whether these looks may waive a gap: they have not done so before, and are not one too many.
    pub fn waive(&mut self, looks: &BTreeSet<String>) -> bool {
        let joined = looks.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        self.waived.len() < WAIVED_MAX && self.waived.insert(joined)
    }

    /// Notes an attempt or its outcome.
    pub fn note(&mut self, what: String) {
        if self.tried.len() == TRIED_MAX {
            self.tried.remove(0);
        }
        self.tried.push(what);
    }
}

/// Until there was a choice of channels, what LINE was told stood in the incident itself.
mod by_channel {
    use super::{BTreeMap, Deserialize, Heard, Name, Serialize};
    use crate::recovery::outbox::line;
    use serde::{Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Document {
        Now { heard: BTreeMap<Name, Heard> },
        Then(Heard),
    }

    #[derive(Serialize)]
    struct Now<'a> {
        heard: &'a BTreeMap<Name, Heard>,
    }

    pub(super) fn serialize<S: Serializer>(heard: &BTreeMap<Name, Heard>, to: S) -> Result<S::Ok, S::Error> {
        Now { heard }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Name, Heard>, D::Error> {
        Ok(match Document::deserialize(from)? {
            Document::Now { heard } => heard,
            Document::Then(heard) => BTreeMap::from([(line(), heard)]),
        })
    }
}
