//! LINE as the watchdog sees it: it accepts, refuses, loses answers and runs out of quota, and honours
//! retry keys. It knows nothing of why a letter was written.

use crate::recovery::evidence::{Delivery, QuotaReading};
use crate::recovery::outbox::Letter;
use crate::recovery::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer takes.
const LATENCY: Duration = Duration::from_millis(100);
/// How long the sender waits for one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long LINE remembers a retry key.
const KEY_LIFE: Duration = Duration::from_secs(24 * 3600);
/// A month of the quota. The world has no calendar.
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// How the channel treats a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// Accepts.
    #[default]
    Fine,
    /// Does not answer, and has not taken it.
    Unreachable,
    /// Takes it, but the answer is lost.
    AnswerLost,
    /// Answers that it is too busy (429, 500).
    Busy,
    /// Refuses for good (400).
    Refusing,
}

/// A message that reached people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// When.
    pub at: Timestamp,
    /// The letters in it, by number.
    pub letters: Vec<u64>,
    /// The key that it came under.
    pub key: String,
    /// Whether one of them was worth the reserve.
    pub is_critical: bool,
    /// What was sent.
    pub body: String,
}

/// A push channel that honours retry keys and counts its quota.
#[derive(Clone, Debug, Default)]
pub struct Channel {
    /// How it behaves now.
    pub mood: Mood,
    /// What it accepted, each key once: what a person sees.
    pub accepted: Vec<Accepted>,
    /// Requests made.
    pub requests: u64,
    /// Messages allowed in a month; none when there is no limit.
    pub limit: Option<u64>,
    /// Messages used this month.
    pub used: u64,
    month: u64,
    keys: BTreeMap<String, Timestamp>,
}

impl Channel {
    /// Answers one push, whose first letter holds its key and its body; the answer comes some time later.
    pub fn push(&mut self, letters: &[Letter], online: bool, now: Timestamp) -> (Duration, Delivery) {
        self.requests += 1;
        self.turn_month(now);
        if !online || self.mood == Mood::Unreachable {
            return (PATIENCE, Delivery::Retry("no answer within 10 s".to_owned()));
        }
        let delivery = match self.mood {
            Mood::Busy => Delivery::Retry("500".to_owned()),
            Mood::Refusing => Delivery::Refused("400: it cannot be sent".to_owned()),
            Mood::Fine | Mood::AnswerLost | Mood::Unreachable => self.take(letters, now),
        };
        match (self.mood, &delivery) {
            (Mood::AnswerLost, Delivery::Accepted { .. }) => {
                (PATIENCE, Delivery::Retry("the answer was lost".to_owned()))
            }
            (_, _) => (LATENCY, delivery),
        }
    }

    fn take(&mut self, letters: &[Letter], now: Timestamp) -> Delivery {
        let request_id = format!("r{}", self.requests);
        let Some(letter) = letters.first() else { return Delivery::Refused("400: it is empty".to_owned()) };
        self.keys.retain(|_, first| now.since(*first) < KEY_LIFE);
        if self.keys.contains_key(&letter.retry_key) {
            return Delivery::Accepted { request_id };
        }
        if self.limit.is_some_and(|limit| self.used >= limit) {
            return Delivery::QuotaSpent("429: the monthly limit is reached".to_owned());
        }
        self.used += 1;
        self.keys.insert(letter.retry_key.clone(), now);
        self.accepted.push(Accepted {
            at: now,
            letters: letters.iter().map(|letter| letter.id).collect(),
            key: letter.retry_key.clone(),
            is_critical: letters.iter().any(|letter| letter.kind.is_critical()),
            body: letter.body.clone().unwrap_or_default(),
        });
        Delivery::Accepted { request_id }
    }

    fn turn_month(&mut self, now: Timestamp) {
        let month = now.since(Timestamp(0)).as_secs() / MONTH.as_secs();
        if month != self.month {
            (self.month, self.used) = (month, 0);
        }
    }

    /// What it says of the quota; none when it cannot be asked.
    pub fn quota(&self, online: bool) -> Option<QuotaReading> {
        let reachable = online && self.mood != Mood::Unreachable;
        reachable.then_some(QuotaReading { limit: self.limit, used: self.used })
    }
}
