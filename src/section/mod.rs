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

pub use document::{Findings, Source, Spot, Use, read};
pub use expand::{Origin, Variable, Variables, names_a_secret};
pub use problem::{Problem, Severity, did_you_mean};

use crate::values::{Secret, one_line};
use document::Document;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A function that reads one table.
pub type Reader<T> = fn(&mut Section<'_>) -> Option<T>;

type Key<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

/// One table of the document, read by asking for its keys.
#[derive(Debug)]
pub struct Section<'a> {
    document: &'a Document<'a>,
    table: &'a DeTable<'a>,
    path: String,
    offset: usize,
    asked: Vec<&'static str>,
    hushed: bool,
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
        let items = value.get_ref().as_array().map_or(std::slice::from_ref(value), |items| items);
        Some(items.iter().filter_map(|item| self.parse(&path, item, &parse)).collect())
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
        if !secret.is_empty() && self.spot(key).note.is_empty() {
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
        let text = self.parse(&self.join(key), value, &parse::text)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some((*truth).into()),
            DeValue::Integer(_) | DeValue::Float(_) => serde_json::from_str(&text).ok(),
            _ => Some(text.into()),
        }
    }

    /// A table; its reader is told nothing when the key is not there.
    pub fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.ask(key)?;
        let (table, path) = self.table_of(key, value)?;
        self.inside(table, path, value.span().start, read)
    }

    /// A list of tables, such as all `[[target]]`.
    pub fn tables<T>(&mut self, key: &'static str, read: impl Fn(&mut Section<'a>) -> Option<T>) -> Vec<T> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            let found = value.get_ref().type_str();
            self.error(
                &self.spot(key),
                format!("expected a list of tables, found a {found}"),
                format!("write [[{key}]]"),
            );
            return Vec::new();
        };
        let one = |(index, item): (usize, &'a Value<'a>)| {
            let name = item.get_ref().get("name").and_then(|name| name.get_ref().as_str());
            let label = name.map_or_else(|| index.to_string(), shown);
            let (table, path) = self.table_of(&format!("{key}[{label}]"), item)?;
            self.inside(table, path, item.span().start, &read)
        };
        items.iter().enumerate().filter_map(one).collect()
    }

    /// Tables under names that the author chose, such as all `[action.NAME]`.
    pub fn named<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str, &mut Section<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some((tables, path)) = self.ask(key).and_then(|value| self.table_of(key, value)) else {
            return Vec::new();
        };
        let one = |(key, item): (&Key<'a>, &'a Value<'a>)| {
            let name = key.get_ref().as_ref();
            let (table, path) = self.table_of(&format!("{path}.{}", shown(name)), item)?;
            self.inside(table, path, item.span().start, |section| read(name, section))
        };
        tables.iter().filter_map(one).collect()
    }

    /// A table with exactly one key, which says what kind of thing it holds: `check.http = { … }`.
    pub fn kind<T>(&mut self, key: &'static str, kinds: &[(&'static str, Reader<T>)]) -> Option<T> {
        let names =
            kinds.iter().map(|(name, _)| format!("{key}.{name} = {{ … }}")).collect::<Vec<_>>().join(" or ");
        if !self.has(key) {
            self.error(&self.here(), format!("{key} is missing"), format!("write {names}"));
        }
        self.table(key, |section| {
            let mut chosen = kinds.iter().filter(|(name, _)| section.has(name)).collect::<Vec<_>>();
            match (chosen.pop(), chosen.is_empty()) {
                (Some((name, read)), true) => section.table(name, read),
                // A key that is none of the kinds is reported as unknown already.
                (None, _) if !section.table.is_empty() => None,
                _ => {
                    section.error(&section.here(), "exactly one kind is needed", format!("write {names}"));
                    None
                }
            }
        })
    }

    /// Whether a key is there; asking makes it a known key.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.ask(key).is_some()
    }

    /// From now on, and in all tables within, only unknown keys are reported: the table is switched off.
    pub fn hush(&mut self) {
        self.hushed = true;
    }

    /// Where this table begins.
    pub fn here(&self) -> Spot {
        Spot { path: self.path.clone(), offset: self.offset, note: String::new() }
    }

    /// Where the value of a key is, or where the table begins when it is not there.
    pub fn spot(&self, key: &str) -> Spot {
        let Some(value) = self.table.get(key) else { return self.here() };
        let note = value.get_ref().as_str().map(|text| self.document.note(text)).unwrap_or_default();
        Spot { path: self.join(key), offset: value.span().start, note }
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
        match self.document.fill(path, value).and_then(|filled| filled.parse(parse)) {
            Ok(made) => Some(made),
            Err((note, sentence)) => {
                let (what, hint) = sentence.split_once("; ").unwrap_or((&sentence, ""));
                let spot = Spot { path: path.to_owned(), offset: value.span().start, note };
                self.error(&spot, what, hint);
                None
            }
        }
    }

    fn table_of(&self, key: &str, value: &'a Value<'a>) -> Option<(&'a DeTable<'a>, String)> {
        let (path, found) = (self.join(key), value.get_ref().type_str());
        if value.get_ref().as_table().is_none() {
            let spot = Spot { path: path.clone(), offset: value.span().start, note: String::new() };
            self.error(&spot, format!("expected a table, found a {found}"), "write { … }");
        }
        Some((value.get_ref().as_table()?, path))
    }

    fn inside<T>(
        &self,
        table: &'a DeTable<'a>,
        path: String,
        offset: usize,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut section =
            Section { document: self.document, table, path, offset, asked: vec![], hushed: self.hushed };
        let made = read(&mut section);
        section.report_unknown_keys();
        made
    }

    fn report_unknown_keys(&self) {
        let unknown = self.table.keys().filter(|key| !self.asked.contains(&key.get_ref().as_ref()));
        for key in unknown {
            let name = shown(key.get_ref());
            let spot = Spot { path: self.join(&name), offset: key.span().start, note: String::new() };
            let near = did_you_mean(&name, self.asked.iter().copied());
            let hint = format!("{near} {}", self.accepted()).trim_start().to_owned();
            self.document.report(Severity::Error, &spot, "unknown key".to_owned(), hint);
        }
    }

    fn accepted(&self) -> String {
        match self.asked.as_slice() {
            [] => "nothing can be set here".to_owned(),
            keys => format!("the keys here are {}", keys.join(", ")),
        }
    }
}

/// A key that the author chose, fit for a message.
fn shown(key: &str) -> String {
    const MAX_CHARS: usize = 60; // A name has 40 at most; longer ones are wrong anyway.
    one_line(key, MAX_CHARS)
}

#[cfg(test)]
mod tests;
