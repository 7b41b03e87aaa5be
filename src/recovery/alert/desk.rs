//! Where letters are written: one for each channel that wants them, by what that channel alone has heard.

use super::close;
use crate::recovery::evidence::Name;
use crate::recovery::gate::Hold;
use crate::recovery::health::{self, Health, suspicion};
use crate::recovery::outbox::{Draft, Fate, Kind, Letter, Outbox};
use crate::recovery::policy::{AlertPolicy, ChannelPolicy, Severity, TargetPolicy, nth_or_last};
use crate::recovery::state::{Heard, Incident, Spent, TargetState};
use crate::recovery::text::fault::{Fault, Headline};
use crate::recovery::text::{End, Message};
use crate::recovery::time::Now;
use crate::recovery::verdict::Ruling;
use std::collections::BTreeMap;
use std::time::Duration;

/// Attempts in a row that did not help before people are told: one may be bad luck, and the next one often
/// follows within seconds.
const TELL_AFTER: u32 = 2;

/// The table and what lies on it.
pub(super) struct Desk<'a> {
    pub(super) alerts: &'a AlertPolicy,
    pub(super) outbox: &'a mut Outbox,
    pub(super) now: Now,
}

/// What a letter is about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) target: Option<&'a Name>,
    pub(super) severity: Severity,
}

impl<'a> About<'a> {
    /// Trouble of our own: while it lasts nothing may be watched.
    pub(super) const US: Self = About { target: None, severity: Severity::Critical };
    /// What is worth knowing, and has nothing to do with one target.
    pub(super) const NOTHING: Self = About { target: None, severity: Severity::Warning };

    pub(super) fn of(policy: &'a TargetPolicy) -> Self {
        Self { target: Some(&policy.name), severity: policy.severity }
    }

    pub(super) fn draft(self, key: &str, kind: Kind, incident: u64, text: String) -> Draft {
        let (target, severity) = (self.target.cloned(), self.severity);
        Draft { key: key.to_owned(), kind, severity, target, incident, text }
    }
}

impl Desk<'_> {
    /// The alert that a failing target calls for, derived anew each pass, so that one that had to wait for
    /// a cooldown is raised as soon as that ends.
    pub(super) fn down(
        &mut self,
        policy: &TargetPolicy,
        target: &mut TargetState,
        rulings: &BTreeMap<Name, Ruling>,
    ) {
        let Some(mut incident) = target.incident.take() else { return };
        let ruling = rulings.get(&policy.name);
        let text = |desk: &Self, incident: &Incident, headline: Headline| {
            let mut fault = Fault::gather(policy, target, incident, headline, ruling, desk.now);
            fault.dependents = dependents(rulings, &policy.name);
            desk.text(&Message::Fault(fault))
        };
        let alerts = self.alerts;
        for channel in alerts.recipients_of(policy) {
            let heard = incident.heard.get(&channel.name);
            if let Some((key, headline)) = due(policy, target, &incident, heard, ruling, self.now)
                && self.may_tell(channel, &incident, key)
            {
                let text = text(self, &incident, headline);
                self.fault(channel, &mut incident, key, About::of(policy), text);
            }
        }
        for channel in &alerts.channels {
            if let Some(key) = self.reminder_due(incident.heard.get(&channel.name)) {
                let text = text(self, &incident, Headline::StillDown);
                self.remind(channel, &mut incident, &key, About::of(policy), text);
            }
        }
        target.incident = Some(incident);
    }

    /// A fault is written once per incident, key and channel, and not while the key is quiet there.
    pub(super) fn may_tell(&self, channel: &ChannelPolicy, incident: &Incident, key: &str) -> bool {
        let knows = incident.heard.get(&channel.name).is_some_and(|heard| heard.raised.contains(key));
        !knows && !self.is_quiet(channel, key)
    }

    pub(super) fn is_quiet(&self, channel: &ChannelPolicy, key: &str) -> bool {
        self.outbox.is_quiet(&channel.name, key, self.alerts.cooldown, self.now.at)
    }

    pub(super) fn fault(
        &mut self,
        channel: &ChannelPolicy,
        incident: &mut Incident,
        key: &str,
        about: About<'_>,
        text: String,
    ) {
        let draft = about.draft(key, Kind::Fault, incident.id, text);
        self.write(channel, incident, draft).raised.insert(key.to_owned());
    }

    fn remind(
        &mut self,
        channel: &ChannelPolicy,
        incident: &mut Incident,
        key: &str,
        about: About<'_>,
        text: String,
    ) {
        let draft = about.draft(key, Kind::Reminder, incident.id, text);
        let heard = self.write(channel, incident, draft);
        heard.reminders = heard.reminders.saturating_add(1);
    }

    /// Writes a letter that the incident waits to hear about.
    fn write<'i>(
        &mut self,
        channel: &ChannelPolicy,
        incident: &'i mut Incident,
        draft: Draft,
    ) -> &'i mut Heard {
        let letter = self.outbox.write(draft, channel, self.now);
        let heard = incident.heard.entry(channel.name.clone()).or_default();
        (heard.letter, heard.told) = (Some(letter), None);
        heard
    }

    /// Reminders come at growing gaps, counted from the last time people were really told.
    fn reminder_due(&self, heard: Option<&Heard>) -> Option<String> {
        let heard = heard?;
        let gap = nth_or_last(&self.alerts.reminders, heard.reminders as usize);
        let due = !self.alerts.reminders.is_empty() && self.now.at.since(heard.told?) >= gap;
        due.then(|| heard.told_as().map(|word| word.key)).flatten()
    }

    pub(super) fn text(&self, message: &Message<'_>) -> String {
        self.alerts.render(message)
    }

    /// Something worth knowing, for everyone who wants to know anything at all.
    pub(super) fn notice(&mut self, key: &str, kind: Kind, message: &Message<'_>) {
        for channel in self.alerts.recipients(None) {
            self.say(channel, About::NOTHING, key, kind, message);
        }
    }

    /// Writes what has no end to tell.
    pub(super) fn say(
        &mut self,
        to: &ChannelPolicy,
        about: About<'_>,
        key: &str,
        kind: Kind,
        message: &Message<'_>,
    ) {
        let draft = about.draft(key, kind, 0, self.text(message));
        self.outbox.write(draft, to, self.now);
    }

    /// What a person switched off is said once, so that a forgotten stop is not found at 3 a.m.; whoever was told is
    /// told when it runs again.
    pub(super) fn left_alone(
        &mut self,
        policy: &TargetPolicy,
        health: &Health,
        target: &mut TargetState,
        ids: &mut u64,
        down: Option<Duration>,
    ) {
        match health {
            Health::Off(_) if target.off.is_some() => {}
            Health::Off(why) => {
                let stop = target.stopped.get_or_insert_with(|| {
                    *ids = ids.saturating_add(1);
                    Box::new(Incident::open(*ids, self.now.at, why))
                });
                self.tell_stop(policy, stop, why, down);
            }
            // Where the manager cannot be asked it may be off still.
            Health::Unknown(_) if health::fresh(target).is_none_or(Result::is_err) => {}
            Health::Unknown(_) | Health::Unhealthy(_) => {
                target.off = None;
                target.stopped.iter_mut().for_each(|stop| self.take_back(stop));
            }
            Health::Healthy => {
                target.off = None;
                if let Some(mut stop) = target.stopped.take() {
                    self.take_back(&mut stop);
                    close(self.alerts, self.outbox, Some(&policy.name), &stop, &End::RunsAgain, self.now);
                }
            }
        }
    }

    /// While the key is quiet it waits, and is told after that.
    fn tell_stop(&mut self, policy: &TargetPolicy, stop: &mut Incident, why: &str, down: Option<Duration>) {
        let key = format!("{}_left_alone", policy.name);
        let unit = policy.unit.as_deref();
        for channel in self.alerts.recipients_of(policy) {
            if self.may_tell(channel, stop, &key) {
                let text = self.text(&Message::LeftAlone { target: &policy.name, why, down, unit });
                let draft = About::of(policy).draft(&key, Kind::Notice, stop.id, text);
                self.write(channel, stop, draft).raised.insert(key.clone());
            }
        }
    }

    /// It was started, so what nobody was told yet need not be told, and who was not told has nothing to hear of the
    /// end.
    fn take_back(&mut self, stop: &mut Incident) {
        self.outbox.drop_reminders(stop.id);
        let outbox = &*self.outbox;
        let untold = |letter: &Letter| matches!(letter.fate, Fate::Superseded { .. });
        stop.heard.retain(|_, heard| !heard.letter.and_then(|id| outbox.letter(id)).is_some_and(untold));
    }

    /// Many repairs that all helped hide a fault of their own; said once per span.
    pub(super) fn healed_often(&mut self, policy: &TargetPolicy, target: &TargetState) {
        let often = self.alerts.healed_often;
        let recent = target.heals.len();
        if recent < often.attempts as usize {
            return;
        }
        let key = format!("{}_healed_often", policy.name);
        let unit = policy.unit.as_deref();
        for channel in self.alerts.recipients_of(policy) {
            let lately = |letter: &Letter| letter.key == key && self.now.at.since(letter.raised) < often.per;
            let said = self.outbox.to(&channel.name).any(lately);
            if !said {
                let message =
                    Message::HealedOften { target: &policy.name, unit, times: recent, per: often.per };
                self.say(channel, About::of(policy), &key, Kind::Notice, &message);
            }
        }
    }
}

/// Which alert a failing target calls for on a channel that has heard so much: the gravest that applies.
fn due<'a>(
    policy: &'a TargetPolicy,
    target: &TargetState,
    incident: &Incident,
    heard: Option<&Heard>,
    ruling: Option<&Ruling>,
    now: Now,
) -> Option<(&'a str, Headline)> {
    let knows = |key: &str| heard.is_some_and(|heard| heard.raised.contains(key));
    if incident.spent == Some(Spent::Window) && !policy.ladder.is_empty() {
        return Some((&policy.keys.limit, Headline::LimitReached(policy.window)));
    }
    if (incident.spent.is_some() || incident.failed >= TELL_AFTER) && !knows(&policy.keys.limit) {
        return Some((&policy.keys.attempt_failed, Headline::NoHelp));
    }
    let headline = match ruling {
        Some(Ruling::Held(Hold::NoLadder)) => Headline::NothingRepairs,
        Some(Ruling::Held(Hold::Unusable(_))) => Headline::OnlyAPerson,
        // Whoever was told already that it is down learns nothing new from this, and what is asked again within seconds
        // is better known soon.
        Some(Ruling::Held(_) | Ruling::Unsure(_))
            if heard.is_none_or(|heard| heard.raised.is_empty())
                && now.at.since(incident.since) >= policy.alert_after
                && !is_soon_known(policy, target, ruling) =>
        {
            Headline::CannotNow
        }
        Some(_) | None => return None,
    };
    Some((policy.keys.failing.as_str(), headline))
}

fn is_soon_known(policy: &TargetPolicy, target: &TargetState, ruling: Option<&Ruling>) -> bool {
    matches!(ruling, Some(Ruling::Unsure(_))) && suspicion(policy, target).is_some()
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
