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
use super::policy::{AlertPolicy, ChannelPolicy, Policy, TargetPolicy};
use super::quota::Quota;
use super::state::{Incident, State, Word};
use super::text::{End, Message};
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

/// Takes the channels' answers and what is said of the quota. A reading comes after the answers of its pass: what they
/// accepted is in it, and would be counted twice.
pub fn receive(policy: &AlertPolicy, state: &mut State, evidence: &Evidence, now: Now) {
    let finished = state.outbox.receive(&evidence.receipts, policy, now);
    if let Some(reading) = evidence.quota {
        let known = state.outbox.quota.as_ref();
        state.outbox.quota = Some(Quota::learn(known, reading, policy.reserve_percent, now.at));
    }
    follow(state, &finished, now);
}

/// An accepted letter starts the clock of the reminders, a refused one counts as never told. A reminder that
/// gave way to the reserve, as no fault does, is not written again at once: the next one is due when it would have been.
fn follow(state: &mut State, finished: &[u64], now: Now) {
    for id in finished {
        let Some(letter) = state.outbox.letter(*id).cloned() else { continue };
        let of_it = incidents(state).filter(|incident| incident.id == letter.incident);
        for heard in of_it.filter_map(|incident| incident.heard.get_mut(&letter.channel)) {
            if matches!(letter.fate, Fate::Accepted { .. }) {
                heard.accepted = Some(Word { key: letter.key.clone(), severity: letter.severity });
            }
            if heard.letter != Some(*id) {
                continue;
            }
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
        if !is_muted(policy, target, state, rulings) {
            raise_for(policy, target, state, rulings, evidence, now);
        } else if pause::covering(state, &target.name).is_some() {
            keep_for_later(policy, target, state, now);
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
fn is_muted(policy: &Policy, target: &TargetPolicy, state: &State, rulings: &BTreeMap<Name, Ruling>) -> bool {
    let failing = |name: &&Name| state.targets.get(*name).is_some_and(|entry| entry.incident.is_some());
    let held_by = match rulings.get(&target.name).and_then(Ruling::hold) {
        Some(Hold::Upstream(name)) => Some(name),
        Some(_) | None => None,
    };
    let mut causes = held_by.into_iter().chain(target.depends_on.iter().filter(failing));
    pause::covering(state, &target.name).is_some()
        || (target.external && state.offline.is_some())
        || causes.any(|cause| is_told_instead(policy, target, cause))
}

/// Whether all who would be told of this target are told of what it fails because of.
fn is_told_instead(policy: &Policy, target: &TargetPolicy, cause: &Name) -> bool {
    let Some(cause) = policy.target(cause) else { return false };
    let told = |channel: &ChannelPolicy| policy.alerts.recipients_of(cause).any(|of| of.name == channel.name);
    policy.alerts.recipients_of(target).all(told)
}

fn raise_for(
    policy: &Policy,
    target: &TargetPolicy,
    state: &mut State,
    rulings: &BTreeMap<Name, Ruling>,
    evidence: &Evidence,
    now: Now,
) {
    let Some(entry) = state.targets.get_mut(&target.name) else { return };
    let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
    let health = assess(target, entry);
    desk.down(target, entry, rulings);
    let _ = lasting::lasting(target, &health, entry, &mut state.incidents, &mut desk, false);
    let unit = evidence.units.iter().find(|report| report.target == target.name);
    let down = unit.and_then(|report| report.facts.as_ref().ok()?.stopped_ago());
    desk.left_alone(target, &health, entry, &mut state.incidents, down);
    desk.healed_often(target, entry);
}

/// What lasts while a person has paused it is for the summary at the end of that pause. Faults were noted when they
/// were judged.
fn keep_for_later(policy: &Policy, target: &TargetPolicy, state: &mut State, now: Now) {
    let Some(entry) = state.targets.get_mut(&target.name) else { return };
    let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
    let health = assess(target, entry);
    for seen in lasting::lasting(target, &health, entry, &mut state.incidents, &mut desk, true) {
        pause::note(state, &target.name, &seen);
    }
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
    let text = policy.render(&ended);
    for channel in &policy.channels {
        if let Some(Word { key, severity }) = told_as(outbox, channel, incident) {
            let about = About { target, severity };
            outbox.write(about.draft(&key, Kind::Recovery, incident.id, text.clone()), channel, now);
        }
    }
}

/// As what a channel was told of an incident last, or is about to be.
fn told_as(outbox: &Outbox, channel: &ChannelPolicy, incident: &Incident) -> Option<Word> {
    let on_its_way = |letter: &&Letter| letter.incident == incident.id && letter.is_waiting();
    let waiting = outbox.to(&channel.name).rfind(on_its_way);
    let waiting = waiting.map(|letter| Word { key: letter.key.clone(), severity: letter.severity });
    waiting.or_else(|| incident.heard.get(&channel.name)?.told_as())
}
