//! What one pass observed: the words in which the shell speaks to the core. No judgement is made here.

use super::scan::ScanMark;
use super::unit::UnitFacts;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The name of a target, probe or action, as written in the configuration. Every pass hands the same few
/// names around, so a copy shares the text.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Name {
    /// Accepts 1 to 40 lower-case letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// A sentence saying which names are accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if (1..=40).contains(&text.len()) && text.chars().all(good) {
            return Ok(Self(text.into()));
        }
        Err(format!("{text:?} is not a name; use 1 to 40 of a-z, 0-9, - and _"))
    }

    /// A name that the program itself gives; the caller sees to it that it is one.
    pub fn known(text: &'static str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "{text}");
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a failure begins that a restart would make worse: what serves what it still can is not interrupted, and people
/// are told at once.
pub const LEAVE_UP: &str = "a restart would make it worse: ";

/// One answer of a probe. `Unknown` is the probe's own trouble and never counts against the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "detail")]
pub enum Reading {
    /// It is as it should be; the text says what was seen (`200 in 2 ms`).
    Pass(String),
    /// It is not; the text says what was seen instead.
    Fail(String),
    /// The probe could not tell; the text says why.
    Unknown(String),
}

/// Behind these words a reason quotes a line of a log. Another line is no other fault.
pub const QUOTED: &str = "in the log: ";

/// A reason without what it quotes.
pub fn unquoted(reason: &str) -> &str {
    reason.find(QUOTED).map_or(reason, |at| &reason[..at + QUOTED.len()])
}

impl Reading {
    /// What was seen, in words.
    pub fn detail(&self) -> &str {
        match self {
            Self::Pass(text) | Self::Fail(text) | Self::Unknown(text) => text,
        }
    }
}

/// A fault that a probe saw but that belongs to another target: the gateway's `/ready` naming `ollama`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// The target at fault.
    pub target: Name,
    /// What the body said of it.
    pub reason: String,
}

/// What has excused a failure, which is told as a pass then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excused {
    /// Somebody was asked, and need not be asked again for so long.
    Anew {
        /// What was said.
        said: String,
        /// For how long it counts.
        holds: Duration,
    },
    /// What was said before still counts.
    Still,
}

/// The answer of one probe in one pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The target that the probe belongs to.
    pub target: Name,
    /// The probe.
    pub probe: Name,
    /// Its answer.
    pub reading: Reading,
    /// Faults of others that it saw on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blames: Vec<Blame>,
    /// What has excused its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excused: Option<Excused>,
}

/// What need not be asked in a pass, for it was asked not long ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resting {
    /// The probes that rest, each with its target.
    pub probes: Vec<(Name, Name)>,
    /// What still excuses a probe, if it fails.
    pub excuses: Vec<(Name, Name, String)>,
}

impl Resting {
    /// Whether this probe rests.
    pub fn has(&self, target: &Name, probe: &Name) -> bool {
        self.probes.iter().any(|(of, name)| of == target && name == probe)
    }

    /// What still excuses this probe, if anything does.
    pub fn excuse(&self, target: &Name, probe: &Name) -> Option<&str> {
        let found = self.excuses.iter().find(|(of, name, _)| of == target && name == probe);
        found.map(|(_, _, said)| said.as_str())
    }
}

/// What the service manager says of a target's unit; `Err` holds why it could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitReport {
    /// The target that the unit belongs to.
    pub target: Name,
    /// The facts, or the reason for having none.
    pub facts: Result<UnitFacts, String>,
}

/// What a person may ask for, already authenticated by the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KickWish {
    /// Run the first rung of this target's ladder now.
    Recover(Name),
    /// Look at this target now and say how it is.
    Check(Name),
}

/// A request that reached us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kick {
    /// The request's own name for the answer: the action as the caller wrote it.
    pub action: String,
    /// Who says they asked, sanitised.
    pub source: String,
    /// What is wanted, or why the shell refused it.
    pub wish: Result<KickWish, KickRefusal>,
}

/// Why a kick was refused before it reached the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KickRefusal {
    /// Kicks are switched off.
    Disabled,
    /// The token is wrong: the one refusal that a person is told of.
    Forged,
    /// Expired, replayed, malformed, a symlink, too open…: the text says which.
    Invalid(String),
}

/// What became of a message that was handed to the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The channel accepted it (a repeat it had already accepted included).
    Accepted {
        /// The channel's own id of the request.
        request_id: String,
    },
    /// Try again with the same key and body.
    Retry(String),
    /// The same, but not for so long: the channel has asked for peace.
    Later {
        /// What it said.
        reason: String,
        /// For how many seconds.
        seconds: u64,
    },
    /// The month's quota is spent: try again, but slowly.
    QuotaSpent(String),
    /// It will never be accepted.
    Refused(String),
}

/// The answer to one send, come back as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The alert it answers.
    pub alert: u64,
    /// What became of it.
    pub delivery: Delivery,
}

/// Something that happened to the watchdog itself and that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTrouble {
    /// The alert key, such as `state_not_durable`.
    pub key: String,
    /// What happened, and what to do.
    pub text: String,
}

/// Why what is remembered may say little about the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fresh {
    /// The machine was booted since the last pass.
    Boot,
    /// The machine slept since the last pass.
    Resume,
}

/// What the owner of the machine asks of the watchdog itself. It needs no token, for only the owner can
/// leave it where it is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Do nothing about a target, and say nothing of it, for a while.
    Pause {
        /// The target; none for all.
        target: Option<Name>,
        /// For how long from now.
        span: Duration,
        /// Why, in the owner's words; may be empty.
        reason: String,
    },
    /// End a pause early.
    Resume {
        /// The target; none for all that is paused.
        target: Option<Name>,
    },
    /// Send one message, to see whether it arrives.
    TestAlert {
        /// The channel; none for the first that can be used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Name>,
    },
}

/// What the channel says of the month's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaReading {
    /// Messages allowed this month; none when there is no limit.
    pub limit: Option<u64>,
    /// Messages used this month, those of others included.
    pub used: u64,
}

/// What one reference point said: something whose failure means that we, not the services, are cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceReport {
    /// The reference point as configured, such as `dns`.
    pub name: String,
    /// Its answer.
    pub reading: Reading,
}

/// An action that went on beside the passes, and could not be carried out after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateFailure {
    /// The target that it was to help.
    pub target: Name,
    /// The action.
    pub action: Name,
    /// Why not.
    pub why: String,
}

/// All that one pass observed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Probe answers, in the order of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeReport>,
    /// Unit facts, in the order of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<UnitReport>,
    /// Requests of people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kicks: Vec<Kick>,
    /// Requests of the owner that concern the watchdog itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Order>,
    /// Actions begun earlier that have failed since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateFailure>,
    /// Answers to sends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// Trouble of our own that is present now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<SelfTrouble>,
    /// Why the last save failed; none when the state is durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<String>,
    /// What the reference points said; empty when they were not asked, because all that is external passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferenceReport>,
    /// Set in the first pass after a boot or a sleep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Fresh>,
    /// How far logs were read by now; what was seen in them is among the answers of the probes.
    #[serde(skip)]
    pub scan: Option<Arc<ScanMark>>,
    /// The month's quota, when the channel was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaReading>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_letters() {
        let [one, other] = ["funnel", "ollama"].map(|text| Name::parse(text).unwrap());
        assert_eq!(one.partial_cmp(&other), Some(Ordering::Less));
    }

    #[test]
    fn a_probe_rests_by_its_own_name_and_that_of_its_target() {
        let [gateway, ollama, health] =
            ["gateway", "ollama", "health"].map(|text| Name::parse(text).unwrap());
        let resting = Resting { probes: vec![(gateway.clone(), health.clone())], ..Resting::default() };
        assert!(resting.has(&gateway, &health));
        assert!(!resting.has(&ollama, &health) && !resting.has(&gateway, &ollama));
    }

    #[test]
    fn names_are_short_and_plain() {
        let longest = "a".repeat(40);
        for good in ["a", "ollama-2", "a_b", "0", &longest] {
            assert_eq!(Name::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "A", "a b", "ä", "a.b", "*", &format!("{longest}a")] {
            assert!(Name::parse(bad).is_err_and(|why| why.contains("is not a name")), "{bad}");
        }
    }
}
