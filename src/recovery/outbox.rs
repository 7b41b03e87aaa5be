//! The durable queue of messages to people. It lives in the state document, so that a message and the
//! counters that caused it are saved together. Sending is charged before it happens, like a repair: a
//! crash at any point costs a retry under the same key, never a message.

use super::evidence::{Delivery, Name, Receipt};
use super::policy::{AlertPolicy, nth_or_last};
use super::time::{Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Finished letters that are kept for `alerts` to show.
const FINISHED_MAX: usize = 100;
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
    /// All letters, oldest first.
    pub letters: Vec<Letter>,
    /// Letters ever written; numbers them.
    pub written: u64,
    /// When the channel may be tried next.
    pub next_try: Timestamp,
}

/// What a letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A fault that could not be repaired.
    Fault,
    /// The same fault, still there.
    Reminder,
    /// The end of a fault that was told.
    Recovery,
    /// Something worth knowing that has no end to tell.
    Notice,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Its number.
    pub id: u64,
    /// The alert key, to which the cooldown belongs.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// The target concerned; none for trouble of our own.
    pub target: Option<Name>,
    /// The incident it belongs to, 0 for none.
    pub incident: u64,
    /// The text.
    pub text: String,
    /// When it was raised.
    pub raised: Timestamp,
    /// The same as Unix seconds, for people.
    pub raised_wall: u64,
    /// `X-Line-Retry-Key`, a UUID.
    pub retry_key: String,
    /// The exact bytes that are sent, fixed before the first try.
    pub body: Option<String>,
    /// When it was first tried.
    pub first_try: Option<Timestamp>,
    /// Tries made, the running one included.
    pub tries: u32,
    /// What the channel said last, when it was not yes.
    pub last_answer: String,
    /// Where it stands.
    pub fate: Fate,
}

/// Where a letter stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Fate {
    /// Waiting to be accepted.
    Pending,
    /// There is no channel; it waits for one as long as its fault lasts.
    Withheld,
    /// The channel took it.
    Accepted {
        /// The channel's id of the request.
        request_id: String,
        /// When.
        at: Timestamp,
        /// The same as Unix seconds.
        wall: u64,
    },
    /// The channel will never take it.
    Refused {
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Events overtook it before anyone could be told.
    Superseded {
        /// How.
        reason: String,
    },
}

/// A letter about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The alert key.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// The target concerned.
    pub target: Option<Name>,
    /// The incident, 0 for none.
    pub incident: u64,
    /// The text.
    pub text: String,
}

impl Outbox {
    /// Whether a new fault under this key has to wait: one is on its way, or the cooldown runs.
    pub fn is_quiet(&self, key: &str, alerts: &AlertPolicy, now: Timestamp) -> bool {
        let of_key = |letter: &&Letter| letter.key == key && letter.kind != Kind::Recovery;
        self.letters.iter().filter(of_key).any(|letter| match &letter.fate {
            Fate::Pending | Fate::Withheld => true,
            Fate::Accepted { at, .. } | Fate::Refused { at, .. } => now.since(*at) < alerts.cooldown,
            Fate::Superseded { .. } => false,
        })
    }

    /// Writes a letter; it is sent once saved. Returns its number.
    pub fn write(&mut self, draft: Draft, alerts: &AlertPolicy, now: Now) -> u64 {
        self.written += 1;
        let id = self.written;
        self.letters.push(Letter {
            id,
            key: draft.key,
            kind: draft.kind,
            target: draft.target,
            incident: draft.incident,
            text: draft.text,
            raised: now.at,
            raised_wall: now.wall,
            retry_key: uuid(now.entropy, id),
            body: None,
            first_try: None,
            tries: 0,
            last_answer: String::new(),
            fate: if alerts.channel.is_ok() { Fate::Pending } else { Fate::Withheld },
        });
        self.trim();
        id
    }

    /// Takes what the channel answered. Returns the letters that are accepted or refused by it, by number.
    pub fn receive(&mut self, receipts: &[Receipt], now: Now) -> Vec<u64> {
        let mut finished = Vec::new();
        for receipt in receipts {
            let pending = |letter: &&mut Letter| letter.id == receipt.alert && letter.fate == Fate::Pending;
            let Some(letter) = self.letters.iter_mut().find(pending) else { continue };
            match &receipt.delivery {
                Delivery::Accepted { request_id } => {
                    letter.fate =
                        Fate::Accepted { request_id: request_id.clone(), at: now.at, wall: now.wall };
                    self.next_try = now.at;
                    finished.push(letter.id);
                }
                Delivery::Refused(reason) => {
                    letter.fate = Fate::Refused { reason: reason.clone(), at: now.at };
                    self.next_try = now.at;
                    finished.push(letter.id);
                }
                Delivery::QuotaSpent(reason) => {
                    letter.last_answer.clone_from(reason);
                    self.next_try = now.at.after(QUOTA_GAP);
                }
                Delivery::Retry(reason) => letter.last_answer.clone_from(reason),
            }
        }
        self.trim();
        finished
    }

    /// Charges the next try and returns the letter to send once saved. Letters go out strictly in order, so
    /// that nobody is told of the end of a fault before the fault.
    pub fn charge(&mut self, now: Now) -> Option<u64> {
        if now.at < self.next_try {
            return None;
        }
        let letter = self.letters.iter_mut().find(|letter| letter.fate == Fate::Pending)?;
        if letter.first_try.is_some_and(|first| now.at.since(first) >= KEY_LIFE) {
            letter.retry_key = uuid(now.entropy, letter.id);
            letter.first_try = None;
        }
        letter.first_try.get_or_insert(now.at);
        letter.tries += 1;
        let gap = if letter.tries > PATIENT_TRIES {
            LONG_GAP
        } else {
            nth_or_last(&GAPS, letter.tries as usize - 1)
        };
        self.next_try = now.at.after(gap);
        Some(letter.id)
    }

    /// When the channel wants to be tried next; none when nothing waits.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.letters.iter().any(|letter| letter.fate == Fate::Pending).then_some(self.next_try)
    }

    /// The letter of this number.
    pub fn letter(&self, id: u64) -> Option<&Letter> {
        self.letters.iter().find(|letter| letter.id == id)
    }

    /// Once there is a channel, what was withheld goes out if its fault is still there.
    pub fn release(&mut self, alerts: &AlertPolicy, is_open: impl Fn(u64) -> bool) {
        for letter in self.letters.iter_mut().filter(|letter| letter.fate == Fate::Withheld) {
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
        let is_waiting = |letter: &Letter| matches!(letter.fate, Fate::Pending | Fate::Withheld);
        let waiting = self.letters.iter().filter(|letter| is_waiting(letter)).count();
        let mut finished = self.letters.len() - waiting;
        let mut excess = waiting.saturating_sub(PENDING_MAX);
        self.letters.retain_mut(|letter| {
            if !is_waiting(letter) {
                let keep = finished <= FINISHED_MAX;
                finished -= 1;
                return keep;
            }
            if excess > 0 && letter.kind == Kind::Reminder {
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
mod tests {
    use super::*;
    use crate::recovery::policy::Language;
    use crate::recovery::window::Window;

    fn alerts() -> AlertPolicy {
        AlertPolicy {
            channel: Ok(()),
            cooldown: Duration::from_secs(900),
            reminders: vec![Duration::from_secs(900)],
            lasting: Duration::from_secs(1800),
            language: Language::En,
            healed_often: Window { attempts: 5, per: Duration::from_secs(86_400) },
            reserve_percent: 20,
            digest: false,
        }
    }

    fn at(seconds: u64) -> Now {
        Now { at: Timestamp(seconds * 1000), wall: seconds, entropy: u128::from(seconds) << 70 }
    }

    fn draft(key: &str) -> Draft {
        Draft { key: key.to_owned(), kind: Kind::Fault, target: None, incident: 0, text: "x".to_owned() }
    }

    fn answer(alert: u64, delivery: Delivery) -> [Receipt; 1] {
        [Receipt { alert, delivery }]
    }

    #[test]
    fn a_try_is_charged_before_it_happens_and_keeps_its_key() {
        let mut outbox = Outbox::default();
        let id = outbox.write(draft("k"), &alerts(), at(0));
        assert_eq!(outbox.charge(at(0)), Some(id));
        let key = outbox.letters[0].retry_key.clone();
        assert_eq!(outbox.charge(at(14)), None, "the gap has not passed");
        assert_eq!(outbox.charge(at(15)), Some(id), "no answer came: the same letter again");
        assert_eq!(outbox.letters[0].retry_key, key);
        assert_eq!(outbox.charge(at(15 + 23 * 3600)), Some(id));
        assert_ne!(outbox.letters[0].retry_key, key, "the old key would send twice by now");
    }

    #[test]
    fn the_cooldown_starts_at_acceptance() {
        let mut outbox = Outbox::default();
        let id = outbox.write(draft("k"), &alerts(), at(0));
        assert!(outbox.is_quiet("k", &alerts(), at(5000).at), "one is on its way");
        outbox.receive(&answer(id, Delivery::Accepted { request_id: "r".into() }), at(5000));
        assert!(outbox.is_quiet("k", &alerts(), at(5899).at));
        assert!(!outbox.is_quiet("k", &alerts(), at(5900).at));
        assert!(!outbox.is_quiet("other", &alerts(), at(5000).at));
    }

    #[test]
    fn letters_go_out_in_order_and_quota_waits_an_hour() {
        let mut outbox = Outbox::default();
        let first = outbox.write(draft("a"), &alerts(), at(0));
        let second = outbox.write(draft("b"), &alerts(), at(0));
        assert_eq!(outbox.charge(at(0)), Some(first));
        outbox.receive(&answer(first, Delivery::QuotaSpent("limit".into())), at(1));
        assert_eq!(outbox.charge(at(3600)), None);
        assert_eq!(outbox.charge(at(3601)), Some(first));
        outbox.receive(&answer(first, Delivery::Refused("bad token".into())), at(3602));
        assert_eq!(outbox.charge(at(3602)), Some(second));
    }

    #[test]
    fn withheld_letters_wait_for_a_channel_only_while_their_fault_lasts() {
        let off = AlertPolicy { channel: Err("off".into()), ..alerts() };
        let mut outbox = Outbox::default();
        for incident in [1, 2] {
            outbox.write(Draft { incident, ..draft("k") }, &off, at(0));
        }
        outbox.release(&off, |_| true);
        assert_eq!(outbox.charge(at(0)), None);
        outbox.release(&alerts(), |incident| incident == 2);
        assert!(matches!(outbox.letters[0].fate, Fate::Superseded { .. }));
        assert_eq!(outbox.charge(at(0)), Some(2));
    }

    #[test]
    fn the_history_is_bounded() {
        let mut outbox = Outbox::default();
        for n in 0..500 {
            let id = outbox.write(draft("k"), &alerts(), at(n));
            outbox.receive(&answer(id, Delivery::Accepted { request_id: String::new() }), at(n));
        }
        assert_eq!(outbox.letters.len(), FINISHED_MAX);
        assert_eq!(outbox.letters[FINISHED_MAX - 1].id, 500);
    }

    #[test]
    fn keys_are_version_4_uuids_and_differ() {
        let one = uuid(0x1234, 1);
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
        assert!("89ab".contains(&one[19..20]), "{one}");
        assert_ne!(one, uuid(0x1234, 2));
    }
}
