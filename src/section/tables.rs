//! Tables within tables: each is handed to a function, and afterwards has its unknown keys reported, so
//! that no reader can forget to.

use super::document::kind_of;
use super::parse;
use super::{Key, KnowingReader, Reader, Section, Severity, Spot, Value, did_you_mean, items, shown};
use toml::de::DeTable;

impl<'a> Section<'a> {
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
            let found = kind_of(value.get_ref());
            self.error(
                &self.spot(key),
                format!("expected a list of tables, found {found}"),
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

    /// All tables within this one, under names that the author chose, such as every `[action.NAME]`.
    pub fn named<T>(&mut self, read: impl Fn(&str, &mut Section<'a>) -> Option<T>) -> Vec<T> {
        self.any_key = true;
        let one = |(key, item): (&Key<'a>, &'a Value<'a>)| {
            let name = key.get_ref().as_ref();
            let (table, path) = self.table_of(&shown(name), item)?;
            self.inside(table, path, item.span().start, |section| read(name, section))
        };
        self.table.iter().filter_map(one).collect()
    }

    /// A table with exactly one key, which says what kind of thing it holds: `check.http = { … }`.
    pub fn kind<T>(&mut self, key: &'static str, kinds: &[(&'static str, Reader<T>)]) -> Option<T> {
        self.needed_kind(key, kinds, |read, section| read(section))
    }

    /// The same, for readers that need to know something else, too.
    pub fn kind_knowing<K, T>(
        &mut self,
        key: &'static str,
        known: &K,
        kinds: &[(&'static str, KnowingReader<K, T>)],
    ) -> Option<T> {
        self.needed_kind(key, kinds, |read, section| read(section, known))
    }

    fn needed_kind<R: Copy, T>(
        &mut self,
        key: &'static str,
        kinds: &[(&'static str, R)],
        read: impl FnOnce(R, &mut Section<'a>) -> Option<T>,
    ) -> Option<T> {
        if !self.has(key) {
            self.error(&self.here(), format!("{key} is missing"), format!("write {}", ways(key, kinds)));
        }
        self.table(key, |section| section.one_of(key, kinds, read))
    }

    /// The same, but it may be missing, or switched off by a `when` beside its kind.
    pub fn kind_by_choice<T>(&mut self, key: &'static str, kinds: &[(&'static str, Reader<T>)]) -> Option<T> {
        if !self.has(key) {
            return None;
        }
        self.table(key, |section| {
            let on = section.switched_off().is_none();
            section.one_of(key, kinds, |read, section| read(section)).filter(|_| on)
        })
    }

    /// The one kind that this table has, beside other keys.
    pub fn own_kind<T>(&mut self, what: &str, kinds: &[(&'static str, Reader<T>)]) -> Option<T> {
        self.one_of(what, kinds, |read, section| read(section))
    }

    /// Reads `when`, one value or several that all have to be a yes, and says which one switches this table off, if any
    /// does. Such a table has its keys checked but not its values, for those may be made of the very variable that is
    /// missing.
    pub fn switched_off(&mut self) -> Option<String> {
        let values = self.table.get("when").map(items).unwrap_or_default();
        // One that cannot be read is reported, and switches nothing off.
        let on = self.list("when", parse::when).unwrap_or_default();
        let at = on.iter().position(|on| !on)?;
        self.hush();
        let text = values.get(at).and_then(|value| value.get_ref().as_str()).unwrap_or_default();
        let note = self.document.note(text);
        Some(if note.is_empty() { "its when is empty or a no".to_owned() } else { note })
    }

    fn one_of<R: Copy, T>(
        &mut self,
        key: &str,
        kinds: &[(&'static str, R)],
        read: impl FnOnce(R, &mut Section<'a>) -> Option<T>,
    ) -> Option<T> {
        let mut chosen = kinds.iter().filter(|(name, _)| self.has(name)).collect::<Vec<_>>();
        match (chosen.pop(), chosen.is_empty()) {
            (Some((name, reader)), true) => self.table(name, |section| read(*reader, section)),
            // A key that is none of the kinds is reported as unknown already.
            (None, _) if !self.table.is_empty() => None,
            _ => {
                let hint = format!("write {}", ways(key, kinds));
                self.error(&self.here(), "exactly one kind is needed", hint);
                None
            }
        }
    }

    pub(super) fn table_of(&self, key: &str, value: &'a Value<'a>) -> Option<(&'a DeTable<'a>, String)> {
        let (path, found) = (self.join(key), kind_of(value.get_ref()));
        if value.get_ref().as_table().is_none() {
            let spot = Spot { path: path.clone(), offset: value.span().start, note: String::new() };
            self.error(&spot, format!("expected a table, found {found}"), "write { … }");
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
        let (document, hushed) = (self.document, self.hushed);
        let mut section =
            Section { document, table, path, offset, asked: Vec::new(), any_key: false, hushed };
        let made = read(&mut section);
        section.report_unknown_keys();
        made
    }

    pub(super) fn report_unknown_keys(&self) {
        let unknown =
            self.table.keys().filter(|key| !self.any_key && !self.asked.contains(&key.get_ref().as_ref()));
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

fn ways<R>(key: &str, kinds: &[(&'static str, R)]) -> String {
    kinds.iter().map(|(name, _)| format!("{key}.{name} = {{ … }}")).collect::<Vec<_>>().join(" or ")
}
