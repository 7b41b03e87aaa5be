//! How things are, for people and programs: the one schema behind every `--json` and behind the published
//! status. It is made from verdicts and adds no judgement of its own.

use crate::exit::Exit;
use crate::recovery::evidence::Reading;
use crate::recovery::health::Health;
use crate::recovery::outbox::{Fate, Outbox};
use crate::recovery::policy::Role;
use crate::recovery::state::{Phase, ProbeHealth};
use crate::recovery::time::Age;
use crate::recovery::verdict::{Ruling, Seen, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
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
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// All is well, or off on purpose.
    Healthy,
    /// Suspect, unknown, recovering, or not ready.
    Degraded,
    /// Down.
    Critical,
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
    /// `healthy`, `unhealthy`, `unknown` or `off`.
    pub health: String,
    /// Why it is not healthy or not ready, in words; else empty.
    pub reason: String,
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
    /// What the channel answered last, when it was not yes.
    pub last_answer: String,
}

impl AlertsView {
    /// Counts the letters by fate.
    pub fn new(outbox: &Outbox, channel: &Result<(), String>) -> Self {
        let mut view = Self { channel_off: channel.clone().err().unwrap_or_default(), ..Self::default() };
        for letter in &outbox.letters {
            match &letter.fate {
                Fate::Accepted { .. } => view.accepted += 1,
                Fate::Withheld => view.withheld += 1,
                Fate::Refused { reason, .. } => {
                    view.refused += 1;
                    view.last_answer.clone_from(reason);
                }
                Fate::Pending => {
                    view.pending += 1;
                    view.last_answer.clone_from(&letter.last_answer);
                }
                Fate::Superseded { .. } => {}
            }
        }
        view
    }
}

impl TargetView {
    /// Flattens a verdict.
    pub fn new(verdict: &Verdict) -> Self {
        let (health, reason) = match &verdict.health {
            Health::Healthy => ("healthy", not_ready(verdict).unwrap_or_default()),
            Health::Unhealthy(why) => ("unhealthy", why.clone()),
            Health::Unknown(why) => ("unknown", why.clone()),
            Health::Off(why) => ("off", why.clone()),
        };
        Self {
            name: verdict.target.to_string(),
            grade: grade(verdict),
            health: health.to_owned(),
            reason,
            phase: phase_word(&verdict.phase).to_owned(),
            ruling: verdict.ruling.to_string(),
            attempts_used: verdict.used,
            attempts_allowed: verdict.allowed,
            window_s: verdict.per.as_secs(),
            frees_in_s: verdict.frees_in.map(|span| span.as_secs()),
            next_in_s: verdict.next_in.map(|span| span.as_secs()),
            incident: verdict.incident.map(|(id, age, told)| IncidentView { id, age_s: age.as_secs(), told }),
            probes: verdict.seen.iter().map(ProbeView::new).collect(),
        }
    }

    /// Health, reason and ruling in one sentence, each said once.
    pub fn sentence(&self) -> String {
        match (self.health.as_str(), self.reason.is_empty()) {
            ("healthy", true) if self.grade != Grade::Healthy => self.ruling.clone(),
            ("healthy", false) => format!("alive, but not ready: {}; {}", self.reason, self.ruling),
            (_, true) => format!("{}; {}", self.health, self.ruling),
            // For these two the ruling says the reason already.
            ("unknown" | "off", false) => self.ruling.clone(),
            (_, false) => format!("{}; {}", self.reason, self.ruling),
        }
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

/// What the first readiness probe that counts and fails has seen.
fn not_ready(verdict: &Verdict) -> Option<String> {
    let fails =
        |seen: &&Seen| seen.role == Role::Readiness && seen.counts && seen.health == ProbeHealth::Unhealthy;
    let seen = verdict.seen.iter().find(fails)?;
    let detail = seen.reading.as_ref().map_or("failing", Reading::detail);
    Some(format!("{}: {detail}", seen.probe))
}

fn grade(verdict: &Verdict) -> Grade {
    let unready = not_ready(verdict).is_some();
    match (&verdict.health, &verdict.ruling) {
        (Health::Unhealthy(_), Ruling::Verifying { .. }) => Grade::Degraded,
        (Health::Unhealthy(_), _) => Grade::Critical,
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
        }
    }
}

impl View {
    /// One line for systemd's `STATUS=` and for the end of a cycle.
    pub fn summary(&self) -> String {
        let unwell: Vec<String> = self
            .targets
            .iter()
            .filter(|target| target.grade != Grade::Healthy)
            .map(|target| format!("{}: {}", target.name, target.sentence()))
            .collect();
        let mut line = if unwell.is_empty() {
            let names: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
            format!("all well ({})", names.join(", "))
        } else {
            unwell.join(" | ")
        };
        let waiting = self.alerts.pending;
        if waiting > 0 {
            let _ = write!(line, " | alerts waiting: {waiting}");
        }
        line
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for target in &self.targets {
            let _ = writeln!(text, "{:<10} {:<9} {}", target.name, mark(target.grade), target.sentence());
            for probe in &target.probes {
                let note = if probe.counts { "" } else { " (does not count until it first passes)" };
                let _ = writeln!(text, "  {:<12} {:<9} {}{note}", probe.name, probe.reading, probe.detail);
            }
            let _ = writeln!(text, "  {}", target.numbers());
        }
        let _ = writeln!(text, "{}", self.alerts.line());
        text
    }
}

fn mark(grade: Grade) -> &'static str {
    match grade {
        Grade::Healthy => "ok",
        Grade::Degraded => "DEGRADED",
        Grade::Critical => "CRITICAL",
    }
}

impl TargetView {
    /// The budget, the incident and the next moment, in numbers.
    fn numbers(&self) -> String {
        let age = |seconds: u64| Age(Duration::from_secs(seconds)).to_string();
        let (used, allowed) = (self.attempts_used, self.attempts_allowed);
        let mut line = match allowed {
            0 => "no repair is configured; people are told".to_owned(),
            _ => format!("{used} of {allowed} attempts used in {}", age(self.window_s)),
        };
        if let Some(frees) = self.frees_in_s {
            let _ = write!(line, ", one frees in {}", age(frees));
        }
        if let Some(next) = self.next_in_s {
            let _ = write!(line, "; could next act in {}", age(next));
        }
        if let Some(incident) = &self.incident {
            let told = if incident.told { "people were told" } else { "nobody was told yet" };
            let _ = write!(line, "; incident {} is {} old, {told}", incident.id, age(incident.age_s));
        }
        line
    }
}

impl AlertsView {
    fn line(&self) -> String {
        if !self.channel_off.is_empty() {
            return format!("alerts     off: {} ({} withheld)", self.channel_off, self.withheld);
        }
        let mut line = format!(
            "alerts     {} accepted, {} pending, {} refused",
            self.accepted, self.pending, self.refused
        );
        if !self.last_answer.is_empty() {
            let _ = write!(line, "; LINE said: {}", self.last_answer);
        }
        line
    }
}
