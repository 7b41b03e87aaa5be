//! The document behind all its sections: its text, the variables, and what was found while reading.

use super::expand::{Expanded, Variables, expand};
use super::problem::{Problem, Severity, line_and_column};
use super::{Section, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

/// Nobody reads more; it also bounds what a file full of rubbish can make us keep.
const MAX_PROBLEMS: usize = 100;

/// What is read: a text, its name for messages, and the variables that its values may mention.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file, as problems name it.
    pub file: &'a str,
    /// Its content.
    pub text: &'a str,
    /// The variables.
    pub variables: &'a Variables,
}

// By hand, because the text may hold a token.
impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({}, {} bytes)", self.file, self.text.len())
    }
}

/// A mention of a variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The variable.
    pub name: String,
    /// The key whose value mentions it.
    pub path: String,
}

/// What was found while reading, beside the values.
#[derive(Debug, Default)]
pub struct Findings {
    /// All problems, in the order in which they were found.
    pub problems: Vec<Problem>,
    /// All mentions of variables.
    pub uses: BTreeSet<Use>,
    /// Whether a secret is written in the file itself.
    pub literal_secret: bool,
}

/// A place in the document, kept for problems that show only later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub(super) path: String,
    pub(super) offset: usize,
    pub(super) note: String,
}

impl Spot {
    /// Which variables the value depends on and where they are set, in words; empty when there are none.
    pub fn note(&self) -> &str {
        &self.note
    }
}

/// Reads a whole document. What `read` makes of it is worth something only when no problem is an error;
/// there is nothing when the text is not TOML, since what can be recovered of it would only mislead.
pub fn read<T>(source: Source<'_>, read: impl FnOnce(&mut Section<'_>) -> T) -> (Option<T>, Findings) {
    let (root, errors) = DeTable::parse_recoverable(source.text);
    let document = Document { source, findings: RefCell::default() };
    for error in &errors {
        let offset = error.span().map_or(source.text.len(), |span| span.start);
        let spot = Spot { path: String::new(), offset, note: String::new() };
        document.report(Severity::Error, &spot, format!("not TOML: {}", error.message()), String::new());
    }
    let made = errors.is_empty().then(|| {
        let (table, asked) = (root.get_ref(), Vec::new());
        let mut section = Section {
            document: &document,
            table,
            path: String::new(),
            offset: 0,
            asked,
            any_key: false,
            hushed: false,
        };
        let made = read(&mut section);
        section.report_unknown_keys();
        made
    });
    (made, document.findings.into_inner())
}

pub(super) struct Document<'a> {
    source: Source<'a>,
    findings: RefCell<Findings>,
}

impl Document<'_> {
    pub(super) fn report(&self, severity: Severity, spot: &Spot, what: String, hint: String) {
        let problems = &mut self.findings.borrow_mut().problems;
        let file = self.source.file;
        match problems.len() {
            0..MAX_PROBLEMS => {
                let (line, column) = line_and_column(self.source.text, spot.offset);
                let note = if spot.note.is_empty() { String::new() } else { format!(" ({})", spot.note) };
                let problem = Problem::new(severity, file, what + &note, hint).at_line(line);
                problems.push(Problem { column, path: spot.path.clone(), ..problem });
            }
            MAX_PROBLEMS => {
                let what = "there are more problems than are shown";
                problems.push(Problem::new(Severity::Error, file, what, "mend the ones above first"));
            }
            _ => {}
        }
    }

    pub(super) fn note_literal_secret(&self) {
        self.findings.borrow_mut().literal_secret = true;
    }

    /// Which variables a text depends on, in words.
    pub(super) fn note(&self, text: &str) -> String {
        expand(text, self.source.variables).1.note(self.source.variables)
    }

    /// Whether a text is made of a secret variable.
    pub(super) fn is_secret(&self, text: &str) -> bool {
        expand(text, self.source.variables).1.is_secret()
    }

    /// Whether all of a text is written in the document, default values included.
    pub(super) fn is_literal(&self, text: &str) -> bool {
        let unset = |name| self.source.variables.get(name).is_none_or(|variable| variable.value.is_empty());
        expand(text, self.source.variables)
            .1
            .mentions
            .iter()
            .all(|mention| !mention.asked || unset(&mention.name))
    }

    /// One value as a text, its variables filled in and noted as used.
    pub(super) fn fill(&self, path: &str, value: &Value<'_>) -> Result<Filled, (String, String)> {
        let plain = |text: String| Ok(Filled { text, note: String::new(), secret: false });
        match value.get_ref() {
            DeValue::String(text) => self.expand(path, text),
            DeValue::Integer(number) if number.radix() == 10 => plain(number.as_str().to_owned()),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => plain(number.to_string()),
                Err(_) => Err((String::new(), "the number is too long; write a shorter one".to_owned())),
            },
            DeValue::Float(number) => plain(number.as_str().to_owned()),
            DeValue::Boolean(truth) => plain(truth.to_string()),
            other @ (DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_)) => Err((
                String::new(),
                format!("expected one value, found {}; write a text or a number", kind_of(other)),
            )),
        }
    }

    fn expand(&self, path: &str, text: &str) -> Result<Filled, (String, String)> {
        let (filled, expanded) = expand(text, self.source.variables);
        self.note_uses(path, &expanded);
        let (note, secret) = (expanded.note(self.source.variables), expanded.is_secret());
        match filled {
            Ok(text) => Ok(Filled { text, note, secret }),
            Err(sentence) => Err((String::new(), sentence)),
        }
    }

    fn note_uses(&self, path: &str, expanded: &Expanded) {
        let uses = &mut self.findings.borrow_mut().uses;
        for mention in &expanded.mentions {
            uses.insert(Use { name: mention.name.clone(), path: path.to_owned() });
        }
    }
}

/// The kind of a value, in words.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A value as one text, with what to say of it when it is wrong.
pub(super) struct Filled {
    text: String,
    note: String,
    secret: bool,
}

impl Filled {
    /// What a function makes of the text, or the note and the sentence of what is wrong. A sentence
    /// about a secret is not repeated, since it quotes what it is about.
    pub(super) fn parse<T>(self, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, (String, String)> {
        parse(&self.text).map_err(|sentence| match self.secret {
            true => (self.note, "the value is wrong, and too secret to be shown".to_owned()),
            false => (self.note, sentence),
        })
    }
}
