//! A week in figures: small sums that change only when something happened, so that a healthy pass changes no
//! state. Uptime follows from the downtime that is recorded here; no passes are counted.

use super::decide::{Attempt, Closed};
use super::evidence::Name;
use super::policy::Policy;
use super::quota::Quota;
use super::state::{Incident, State};
use super::time::{Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a digest tells of: seven days on the watchdog's own timeline, from its first start or the last digest.
pub const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// The sums of the week under way. Bounded by the number of targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// When the week began; the beginning of the timeline before the first pass.
    pub since: Timestamp,
    /// The newest incident that is counted.
    pub incident: u64,
    /// By target; none for a target to which nothing happened.
    pub targets: BTreeMap<Name, Sums>,
}

/// The sums of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// Attempts made.
    pub attempts: u64,
    /// Milliseconds it was down within the week, in incidents that ended.
    pub down_ms: u64,
    /// From the first sign of a fault until it was confirmed.
    pub detect: Times,
    /// From the first sign of a fault until it was over.
    pub repair: Times,
}

/// How long something took, each time it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// How often.
    pub count: u64,
    /// The sum, in milliseconds.
    pub total_ms: u64,
    /// The longest, in milliseconds.
    pub worst_ms: u64,
}

impl Times {
    fn add(&mut self, took: Duration) {
        let ms = millis(took);
        self.count = self.count.saturating_add(1);
        self.total_ms = self.total_ms.saturating_add(ms);
        self.worst_ms = self.worst_ms.max(ms);
    }

    /// The mean and the worst; none when it never happened.
    pub fn mean_and_worst(&self) -> Option<(Duration, Duration)> {
        let mean = self.total_ms.checked_div(self.count)?;
        Some((Duration::from_millis(mean), Duration::from_millis(self.worst_ms)))
    }
}

/// Adds up what one pass brought.
pub fn tally(policy: &Policy, state: &mut State, closed: &[Closed], attempts: &[Attempt], now: Now) {
    if state.stats.since == Timestamp::default() {
        state.stats = Stats { since: now.at, incident: state.incidents, ..Stats::default() };
    }
    let stats = &mut state.stats;
    let newest = stats.incident;
    for target in &policy.targets {
        let open = state.targets.get(&target.name).and_then(|entry| entry.incident.as_ref());
        if let Some(incident) = open.filter(|incident| incident.id > newest) {
            stats.targets.entry(target.name.clone()).or_default().detect.add(now.at.since(incident.since));
        }
    }
    stats.incident = state.incidents;
    for attempt in attempts {
        let sums = stats.targets.entry(attempt.target.clone()).or_default();
        sums.attempts = sums.attempts.saturating_add(1);
    }
    for Closed { target, lasted, .. } in closed {
        let sums = stats.targets.entry(target.clone()).or_default();
        sums.repair.add(*lasted);
        sums.down_ms = sums.down_ms.saturating_add(millis((*lasted).min(now.at.since(stats.since))));
    }
}

/// The week as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Week {
    /// How long it was: seven days, or more when the watchdog was off at its end.
    pub span: Duration,
    /// The targets, in the order of the configuration.
    pub targets: Vec<(Name, Sums, Uptime)>,
    /// The month's quota, when it is known.
    pub quota: Option<Quota>,
}

/// A share of the time, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub u64);

impl std::fmt::Display for Uptime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            10_000 => f.write_str("100 %"),
            share => write!(f, "{}.{:02} %", share / 100, share % 100),
        }
    }
}

/// Ends the week when it is over, and returns it.
pub fn turn(policy: &Policy, state: &mut State, now: Now) -> Option<Week> {
    let span = now.at.since(state.stats.since);
    if span < WEEK {
        return None;
    }
    let ended = std::mem::replace(
        &mut state.stats,
        Stats { since: now.at, incident: state.incidents, ..Stats::default() },
    );
    let line = |name: &Name| {
        let sums = ended.targets.get(name).copied().unwrap_or_default();
        let open = state.targets.get(name).and_then(|entry| entry.incident.as_deref());
        (name.clone(), sums, uptime(&sums, open, span, now.at))
    };
    let targets = policy.targets.iter().map(|target| line(&target.name)).collect();
    Some(Week { span, targets, quota: state.outbox.quota.clone() })
}

/// Rounded down, so that 100 % means that it was never down.
fn uptime(sums: &Sums, open: Option<&Incident>, span: Duration, now: Timestamp) -> Uptime {
    let still_down = open.map_or(Duration::ZERO, |incident| now.since(incident.since));
    let span = millis(span).max(1);
    let down = sums.down_ms.saturating_add(millis(still_down)).min(span);
    Uptime((span - down).saturating_mul(10_000) / span)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_worst() {
        let mut times = Times::default();
        assert_eq!(times.mean_and_worst(), None);
        times.add(Duration::from_secs(1));
        times.add(Duration::from_secs(3));
        assert_eq!(times.mean_and_worst(), Some((Duration::from_secs(2), Duration::from_secs(3))));
    }

    #[test]
    fn a_whole_hundred_is_only_for_those_who_were_never_down() {
        let week = |down_ms| {
            let sums = Sums { down_ms, ..Sums::default() };
            uptime(&sums, None, WEEK, Timestamp(0)).to_string()
        };
        assert_eq!([week(0), week(1), week(6_048_000)], ["100 %", "99.99 %", "99.00 %"]);
        assert_eq!(week(u64::MAX), "0.00 %");
        let since_yesterday = Incident::open(1, Timestamp(0), "x");
        let now = Timestamp(86_400_000);
        assert_eq!(uptime(&Sums::default(), Some(&since_yesterday), WEEK, now).to_string(), "85.71 %");
    }
}
