//! Everything that is remembered between passes and across crashes: one document, saved as a whole, so
//! that counters and alerts commit together. Passing details (what a healthy probe saw) are not kept.

mod incident;

pub use incident::{Heard, Incident, Spent, Word, looks, pattern};

use super::digest::Stats;
use super::evidence::{Name, Reading};
use super::outbox::Outbox;
use super::policy::Policy;
use super::scan::ScanMark;
use super::time::Timestamp;
use super::unit::Standing;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// One entry per target that was ever seen.
    pub targets: BTreeMap<Name, TargetState>,
    /// Trouble of our own that lasts, by alert key.
    pub troubles: BTreeMap<String, Incident>,
    /// Messages to people, told and untold.
    pub outbox: Outbox,
    /// When kicks were granted, within their window.
    pub kicks: Vec<Timestamp>,
    /// Attempts ever made; numbers them.
    pub attempts: u64,
    /// Incidents ever opened; numbers them.
    pub incidents: u64,
    /// What a person has paused, by target; everything under [`EVERYTHING`].
    #[serde(default)]
    pub pauses: BTreeMap<String, Pause>,
    /// Since when we are offline, and what that hid.
    #[serde(default)]
    pub offline: Option<Offline>,
    /// Until then is only looked, after a boot or a sleep.
    #[serde(default)]
    pub observe_until: Timestamp,
    /// The sums of the week under way.
    #[serde(default)]
    pub stats: Stats,
    /// How far logs were read, and what was counted in them.
    #[serde(default)]
    pub scan: Arc<ScanMark>,
}

/// The key of a pause of everything. No target can have this name.
pub const EVERYTHING: &str = "*";

/// A pause: an expiry is mandatory, so that a forgotten one ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why, in the owner's words.
    pub reason: String,
    /// What was held or kept quiet meanwhile, for the summary at its end.
    pub missed: BTreeSet<String>,
}

/// A time without the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offline {
    /// Since when.
    pub since: Timestamp,
    /// What the reference points said.
    pub why: String,
    /// The external targets that would have been blamed.
    pub hidden: BTreeSet<Name>,
}

impl State {
    /// The state to start from when the record is lost: every window counts as spent, so that losing the
    /// record never allows more than keeping it would have.
    pub fn assume_spent(policy: &Policy, now: Timestamp) -> Self {
        let mut state = Self::default();
        state.spend(policy, now);
        state
    }

    /// Counts every window as spent: what was done lately is not known.
    pub fn spend(&mut self, policy: &Policy, now: Timestamp) {
        for target in &policy.targets {
            let entry = self.targets.entry(target.name.clone()).or_default();
            entry.attempts = target.window.spent(now);
        }
        self.kicks = policy.kicks.spent(now);
    }
}

/// What is remembered of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetState {
    /// Its probes.
    pub probes: BTreeMap<Name, ProbeState>,
    /// Its unit, as last seen.
    pub unit: Option<UnitView>,
    /// Whether that was before the last attempt was carried out, and is no evidence about it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unit_is_old: bool,
    /// Where its recovery stands.
    pub phase: Phase,
    /// Healthy passes in a row, counted up to what proves stability.
    pub streak: u32,
    /// Since when it has been healthy without a break.
    pub healthy_since: Option<Timestamp>,
    /// Attempts within the window.
    pub attempts: Vec<Timestamp>,
    /// Those of them that a person asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_for: Vec<Timestamp>,
    /// When the last attempt was carried out, whether or not it helped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_out: Option<Timestamp>,
    /// Attempts since it was last stable: the height reached on the ladder.
    pub climbed: u32,
    /// The unit run that has been healthy: for it, starting is over.
    pub proven_run: Arc<str>,
    /// Runs that ended without ever being healthy, since one last was or an attempt was made.
    pub crashes: u32,
    /// The open incident.
    pub incident: Option<Box<Incident>>,
    /// Open when it has not been ready for long.
    pub not_ready: Option<Box<Incident>>,
    /// Open when its probes have known nothing for long.
    pub blind: Option<Box<Incident>>,
    /// Faults that probes of others laid at its door, by who saw them.
    pub blamed: BTreeMap<String, String>,
    /// Why it is left alone, when a release that kept no more than this has said so.
    pub off: Option<String>,
    /// Open while it is left alone, until it is healthy again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Box<Incident>>,
    /// Whether its present run was noticed soon after it began, so that its start can be learned from.
    #[serde(default)]
    pub start_seen: bool,
    /// How long its last starts took, in milliseconds, oldest first.
    #[serde(default)]
    pub starts: Vec<u64>,
    /// When repairs of it were proven, or systemd restarted a run that had been well, within the span of the advisory.
    #[serde(default)]
    pub heals: Vec<Timestamp>,
}

/// So many healings are remembered, the last ones: systemd alone may restart a service some thousand times a day.
pub const HEALS_MAX: usize = 100;

impl TargetState {
    /// It came back once more.
    pub(super) fn healed(&mut self, now: Timestamp) {
        self.heals.push(now);
        self.heals.drain(..self.heals.len().saturating_sub(HEALS_MAX));
    }
}

/// Where the recovery of a target stands. Pausing and waiting are holds, not phases, so that they never
/// erase where it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Phase {
    /// Nothing to do.
    #[default]
    Healthy,
    /// It fails, and the next rung is wanted.
    Failing {
        /// Since when.
        since: Timestamp,
    },
    /// An attempt was made and is being verified.
    Settling {
        /// When it was made.
        since: Timestamp,
        /// When it counts as failed, unless the unit is still starting.
        until: Timestamp,
        /// What was done.
        action: Name,
    },
    /// The window or the ladder is spent; single tries at growing gaps.
    Exhausted {
        /// Since when.
        since: Timestamp,
        /// When the next single try is allowed.
        next_try: Timestamp,
    },
}

/// What is remembered of one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeState {
    /// Its health after thresholds.
    pub health: ProbeHealth,
    /// Failures in a row; unknown readings leave it alone.
    pub fails: u32,
    /// Passes in a row, counted up to the threshold.
    pub passes: u32,
    /// Whether it ever passed: until then a probe with `arm_on_pass` does not count.
    pub armed: bool,
    /// Since when it has failed or known nothing.
    pub trouble_since: Option<Timestamp>,
    /// When it was asked last; kept only of a probe that is not asked in every pass, or that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// What excuses its failures for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excuse: Option<Excuse>,
    /// What it saw last. That it passed is not saved, so that a healthy cycle changes no state.
    #[serde(default, skip_serializing_if = "is_not_saved")]
    pub last: Option<LastReading>,
}

/// What was said when somebody was asked for an excuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excuse {
    /// What.
    pub said: String,
    /// Until when it counts.
    pub until: Timestamp,
}

/// A last reading compares as equal to every other: what decides of it changes together with the counters beside it, and
/// its figures are no reason to write.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LastReading(pub Reading);

fn is_not_saved(last: &Option<LastReading>) -> bool {
    matches!(last, None | Some(LastReading(Reading::Pass(_))))
}

impl PartialEq for LastReading {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastReading {}

/// A probe after its thresholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeHealth {
    /// Not known yet in this run of the target.
    #[default]
    Unsettled,
    /// Passing.
    Healthy,
    /// Failing.
    Unhealthy,
}

/// The unit as last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitView {
    /// What the facts mean; `Err` holds why the manager could not be asked.
    pub standing: Result<Standing, String>,
    /// The run: systemd's invocation id.
    pub run: Arc<str>,
    /// When that run started, on our timeline.
    pub started: Option<Timestamp>,
    /// systemd's own restarts since the last manual start.
    pub restarts: u32,
}
