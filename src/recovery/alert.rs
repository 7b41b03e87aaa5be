//! When people are told. Told of a fault means told of its end, and one cause is one message. The words are in
//! [`super::text`]; whether a message gets through is the outbox's business.

mod lasting;
mod notices;

pub use notices::{back_online, pause_over};

use super::evidence::{Evidence, Name};
use super::gate::Hold;
use super::health::{Health, assess};
use super::outbox::{Draft, Fate, Kind, Letter, Outbox};
use super::pause;
use super::policy::{AlertPolicy, Policy, TargetPolicy, nth_or_last};
use super::quota::Quota;
use super::state::{Incident, Spent, State, TargetState};
use super::text::fault::{Fault, Headline};
use super::text::{End, Message, render};
use super::time::Now;
use super::verdict::Ruling;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The key under which a forged kick is told.
pub const KICK_AUTH_FAILED: &str = "kick_auth_failed";
/// The key under which a state that cannot be saved is told.
pub const STATE_NOT_DURABLE: &str = "state_not_durable";
/// The key of the message that the owner asked for.
pub const TEST: &str = "test";

/// Attempts in a row that did not help before people are told: one may be bad luck, and the next one often
/// follows within seconds.
const TELL_AFTER: u32 = 2;

/// Takes the channel's answers and what it says of its quota.
pub fn receive(policy: &AlertPolicy, state: &mut State, evidence: &Evidence, now: Now) {
    if let Some(reading) = evidence.quota {
        let known = state.outbox.quota.as_ref();
        state.outbox.quota = Some(Quota::learn(known, reading, policy.reserve_percent, now.at));
    }
    let finished = state.outbox.receive(&evidence.receipts, now);
    follow(state, &finished, now);
}

/// An accepted letter starts the clock of the reminders, a refused one counts as never told. A reminder that
/// gave way to the reserve is not written again at once: the next one is due when it would have been.
fn follow(state: &mut State, finished: &[u64], now: Now) {
    for id in finished {
        let Some(letter) = state.outbox.letter(*id).cloned() else { continue };
        for incident in incidents(state).filter(|incident| incident.letter == Some(*id)) {
            match letter.fate {
                Fate::Accepted { .. } => incident.told = Some(now.at),
                Fate::Superseded { .. } if letter.kind == Kind::Reminder => incident.told = Some(now.at),
                Fate::Refused { .. } | Fate::Superseded { .. } | Fate::Pending | Fate::Withheld => {
                    incident.raised.remove(&letter.key);
                }
            }
        }
    }
}

fn incidents(state: &mut State) -> impl Iterator<Item = &mut Incident> {
    let of_targets = state.targets.values_mut().flat_map(|target| {
        let open = [&mut target.incident, &mut target.not_ready, &mut target.blind];
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
    desk.left_alone(target, health, entry);
    desk.healed_often(target, entry);
}

/// Where letters are written.
struct Desk<'a> {
    alerts: &'a AlertPolicy,
    outbox: &'a mut Outbox,
    now: Now,
}

impl Desk<'_> {
    /// The alert that a failing target calls for, derived anew each pass, so that one that had to wait for
    /// a cooldown is raised as soon as that ends.
    fn down(&mut self, policy: &TargetPolicy, target: &mut TargetState, rulings: &BTreeMap<Name, Ruling>) {
        let Some(mut incident) = target.incident.take() else { return };
        let ruling = rulings.get(&policy.name);
        let text = |desk: &Self, incident: &Incident, headline: Headline| {
            let mut fault = Fault::gather(policy, target, incident, headline, ruling, desk.now);
            fault.dependents = dependents(rulings, &policy.name);
            desk.text(&Message::Fault(fault))
        };
        if let Some((key, headline)) = due(policy, &incident, ruling, self.now)
            && self.may_tell(&incident, key)
        {
            let text = text(self, &incident, headline);
            self.fault(&mut incident, key, Some(&policy.name), text);
        }
        if let Some(key) = self.reminder_due(&incident) {
            let text = text(self, &incident, Headline::StillDown);
            incident.reminders = incident.reminders.saturating_add(1);
            incident.letter = Some(self.write(&key, Kind::Reminder, Some(&policy.name), incident.id, text));
            incident.told = None;
        }
        target.incident = Some(incident);
    }

    /// A fault is written once per incident and key, and not while the key is quiet.
    fn may_tell(&self, incident: &Incident, key: &str) -> bool {
        !incident.raised.contains(key) && !self.outbox.is_quiet(key, self.alerts, self.now.at)
    }

    fn fault(&mut self, incident: &mut Incident, key: &str, target: Option<&Name>, text: String) {
        incident.raised.insert(key.to_owned());
        incident.letter = Some(self.write(key, Kind::Fault, target, incident.id, text));
        incident.told = None;
    }

    /// Reminders come at growing gaps, counted from the last time people were really told.
    fn reminder_due(&self, incident: &Incident) -> Option<String> {
        let gap = nth_or_last(&self.alerts.reminders, incident.reminders as usize);
        let due = !self.alerts.reminders.is_empty() && self.now.at.since(incident.told?) >= gap;
        due.then(|| self.outbox.letter(incident.letter?).map(|letter| letter.key.clone())).flatten()
    }

    fn text(&self, message: &Message<'_>) -> String {
        render(self.alerts.language, message)
    }

    fn write(&mut self, key: &str, kind: Kind, target: Option<&Name>, incident: u64, text: String) -> u64 {
        let draft = Draft { key: key.to_owned(), kind, target: target.cloned(), incident, text };
        self.outbox.write(draft, self.alerts, self.now)
    }

    fn notice(&mut self, key: &str, target: Option<&Name>, message: &Message<'_>) {
        let text = self.text(message);
        self.write(key, Kind::Notice, target, 0, text);
    }

    /// What a person switched off is said once, so that a forgotten stop is not found at 3 a.m.
    fn left_alone(&mut self, policy: &TargetPolicy, health: Health, target: &mut TargetState) {
        let Health::Off(why) = health else {
            target.off = None;
            return;
        };
        let key = format!("{}_left_alone", policy.name);
        if target.off.is_none() && !self.outbox.is_quiet(&key, self.alerts, self.now.at) {
            let unit = policy.unit.as_deref();
            let message = Message::LeftAlone { target: &policy.name, why: &why, unit };
            self.notice(&key, Some(&policy.name), &message);
        }
        target.off = Some(why);
    }

    /// Many repairs that all helped hide a fault of their own; said once per span.
    fn healed_often(&mut self, policy: &TargetPolicy, target: &TargetState) {
        let often = self.alerts.healed_often;
        let recent = target.heals.iter().filter(|at| self.now.at.since(**at) < often.per).count();
        if recent < often.attempts as usize {
            return;
        }
        let key = format!("{}_healed_often", policy.name);
        let mut said = self.outbox.letters.iter().filter(|letter| letter.key == key);
        if said.any(|letter| self.now.at.since(letter.raised) < often.per) {
            return;
        }
        let unit = policy.unit.as_deref();
        let message = Message::HealedOften { target: &policy.name, unit, times: recent, per: often.per };
        self.notice(&key, Some(&policy.name), &message);
    }
}

/// Closes an incident: people who were told of it are told of its end.
pub fn close(
    policy: &AlertPolicy,
    outbox: &mut Outbox,
    target: Option<&Name>,
    incident: &Incident,
    end: &End,
    now: Now,
) {
    outbox.drop_reminders(incident.id);
    let told = |letter: &&Arc<Letter>| {
        letter.incident == incident.id && matches!(letter.fate, Fate::Pending | Fate::Accepted { .. })
    };
    let remembered = outbox.letters.iter().rfind(told).map(|letter| letter.key.clone());
    // The letter itself may be forgotten by now; that it was told is not.
    let key = remembered.or_else(|| incident.told.and(incident.raised.last().cloned()));
    let Some(key) = key else { return };
    let lasted = now.at.since(incident.since);
    let text = render(policy.language, &Message::Recovered { target, end, lasted, incident });
    let draft = Draft { key, kind: Kind::Recovery, target: target.cloned(), incident: incident.id, text };
    outbox.write(draft, policy, now);
}

/// Which alert a failing target calls for: the gravest that applies.
fn due<'a>(
    policy: &'a TargetPolicy,
    incident: &Incident,
    ruling: Option<&Ruling>,
    now: Now,
) -> Option<(&'a str, Headline)> {
    if incident.spent == Some(Spent::Window) && !policy.ladder.is_empty() {
        return Some((&policy.keys.limit, Headline::LimitReached(policy.window)));
    }
    if (incident.spent.is_some() || incident.failed >= TELL_AFTER)
        && !incident.raised.contains(&policy.keys.limit)
    {
        return Some((&policy.keys.attempt_failed, Headline::NoHelp));
    }
    let headline = match ruling {
        Some(Ruling::Held(Hold::NoLadder)) => Headline::NothingRepairs,
        Some(Ruling::Held(Hold::Unusable(_))) => Headline::OnlyAPerson,
        // Whoever was told already that it is down learns nothing new from this.
        Some(Ruling::Held(_))
            if incident.raised.is_empty() && now.at.since(incident.since) >= policy.alert_after =>
        {
            Headline::CannotNow
        }
        Some(_) | None => return None,
    };
    Some((policy.keys.failing.as_str(), headline))
}

/// The targets that fail because of this one, directly or through others.
fn dependents(rulings: &BTreeMap<Name, Ruling>, cause: &Name) -> Vec<Name> {
    let held_by = |upstream: &Name| {
        let upstream = upstream.clone();
        let is_held = move |ruling: &Ruling| ruling.hold() == Some(&Hold::Upstream(upstream.clone()));
        rulings.iter().filter(move |(_, ruling)| is_held(ruling)).map(|(name, _)| name.clone())
    };
    let mut found: Vec<Name> = held_by(cause).collect();
    let mut next = 0;
    while let Some(name) = found.get(next).cloned() {
        let more: Vec<Name> = held_by(&name).filter(|name| !found.contains(name)).collect();
        found.extend(more);
        next += 1;
    }
    found
}
