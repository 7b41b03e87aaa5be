//! What must stand at a place of a JSON body: one of some values, or a number within bounds. Pure.

use crate::section::Section;
use crate::values::one_line;
use serde_json::{Number, Value};

/// Characters shown of a JSON value.
const SHOWN_CHARS: usize = 100;

/// What must stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonCondition {
    /// A JSON pointer, such as `/status`.
    pub pointer: String,
    /// What must stand there.
    pub wanted: Wanted,
}

/// What would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This value.
    Equals(Value),
    /// One of these values; never empty. Which one it was is told.
    AnyOf(Vec<Value>),
    /// A number, no less than the first and no more than the second. A list counts by its entries.
    Within(Option<Number>, Option<Number>),
}

impl JsonCondition {
    /// Reads `{ pointer, equals }`, `{ pointer, any_of }`, or `{ pointer, min, max }`.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let pointer = section.need("pointer", pointer);
        let wanted = match section.has("min") || section.has("max") {
            true => within(section),
            false => any_of(section),
        };
        Some(Self { pointer: pointer?, wanted: wanted? })
    }

    /// What is wrong with the body, if anything is.
    pub(super) fn broken(&self, body: &Value) -> Option<String> {
        let place = place(&self.pointer);
        let Some(found) = body.pointer(&self.pointer) else { return Some(format!("there is no {place}")) };
        match &self.wanted {
            Wanted::Equals(value) if value == found => None,
            Wanted::Equals(value) => Some(format!("{place} is {}, not {value}", shown(found))),
            Wanted::AnyOf(values) if values.contains(found) => None,
            Wanted::AnyOf(values) => {
                let wanted: Vec<String> = values.iter().map(Value::to_string).collect();
                Some(format!("{place} is {}, not {}", shown(found), wanted.join(" or ")))
            }
            Wanted::Within(min, max) => beyond(found, min.as_ref(), max.as_ref())
                .map(|beyond| format!("{place} {}{beyond}", counted(found))),
        }
    }

    /// What was found, where it is not known beforehand.
    pub(super) fn found(&self, body: &Value) -> Option<String> {
        let found = body.pointer(&self.pointer)?;
        let place = place(&self.pointer);
        match &self.wanted {
            Wanted::Equals(_) => None,
            Wanted::AnyOf(_) => Some(format!("{place} is {}", shown(found))),
            Wanted::Within(..) => Some(format!("{place} {}", counted(found))),
        }
    }
}

fn any_of(section: &mut Section<'_>) -> Option<Wanted> {
    if !section.has("any_of") {
        return section.json("equals").map(Wanted::Equals);
    }
    if section.has("equals") {
        section.error(&section.spot("any_of"), "equals says it already", "leave one of them out");
        return None;
    }
    let values = section.jsons("any_of");
    if values.is_empty() {
        section.error(&section.spot("any_of"), "no value would do", "write any_of = [\"running\", …]");
    }
    Some(values).filter(|values| !values.is_empty()).map(Wanted::AnyOf)
}

fn within(section: &mut Section<'_>) -> Option<Wanted> {
    for key in ["equals", "any_of"] {
        if section.has(key) {
            section.error(
                &section.spot(key),
                "a number within bounds is wanted",
                "leave it out, or min and max",
            );
        }
    }
    let (min, max) = (section.opt("min", number), section.opt("max", number));
    let (least, most) = (min.as_ref().and_then(Number::as_f64), max.as_ref().and_then(Number::as_f64));
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        section.error(&section.spot("min"), "more than max, so no number would do", "write less");
    }
    Some(Wanted::Within(min, max))
}

fn number(text: &str) -> Result<Number, String> {
    serde_json::from_str(text.trim_start_matches('+'))
        .map_err(|_| format!("{text:?} is not a number; write one like 100"))
}

/// How what was found is beyond the bounds; none when it is within.
fn beyond(found: &Value, min: Option<&Number>, max: Option<&Number>) -> Option<String> {
    let Some(number) = numeric(found) else { return Some(", which is no number".to_owned()) };
    // What is only compared may be rounded.
    let below = min.filter(|min| min.as_f64().is_some_and(|min| number < min));
    let above = max.filter(|max| max.as_f64().is_some_and(|max| number > max));
    let below = below.map(|min| format!(", less than {min}"));
    below.or_else(|| above.map(|max| format!(", more than {max}")))
}

/// What counts as a number: one, one that is written as a text as databases write large ones, and the entries of a list.
pub(super) fn numeric(found: &Value) -> Option<f64> {
    match found {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => serde_json::from_str::<Number>(text.trim()).ok()?.as_f64(),
        Value::Array(entries) => Some(entries.len() as f64),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn counted(found: &Value) -> String {
    match found {
        Value::Array(entries) if entries.is_empty() => "is empty".to_owned(),
        Value::Array(entries) => format!("has {} entries ({})", entries.len(), shown(found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            format!("is {}", shown(found))
        }
    }
}

/// A place in words.
pub(super) fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the body" } else { pointer }
}

pub(super) fn pointer(text: &str) -> Result<String, String> {
    match text.is_empty() || text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a JSON pointer; write something like \"/status\"")),
    }
}

pub(super) fn shown(value: &Value) -> String {
    one_line(&value.to_string(), SHOWN_CHARS)
}
