//! What became of an attempt goes back into the state. The attempt was charged before it ran, so a record
//! that is lost to a crash loses no budget.

use super::decide::Attempt;
use super::evidence::LateFailure;
use super::health;
use super::incident::fail_attempt;
use super::policy::Policy;
use super::state::{Phase, State};
use super::time::Now;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out; whether it helped, the probes will say.
    Done(String),
    /// It is still being carried out; the probes will say, too.
    Running(String),
    /// It could not be carried out.
    Failed(String),
}

impl Outcome {
    /// What happened, in words.
    pub fn detail(&self) -> &str {
        match self {
            Self::Done(text) | Self::Running(text) | Self::Failed(text) => text,
        }
    }
}

/// Records an outcome. Verification counts from now, when the action has ended.
pub fn record(policy: &Policy, state: &mut State, attempt: &Attempt, outcome: &Outcome, now: Now) {
    let Some(of) = policy.target(&attempt.target) else { return };
    let Some(target) = state.targets.get_mut(&attempt.target) else { return };
    match outcome {
        Outcome::Done(_) | Outcome::Running(_) => {
            target.carried_out = Some(now.at);
            target.unit_is_old = true;
            if let Phase::Settling { since, until, .. } = &mut target.phase {
                *since = now.at;
                *until = now.at.after(of.settle);
            }
        }
        Outcome::Failed(why) => {
            fail_attempt(of, target, &mut state.incidents, &format!("failed: {why}"), None, now.at);
            health::forget_readings(target);
        }
    }
}

/// What was begun and failed in the end counts like what failed at once, as long as it is still being verified.
pub(super) fn record_late(policy: &Policy, state: &mut State, failures: &[LateFailure], now: Now) {
    for failure in failures {
        let Some(of) = policy.target(&failure.target) else { continue };
        let Some(target) = state.targets.get_mut(&failure.target) else { continue };
        if matches!(&target.phase, Phase::Settling { action, .. } if *action == failure.action) {
            let note = format!("failed: {}", failure.why);
            target.carried_out = None;
            fail_attempt(of, target, &mut state.incidents, &note, None, now.at);
        }
    }
}
