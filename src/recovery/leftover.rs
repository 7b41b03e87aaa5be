//! What does not count any more: what is too old, and what an earlier configuration left in the state. Whatever this one
//! does not name decides nothing; but no attempt is forgotten before its time.

use super::alert;
use super::evidence::Name;
use super::policy::{Policy, TargetPolicy};
use super::state::{Phase, State, TargetState};
use super::text::End;
use super::time::Now;

/// Forgets it.
pub(super) fn prune(policy: &Policy, state: &mut State, now: Now) {
    for target in &policy.targets {
        let entry = state.targets.entry(target.name.clone()).or_default();
        target.window.prune(&mut entry.attempts, now.at);
        target.window.prune(&mut entry.asked_for, now.at);
        policy.alerts.healed_often.prune(&mut entry.heals, now.at);
        forget_unnamed(policy, target, entry);
    }
    policy.kicks.prune(&mut state.kicks, now.at);
    forget_unwatched(policy, state, now);
}

/// What was known of a unit that is not asked, and what a probe laid at its door that is not asked either, would stay
/// for ever.
fn forget_unnamed(policy: &Policy, of: &TargetPolicy, target: &mut TargetState) {
    if of.unit.is_none() {
        (target.unit, target.crashes) = (None, 0);
    }
    target.blamed.retain(|seen_by, _| is_asked(policy, seen_by));
}

/// Whether there is a probe of this name, written `target/probe`.
fn is_asked(policy: &Policy, seen_by: &str) -> bool {
    let found = seen_by.split_once('/').and_then(|(target, probe)| {
        let [target, probe] = [target, probe].map(|text| Name::parse(text).ok());
        policy.target(&target?)?.probe(&probe?)
    });
    found.is_some()
}

/// What the configuration does not name any more has no incidents. Its attempts stay, so that taking a
/// target out and in again refills no window.
fn forget_unwatched(policy: &Policy, state: &mut State, now: Now) {
    let outbox = &mut state.outbox;
    for (name, target) in state.targets.iter_mut().filter(|(name, _)| policy.target(name).is_none()) {
        let open =
            [target.incident.take(), target.not_ready.take(), target.blind.take(), target.stopped.take()];
        for incident in open.iter().flatten() {
            alert::close(&policy.alerts, outbox, Some(name), incident, &End::Unwatched, now);
        }
        target.phase = Phase::Healthy;
    }
}
