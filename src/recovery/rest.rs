//! Which probes rest: those that are asked rarely, and those whose failure is excused for now. What their answers mean
//! is not decided here.

use super::evidence::Resting;
use super::health::liveness;
use super::policy::{Policy, ProbePolicy, TargetPolicy};
use super::state::{ProbeHealth, ProbeState, State, TargetState};
use super::time::Timestamp;

/// When a probe may be asked again; at once, unless it is one that is asked rarely. What was forgotten is asked
/// anew before its time, as soon as its cost allows.
fn due(policy: &ProbePolicy, probe: &ProbeState) -> Timestamp {
    let pace = if is_forgotten(probe) { policy.least } else { policy.every };
    pace.zip(probe.asked).map_or(Timestamp::default(), |(pace, asked)| asked.after(pace))
}

/// Whether nothing is known of a probe, not even that it could not be told.
fn is_forgotten(probe: &ProbeState) -> bool {
    probe.health == ProbeHealth::Unsettled && probe.passes == 0 && probe.trouble_since.is_none()
}

/// The probes that are not asked in this pass, since they were not long ago. A pass that comes a little early,
/// as passes do, is no reason to wait for a whole interval more.
pub fn resting(policy: &Policy, state: &State, now: Timestamp) -> Resting {
    let targets = policy.targets.iter().filter_map(|target| Some((target, state.targets.get(&target.name)?)));
    let mut resting = Resting::default();
    for (target, known) in targets {
        let states = target.probes.iter().filter_map(|probe| Some((probe, known.probes.get(&probe.name)?)));
        for (probe, state) in states {
            let name = || (target.name.clone(), probe.name.clone());
            if due(probe, state) > now.after(policy.reprobe) {
                resting.probes.push(name());
            }
            if let Some(excuse) = state.excuse.as_ref().filter(|excuse| excuse.until > now) {
                let (target, probe) = name();
                resting.excuses.push((target, probe, excuse.said.clone()));
            }
        }
    }
    resting
}

/// When it makes sense to look at a target again, at `soon` or later: its unit can always be asked.
pub(super) fn next_question(policy: &TargetPolicy, target: &TargetState, soon: Timestamp) -> Timestamp {
    if policy.unit.is_some() {
        return soon;
    }
    let due = liveness(policy, target).map(|(policy, probe)| due(policy, probe)).min();
    due.map_or(soon, |due| due.max(soon))
}
