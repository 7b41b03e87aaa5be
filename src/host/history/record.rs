//! The words of the history: one record per line, each with its version, its moment and its kind. They say
//! what was seen and decided; nothing is judged here.

use crate::cycle::Scope;
use crate::host::view::TargetView;
use crate::recovery::evidence::{Evidence, Name};
use crate::recovery::outbox::{Fate, Kind, line};
use crate::recovery::state::State;
use crate::recovery::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of a line's meaning. Lines of a newer one are left out by those who read.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// [`VERSION`].
    pub v: u32,
    /// When, on the watchdog's timeline.
    pub at: Timestamp,
    /// The same as Unix seconds, for people.
    pub wall: u64,
    /// What happened.
    #[serde(flatten)]
    pub record: Record,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Record {
    /// Where things stood: after a start, and at the head of each file. What follows can be replayed from here.
    Keyframe {
        /// The program's version.
        version: String,
        /// All that was remembered, without letters that matter no more.
        state: Box<State>,
    },
    /// A pass that saw something else than the one before, or that was not a full one.
    Pass {
        /// What it looked at.
        scope: Scope,
        /// Of probes and units only those that answered otherwise than before; the rest as it was. Receipts
        /// are left out: letters have lines of their own.
        seen: Box<Evidence>,
    },
    /// An attempt is about to be carried out.
    Attempt {
        /// Its number, as in the log.
        id: u64,
        /// What is done.
        action: Name,
        /// Why, in words.
        why: String,
        /// What was seen, which rule applied, and the budget with this attempt charged.
        verdict: Box<TargetView>,
    },
    /// It was carried out.
    Outcome {
        /// The attempt.
        id: u64,
        /// `done`, `running` or `failed`.
        word: String,
        /// What happened, in words.
        detail: String,
    },
    /// An incident began.
    Opened {
        /// The target.
        target: Name,
        /// Its number.
        incident: u64,
        /// What was seen first.
        cause: String,
    },
    /// An incident ended.
    Closed {
        /// The target.
        target: Name,
        /// Its number.
        incident: u64,
        /// How long it lasted, in milliseconds.
        lasted_ms: u64,
        /// How it ended.
        how: String,
    },
    /// A letter was written.
    Letter {
        /// Its number.
        letter: u64,
        /// The channel that it goes to.
        #[serde(default = "line")]
        channel: Name,
        /// The alert key.
        key: String,
        /// What it is about.
        kind: Kind,
        /// The target concerned.
        target: Option<Name>,
        /// The incident, 0 for none.
        incident: u64,
        /// The text.
        text: String,
    },
    /// The fate of a letter changed.
    Fate {
        /// The letter.
        letter: u64,
        /// Where it stands now.
        fate: Fate,
    },
}
