//! When people are told, and in which words. Told of a fault means told of its end. Whether a message gets
//! through is the outbox's business.

use super::evidence::{Evidence, KickRefusal, Name};
use super::gate::Hold;
use super::health::{Health, assess};
use super::outbox::{Draft, Fate, Kind, Outbox};
use super::pause;
use super::policy::{AlertPolicy, Policy, Role, TargetPolicy, nth_or_last};
use super::state::{Incident, Offline, Pause, ProbeHealth, Spent, State, TargetState};
use super::time::{Age, Now};
use super::verdict::Ruling;
use std::collections::BTreeMap;
use std::time::Duration;

/// The key under which a forged kick is told.
pub const KICK_AUTH_FAILED: &str = "kick_auth_failed";
/// The key under which a state that cannot be saved is told.
pub const STATE_NOT_DURABLE: &str = "state_not_durable";

/// Attempts in a row that did not help before people are told: one may be bad luck, and the next one often
/// follows within seconds.
const TELL_AFTER: u32 = 2;

/// Takes the channel's answers: an accepted letter starts the cooldown and the clock of the reminders, a
/// refused one counts as never told.
pub fn receive(state: &mut State, evidence: &Evidence, now: Now) {
    for id in state.outbox.receive(&evidence.receipts, now) {
        let Some(letter) = state.outbox.letter(id) else { continue };
        let accepted = matches!(letter.fate, Fate::Accepted { .. });
        let key = letter.key.clone();
        for incident in incidents(state).filter(|incident| incident.letter == Some(id)) {
            if accepted {
                incident.told = Some(now.at);
            } else {
                incident.raised.remove(&key);
            }
        }
    }
}

fn incidents(state: &mut State) -> impl Iterator<Item = &mut Incident> {
    let of_targets = state.targets.values_mut().flat_map(|target| {
        [&mut target.incident, &mut target.not_ready, &mut target.blind].into_iter().flatten()
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
        // What is paused is told in the summary at the end; what ends meanwhile is still told.
        if pause::covering(state, &target.name).is_some() {
            continue;
        }
        let Some(mut entry) = state.targets.remove(&target.name) else { continue };
        let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
        desk.down(target, &mut entry, rulings.get(&target.name));
        let hidden = target.external && state.offline.is_some();
        if !hidden {
            lasting(policy, target, &mut entry, &mut state.incidents, &mut desk);
        }
        desk.left_alone(target, &mut entry);
        state.targets.insert(target.name.clone(), entry);
    }
    troubles(policy, state, evidence, now);
    forged_kicks(policy, state, evidence, now);
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
    fn down(&mut self, policy: &TargetPolicy, target: &mut TargetState, ruling: Option<&Ruling>) {
        let Some(mut incident) = target.incident.take() else { return };
        if let Some((key, headline)) = due(policy, &incident, ruling, self.now) {
            let text = fault_text(policy, target, &incident, &headline, ruling, self.now);
            self.fault(&mut incident, key, Some(&policy.name), text);
        }
        self.remind(&mut incident, policy, target, ruling);
        target.incident = Some(incident);
    }

    /// Writes a fault once per incident and key, and not while the key is quiet.
    fn fault(&mut self, incident: &mut Incident, key: &str, target: Option<&Name>, text: String) {
        if incident.raised.contains(key) || self.outbox.is_quiet(key, self.alerts, self.now.at) {
            return;
        }
        incident.raised.insert(key.to_owned());
        incident.letter = Some(self.write(key, Kind::Fault, target, incident.id, text));
        incident.told = None;
    }

    /// Reminds at growing gaps, counted from the last time people were really told.
    fn remind(
        &mut self,
        incident: &mut Incident,
        policy: &TargetPolicy,
        target: &TargetState,
        ruling: Option<&Ruling>,
    ) {
        let Some(told) = incident.told else { return };
        let gap = nth_or_last(&self.alerts.reminders, incident.reminders as usize);
        let Some(key) =
            incident.letter.and_then(|id| self.outbox.letter(id)).map(|letter| letter.key.clone())
        else {
            return;
        };
        if self.alerts.reminders.is_empty() || self.now.at.since(told) < gap {
            return;
        }
        let text = fault_text(policy, target, incident, "still down", ruling, self.now);
        incident.reminders += 1;
        incident.letter = Some(self.write(&key, Kind::Reminder, Some(&policy.name), incident.id, text));
        incident.told = None;
    }

    fn write(&mut self, key: &str, kind: Kind, target: Option<&Name>, incident: u64, text: String) -> u64 {
        let text = format!("[WATCHDOG] {text}");
        let draft = Draft { key: key.to_owned(), kind, target: target.cloned(), incident, text };
        self.outbox.write(draft, self.alerts, self.now)
    }

    /// What a person switched off is said once, so that a forgotten stop is not found at 3 a.m.
    fn left_alone(&mut self, policy: &TargetPolicy, target: &mut TargetState) {
        let Health::Off(why) = assess(policy, target) else {
            target.off = None;
            return;
        };
        let key = format!("{}_left_alone", policy.name);
        if target.off.is_none() && !self.outbox.is_quiet(&key, self.alerts, self.now.at) {
            let unit = policy.unit.as_deref().unwrap_or("its unit");
            let text = format!(
                "{}: left alone, because {why}.\nIt stays down until it is started: systemctl --user start {unit}",
                policy.name
            );
            self.write(&key, Kind::Notice, Some(&policy.name), 0, text);
        }
        target.off = Some(why);
    }
}

/// Closes an incident: people who were told of it are told of its end.
pub fn close(
    policy: &AlertPolicy,
    outbox: &mut Outbox,
    target: Option<&Name>,
    incident: &Incident,
    how: &str,
    now: Now,
) {
    let told = |letter: &&super::outbox::Letter| {
        letter.incident == incident.id && matches!(letter.fate, Fate::Pending | Fate::Accepted { .. })
    };
    let remembered = outbox.letters.iter().rfind(told).map(|letter| letter.key.clone());
    // The letter itself may be forgotten by now; that it was told is not.
    let key = remembered.or_else(|| incident.told.and(incident.raised.last().cloned()));
    let Some(key) = key else { return };
    let name = target.map_or("watchdog", Name::as_str);
    let age = Age(now.at.since(incident.since));
    let text = format!("[WATCHDOG] {name}: {how} after {age}.\nIt was: {}", incident.cause);
    let draft = Draft { key, kind: Kind::Recovery, target: target.cloned(), incident: incident.id, text };
    outbox.write(draft, policy, now);
}

/// The end of a pause, with what it held back; nothing is said of a pause in which nothing happened.
pub fn pause_over(policy: &Policy, state: &mut State, what: &str, pause: &Pause, now: Now) {
    if pause.missed.is_empty() {
        return;
    }
    let target = policy.targets.iter().map(|target| &target.name).find(|name| name.as_str() == what);
    let name = target.map_or("everything", Name::as_str);
    let missed: Vec<&str> = pause.missed.iter().map(String::as_str).collect();
    let text = format!(
        "[WATCHDOG] {name}: the pause of {} is over.\nHeld back meanwhile: {}",
        Age(now.at.since(pause.since)),
        missed.join("; ")
    );
    let key = "pause_over".to_owned();
    let draft = Draft { key, kind: Kind::Notice, target: target.cloned(), incident: 0, text };
    state.outbox.write(draft, &policy.alerts, now);
}

/// A shorter time offline is not worth a message.
const TELL_OFFLINE_AFTER: Duration = Duration::from_secs(300);

/// The end of a time offline, with what could not be judged meanwhile.
pub fn online_again(alerts: &AlertPolicy, outbox: &mut Outbox, ended: &Offline, now: Now) {
    let lasted = now.at.since(ended.since);
    if lasted < TELL_OFFLINE_AFTER {
        return;
    }
    let hidden: Vec<&str> = ended.hidden.iter().map(Name::as_str).collect();
    let text = format!(
        "[WATCHDOG] back online after {}.\nIt was: {}\nNot judged meanwhile: {}",
        Age(lasted),
        ended.why,
        hidden.join(", ")
    );
    let key = "offline".to_owned();
    outbox.write(Draft { key, kind: Kind::Notice, target: None, incident: 0, text }, alerts, now);
}

/// Which alert a failing target calls for: the gravest that applies.
fn due<'a>(
    policy: &'a TargetPolicy,
    incident: &Incident,
    ruling: Option<&Ruling>,
    now: Now,
) -> Option<(&'a str, String)> {
    if let Some(Ruling::Held(Hold::Upstream(_) | Hold::Offline { .. } | Hold::Paused { .. })) = ruling {
        // One message per cause: the one about the target upstream, or the summary at the end.
        return None;
    }
    if incident.spent == Some(Spent::Window) && !policy.ladder.is_empty() {
        return Some((&policy.keys.limit, format!("repair limit reached ({})", policy.window)));
    }
    if incident.failed >= TELL_AFTER && !incident.raised.contains(&policy.keys.limit) {
        return Some((&policy.keys.attempt_failed, "repairs do not help".to_owned()));
    }
    let headline = match ruling {
        Some(Ruling::Held(Hold::NoLadder)) => "down, and nothing here can repair it",
        Some(Ruling::Held(Hold::Unusable(_))) => "down, and only a person can help",
        Some(Ruling::Held(_)) if now.at.since(incident.since) >= policy.alert_after => {
            "down, and it cannot be repaired now"
        }
        Some(_) | None => return None,
    };
    Some((policy.keys.failing.as_str(), headline.to_owned()))
}

/// What happened, since when, what was tried, what happens next, what to do.
fn fault_text(
    policy: &TargetPolicy,
    target: &TargetState,
    incident: &Incident,
    headline: &str,
    ruling: Option<&Ruling>,
    now: Now,
) -> String {
    let seen = match assess(policy, target) {
        Health::Unhealthy(why) | Health::Unknown(why) => why,
        Health::Healthy | Health::Off(_) => incident.cause.clone(),
    };
    let mut text =
        format!("{}: {headline}.\nDown for {}: {seen}", policy.name, Age(now.at.since(incident.since)));
    if !incident.tried.is_empty() {
        text.push_str(&format!("\nTried: {}", in_runs(&incident.tried)));
    }
    if let Some(ruling) = ruling.filter(|ruling| **ruling != Ruling::Held(Hold::NoLadder)) {
        text.push_str(&format!("\nNow: {ruling}"));
        if let Ruling::Held(hold) = ruling
            && let Some(until) = hold.until()
        {
            text.push_str(&format!(", next in {}", Age(until.since(now.at))));
        }
    }
    text.push_str(&format!("\nLook: picoclaw-watchdog explain {}", policy.name));
    if let Some(unit) = &policy.unit {
        text.push_str(&format!("; journalctl --user -u {unit} -n 50"));
    }
    text
}

/// Joins what was tried; the same thing several times over is said once, with its count.
fn in_runs(tried: &[String]) -> String {
    let runs = tried.chunk_by(|a, b| a == b).map(|run| match run.len() {
        1 => run[0].clone(),
        count => format!("{count} × {}", run[0]),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Conditions that are no fault at once, but worth a word when they last.
fn lasting(policy: &Policy, of: &TargetPolicy, target: &mut TargetState, ids: &mut u64, desk: &mut Desk<'_>) {
    if target.incident.is_some() {
        // While it is down, that is the news; the rest neither begins nor ends.
        return;
    }
    let not_ready = not_ready(of, target);
    let blind = blind(of, target);
    let blind_key = format!("{}_unknown", of.name);
    let cases = [
        (&mut target.not_ready, not_ready, of.keys.not_ready.as_str(), "alive, but not ready"),
        (&mut target.blind, blind, blind_key.as_str(), "cannot be judged"),
    ];
    for (slot, condition, key, headline) in cases {
        let Some(why) = condition else {
            if let Some(ended) = slot.take() {
                close(desk.alerts, desk.outbox, Some(&of.name), &ended, "recovered by itself", desk.now);
            }
            continue;
        };
        let incident = slot.get_or_insert_with(|| {
            *ids += 1;
            Incident::open(*ids, desk.now.at, &why)
        });
        let age = desk.now.at.since(incident.since);
        if age >= policy.alerts.lasting {
            let text = format!(
                "{}: {headline} for {}.\nSeen: {why}\nLook: picoclaw-watchdog explain {}",
                of.name,
                Age(age),
                of.name
            );
            desk.fault(incident, key, Some(&of.name), text);
        }
    }
}

fn not_ready(policy: &TargetPolicy, target: &TargetState) -> Option<String> {
    if let Some((by, why)) = target.blamed.first_key_value() {
        return Some(format!("{by}: {why}"));
    }
    policy.probes.iter().filter(|probe| probe.role == Role::Readiness).find_map(|probe| {
        let state = target.probes.get(&probe.name)?;
        let fails = state.health == ProbeHealth::Unhealthy && super::health::counts(probe, state);
        fails.then(|| format!("{}: {}", probe.name, super::health::words(state)))
    })
}

fn blind(policy: &TargetPolicy, target: &TargetState) -> Option<String> {
    use super::evidence::Reading;
    use super::state::LastReading;
    if let Some(Err(why)) = target.unit.as_ref().map(|view| &view.standing) {
        return Some(format!("unit: {why}"));
    }
    policy.probes.iter().find_map(|probe| match target.probes.get(&probe.name)?.last.as_ref()? {
        LastReading(Reading::Unknown(why)) => Some(format!("{}: {why}", probe.name)),
        LastReading(Reading::Pass(_) | Reading::Fail(_)) => None,
    })
}

/// Trouble of our own: told while it lasts, and when it ends.
fn troubles(policy: &Policy, state: &mut State, evidence: &Evidence, now: Now) {
    let mut present: BTreeMap<String, String> =
        evidence.troubles.iter().map(|trouble| (trouble.key.clone(), trouble.text.clone())).collect();
    if let Some(why) = &evidence.unsaved {
        let text =
            format!("the state cannot be saved: {why}. Until it can, one repair per window is made at most");
        present.insert(STATE_NOT_DURABLE.to_owned(), text);
    }
    let ended: Vec<String> =
        state.troubles.keys().filter(|key| !present.contains_key(*key)).cloned().collect();
    for key in ended {
        if let Some(incident) = state.troubles.remove(&key) {
            close(&policy.alerts, &mut state.outbox, None, &incident, "recovered by itself", now);
        }
    }
    for (key, text) in present {
        let ids = &mut state.incidents;
        let incident = state.troubles.entry(key.clone()).or_insert_with(|| {
            *ids += 1;
            Incident::open(*ids, now.at, &text)
        });
        let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
        desk.fault(incident, &key, None, format!("watchdog: {text}"));
    }
}

fn forged_kicks(policy: &Policy, state: &mut State, evidence: &Evidence, now: Now) {
    let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
    for kick in evidence.kicks.iter().filter(|kick| kick.wish == Err(KickRefusal::Forged)) {
        if !desk.outbox.is_quiet(KICK_AUTH_FAILED, desk.alerts, now.at) {
            let text = format!("a kick with a wrong token was refused: {} from {}", kick.action, kick.source);
            desk.write(KICK_AUTH_FAILED, Kind::Notice, None, 0, text);
        }
    }
}
