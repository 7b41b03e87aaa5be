//! How things are, for people and programs: the one schema behind every `--json` and behind the published
//! status. It is made from verdicts and adds no judgement of its own.

mod off;
mod outlook;
mod table;

use super::log::{parse_zone, stamp};
use crate::exit::Exit;
use crate::recovery::evidence::{Name, Reading};
use crate::recovery::health::Health;
use crate::recovery::outbox::{Fate, Outbox};
use crate::recovery::policy::{Policy, Role, Severity, TargetPolicy};
use crate::recovery::state::{EVERYTHING, Pause, Phase, State, TargetState};
use crate::recovery::time::{Age, Now};
use crate::recovery::verdict::{self, Ruling, Seen, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The version of this schema; it grows when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program's version.
    pub version: String,
    /// When, as Unix seconds.
    pub at: u64,
    /// The process that looked.
    pub pid: u32,
    /// The pace of the daemon in seconds, by which a reader can tell a stale view.
    pub interval_s: u64,
    /// The worst of all targets: `healthy`, `degraded` or `critical`.
    pub overall: Grade,
    /// One entry per target.
    pub targets: Vec<TargetView>,
    /// Messages to people.
    pub alerts: AlertsView,
    /// What a person has paused.
    #[serde(default)]
    pub paused: Vec<PausedView>,
    /// Whether the process that looked stays and looks again; one of the timer ends with its cycle.
    #[serde(default)]
    pub resident: bool,
    /// Why the state of the process that looked cannot be saved: what others read of it is older then.
    #[serde(default)]
    pub unsaved: Option<String>,
    /// Why nothing is watched, when everything is switched off.
    #[serde(default)]
    pub off: Option<String>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedView {
    /// The target, or `all`.
    pub target: String,
    /// When it ends, as Unix seconds.
    pub until: u64,
    /// The same on the clock of the log.
    pub until_local: String,
    /// Seconds until then.
    pub left_s: u64,
    /// Why, in the owner's words; may be empty.
    pub reason: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// All is well, or off on purpose.
    Healthy,
    /// Suspect, unknown, recovering, not ready, or down without being critical.
    Degraded,
    /// Down, and critical.
    Critical,
}

impl Grade {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}

impl From<Grade> for Exit {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Healthy => Exit::Ok,
            Grade::Degraded => Exit::Degraded,
            Grade::Critical => Exit::Critical,
        }
    }
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// How bad it is.
    pub grade: Grade,
    /// How much a fault of it matters: only one of a critical target makes the whole critical.
    #[serde(default)]
    pub severity: Severity,
    /// `healthy`, `unhealthy`, `unknown` or `off`.
    pub health: String,
    /// Why it is not healthy or not ready, in words; else empty.
    pub reason: String,
    /// Health and ruling in one sentence.
    pub summary: String,
    /// `healthy`, `failing`, `settling` or `exhausted`.
    pub phase: String,
    /// What follows, with the rule behind it.
    pub ruling: String,
    /// Attempts made in the window.
    pub attempts_used: usize,
    /// Attempts allowed in the window; 0 when nothing is configured that could repair it.
    pub attempts_allowed: u32,
    /// The length of the window in seconds.
    pub window_s: u64,
    /// Seconds until the oldest attempt stops counting.
    pub frees_in_s: Option<u64>,
    /// Seconds until it could next act, when that is a matter of time.
    pub next_in_s: Option<u64>,
    /// The open incident.
    pub incident: Option<IncidentView>,
    /// What each probe saw.
    pub probes: Vec<ProbeView>,
    /// What it would do next, and what that waits for.
    #[serde(default)]
    pub outlook: String,
    /// What must be well before it can be helped, and how that is.
    #[serde(default)]
    pub depends_on: Vec<LinkView>,
    /// What depends on it.
    #[serde(default)]
    pub needed_by: Vec<String>,
}

/// Another target, and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// Its name.
    pub name: String,
    /// How bad it is.
    pub grade: Grade,
}

/// An open incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentView {
    /// Its number.
    pub id: u64,
    /// Its age in seconds.
    pub age_s: u64,
    /// Whether people were told.
    pub told: bool,
}

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeView {
    /// Its name.
    pub name: String,
    /// `liveness` or `readiness`.
    pub role: String,
    /// `pass`, `fail`, `unknown`, or `not_asked`.
    pub reading: String,
    /// What was seen.
    pub detail: String,
    /// Failures in a row.
    pub fails: u32,
    /// Failures that make it unhealthy.
    pub fail_after: u32,
    /// Whether it counts by now.
    pub counts: bool,
    /// When it was asked last, as Unix seconds; none before that.
    #[serde(default)]
    pub asked_at: Option<u64>,
    /// What it measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Number>,
}

/// Messages to people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertsView {
    /// Why there is no channel; empty when there is one.
    pub channel_off: String,
    /// Accepted by the channel, of those remembered.
    pub accepted: usize,
    /// Waiting to be accepted.
    pub pending: usize,
    /// Waiting for a channel.
    pub withheld: usize,
    /// Refused for good.
    pub refused: usize,
    /// What a channel answered to its newest letter, and which one, when that was not yes.
    pub last_answer: String,
}

/// The newest answer that was not yes, of a channel that has accepted nothing since.
fn last_answer(outbox: &Outbox) -> String {
    let mut well = BTreeSet::new();
    for letter in outbox.letters.iter().rev() {
        let answer = match &letter.fate {
            Fate::Accepted { .. } => {
                well.insert(&letter.channel);
                continue;
            }
            Fate::Refused { reason, .. } => reason,
            Fate::Pending => &letter.last_answer,
            Fate::Withheld | Fate::Superseded { .. } => continue,
        };
        if !answer.is_empty() && !well.contains(&letter.channel) {
            return format!("{} said: {answer}", letter.channel);
        }
    }
    String::new()
}

impl AlertsView {
    /// Counts the letters by fate.
    pub fn new(outbox: &Outbox, channel: &Result<(), String>) -> Self {
        let channel_off = channel.clone().err().unwrap_or_default();
        let mut view = Self { channel_off, last_answer: last_answer(outbox), ..Self::default() };
        for letter in &outbox.letters {
            match &letter.fate {
                Fate::Accepted { .. } => view.accepted += 1,
                Fate::Withheld => view.withheld += 1,
                Fate::Refused { .. } => view.refused += 1,
                Fate::Pending => view.pending += 1,
                Fate::Superseded { .. } => {}
            }
        }
        view
    }
}

/// The word for a pause of everything.
pub const ALL: &str = "all";

impl PausedView {
    /// The pauses that run, with their ends told in `zone` (a name as in the log's settings).
    pub fn list(state: &State, now: Now, zone: &str) -> Vec<Self> {
        if state.pauses.is_empty() {
            return Vec::new();
        }
        let zone = parse_zone(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let running = state.pauses.iter().filter(|(_, pause)| pause.until > now.at);
        let view = |(key, pause): (&String, &Pause)| {
            let left_s = pause.until.since(now.at).as_secs();
            let until = now.wall + left_s;
            Self {
                target: if key == EVERYTHING { ALL.to_owned() } else { key.clone() },
                until,
                until_local: stamp(until, &zone),
                left_s,
                reason: pause.reason.clone(),
            }
        };
        running.map(view).collect()
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let left = Age(Duration::from_secs(self.left_s));
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{} is paused until {} ({left} left){why}", self.target, self.until_local)
    }
}

impl TargetView {
    /// Flattens a verdict and what stands behind it.
    pub fn new(policy: &TargetPolicy, target: &TargetState, verdict: &Verdict) -> Self {
        let (health, reason) = match &verdict.health {
            Health::Healthy => ("healthy", verdict.not_ready.clone().unwrap_or_default()),
            Health::Unhealthy(why) => ("unhealthy", why.clone()),
            Health::Unknown(why) => ("unknown", why.clone()),
            Health::Off(why) => ("off", why.clone()),
        };
        Self {
            name: verdict.target.to_string(),
            grade: grade(policy, verdict),
            severity: policy.severity,
            health: health.to_owned(),
            reason,
            summary: verdict.to_string(),
            phase: phase_word(&verdict.phase).to_owned(),
            ruling: verdict.ruling.to_string(),
            attempts_used: verdict.used,
            attempts_allowed: verdict.allowed,
            window_s: verdict.per.as_secs(),
            frees_in_s: verdict.frees_in.map(|span| span.as_secs()),
            next_in_s: verdict.next_in.map(|span| span.as_secs()),
            incident: verdict.incident.map(|(id, age, told)| IncidentView { id, age_s: age.as_secs(), told }),
            probes: verdict::seen(policy, target).iter().map(ProbeView::new).collect(),
            outlook: String::new(),
            depends_on: Vec::new(),
            needed_by: Vec::new(),
        }
    }

    /// All of them, with what only the whole shows: who depends on whom, and what each would do next.
    pub fn all(policy: &Policy, state: &State, verdicts: &[Verdict], now: Now) -> Vec<Self> {
        let graded = |verdict: &Verdict| {
            let of = policy.target(&verdict.target)?;
            Some((verdict.target.clone(), grade(of, verdict)))
        };
        let grades: BTreeMap<_, _> = verdicts.iter().filter_map(graded).collect();
        let unknown = TargetState::default();
        let view = |verdict: &Verdict| {
            let of = policy.target(&verdict.target)?;
            let target = state.targets.get(&verdict.target).unwrap_or(&unknown);
            let mut view = Self::new(of, target, verdict);
            view.outlook = outlook::of(of, target, verdict, now.at);
            let link = |name: &Name| Some(LinkView { name: name.to_string(), grade: *grades.get(name)? });
            view.depends_on = of.depends_on.iter().filter_map(link).collect();
            let needs = policy.targets.iter().filter(|other| other.depends_on.contains(&of.name));
            view.needed_by = needs.map(|other| other.name.to_string()).collect();
            Some(view)
        };
        verdicts.iter().filter_map(view).collect()
    }
}

/// The word for a phase.
pub fn phase_word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Healthy => "healthy",
        Phase::Failing { .. } => "failing",
        Phase::Settling { .. } => "settling",
        Phase::Exhausted { .. } => "exhausted",
    }
}

fn grade(policy: &TargetPolicy, verdict: &Verdict) -> Grade {
    let unready = verdict.not_ready.is_some();
    match (&verdict.health, &verdict.ruling) {
        (Health::Unhealthy(_), Ruling::Verifying { .. }) => Grade::Degraded,
        (Health::Unhealthy(_), _) if policy.severity == Severity::Critical => Grade::Critical,
        (Health::Unhealthy(_), _) => Grade::Degraded,
        (Health::Unknown(_), _) => Grade::Degraded,
        (Health::Off(_), _) => Grade::Healthy,
        (Health::Healthy, Ruling::Fine) if !unready => Grade::Healthy,
        (Health::Healthy, _) => Grade::Degraded,
    }
}

impl ProbeView {
    fn new(seen: &Seen) -> Self {
        let (reading, detail) = match &seen.reading {
            None => ("not_asked", ""),
            Some(Reading::Pass(text)) => ("pass", text.as_str()),
            Some(Reading::Fail(text)) => ("fail", text.as_str()),
            Some(Reading::Unknown(text)) => ("unknown", text.as_str()),
        };
        let role = match seen.role {
            Role::Liveness => "liveness",
            Role::Readiness => "readiness",
        };
        Self {
            name: seen.probe.clone(),
            role: role.to_owned(),
            reading: reading.to_owned(),
            detail: detail.to_owned(),
            fails: seen.fails.0,
            fail_after: seen.fails.1,
            counts: seen.counts,
            asked_at: None,
            figures: BTreeMap::new(),
        }
    }
}
