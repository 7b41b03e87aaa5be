//! How long a target may take to start: configured at first, learned from its own history later. What is
//! still starting is protected by the gate; nothing is decided here.

use super::policy::TargetPolicy;
use super::state::TargetState;
use super::time::Timestamp;
use std::time::Duration;

/// Fewer starts than this say nothing about a usual one.
const LEARNED_FROM: usize = 5;
/// Starts that are remembered: with twenty, the 95th percentile is the slowest but one.
const REMEMBERED: usize = 20;
/// A run first seen later than this after its start tells nothing of how long the start took.
const SEEN_SOON: Duration = Duration::from_secs(90);

/// How long this target may take to start: the 95th percentile of its own starts, half as long again,
/// within the configured bounds; the configured allowance until enough starts were seen.
pub fn allowance(policy: &TargetPolicy, target: &TargetState) -> Duration {
    if target.starts.len() < LEARNED_FROM {
        return policy.start_allowance;
    }
    let mut starts = target.starts.clone();
    starts.sort_unstable();
    let rank = (starts.len() * 95).div_ceil(100) - 1;
    let learned = Duration::from_millis(starts[rank]).mul_f64(1.5);
    let (floor, cap) = policy.start_bounds;
    learned.max(floor).min(cap)
}

/// How long any start of it may take, whatever is learned.
pub(super) fn longest(policy: &TargetPolicy) -> Duration {
    policy.start_allowance.max(policy.start_bounds.1)
}

/// Whether a run was noticed early enough to learn from its start.
pub(super) fn seen_soon(age: Option<Duration>) -> bool {
    age.is_some_and(|age| age <= SEEN_SOON)
}

/// Learns from a start that has just proven itself: it took from the start of the run until it was healthy.
pub(super) fn learn(target: &mut TargetState) {
    let started = target.unit.as_ref().and_then(|unit| unit.started);
    let (Some(started), Some(healthy)) = (started, target.healthy_since) else { return };
    if target.start_seen {
        remember(&mut target.starts, healthy.since(started));
    }
}

/// A start that outlasted the learned allowance shows that the history is no guide any more; without this,
/// a service that has become slower would be cut short for ever, and never be learned from again.
pub(super) fn unlearn(target: &mut TargetState) {
    target.starts.clear();
}

fn remember(starts: &mut Vec<u64>, took: Duration) {
    if starts.len() == REMEMBERED {
        starts.remove(0);
    }
    starts.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
}

/// When the start under way has had its time; none when the run is proven or nothing is known of its start.
pub(super) fn over_at(policy: &TargetPolicy, target: &TargetState) -> Option<Timestamp> {
    let unit = target.unit.as_ref().filter(|unit| unit.run != target.proven_run)?;
    Some(unit.started?.after(allowance(policy, target)))
}
