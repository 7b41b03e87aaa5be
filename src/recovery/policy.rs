//! What may be done, how often, and when to tell: the configuration as values that cannot be nonsense.
//! `config` builds them; nothing here reads text or has defaults of its own.

mod telling;

pub use telling::{AlertPolicy, ChannelPolicy, Language, Manager};

use super::cadence::Cadence;
use super::evidence::Name;
use super::window::Window;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an attempt takes besides its action: the bundle that is taken beside it (1.5 s) and a save.
pub const BESIDES: Duration = Duration::from_secs(2);

/// The whole policy: everything that [`super::decide::decide`] is allowed to know of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How often every probe runs.
    pub cadence: Cadence,
    /// How soon a suspect is asked again, unless its target has a pace of its own. Passes that are due within half
    /// of it share one.
    pub reprobe: Duration,
    /// The targets, in the order of the configuration; earlier ones act first.
    pub targets: Vec<TargetPolicy>,
    /// When and how people are told.
    pub alerts: AlertPolicy,
    /// The small budget of kicks, across all targets.
    pub kicks: Window,
    /// After a boot or a sleep, how long is only looked.
    pub hold_off: Duration,
    /// So many failing reference points mean that we are offline; none when there are no reference points.
    pub offline_quorum: Option<u32>,
    /// How long an attempt may hold up a pass, by its action. What is not named takes no time.
    pub takes: BTreeMap<Name, Duration>,
}

impl Policy {
    /// The policy of one target.
    pub fn target(&self, name: &Name) -> Option<&TargetPolicy> {
        self.targets.iter().find(|target| target.name == *name)
    }

    /// How long an attempt may hold up a pass.
    pub fn takes(&self, action: &Name) -> Duration {
        self.takes.get(action).copied().unwrap_or_default()
    }

    /// How long all attempts of one pass may take together: as long as the longest alone.
    pub fn longest(&self) -> Duration {
        self.takes.values().max().copied().unwrap_or_default()
    }
}

/// The policy of one thing that is kept alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPolicy {
    /// Its name.
    pub name: Name,
    /// The unit that systemd runs it as; none when something else does.
    pub unit: Option<String>,
    /// What is asked of it.
    pub probes: Vec<ProbePolicy>,
    /// What is done about it, in order of escalation; empty means that people are told and no more.
    pub ladder: Vec<Rung>,
    /// How many attempts are allowed in how much time.
    pub window: Window,
    /// The least wait before the first, second, third… attempt within the window; the last one repeats.
    pub backoff: Vec<Duration>,
    /// How long after an attempt that was carried out none follows, even if that one helped and the fault is new.
    pub cooldown: Duration,
    /// How much a fault of it matters to people.
    pub severity: Severity,
    /// Who alone is told of it; none for all who want to know of something this bad.
    pub channels: Option<Vec<Name>>,
    /// How soon it is asked again while something about it is suspect.
    pub reprobe: Duration,
    /// How long an attempt may take to show effect before the next rung, when no unit says that the
    /// target is still starting.
    pub settle: Duration,
    /// How long a start may take, counted from the moment its process started; until it is learned.
    pub start_allowance: Duration,
    /// What a learned allowance is never below, and never above.
    pub start_bounds: (Duration, Duration),
    /// Whether it is reached over the internet, so that nothing is known of it while we are offline.
    pub external: bool,
    /// How many healthy passes in a row prove a repair.
    pub stable_passes: u32,
    /// How long it must stay healthy before the ladder starts at its foot again.
    pub stable_for: Duration,
    /// The gaps between single tries once the window is spent; the last one repeats.
    pub half_open: Vec<Duration>,
    /// How long it may fail without a repair under way before people are told.
    pub alert_after: Duration,
    /// Targets that must be well before this one can be helped or blamed.
    pub depends_on: Vec<Name>,
    /// The keys under which people are told.
    pub keys: AlertKeys,
}

impl TargetPolicy {
    /// The policy of one probe.
    pub fn probe(&self, name: &Name) -> Option<&ProbePolicy> {
        self.probes.iter().find(|probe| probe.name == *name)
    }

    /// The rung that the next attempt stands on after `climbed` attempts, or none above the top.
    pub fn rung(&self, climbed: u32) -> Option<&Rung> {
        let mut below = 0;
        self.ladder.iter().find(|rung| {
            below += rung.tries;
            climbed < below
        })
    }

    /// The wait before an attempt that follows `earlier` attempts in the window.
    pub fn delay(&self, earlier: usize) -> Duration {
        nth_or_last(&self.backoff, earlier)
    }

    /// The gap before single try number `step`, counted from zero.
    pub fn half_open_gap(&self, step: u32) -> Duration {
        nth_or_last(&self.half_open, step as usize)
    }
}

/// The `n`th span, the last one when there are fewer, zero when there are none.
pub(super) fn nth_or_last(spans: &[Duration], n: usize) -> Duration {
    spans.get(n).or(spans.last()).copied().unwrap_or(Duration::ZERO)
}

/// How much a fault matters to people: which of them are told, and how bad the whole is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Warning,
    /// Something does not work.
    Error,
    /// What is there for people is down.
    #[default]
    Critical,
}

impl Severity {
    /// Its word, for people and for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Reads its word.
    ///
    /// # Errors
    /// A sentence that names the words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Warning, Self::Error, Self::Critical];
        let found = all.into_iter().find(|severity| severity.word() == text);
        found.ok_or_else(|| format!("{text:?} is not a severity; write warning, error or critical"))
    }
}

/// What a failing probe may lead to, as in the kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// May cause recovery.
    Liveness,
    /// Informs, and alerts when it lasts; never causes recovery by itself.
    Readiness,
}

/// The policy of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbePolicy {
    /// Its name.
    pub name: Name,
    /// What it may lead to.
    pub role: Role,
    /// Failures in a row that make it unhealthy; at least 1.
    pub fail_after: u32,
    /// Passes in a row that make it healthy again; at least 1.
    pub pass_after: u32,
    /// Counts only once it has passed for the first time ever: a port that this release never opens,
    /// or a `/ready` that is always 503, is then no fault.
    pub arm_on_pass: bool,
    /// The least time between two questions, for those that cost something; none means in every pass.
    pub every: Option<Duration>,
    /// The least time between two questions even when what it saw was forgotten, for those that cost somebody
    /// something.
    pub least: Option<Duration>,
}

/// One step of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The action.
    pub action: Name,
    /// Attempts on this rung before the next; at least 1.
    pub tries: u32,
    /// Whether it interrupts service: at most one such action is under way at a time.
    pub disruptive: bool,
}

/// Alert keys of one target. The predecessor's keys are kept for those who filter on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertKeys {
    /// The window is spent.
    pub limit: String,
    /// An attempt did not help.
    pub attempt_failed: String,
    /// It fails and nothing is being done, or can be.
    pub failing: String,
    /// It is alive but has not been ready for long.
    pub not_ready: String,
}

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn a_severity_is_read_as_it_is_written() {
        let words = ["warning", "error", "critical"];
        let all = [Severity::Warning, Severity::Error, Severity::Critical];
        assert_eq!(words.map(Severity::parse), all.map(Ok));
        assert_eq!(all.map(Severity::word), words);
        assert!(Severity::parse("fatal").is_err_and(|why| why.contains("warning, error or critical")));
    }
}
