//! Why the watchdog does what it does about a target, with numbers. `explain`, `status`, the log and the
//! alerts all print verdicts; there is no second explanation anywhere.

use super::evidence::{Name, Reading};
use super::gate::Hold;
use super::health::{Health, counting, counts};
use super::policy::{ProbePolicy, Role, TargetPolicy};
use super::state::{Phase, ProbeHealth, ProbeState, TargetState};
use super::time::{Age, Timestamp};
use std::fmt;
use std::time::Duration;

/// The judgement on one target in one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The target.
    pub target: Name,
    /// Its health, with the reason.
    pub health: Health,
    /// Where its recovery stands.
    pub phase: Phase,
    /// What follows, with the rule behind it.
    pub ruling: Ruling,
    /// What the first readiness probe that counts and fails has seen, in words; none when it is ready.
    pub not_ready: Option<String>,
    /// Whether something that counts was not asked since the start, or since its run began.
    pub unasked: bool,
    /// Attempts in the window.
    pub used: usize,
    /// Attempts allowed; 0 when nothing is configured that could repair it.
    pub allowed: u32,
    /// The length of the window.
    pub per: Duration,
    /// When the oldest attempt stops counting.
    pub frees_in: Option<Duration>,
    /// How long until it could next act; none when that is not a matter of time.
    pub next_in: Option<Duration>,
    /// The open incident: its number, its age, and whether people were told.
    pub incident: Option<(u64, Duration, bool)>,
}

/// What one probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The probe.
    pub probe: String,
    /// Its role.
    pub role: Role,
    /// Its last reading; none when it was not asked since the start.
    pub reading: Option<Reading>,
    /// Failures in a row and how many make it unhealthy.
    pub fails: (u32, u32),
    /// Its health after thresholds.
    pub health: ProbeHealth,
    /// Whether it counts by now.
    pub counts: bool,
}

/// What follows from health and phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Nothing to do.
    Fine,
    /// Left alone, and why.
    LeftAlone(String),
    /// Failing, but not yet confirmed.
    Suspect(String),
    /// Not known, so nothing is done.
    Unsure(String),
    /// Healthy again, not yet for long enough.
    Recovering {
        /// Healthy passes in a row.
        passes: u32,
        /// How many prove it.
        of: u32,
    },
    /// An attempt is being verified.
    Verifying {
        /// What was done.
        action: Name,
        /// How long ago.
        age: Duration,
    },
    /// It acts now.
    Act {
        /// What is done.
        action: Name,
        /// Which attempt of the window this is.
        number: usize,
    },
    /// It would act, but is held.
    Held(Hold),
}

impl Ruling {
    /// What keeps it from acting; none when nothing does.
    pub fn hold(&self) -> Option<&Hold> {
        match self {
            Self::Held(hold) => Some(hold),
            Self::Fine
            | Self::LeftAlone(_)
            | Self::Suspect(_)
            | Self::Unsure(_)
            | Self::Recovering { .. }
            | Self::Verifying { .. }
            | Self::Act { .. } => None,
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => f.write_str("nothing to do"),
            Self::LeftAlone(why) => write!(f, "left alone: {why}"),
            Self::Suspect(what) => write!(f, "suspect, asked again until confirmed: {what}"),
            Self::Unsure(why) => write!(f, "not known, so nothing is done: {why}"),
            Self::Recovering { passes, of } => {
                write!(f, "proving itself, {passes} of {of} healthy passes")
            }
            Self::Verifying { action, age } => write!(f, "verifying {action}, done {} ago", Age(*age)),
            Self::Act { action, number } => write!(f, "do {action} now (attempt {number} in the window)"),
            Self::Held(hold) => write!(f, "held: {hold}"),
        }
    }
}

impl fmt::Display for Verdict {
    /// Health and ruling in one sentence, each reason said once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.health, &self.ruling, &self.not_ready) {
            (Health::Healthy, ruling, Some(why)) => write!(f, "alive, but not ready: {why}; {ruling}"),
            (Health::Healthy, Ruling::Fine, None) => write!(f, "healthy; {}", Ruling::Fine),
            (Health::Unhealthy(why), ruling, _) => write!(f, "{why}; {ruling}"),
            // The ruling says the reason in these cases.
            (Health::Healthy | Health::Unknown(_) | Health::Off(_), ruling, _) => write!(f, "{ruling}"),
        }
    }
}

impl Verdict {
    /// Whether it is told elsewhere, or is no news: an attempt and its outcome have lines of their own, and a
    /// run that nobody has asked yet says nothing.
    pub fn is_told_elsewhere(&self) -> bool {
        match &self.ruling {
            Ruling::Act { .. } | Ruling::Verifying { .. } => true,
            Ruling::Unsure(_) => self.unasked,
            Ruling::Fine
            | Ruling::LeftAlone(_)
            | Ruling::Suspect(_)
            | Ruling::Recovering { .. }
            | Ruling::Held(_) => false,
        }
    }

    /// Puts a verdict together once the ruling is known.
    pub fn new(
        policy: &TargetPolicy,
        target: &TargetState,
        health: Health,
        ruling: Ruling,
        now: Timestamp,
    ) -> Self {
        let frees_at = target.attempts.first().map(|first| first.after(policy.window.per));
        let next_at = ruling.hold().and_then(Hold::until);
        Self {
            target: policy.name.clone(),
            health,
            phase: target.phase.clone(),
            ruling,
            not_ready: not_ready(policy, target),
            unasked: unasked(policy, target),
            used: target.attempts.len(),
            allowed: if policy.ladder.is_empty() { 0 } else { policy.window.attempts },
            per: policy.window.per,
            frees_in: frees_at.map(|at| at.since(now)),
            next_in: next_at.map(|at| at.since(now)),
            incident: target.incident.as_ref().map(|i| (i.id, now.since(i.since), i.is_told())),
        }
    }
}

fn not_ready(policy: &TargetPolicy, target: &TargetState) -> Option<String> {
    let fails = |(policy, probe): &(&ProbePolicy, &ProbeState)| {
        policy.role == Role::Readiness && probe.health == ProbeHealth::Unhealthy
    };
    let (policy, probe) = counting(policy, target).find(fails)?;
    let detail = probe.last.as_ref().map_or("failing", |last| last.0.detail());
    Some(format!("{}: {detail}", policy.name))
}

fn unasked(policy: &TargetPolicy, target: &TargetState) -> bool {
    (policy.unit.is_some() && target.unit.is_none())
        || counting(policy, target).any(|(_, probe)| probe.last.is_none())
}

/// What each probe saw, for whoever shows it; nearly every pass is looked at by nobody.
pub fn seen(policy: &TargetPolicy, target: &TargetState) -> Vec<Seen> {
    let probes = policy.probes.iter().map(|probe| {
        let state = target.probes.get(&probe.name).cloned().unwrap_or_default();
        Seen {
            probe: probe.name.to_string(),
            role: probe.role,
            counts: counts(probe, &state),
            fails: (state.fails, probe.fail_after),
            health: state.health,
            reading: state.last.map(|last| last.0),
        }
    });
    unit_seen(policy, target).into_iter().chain(probes).collect()
}

/// The unit, shown as if it were a probe.
fn unit_seen(policy: &TargetPolicy, target: &TargetState) -> Option<Seen> {
    use super::unit::Standing;
    let unit = policy.unit.as_ref()?;
    let (reading, health) = match target.unit.as_ref().map(|view| &view.standing) {
        None => (None, ProbeHealth::Unsettled),
        Some(Err(why)) => (Some(Reading::Unknown(why.clone())), ProbeHealth::Unsettled),
        Some(Ok(Standing::Running)) => (Some(Reading::Pass(format!("{unit} runs"))), ProbeHealth::Healthy),
        Some(Ok(Standing::Busy(why))) => (Some(Reading::Unknown(why.clone())), ProbeHealth::Unsettled),
        Some(Ok(Standing::Dead(why) | Standing::Off(why) | Standing::Unusable(why))) => {
            (Some(Reading::Fail(format!("{unit}: {why}"))), ProbeHealth::Unhealthy)
        }
    };
    let fails = (u32::from(health == ProbeHealth::Unhealthy), 1);
    Some(Seen { probe: "unit".to_owned(), role: Role::Liveness, reading, fails, health, counts: true })
}
