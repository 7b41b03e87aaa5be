//! Pauses: a person works on something, and the watchdog keeps its hands off and its mouth shut until the
//! pause ends, by itself at the latest. What would have happened meanwhile is told at the end.

use super::evidence::{Name, Order};
use super::gate::Hold;
use super::policy::Policy;
use super::state::{EVERYTHING, Pause, State};
use super::time::Now;

/// What is remembered of a pause for its summary; a longer list is not read.
const MISSED_MAX: usize = 10;

/// The pause that covers a target, if any; the one that ends last when there are two.
pub fn covering<'a>(state: &'a State, target: &Name) -> Option<&'a Pause> {
    let keys = [EVERYTHING, target.as_str()];
    keys.iter().filter_map(|key| state.pauses.get(*key)).max_by_key(|pause| pause.until)
}

/// Takes the owner's orders about pauses. A new pause of the same thing replaces the old one, and an
/// order about what is not watched any more does nothing.
pub(super) fn obey(policy: &Policy, state: &mut State, orders: &[Order], now: Now) {
    for order in orders {
        match order {
            Order::Pause { target, span, reason } => {
                let Some(key) = key(policy, target.as_ref()) else { continue };
                let missed = state.pauses.remove(&key).map(|pause| pause.missed).unwrap_or_default();
                let until = now.at.after(*span);
                let pause = Pause { since: now.at, until, reason: reason.clone(), missed };
                state.pauses.insert(key, pause);
            }
            Order::Resume { target: None } => state.pauses.clear(),
            Order::Resume { target: Some(target) } => {
                state.pauses.remove(target.as_str());
            }
            Order::TestAlert { .. } => {}
        }
    }
}

/// Takes out the pauses whose time is over, each with what it covered.
pub(super) fn expire(state: &mut State, now: Now) -> Vec<(String, Pause)> {
    state.pauses.extract_if(.., |_, pause| pause.until <= now.at).collect()
}

/// Notes what a pause that covers the target holds back or keeps quiet, once each.
pub(super) fn note(state: &mut State, target: &Name, why: &str) {
    let what = format!("{target}: {why}");
    for key in [EVERYTHING, target.as_str()] {
        if let Some(pause) = state.pauses.get_mut(key)
            && pause.missed.len() < MISSED_MAX
        {
            pause.missed.insert(what.clone());
        }
    }
}

/// The hold of a paused target.
///
/// # Errors
/// The hold, when it is paused.
pub(super) fn hold(state: &State, target: &Name) -> Result<(), Hold> {
    match covering(state, target) {
        Some(pause) => Err(Hold::Paused { until: pause.until, reason: pause.reason.clone() }),
        None => Ok(()),
    }
}

fn key(policy: &Policy, target: Option<&Name>) -> Option<String> {
    match target {
        None => Some(EVERYTHING.to_owned()),
        Some(name) => policy.target(name).map(|target| target.name.to_string()),
    }
}
