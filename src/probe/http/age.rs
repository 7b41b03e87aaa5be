//! How old a time in a JSON body may be, by the clock of the server that tells of it. Pure.

use super::condition::{JsonCondition, numeric, place, pointer, shown};
use crate::probe::age::{self, Stamp};
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use crate::section::{Section, parse};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// A number that is no less counts milliseconds: as seconds it would be the year 5138, as milliseconds it is 1973.
const MILLISECONDS_FROM: f64 = 1e11;

/// How old a time may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeCondition {
    /// A JSON pointer to a time: in RFC 3339 with its offset, or in seconds or milliseconds since 1970.
    pub pointer: String,
    /// The greatest age.
    pub max: Duration,
    /// What must hold for there to be something that can be old.
    pub only_if: Option<JsonCondition>,
}

impl AgeCondition {
    /// Reads `{ pointer, max, only_if }`.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pointer = section.need("pointer", pointer);
        let max = section.need("max", parse::span(age::LEAST..=age::MOST));
        let only_if = section.table("only_if", JsonCondition::read);
        Some(Self { pointer: pointer?, max: max?, only_if })
    }

    /// What the time in the body says, fit to follow a sentence, at the time that the server gave beside it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn told(&self, body: &Value, date: Option<Timestamp>) -> Result<String, Reading> {
        if self.only_if.as_ref().is_some_and(|condition| condition.broken(body).is_some()) {
            return Ok(String::new());
        }
        let (what, max) = (place(&self.pointer), self.max);
        let old = self.age(body, date)?;
        match old > max {
            true => Err(Reading::Fail(format!("{what} is {} old, more than {}", Age(old), Age(max)))),
            false => Ok(format!(", {what} is {} old", Age(old))),
        }
    }

    /// By how much it is too old, if it is.
    pub(super) fn overdue(&self, body: &Value, date: Option<Timestamp>) -> Option<Duration> {
        self.age(body, date).ok()?.checked_sub(self.max)
    }

    fn age(&self, body: &Value, date: Option<Timestamp>) -> Result<Duration, Reading> {
        Stamp { what: place(&self.pointer), at: self.time(body)? }.age(date)
    }

    fn time(&self, body: &Value) -> Result<Timestamp, Reading> {
        let what = place(&self.pointer);
        let found =
            body.pointer(&self.pointer).ok_or_else(|| Reading::Fail(format!("there is no {what}")))?;
        let time = match found {
            Value::Null => return Err(Reading::Fail(format!("{what} is null: it has not happened yet"))),
            Value::String(text) => text.trim().parse().ok().or_else(|| since_1970(numeric(found)?)),
            Value::Number(_) => {
                let number = numeric(found).unwrap_or_default();
                if number == 0.0 {
                    // So say those who do not know it, such as Cloudflare's queues.
                    return Err(Reading::Unknown(format!("{what} is 0: it is not known")));
                }
                since_1970(number)
            }
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        time.ok_or_else(|| {
            let found = shown(found);
            Reading::Fail(format!("{what} is {found}, not a time with its offset, nor one since 1970"))
        })
    }
}

/// A time in seconds or milliseconds. What is less than a day after the beginning is a counter, and no time.
fn since_1970(number: f64) -> Option<Timestamp> {
    let seconds = if number < MILLISECONDS_FROM { number } else { number / 1000.0 };
    let span =
        Duration::try_from_secs_f64(seconds).ok().filter(|span| *span >= Duration::from_secs(86_400))?;
    Timestamp::UNIX_EPOCH.checked_add(span).ok()
}
