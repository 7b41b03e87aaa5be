//! The life of an incident: opened at the first sign, counting what was tried, spent when nothing is left but
//! single tries. When something is tried is decided elsewhere.

use super::evidence::Name;
use super::health;
use super::policy::TargetPolicy;
use super::state::{Incident, Phase, ProbeState, Spent, TargetState, looks, pattern};
use super::time::Timestamp;
use std::collections::BTreeSet;

/// The words of `probe/port.rs`, the only probe that looks for the owner of a socket.
const HELD_BY: &str = " is held by ";

/// Opens an incident unless there is one.
pub(super) fn open(target: &mut TargetState, ids: &mut u64, cause: &str, now: Timestamp) {
    if target.incident.is_none() {
        *ids = ids.saturating_add(1);
        target.incident = Some(Box::new(Incident::open(*ids, now, cause)));
    }
}

/// Keeps who holds a port, from the first reading on: each attempt forgets what was read, and people are told after
/// some of them.
pub(super) fn note_holder(policy: &TargetPolicy, target: &mut TargetState) {
    let Some(mut incident) = target.incident.take() else { return };
    let reading = |probe: &ProbeState| probe.last.as_ref().map(|last| last.0.detail().to_owned());
    let found = health::counting(policy, target).find_map(|(policy, probe)| {
        Some((policy.name.clone(), reading(probe).filter(|words| words.contains(HELD_BY))?))
    });
    let looked_again = |(probe, _): &(Name, String)| target.probes.get(probe).and_then(reading).is_some();
    incident.holder = found.or(incident.holder.take().filter(|holder| !looked_again(holder)));
    target.incident = Some(incident);
}

/// The attempt under way did not help: the next rung, or the next single try. `after` is what is seen now;
/// none when the attempt could not be carried out.
pub(super) fn fail_attempt(
    policy: &TargetPolicy,
    target: &mut TargetState,
    ids: &mut u64,
    note: &str,
    after: Option<&str>,
    now: Timestamp,
) {
    let action = match &target.phase {
        Phase::Settling { action, .. } => Some(action.clone()),
        Phase::Healthy | Phase::Failing { .. } | Phase::Exhausted { .. } => None,
    };
    open(target, ids, note, now);
    let Some(incident) = &mut target.incident else { return };
    let Some(action) = action else { return };
    incident.count_failed(&action, after);
    incident.note(format!("{action} ({note})"));
    match (incident.half_open, incident.spent) {
        (Some(step), spent) => {
            exhaust(policy, target, step.saturating_add(1), spent.unwrap_or(Spent::Window), after, now);
        }
        (None, _) => target.phase = Phase::Failing { since: now },
    }
}

/// From now on there are single tries only; `step` counts them, `seen` is how the fault looks now,
/// if that is known anew.
pub(super) fn exhaust(
    policy: &TargetPolicy,
    target: &mut TargetState,
    step: u32,
    spent: Spent,
    seen: Option<&str>,
    now: Timestamp,
) {
    if let Some(incident) = &mut target.incident {
        incident.half_open = Some(step);
        incident.spent = Some(spent);
        incident.pattern = seen.map_or(std::mem::take(&mut incident.pattern), pattern);
        incident.looks = seen.into_iter().flat_map(looks).collect();
    }
    target.phase = Phase::Exhausted { since: now, next_try: now.after(policy.half_open_gap(step)) };
}

/// Waives the gap, once for each look of the fault, when one of the reasons is gone or has come to look different: the
/// cause that made the tries hopeless may be gone, as when a port is free again. A fault that only looks now like this,
/// now like that has shown all its looks soon, and keeps the gaps from then on.
pub(super) fn rearm(policy: &TargetPolicy, target: &mut TargetState, seen: &str, now: Timestamp) {
    let known = !health::is_unsettled(policy, target);
    let (Phase::Exhausted { next_try, .. }, Some(incident)) = (&mut target.phase, &mut target.incident)
    else {
        return;
    };
    if !known {
        return;
    }
    let looks: BTreeSet<String> = looks(seen).collect();
    let gone = !incident.looks.is_subset(&looks) || !incident.looks_as_before(seen);
    if gone && now < *next_try && incident.waive(&looks) {
        *next_try = now;
    }
    incident.looks = looks;
}
