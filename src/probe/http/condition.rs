//! What must hold of a JSON body: what stands at a place, and how old a time there may be. Pure.

use crate::probe::age::{self, Stamp};
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use crate::section::{Section, parse};
use crate::values::one_line;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Characters shown of a JSON value.
const SHOWN_CHARS: usize = 100;

/// What must stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonCondition {
    /// A JSON pointer, such as `/status`.
    pub pointer: String,
    /// The values of which one must be there; never empty.
    pub any_of: Vec<Value>,
}

/// How old a time may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeCondition {
    /// A JSON pointer to a time in RFC 3339 with its offset.
    pub pointer: String,
    /// The greatest age.
    pub max: Duration,
}

impl JsonCondition {
    /// Reads `{ pointer, equals }` or `{ pointer, any_of }`.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pointer = section.need("pointer", pointer);
        let any_of = match (section.has("equals"), section.has("any_of")) {
            (_, false) => section.json("equals").into_iter().collect(),
            (false, true) => section.jsons("any_of"),
            (true, true) => {
                section.error(&section.spot("any_of"), "equals says it already", "leave one of them out");
                Vec::new()
            }
        };
        if any_of.is_empty() && section.has("any_of") {
            section.error(&section.spot("any_of"), "no value would do", "write any_of = [\"running\", …]");
        }
        Some(Self { pointer: pointer?, any_of: Some(any_of).filter(|values| !values.is_empty())? })
    }

    /// What is wrong with the body, if anything is.
    pub(super) fn broken(&self, body: &Value) -> Option<String> {
        let Self { pointer, any_of } = self;
        let Some(found) = body.pointer(pointer) else { return Some(format!("there is no {pointer}")) };
        if any_of.contains(found) {
            return None;
        }
        let wanted: Vec<String> = any_of.iter().map(Value::to_string).collect();
        Some(format!("{pointer} is {}, not {}", shown(found), wanted.join(" or ")))
    }

    /// What was found, where more than one value would have done.
    pub(super) fn found(&self, body: &Value) -> Option<String> {
        let found = body.pointer(&self.pointer).filter(|_| self.any_of.len() > 1)?;
        Some(format!("{} is {}", self.pointer, shown(found)))
    }
}

impl AgeCondition {
    /// Reads `{ pointer, max }`.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pointer = section.need("pointer", pointer);
        let max = section.need("max", parse::span(age::LEAST..=age::MOST));
        Some(Self { pointer: pointer?, max: max? })
    }

    /// How old the time in the body is, at the time that the server gave beside it; or what is wrong with it.
    pub(super) fn age(&self, body: &Value, date: Option<Timestamp>) -> Result<Duration, Reading> {
        let Self { pointer, max } = self;
        let stamp = match body.pointer(pointer) {
            None => return Err(Reading::Fail(format!("there is no {pointer}"))),
            Some(Value::Null) => {
                return Err(Reading::Fail(format!("{pointer} is null: it has not happened yet")));
            }
            Some(found) => found.as_str().and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
                Reading::Fail(format!("{pointer} is {}, not a time with its offset", shown(found)))
            })?,
        };
        let old = Stamp { what: pointer, at: stamp }.age(date)?;
        match old > *max {
            true => Err(Reading::Fail(format!("{pointer} is {} old, more than {}", Age(old), Age(*max)))),
            false => Ok(old),
        }
    }
}

fn pointer(text: &str) -> Result<String, String> {
    match text.is_empty() || text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a JSON pointer; write something like \"/status\"")),
    }
}

fn shown(value: &Value) -> String {
    one_line(&value.to_string(), SHOWN_CHARS)
}
