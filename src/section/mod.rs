//! Reads a TOML document table by table and collects every problem instead of stopping at the first.
//! It knows tables, keys and texts, not what they mean, and opens no file.
//!
//! Every value is one text, after its variables are filled in, and a function of [`parse`] makes
//! something of it; so `attempts = 3` and `attempts = "${ATTEMPTS:-3}"` are the same thing. Keys that
//! nobody asked for are problems too.

mod document;
mod expand;
pub mod parse;
mod problem;
mod tables;

pub use document::{Findings, Source, Spot, Use, read};
pub use expand::{Origin, Variable, Variables, names_a_secret};
pub use problem::{Problem, Severity, did_you_mean};

use crate::values::{Secret, one_line};
use document::Document;
use std::fmt;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A function that reads one table.
pub type Reader<T> = fn(&mut Section<'_>) -> Option<T>;

/// One that needs to know something else, too.
pub type KnowingReader<K, T> = fn(&mut Section<'_>, &K) -> Option<T>;

type Key<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

/// One table of the document, read by asking for its keys.
pub struct Section<'a> {
    document: &'a Document<'a>,
    table: &'a DeTable<'a>,
    path: String,
    offset: usize,
    asked: Vec<&'static str>,
    any_key: bool,
    hushed: bool,
}

// By hand, because the table may hold a token.
impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Section({})", self.path)
    }
}

impl<'a> Section<'a> {
    /// The value of a key, if it is there and good.
    pub fn opt<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let value = self.ask(key)?;
        self.parse(&self.join(key), value, &parse)
    }

    /// The value of a key, or the default when it is not there.
    pub fn or<T>(&mut self, key: &'static str, default: T, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.opt(key, parse).unwrap_or(default)
    }

    /// The value of a key that has to be there.
    pub fn need<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        if !self.has(key) {
            self.error(&self.here(), format!("{key} is missing"), format!("add {key} = …"));
        }
        self.opt(key, parse)
    }

    /// A list of values; one value stands for a list of one. None when the key is not there.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.ask(key)?;
        let path = self.join(key);
        Some(items(value).iter().filter_map(|item| self.parse(&path, item, &parse)).collect())
    }

    /// A list as [`Self::list`] reads it, where an empty one would mean something else than its author thinks.
    pub fn filled_list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        if self.has(key) && self.count(key) == 0 {
            self.error(&self.spot(key), "nothing is named", "write at least one");
        }
        self.list(key, parse)
    }

    /// A list of texts exactly as they are written, or one of them; none when the key is not there. A regular
    /// expression and a line of a log are full of dollars that begin no variable.
    pub fn verbatim<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        let path = self.join(key);
        let one = |item: &'a Value<'a>| match item.get_ref().as_str().map(&parse) {
            Some(made) => self.made(&path, item, made.map_err(|sentence| (String::new(), sentence))),
            None => self.made(&path, item, Err((String::new(), "not a text; write it in '…'".to_owned()))),
        };
        items(value).iter().filter_map(one).collect()
    }

    /// A table of values whose keys the author chose.
    pub fn map<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<(String, T)> {
        let Some((table, path)) = self.ask(key).and_then(|value| self.table_of(key, value)) else {
            return Vec::new();
        };
        let one = |(key, value): (&Key<'a>, &'a Value<'a>)| {
            let name = key.get_ref().as_ref();
            Some((name.to_owned(), self.parse(&format!("{path}.{}", shown(name)), value, &parse)?))
        };
        table.iter().filter_map(one).collect()
    }

    /// A secret; empty when the key is not there. A secret in the file itself is noted in the findings.
    pub fn secret(&mut self, key: &'static str) -> Secret {
        let secret = self.or(key, Secret::new(""), |text| Ok(Secret::new(text)));
        let written = self.table.get(key).and_then(|value| value.get_ref().as_str());
        if !secret.is_empty() && written.is_none_or(|text| self.document.is_literal(text)) {
            self.document.note_literal_secret();
        }
        secret
    }

    /// A text, number or boolean as JSON has them.
    pub fn json(&mut self, key: &'static str) -> Option<serde_json::Value> {
        let Some(value) = self.ask(key) else {
            self.error(&self.here(), format!("{key} is missing"), format!("add {key} = …"));
            return None;
        };
        self.json_of(key, value)
    }

    /// A list of them; one stands for a list of one.
    pub fn jsons(&mut self, key: &'static str) -> Vec<serde_json::Value> {
        let values = self.ask(key).map(items).unwrap_or_default();
        values.iter().filter_map(|value| self.json_of(key, value)).collect()
    }

    fn json_of(&self, key: &str, value: &'a Value<'a>) -> Option<serde_json::Value> {
        let text = self.parse(&self.join(key), value, &parse::text)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some((*truth).into()),
            DeValue::Integer(_) | DeValue::Float(_) => {
                let number = serde_json::from_str(text.trim_start_matches('+'));
                number
                    .map_err(|_| self.error(&self.spot(key), "JSON has no such number", "write another"))
                    .ok()
            }
            DeValue::String(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                Some(text.into())
            }
        }
    }

    /// Notes in the findings when a value in the table `key` is secret, by its name, and written in the file.
    pub fn note_literals(&self, key: &str, is_secret: impl Fn(&str) -> bool) {
        let table = self.table.get(key).and_then(|value| value.get_ref().as_table());
        let mut secrets = table.into_iter().flatten().filter(|(name, _)| is_secret(name.get_ref()));
        let filled =
            |value| self.document.fill(key, value).is_ok_and(|text| text.parse(parse::filled).is_ok());
        if secrets.any(|(_, value)| {
            filled(value) && value.get_ref().as_str().is_none_or(|text| self.document.is_literal(text))
        }) {
            self.document.note_literal_secret();
        }
    }

    /// Whether the value of a key, or one of a list, is made of a secret variable.
    pub fn is_secret(&self, key: &str) -> bool {
        let Some(value) = self.table.get(key) else { return false };
        items(value)
            .iter()
            .filter_map(|item| item.get_ref().as_str())
            .any(|text| self.document.is_secret(text))
    }

    /// Whether a key is there; asking makes it a known key.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.ask(key).is_some()
    }

    /// How many values a key has: those of its list, or one; none when it is not there.
    pub fn count(&mut self, key: &'static str) -> usize {
        self.ask(key).map_or(0, |value| items(value).len())
    }

    /// Whether the value of a key is a table, for keys that take a value or a table.
    pub fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().as_table().is_some())
    }

    /// Whether the value of a key is a table that has this key in turn.
    pub fn has_within(&self, key: &str, inner: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().get(inner).is_some())
    }

    /// From now on, and in all tables within, only unknown keys are reported: the table is switched off.
    pub fn hush(&mut self) {
        self.hushed = true;
    }

    /// Where this table begins.
    pub fn here(&self) -> Spot {
        Spot { path: self.path.clone(), offset: self.offset, note: String::new() }
    }

    /// Where the value of a key is, or of a key in a table within, such as `check.http.timeout`. What is
    /// not there is said to be where the table around it begins.
    pub fn spot(&self, keys: &str) -> Spot {
        let (mut spot, mut table) = (self.here(), Some(self.table));
        for key in keys.split('.') {
            let Some(value) = table.and_then(|table| table.get(key)) else { break };
            let path = if spot.path.is_empty() { key.to_owned() } else { format!("{}.{key}", spot.path) };
            let note = value.get_ref().as_str().map(|text| self.document.note(text)).unwrap_or_default();
            spot = Spot { path, offset: value.span().start, note };
            table = value.get_ref().as_table();
        }
        spot
    }

    /// Reports that the configuration cannot be used.
    pub fn error(&self, spot: &Spot, what: impl Into<String>, hint: impl Into<String>) {
        self.report(Severity::Error, spot, what.into(), hint.into());
    }

    /// Reports that the configuration may not do what its author thinks.
    pub fn warn(&self, spot: &Spot, what: impl Into<String>, hint: impl Into<String>) {
        self.report(Severity::Warning, spot, what.into(), hint.into());
    }

    fn report(&self, severity: Severity, spot: &Spot, what: String, hint: String) {
        if !self.hushed {
            self.document.report(severity, spot, what, hint);
        }
    }

    fn ask(&mut self, key: &'static str) -> Option<&'a Value<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn parse<T>(
        &self,
        path: &str,
        value: &'a Value<'a>,
        parse: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.made(path, value, self.document.fill(path, value).and_then(|filled| filled.parse(parse)))
    }

    /// What was made of a value, or the report of why nothing was: a note and a sentence.
    fn made<T>(&self, path: &str, value: &Value<'_>, made: Result<T, (String, String)>) -> Option<T> {
        match made {
            Ok(made) => Some(made),
            Err((note, sentence)) => {
                let (what, hint) = sentence.split_once("; ").unwrap_or((&sentence, ""));
                let spot = Spot { path: path.to_owned(), offset: value.span().start, note };
                self.error(&spot, what, hint);
                None
            }
        }
    }
}

/// The values of a list; a single value is a list of one.
fn items<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    value.get_ref().as_array().map_or(std::slice::from_ref(value), |items| items)
}

/// A key that the author chose, fit for a message.
fn shown(key: &str) -> String {
    const MAX_CHARS: usize = 60; // A name has 40 at most; longer ones are wrong anyway.
    one_line(key, MAX_CHARS)
}

#[cfg(test)]
mod tests;
