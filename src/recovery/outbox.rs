//! The durable queue of messages to people. It lives in the state document, so that a message and the
//! counters that caused it are saved together. Sending is charged before it happens, like a repair: a
//! crash at any point costs a retry under the same key, never a message.

mod letter;

pub use letter::{Draft, Fate, Kind, Letter};

use super::evidence::{Delivery, Receipt};
use super::policy::{AlertPolicy, nth_or_last};
use super::quota::Quota;
use super::time::{Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Finished letters that are kept for `alerts` to show: half of what LINE's free plan sends in a month, and
/// about 60 KB of state.
pub const FINISHED_MAX: usize = 100;
/// LINE takes so many texts in one push, and counts a push once per recipient.
pub const PUSH_MAX: usize = 5;
/// What is raised sooner than this after an acceptance waits so long for company: a burst costs two
/// messages, not ten.
const COMPANY: Duration = Duration::from_secs(60);
/// Letters that may wait. One key has at most one fault waiting, so this is reached only by hundreds of
/// targets; the oldest reminder gives way then.
const PENDING_MAX: usize = 200;
/// Waits between tries. Each is longer than the 10 s that one try may take, and the last keeps the first
/// word within 30 s of the channel's return.
const GAPS: [Duration; 3] = [Duration::from_secs(15), Duration::from_secs(20), Duration::from_secs(25)];
/// After this many tries (about an hour) the channel is asked every five minutes only.
const PATIENT_TRIES: u32 = 150;
const LONG_GAP: Duration = Duration::from_secs(300);
/// A spent monthly quota can also be a reservation that is given back, so it is asked again, but rarely.
const QUOTA_GAP: Duration = Duration::from_secs(3600);
/// LINE honours a retry key for 24 hours from its first use; after that the same key sends twice.
const KEY_LIFE: Duration = Duration::from_secs(23 * 3600);

/// The queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    /// All letters, oldest first. Few of them ever change again, so copies of the state share them.
    pub letters: Vec<Arc<Letter>>,
    /// Letters ever written; numbers them.
    pub written: u64,
    /// When the channel may be tried next.
    pub next_try: Timestamp,
    /// The month's quota; none when it is not known, and then nothing is kept back.
    #[serde(default)]
    pub quota: Option<Quota>,
}

impl Outbox {
    /// Whether a new alert under this key has to wait: one is on its way, or the cooldown runs. What gave way
    /// to the reserve is not written again and again; a fault is, for it was not told.
    pub fn is_quiet(&self, key: &str, alerts: &AlertPolicy, now: Timestamp) -> bool {
        let of_key = |letter: &&Arc<Letter>| letter.key == key && letter.kind != Kind::Recovery;
        self.letters.iter().filter(of_key).any(|letter| match &letter.fate {
            Fate::Pending | Fate::Withheld => true,
            Fate::Accepted { at, .. } | Fate::Refused { at, .. } => now.since(*at) < alerts.cooldown,
            Fate::Superseded { .. } => {
                letter.kind != Kind::Fault && now.since(letter.raised) < alerts.cooldown
            }
        })
    }

    /// Writes a letter; it is sent once saved. Returns its number.
    pub fn write(&mut self, draft: Draft, alerts: &AlertPolicy, now: Now) -> u64 {
        let fate = if alerts.channel.is_ok() { Fate::Pending } else { Fate::Withheld };
        self.write_with(draft, fate, now)
    }

    /// Writes a letter that will never be sent, so that it can be seen why.
    pub fn write_refused(&mut self, draft: Draft, reason: String, now: Now) -> u64 {
        self.write_with(draft, Fate::Refused { reason, at: now.at }, now)
    }

    fn write_with(&mut self, draft: Draft, fate: Fate, now: Now) -> u64 {
        self.written = self.written.saturating_add(1);
        let id = self.written;
        self.letters.push(Arc::new(Letter {
            id,
            key: draft.key,
            kind: draft.kind,
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
            fate,
        }));
        self.trim();
        id
    }

    /// Takes what the channel answered. Returns the letters whose fate it decided, by number.
    pub fn receive(&mut self, receipts: &[Receipt], now: Now) -> Vec<u64> {
        let mut finished = Vec::new();
        if receipts.is_empty() {
            return finished;
        }
        for Receipt { alert: push, delivery } in receipts {
            if !self.letter(*push).is_some_and(Letter::is_waiting) {
                continue;
            }
            self.next_try = match delivery {
                Delivery::Accepted { .. } | Delivery::Refused(_) => now.at,
                Delivery::QuotaSpent(_) => now.at.after(QUOTA_GAP),
                Delivery::Retry(_) => self.next_try,
            };
            match delivery {
                Delivery::Accepted { request_id } => {
                    let fate = Fate::Accepted { request_id: request_id.clone(), at: now.at, wall: now.wall };
                    finished.extend(self.finish(*push, &fate));
                    self.quota.iter_mut().for_each(|quota| quota.used = quota.used.saturating_add(1));
                }
                Delivery::Refused(reason) => {
                    finished
                        .extend(self.finish(*push, &Fate::Refused { reason: reason.clone(), at: now.at }));
                }
                Delivery::QuotaSpent(reason) => {
                    self.quota.iter_mut().for_each(Quota::spend_all);
                    self.note(*push, reason);
                    finished.extend(self.give_way(*push, reason));
                }
                Delivery::Retry(reason) => self.note(*push, reason),
            }
        }
        self.trim();
        finished
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
        self.next_try = Timestamp::default();
        self.finish(push, &Fate::Superseded { reason: reason.to_owned() })
    }

    /// Takes back what would use the reserve and has no right to. Returns the letters, by number.
    pub fn keep_reserve(&mut self, alerts: &AlertPolicy) -> Vec<u64> {
        let Some(quota) = &self.quota else { return Vec::new() };
        let Err(scarce) = quota.permits(Kind::Notice, alerts.reserve_percent) else { return Vec::new() };
        let waiting = || self.letters.iter().filter(|letter| letter.is_waiting());
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
            letter.is_waiting()
                && letter.kind == Kind::Reminder
                && letter.incident == incident
                && letter.push.is_none()
        };
        for letter in self.letters_mut(obsolete) {
            letter.fate = Fate::Superseded { reason: "it was over before this could be sent".to_owned() };
        }
    }

    /// Charges the next try and returns the push to send once saved, by its first letter. Letters go out
    /// strictly in order, so that nobody is told of the end of a fault before the fault.
    pub fn charge(&mut self, now: Now) -> Option<u64> {
        if now.at < self.wake_at()? {
            return None;
        }
        let push = self.pack(now)?;
        for letter in self.push_mut(push) {
            letter.first_try.get_or_insert(now.at);
            letter.tries = letter.tries.saturating_add(1);
        }
        let tries = self.letter(push)?.tries;
        let gap = if tries > PATIENT_TRIES { LONG_GAP } else { nth_or_last(&GAPS, tries as usize - 1) };
        self.next_try = now.at.after(gap);
        Some(push)
    }

    /// The push that the first waiting letter leads: put together at its first try, and the same at every retry.
    fn pack(&mut self, now: Now) -> Option<u64> {
        let head = self.letters.iter().find(|letter| letter.is_waiting())?;
        let (push, expired) = (head.id, head.first_try.is_some_and(|at| now.at.since(at) >= KEY_LIFE));
        if expired {
            self.unpack(push, now);
        }
        let head = self.letter(push)?;
        if head.push.is_none() {
            // A body without a push was fixed by the version before pushes, for this letter alone.
            let size = if head.body.is_none() { PUSH_MAX } else { 1 };
            let waiting = self.letters_mut(Letter::is_waiting);
            waiting.take(size).for_each(|letter| letter.push = Some(push));
        }
        Some(push)
    }

    /// Under its old key the push would be sent twice by now, so it may as well be put together anew.
    fn unpack(&mut self, push: u64, now: Now) {
        for letter in self.push_mut(push) {
            letter.push = None;
            letter.body = None;
            letter.first_try = None;
            letter.retry_key = uuid(now.entropy, letter.id);
        }
    }

    /// The letters of a push that still wait, in order.
    pub fn push(&self, push: u64) -> Vec<&Letter> {
        let waiting = self.letters.iter().map(Arc::as_ref).filter(|letter| letter.is_waiting());
        waiting.filter(|letter| letter.is_in(push)).collect()
    }

    /// When the channel wants to be tried next; none when nothing waits.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let head = self.letters.iter().find(|letter| letter.is_waiting())?;
        Some(self.next_try.max(self.company_until(head)))
    }

    /// Until when a letter waits for others to share its push. What was raised before the last acceptance has
    /// waited long enough, and somebody sits and waits for a test.
    fn company_until(&self, head: &Letter) -> Timestamp {
        if self.letters.iter().any(|letter| letter.is_waiting() && letter.kind == Kind::Test) {
            return Timestamp::default();
        }
        let accepted = self.letters.iter().filter_map(|letter| match &letter.fate {
            Fate::Accepted { at, .. } => Some(*at),
            Fate::Pending | Fate::Withheld | Fate::Refused { .. } | Fate::Superseded { .. } => None,
        });
        match accepted.max() {
            Some(at) if head.push.is_none() && head.raised >= at => at.after(COMPANY),
            Some(_) | None => Timestamp::default(),
        }
    }

    /// The letter of this number.
    pub fn letter(&self, id: u64) -> Option<&Letter> {
        self.letters.iter().find(|letter| letter.id == id).map(Arc::as_ref)
    }

    /// Once there is a channel, what was withheld goes out if its fault is still there.
    pub fn release(&mut self, alerts: &AlertPolicy, is_open: impl Fn(u64) -> bool) {
        for letter in self.letters_mut(|letter| matches!(letter.fate, Fate::Withheld)) {
            if letter.incident != 0 && !is_open(letter.incident) {
                letter.fate = Fate::Superseded { reason: "over before there was a channel".to_owned() };
            } else if alerts.channel.is_ok() {
                letter.fate = Fate::Pending;
            }
        }
        self.trim();
    }

    /// Forgets the oldest finished letters, and the oldest reminders when too many wait.
    fn trim(&mut self) {
        if self.letters.len() <= FINISHED_MAX {
            return;
        }
        let is_waiting = |letter: &Letter| matches!(letter.fate, Fate::Pending | Fate::Withheld);
        let waiting = self.letters.iter().filter(|letter| is_waiting(letter)).count();
        let mut finished = self.letters.len() - waiting;
        let mut excess = waiting.saturating_sub(PENDING_MAX);
        self.letters.retain(|letter| {
            if !is_waiting(letter) {
                let keep = finished <= FINISHED_MAX;
                finished -= 1;
                return keep;
            }
            if excess > 0 && letter.kind == Kind::Reminder && letter.push.is_none() {
                excess -= 1;
                return false;
            }
            true
        });
    }
}

/// A random (version 4) UUID from the entropy of the pass; the letter's number keeps two letters of one
/// pass apart.
fn uuid(entropy: u128, id: u64) -> String {
    let mixed = entropy ^ (u128::from(id) << 64) ^ u128::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = mixed & !(0xf000 << 64) & !(0xc000 << 48) | 0x4000 << 64 | 0x8000 << 48;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests;
