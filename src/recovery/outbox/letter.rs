//! One message to people, and where it stands. Nothing is sent or judged here.

use crate::recovery::evidence::Name;
use crate::recovery::policy::Severity;
use crate::recovery::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A fault that could not be repaired.
    Fault,
    /// The same fault, still there.
    Reminder,
    /// The end of a fault that was told.
    Recovery,
    /// Something worth knowing that has no end to tell.
    Notice,
    /// The week in figures.
    Digest,
    /// Sent because the owner wants to see whether it arrives.
    Test,
}

impl Kind {
    /// Its word, for people and for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Reminder => "reminder",
            Self::Recovery => "recovery",
            Self::Notice => "notice",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }

    /// Whether it may use the last of the quota.
    pub fn is_critical(self) -> bool {
        match self {
            Self::Fault | Self::Recovery => true,
            Self::Reminder | Self::Notice | Self::Digest | Self::Test => false,
        }
    }
}

/// The channel of all letters that do not name theirs: for long it was the only one.
pub fn line() -> Name {
    Name::known("line")
}

/// One message to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Its number.
    pub id: u64,
    /// The channel that it goes to.
    #[serde(default = "line")]
    pub channel: Name,
    /// The alert key, to which the cooldown belongs.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// How bad that is.
    #[serde(default)]
    pub severity: Severity,
    /// The target concerned; none for trouble of our own.
    pub target: Option<Name>,
    /// The incident it belongs to, 0 for none.
    pub incident: u64,
    /// The text.
    pub text: String,
    /// When it was raised.
    pub raised: Timestamp,
    /// The same as Unix seconds, for people.
    pub raised_wall: u64,
    /// The push in which it is sent, by the number of that push's first letter; none before the first try.
    /// All letters of a push share the key and the body of the first, and are accepted or refused together.
    #[serde(default)]
    pub push: Option<u64>,
    /// By which the channel can know a repetition: `X-Line-Retry-Key`, a UUID.
    pub retry_key: String,
    /// The exact bytes that are sent, fixed before the first try.
    pub body: Option<String>,
    /// When it was first tried.
    pub first_try: Option<Timestamp>,
    /// Tries made, the running one included.
    pub tries: u32,
    /// What the channel said last, when it was not yes.
    pub last_answer: String,
    /// Whether it was passed on to the channels that stand in for its own, or is what was passed on: that happens
    /// once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passed_on: bool,
    /// Where it stands.
    pub fate: Fate,
}

/// Where a letter stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Fate {
    /// Waiting to be accepted.
    Pending,
    /// There is no channel; it waits for one as long as its fault lasts.
    Withheld,
    /// The channel took it.
    Accepted {
        /// The channel's id of the request.
        request_id: String,
        /// When.
        at: Timestamp,
        /// The same as Unix seconds.
        wall: u64,
    },
    /// The channel will never take it.
    Refused {
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Events overtook it before anyone could be told.
    Superseded {
        /// How.
        reason: String,
    },
}

impl Fate {
    /// In one word, for logs and lists.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Withheld => "withheld",
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::Superseded { .. } => "superseded",
        }
    }
}

/// A letter about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The alert key.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// How bad that is.
    pub severity: Severity,
    /// The target concerned.
    pub target: Option<Name>,
    /// The incident, 0 for none.
    pub incident: u64,
    /// The text.
    pub text: String,
}

impl Letter {
    /// Whether it waits to be accepted.
    pub fn is_waiting(&self) -> bool {
        matches!(self.fate, Fate::Pending)
    }

    /// Whether its fate is open.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.fate, Fate::Pending | Fate::Withheld)
    }

    /// Whether it is part of the push that begins with this letter.
    pub(super) fn is_in(&self, push: u64) -> bool {
        self.id == push || self.push == Some(push)
    }
}
