//! When people are told. Told of a fault means told of its end, and one cause is one message. The words are in
//! [`super::text`]; whether a message gets through is the outbox's business.

mod desk;
mod fallback;
mod lasting;
mod notices;

pub use notices::{back_online, pause_over};

use super::evidence::{Evidence, Name};
use super::gate::Hold;
use super::health::assess;
use super::outbox::{Fate, Kind, Letter, Outbox};
use super::pause;
use super::policy::{AlertPolicy, ChannelPolicy, Policy, Severity, TargetPolicy};
use super::quota::Quota;
use super::state::{Incident, State};
use super::text::{End, Message, render};
use super::time::Now;
use super::verdict::Ruling;
use desk::{About, Desk};
use std::collections::BTreeMap;

/// The key under which a forged kick is told.
pub const KICK_AUTH_FAILED: &str = "kick_auth_failed";
/// The key under which a state that cannot be saved is told.
pub const STATE_NOT_DURABLE: &str = "state_not_durable";
/// The key of the message that the owner asked for.
pub const TEST: &str = "test";

/// Takes the channels' answers and what is said of the quota.
pub fn receive(policy: &AlertPolicy, state: &mut State, evidence: &Evidence, now: Now) {
    if let Some(reading) = evidence.quota {
        let known = state.outbox.quota.as_ref();
        state.outbox.quota = Some(Quota::learn(known, reading, policy.reserve_percent, now.at));
    }
    let finished = state.outbox.receive(&evidence.receipts, policy, now);
    follow(state, &finished, now);
}

/// An accepted letter starts the clock of the reminders, a refused one counts as never told. A reminder that
/// gave way to the reserve, as no fault does, is not written again at once: the next one is due when it would have been.
fn follow(state: &mut State, finished: &[u64], now: Now) {
    for id in finished {
        let Some(letter) = state.outbox.letter(*id).cloned() else { continue };
        let all = incidents(state).flat_map(|incident| incident.heard.values_mut());
        for heard in all.filter(|heard| heard.letter == Some(*id)) {
            match letter.fate {
                Fate::Accepted { .. } | Fate::Superseded { .. } => heard.told = Some(now.at),
                Fate::Refused { .. } | Fate::Pending | Fate::Withheld => {
                    heard.raised.remove(&letter.key);
                }
            }
        }
    }
}

fn incidents(state: &mut State) -> impl Iterator<Item = &mut Incident> {
    let of_targets = state.targets.values_mut().flat_map(|target| {
        let open = [&mut target.incident, &mut target.not_ready, &mut target.blind, &mut target.stopped];
        open.into_iter().flatten().map(Box::as_mut)
    });
    of_targets.chain(state.troubles.values_mut())
}

/// Raises what is due after every target was judged.
pub fn raise(
    policy: &Policy,
    state: &mut State,
    rulings: &BTreeMap<Name, Ruling>,
    evidence: &Evidence,
    now: Now,
) {
    let open: Vec<u64> = incidents(state).map(|incident| incident.id).collect();
    state.outbox.release(&policy.alerts, |id| open.contains(&id));
    for target in &policy.targets {
        if !is_muted(target, state, rulings) {
            raise_for(policy, target, state, rulings, now);
        }
    }
    notices::troubles(policy, state, evidence, now);
    notices::notices(policy, state, evidence, now);
    let gave_way = state.outbox.keep_reserve(&policy.alerts);
    follow(state, &gave_way, now);
    fallback::pass_on(&policy.alerts, state, now);
}

/// Of some targets nothing is said for now: paused by a person, not to be judged while we are offline, or
/// failing only because of another, which is told instead.
fn is_muted(target: &TargetPolicy, state: &State, rulings: &BTreeMap<Name, Ruling>) -> bool {
    let failing = |name: &Name| state.targets.get(name).is_some_and(|entry| entry.incident.is_some());
    pause::covering(state, &target.name).is_some()
        || (target.external && state.offline.is_some())
        || matches!(rulings.get(&target.name), Some(Ruling::Held(Hold::Upstream(_))))
        || target.depends_on.iter().any(failing)
}

fn raise_for(
    policy: &Policy,
    target: &TargetPolicy,
    state: &mut State,
    rulings: &BTreeMap<Name, Ruling>,
    now: Now,
) {
    let Some(entry) = state.targets.get_mut(&target.name) else { return };
    let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
    let health = assess(target, entry);
    desk.down(target, entry, rulings);
    lasting::lasting(target, &health, entry, &mut state.incidents, &mut desk);
    desk.left_alone(target, &health, entry, &mut state.incidents);
    desk.healed_often(target, entry);
}

/// Closes an incident: whoever was told of it is told of its end.
pub fn close(
    policy: &AlertPolicy,
    outbox: &mut Outbox,
    target: Option<&Name>,
    incident: &Incident,
    end: &End,
    now: Now,
) {
    outbox.drop_reminders(incident.id);
    let lasted = now.at.since(incident.since);
    let ended = Message::Recovered { target, end, lasted, incident };
    let text = render(policy.language, policy.manager, &ended);
    for channel in &policy.channels {
        if let Some((key, severity)) = told_under(outbox, channel, incident) {
            let about = About { target, severity };
            outbox.write(about.draft(&key, Kind::Recovery, incident.id, text.clone()), channel, now);
        }
    }
}

/// The key under which a channel was told of an incident last, and how bad that was. The letter itself may be
/// forgotten by now; that it was told is not.
fn told_under(outbox: &Outbox, channel: &ChannelPolicy, incident: &Incident) -> Option<(String, Severity)> {
    let told = |letter: &&Letter| {
        letter.incident == incident.id && matches!(letter.fate, Fate::Pending | Fate::Accepted { .. })
    };
    let remembered = outbox.to(&channel.name).rfind(told);
    let forgotten = || {
        let heard = incident.heard.get(&channel.name).filter(|heard| heard.told.is_some())?;
        Some((heard.raised.last()?.clone(), Severity::default()))
    };
    remembered.map(|letter| (letter.key.clone(), letter.severity)).or_else(forgotten)
}
