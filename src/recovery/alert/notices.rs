//! What concerns no single failing target: trouble of our own, forged kicks, the quota, the test, the digest, the
//! end of a pause and of a time without the internet.

use super::desk::{About, Desk};
use super::{KICK_AUTH_FAILED, STATE_NOT_DURABLE, TEST, close};
use crate::recovery::digest;
use crate::recovery::evidence::{Evidence, KickRefusal, Name, Order};
use crate::recovery::outbox::{Kind, Letter, Outbox};
use crate::recovery::policy::{AlertPolicy, ChannelPolicy, Policy, nth_or_last};
use crate::recovery::state::{EVERYTHING, Incident, Offline, Pause, State};
use crate::recovery::text::{End, Message};
use crate::recovery::time::Now;
use std::collections::BTreeMap;
use std::time::Duration;

/// Trouble of our own: told while it lasts, and when it ends.
pub(super) fn troubles(policy: &Policy, state: &mut State, evidence: &Evidence, now: Now) {
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
            close(&policy.alerts, &mut state.outbox, None, &incident, &End::ByItself, now);
        }
    }
    for (key, text) in present {
        let ids = &mut state.incidents;
        let incident = state.troubles.entry(key.clone()).or_insert_with(|| {
            *ids = ids.saturating_add(1);
            Incident::open(*ids, now.at, &text)
        });
        let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
        for channel in policy.alerts.recipients(Some(About::US.severity)) {
            if desk.may_tell(channel, incident, &key) {
                let age = now.at.since(incident.since);
                let text = desk.text(&Message::OwnTrouble { key: &key, text: &text, age });
                desk.fault(channel, incident, &key, About::US, text);
            }
        }
    }
}

/// What is said once and has no end: forged kicks, the test, the digest, and a quota that runs out.
pub(super) fn notices(policy: &Policy, state: &mut State, evidence: &Evidence, now: Now) {
    if let Some(week) = digest::turn(policy, state, now).filter(|_| policy.alerts.digest) {
        let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
        desk.notice("digest", Kind::Digest, &Message::Digest(&week));
    }
    let mut desk = Desk { alerts: &policy.alerts, outbox: &mut state.outbox, now };
    for kick in evidence.kicks.iter().filter(|kick| kick.wish == Err(KickRefusal::Forged)) {
        let message = Message::ForgedKick { action: &kick.action, source: &kick.source };
        for channel in policy.alerts.recipients(None) {
            if !desk.outbox.is_quiet(&channel.name, KICK_AUTH_FAILED, desk.patience(channel), now.at) {
                desk.say(channel, About::NOTHING, KICK_AUTH_FAILED, Kind::Notice, &message);
            }
        }
    }
    desk.quota();
    for order in &evidence.orders {
        if let Order::TestAlert { channel } = order {
            desk.test(channel.as_ref());
        }
    }
}

/// Whoever guesses tokens writes as often as he likes; what was said of it within so long counts.
const GUESSING: Duration = Duration::from_secs(7 * 86_400);

impl Desk<'_> {
    /// How long after the last word about a wrong token the next one may follow. The gaps grow as those of reminders
    /// do, or the guesses would use up what can be sent in a month.
    fn patience(&self, channel: &ChannelPolicy) -> Duration {
        let lately =
            |letter: &&Letter| letter.key == KICK_AUTH_FAILED && self.now.at.since(letter.raised) < GUESSING;
        let said = self.outbox.to(&channel.name).filter(lately).count();
        nth_or_last(&self.alerts.reminders, said.saturating_sub(1)).max(self.alerts.cooldown)
    }

    /// Said with the last message that is free for everyone, once a month.
    fn quota(&mut self) {
        let Some(quota) = &mut self.outbox.quota else { return };
        let Some(scarce) = quota.runs_out(self.alerts.reserve_percent) else { return };
        if !std::mem::replace(&mut quota.warned, true) {
            self.notice("line_quota", Kind::Notice, &Message::QuotaRunsOut(scarce));
        }
    }

    /// The owner waits for the outcome, so what cannot be sent is refused at once instead of kept.
    fn test(&mut self, wanted: Option<&Name>) {
        let alerts = self.alerts;
        let usual = || alerts.open().next().or(alerts.channels.first());
        let Some(channel) = wanted.map_or_else(usual, |name| alerts.channel(name)) else { return };
        let quota = self.outbox.quota.clone().filter(|_| channel.metered);
        let text = self.text(&Message::Test { metered: channel.metered, quota: quota.as_ref() });
        let draft = About::NOTHING.draft(TEST, Kind::Test, 0, text);
        let scarce = quota.and_then(|quota| quota.permits(Kind::Test, alerts.reserve_percent).err());
        let refusal = match (&channel.on, scarce) {
            (Err(why), _) => Some(format!("there is no channel: {why}")),
            (Ok(()), scarce) => scarce.map(|scarce| scarce.to_string()),
        };
        match refusal {
            Some(why) => self.outbox.write_refused(draft, channel, why, self.now),
            None => self.outbox.write(draft, channel, self.now),
        };
    }
}

/// A shorter time without the internet is not worth a message.
const TELL_OFFLINE_AFTER: Duration = Duration::from_secs(300);

/// The one message about a time without the internet, to be called when it is over.
pub fn back_online(policy: &AlertPolicy, outbox: &mut Outbox, offline: &Offline, now: Now) {
    let lasted = now.at.since(offline.since);
    if lasted < TELL_OFFLINE_AFTER {
        return;
    }
    Desk { alerts: policy, outbox, now }.notice(
        "offline",
        Kind::Notice,
        &Message::BackOnline { offline, lasted },
    );
}

/// The summary at the end of a pause of one target, or of everything ([`EVERYTHING`]). Of a pause in which
/// nothing was held back, nothing is said.
pub fn pause_over(policy: &AlertPolicy, outbox: &mut Outbox, of: &str, pause: &Pause, now: Now) {
    if pause.missed.is_empty() {
        return;
    }
    let (target, key) = match of {
        EVERYTHING => (None, "pause".to_owned()),
        name => (Some(name), format!("{name}_pause")),
    };
    let message = Message::PauseOver { target, pause, lasted: now.at.since(pause.since) };
    Desk { alerts: policy, outbox, now }.notice(&key, Kind::Notice, &message);
}
