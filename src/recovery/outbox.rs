//! The durable queue of messages to people. It lives in the state document, so that a message and the
//! counters that caused it are saved together. Sending is charged before it happens, like a repair: a
//! crash at any point costs a retry under the same key, never a message. Each channel has its own letters, its own
//! order and its own pace.

mod letter;
mod push;

pub use letter::{Draft, Fate, Kind, Letter, line};

use super::evidence::{Delivery, Name, Receipt};
use super::policy::{AlertPolicy, ChannelPolicy};
use super::quota::Quota;
use super::time::{Now, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Finished letters of one channel that are kept for `alerts` to show: half of what LINE's free plan sends in a
/// month, and about 60 KB of state.
pub const FINISHED_MAX: usize = 100;
/// Letters that may wait for one channel. One key has at most one fault waiting, so faults and their ends alone reach
/// this only with hundreds of targets; of everything else, which has no such bound where a channel is off or dead, the
/// oldest gives way.
const PENDING_MAX: usize = 200;
/// A spent monthly quota can also be a reservation that is given back, so it is asked again, but rarely.
const QUOTA_GAP: Duration = Duration::from_secs(3600);

/// The longest that a channel is left in peace because it asks for that: somebody waits to hear of a fault.
const PEACE_MAX: Duration = Duration::from_secs(3600);

/// The queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    /// All letters, oldest first. Few of them ever change again, so copies of the state share them.
    pub letters: Vec<Arc<Letter>>,
    /// Letters ever written; numbers them.
    pub written: u64,
    /// When each channel may be tried next.
    #[serde(deserialize_with = "by_channel")]
    pub next_try: BTreeMap<Name, Timestamp>,
    /// The month's quota of the channel that has one; none when it is not known, and then nothing is kept back.
    #[serde(default)]
    pub quota: Option<Quota>,
}

impl Outbox {
    /// Whether a new alert under this key has to wait: one is on its way, or the cooldown runs. What gave way
    /// to the reserve is not written again and again; a fault is, for it was not told.
    pub fn is_quiet(&self, channel: &Name, key: &str, cooldown: Duration, now: Timestamp) -> bool {
        let of_key = |letter: &&Letter| letter.key == key && letter.kind != Kind::Recovery;
        self.to(channel).filter(of_key).any(|letter| match &letter.fate {
            Fate::Pending | Fate::Withheld => true,
            Fate::Accepted { at, .. } | Fate::Refused { at, .. } => now.since(*at) < cooldown,
            Fate::Superseded { .. } => letter.kind != Kind::Fault && now.since(letter.raised) < cooldown,
        })
    }

    /// The letters to a channel, oldest first.
    pub fn to(&self, channel: &Name) -> impl DoubleEndedIterator<Item = &Letter> {
        self.letters.iter().map(Arc::as_ref).filter(move |letter| letter.channel == *channel)
    }

    /// Writes a letter; it is sent once saved. Returns its number.
    pub fn write(&mut self, draft: Draft, to: &ChannelPolicy, now: Now) -> u64 {
        let fate = if to.on.is_ok() { Fate::Pending } else { Fate::Withheld };
        self.write_with(draft, to, fate, now)
    }

    /// Writes a letter that will never be sent, so that it can be seen why.
    pub fn write_refused(&mut self, draft: Draft, to: &ChannelPolicy, reason: String, now: Now) -> u64 {
        self.write_with(draft, to, Fate::Refused { reason, at: now.at }, now)
    }

    fn write_with(&mut self, draft: Draft, to: &ChannelPolicy, fate: Fate, now: Now) -> u64 {
        self.written = self.written.saturating_add(1);
        let id = self.written;
        self.letters.push(Arc::new(Letter {
            id,
            channel: to.name.clone(),
            key: draft.key,
            kind: draft.kind,
            severity: draft.severity,
            target: draft.target,
            incident: draft.incident,
            text: draft.text,
            raised: now.at,
            raised_wall: now.wall,
            push: None,
            retry_key: uuid(now.entropy, id),
            body: None,
            first_try: None,
            tries: 0,
            last_answer: String::new(),
            passed_on: false,
            fate,
        }));
        self.trim(&to.name);
        id
    }

    /// Takes what the channels answered. Returns the letters whose fate it decided, by number.
    pub fn receive(&mut self, receipts: &[Receipt], alerts: &AlertPolicy, now: Now) -> Vec<u64> {
        let mut finished = Vec::new();
        for Receipt { alert: push, delivery } in receipts {
            let Some(head) = self.letter(*push).filter(|head| head.is_waiting()) else { continue };
            let channel = head.channel.clone();
            finished.extend(self.answered(*push, delivery, alerts.is_metered(&channel), now));
            let next = match delivery {
                Delivery::Accepted { .. } | Delivery::Refused(_) => Some(now.at),
                // It gave way, and the next letter need not wait.
                Delivery::QuotaSpent(_) if self.push(*push).is_empty() => Some(Timestamp::default()),
                Delivery::QuotaSpent(_) => Some(now.at.after(QUOTA_GAP)),
                Delivery::Later { seconds, .. } => {
                    let peace = now.at.after(Duration::from_secs(*seconds).min(PEACE_MAX));
                    // The gap of its own tries counts all the same.
                    Some(self.next_try.get(&channel).map_or(peace, |next| peace.max(*next)))
                }
                Delivery::Retry(_) => None,
            };
            self.next_try.extend(next.map(|at| (channel.clone(), at)));
            self.trim(&channel);
        }
        finished
    }

    fn answered(&mut self, push: u64, delivery: &Delivery, metered: bool, now: Now) -> Vec<u64> {
        match delivery {
            Delivery::Accepted { request_id } => {
                if metered {
                    self.quota.iter_mut().for_each(|quota| quota.used = quota.used.saturating_add(1));
                }
                let request_id = request_id.clone();
                self.finish(push, &Fate::Accepted { request_id, at: now.at, wall: now.wall })
            }
            Delivery::Refused(reason) => {
                self.finish(push, &Fate::Refused { reason: reason.clone(), at: now.at })
            }
            Delivery::QuotaSpent(reason) => {
                self.quota.iter_mut().for_each(Quota::spend_all);
                self.note(push, reason);
                self.give_way(push, reason)
            }
            Delivery::Retry(reason) | Delivery::Later { reason, .. } => {
                self.note(push, reason);
                Vec::new()
            }
        }
    }

    /// The letters of which this holds, to be changed; those that the saved state shares are copied first.
    pub fn letters_mut(&mut self, which: impl Fn(&Letter) -> bool) -> impl Iterator<Item = &mut Letter> {
        self.letters.iter_mut().filter(move |letter| which(letter)).map(Arc::make_mut)
    }

    fn push_mut(&mut self, push: u64) -> impl Iterator<Item = &mut Letter> {
        self.letters_mut(move |letter| letter.is_waiting() && letter.is_in(push))
    }

    fn finish(&mut self, push: u64, fate: &Fate) -> Vec<u64> {
        let mut finished = Vec::new();
        for letter in self.push_mut(push) {
            letter.fate = fate.clone();
            finished.push(letter.id);
        }
        finished
    }

    fn note(&mut self, push: u64, answer: &str) {
        self.push_mut(push).for_each(|letter| answer.clone_into(&mut letter.last_answer));
    }

    /// With the quota spent, only what is worth asking for every hour stays; the next letter need not wait.
    fn give_way(&mut self, push: u64, reason: &str) -> Vec<u64> {
        if self.push(push).iter().any(|letter| letter.kind.is_critical()) {
            return Vec::new();
        }
        self.finish(push, &Fate::Superseded { reason: reason.to_owned() })
    }

    /// Takes back what would use the reserve and has no right to. Returns the letters, by number.
    pub fn keep_reserve(&mut self, alerts: &AlertPolicy) -> Vec<u64> {
        let Some(quota) = &self.quota else { return Vec::new() };
        let Err(scarce) = quota.permits(Kind::Notice, alerts.reserve_percent) else { return Vec::new() };
        let counts = |letter: &&Arc<Letter>| letter.is_waiting() && alerts.is_metered(&letter.channel);
        let waiting = || self.letters.iter().filter(counts);
        let critical: Vec<u64> =
            waiting().filter(|letter| letter.kind.is_critical()).filter_map(|letter| letter.push).collect();
        // In one push with a fault it costs nothing, and the bytes of that push are fixed.
        let costs = |letter: &&Arc<Letter>| {
            !letter.kind.is_critical() && letter.push.is_none_or(|push| !critical.contains(&push))
        };
        let taken: Vec<u64> = waiting().filter(costs).map(|letter| letter.id).collect();
        for letter in self.letters_mut(|letter| taken.contains(&letter.id)) {
            letter.fate = Fate::Superseded { reason: scarce.to_string() };
        }
        taken
    }

    /// What is not news any more because its incident is over; what was tried may have been read already.
    pub fn drop_reminders(&mut self, incident: u64) {
        let obsolete = |letter: &Letter| {
            letter.is_unfinished()
                && matches!(letter.kind, Kind::Reminder | Kind::Notice)
                && letter.incident == incident
                && letter.push.is_none()
        };
        for letter in self.letters_mut(obsolete) {
            letter.fate = Fate::Superseded { reason: "it was over before this could be sent".to_owned() };
        }
    }

    /// The letter of this number.
    pub fn letter(&self, id: u64) -> Option<&Letter> {
        self.letters.iter().find(|letter| letter.id == id).map(Arc::as_ref)
    }

    /// Once there is a channel, what was withheld goes out if its fault is still there, and what has no end that could be
    /// waited for does not; the end of a fault always does, for it is only written to who was told of it. What waits for
    /// a channel that is not configured any more waits in vain.
    pub fn release(&mut self, alerts: &AlertPolicy, is_open: impl Fn(u64) -> bool) {
        let superseded = |reason: &str| Fate::Superseded { reason: reason.to_owned() };
        let gone = |letter: &Letter| alerts.channel(&letter.channel).is_none();
        for letter in self.letters_mut(|letter| letter.is_unfinished() && gone(letter)) {
            letter.fate = superseded("its channel is configured no more");
        }
        for letter in self.letters_mut(|letter| letter.fate == Fate::Withheld) {
            let opened = alerts.open().any(|channel| channel.name == letter.channel);
            let is_over = letter.incident != 0 && !is_open(letter.incident);
            if letter.kind != Kind::Recovery && is_over {
                letter.fate = superseded("over before there was a channel");
            } else if letter.kind != Kind::Recovery && letter.incident == 0 && opened {
                letter.fate = superseded("out of date before there was a channel");
            } else if opened {
                letter.fate = Fate::Pending;
            }
        }
    }

    /// Forgets the oldest finished letters to a channel, and the oldest that are not critical when too many wait for it.
    fn trim(&mut self, channel: &Name) {
        if self.letters.len() <= FINISHED_MAX {
            return;
        }
        let all = self.to(channel).count();
        let waiting = self.to(channel).filter(|letter| letter.is_unfinished()).count();
        let mut finished = all - waiting;
        let mut excess = waiting.saturating_sub(PENDING_MAX);
        self.letters.retain(|letter| {
            if letter.channel != *channel {
                return true;
            }
            if !letter.is_unfinished() {
                let keep = finished <= FINISHED_MAX;
                finished -= 1;
                return keep;
            }
            let gives_way = excess > 0 && !letter.kind.is_critical() && letter.push.is_none();
            excess -= usize::from(gives_way);
            !gives_way
        });
    }
}

/// Until there was a choice of channels, the time of the next try was one number, and LINE's.
fn by_channel<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Name, Timestamp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Document {
        Now(BTreeMap<Name, Timestamp>),
        Then(Timestamp),
    }
    Ok(match Document::deserialize(from)? {
        Document::Now(all) => all,
        Document::Then(at) => BTreeMap::from([(line(), at)]),
    })
}

/// A random (version 4) UUID from the entropy of the pass; the letter's number keeps two letters of one
/// pass apart.
fn uuid(entropy: u128, id: u64) -> String {
    // An odd factor: no two numbers give the same product.
    let mixed = entropy ^ u128::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let bits = mixed & !(0xf000 << 64) & !(0xc000 << 48) | 0x4000 << 64 | 0x8000 << 48;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests;
