//! Reads a `.env` file as a shell that sources it would, as far as it only assigns. Nothing is ever run:
//! what is not an assignment is reported and passed over.
//!
//! The predecessor sourced this file with bash, so quotes, `export`, comments, `~` and references to
//! other variables mean what they mean there.

use std::collections::BTreeMap;
use std::path::Path;

/// `${A:-${B:-…}}` deeper than this is not written by people.
const MAX_DEPTH: usize = 8;

/// A file that is no `.env` at all must not drown the first few lines that say so.
const MAX_REFUSALS: usize = 20;

/// More than any value needs; it also bounds values that double each other.
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// What a `.env` file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dotenv {
    /// The variables, each with its line, counted from 1. The last assignment wins.
    pub values: BTreeMap<String, (String, usize)>,
    /// The lines that were passed over.
    pub refusals: Vec<Refusal>,
}

/// A line that was passed over.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, counted from 1.
    pub line: usize,
    /// Why.
    pub what: &'static str,
}

/// Reads the text of a `.env` file. References are looked up in the file above them, then in `env`.
pub fn parse(text: &str, env: &BTreeMap<String, String>, home: &Path) -> Dotenv {
    let mut reader =
        Reader { rest: text.trim_start_matches('\u{feff}'), line: 1, env, home, found: Dotenv::default() };
    while !reader.rest.is_empty() {
        let (rest, line) = (reader.rest, reader.line);
        if let Err(what) = reader.statement(line) {
            reader.refuse(line, what);
            // Whatever was misread, the line below is a new beginning.
            reader.rest = rest.split_once('\n').map_or("", |(_, below)| below);
            reader.line = line + 1;
        }
    }
    reader.found
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    env: &'a BTreeMap<String, String>,
    home: &'a Path,
    found: Dotenv,
}

impl Reader<'_> {
    /// Reads one line, or more where quotes span them. All of its assignments count, or none.
    fn statement(&mut self, line: usize) -> Result<(), &'static str> {
        let mut assigned = Vec::new();
        let exported = self.skip_export();
        loop {
            self.skip_blanks();
            match self.rest.chars().next() {
                None | Some('\n') => break,
                Some('\r') if self.rest.starts_with("\r\n") => break,
                Some(';') if !assigned.is_empty() => break,
                Some('#') => self.skip_while(|c| c != '\n'),
                Some(_) => assigned.extend(self.assignment(exported)?),
            }
        }
        self.skip_while(|c| c == '\r' || c == ';');
        self.next_if(|c| c == '\n');
        self.found.values.extend(assigned.into_iter().map(|(name, value)| (name, (value, line))));
        Ok(())
    }

    /// Reads `NAME=value`; after `export` a bare `NAME` is fine and assigns nothing.
    fn assignment(&mut self, exported: bool) -> Result<Option<(String, String)>, &'static str> {
        const WHAT: &str = "not an assignment, and nothing in this file is run";
        let name = self.name();
        let ended = self.rest.is_empty() || self.rest.starts_with(|c: char| c.is_whitespace() || c == ';');
        if name.is_empty() || (!exported && ended) {
            return Err(WHAT);
        }
        if ended {
            return Ok(None);
        }
        self.next_if(|c| c == '=').ok_or(WHAT)?;
        Ok(Some((name, self.word()?)))
    }

    /// Reads a value: plain and quoted parts up to a blank.
    fn word(&mut self) -> Result<String, &'static str> {
        let mut value = self.tilde();
        while let Some(c) = self.rest.chars().next() {
            match c {
                c if c.is_whitespace() || c == ';' => break,
                '\'' => value.push_str(self.single()?),
                '"' => {
                    self.next();
                    value.push_str(&self.double('"', 0)?);
                }
                '$' if self.rest.starts_with("$'") || self.rest.starts_with("$\"") => {
                    return Err("$'…' and $\"…\" are not understood; use plain quotes");
                }
                '$' => value.push_str(&self.reference(0)?),
                '\\' => {
                    self.next();
                    // A backslash at the end of a line joins it with the next.
                    value.extend(self.next().filter(|c| *c != '\n'));
                }
                '`' => return Err(COMMAND),
                '|' | '&' | '<' | '>' | '(' | ')' => {
                    return Err("| & < > ( ) mean something to a shell; put the value in quotes");
                }
                c => {
                    self.next();
                    value.push(c);
                }
            }
            bounded(&value)?;
        }
        Ok(value)
    }

    /// `~` or `~/` at the start of a plain value.
    fn tilde(&mut self) -> String {
        let after = self.rest.strip_prefix('~').filter(|after| {
            after.is_empty() || after.starts_with(|c: char| c == '/' || c == ';' || c.is_whitespace())
        });
        let Some(after) = after else { return String::new() };
        self.rest = after;
        self.home.to_string_lossy().into_owned()
    }

    /// Everything up to the next single quote, as it is.
    fn single(&mut self) -> Result<&str, &'static str> {
        let (inside, rest) = self.rest[1..].split_once('\'').ok_or("a ' is not closed")?;
        self.line += inside.matches('\n').count();
        self.rest = rest;
        Ok(inside)
    }

    /// Text with references and escapes up to `end`, which is `"`, or `}` in the default of a reference.
    fn double(&mut self, end: char, depth: usize) -> Result<String, &'static str> {
        let mut value = String::new();
        loop {
            bounded(&value)?;
            match self.rest.chars().next().ok_or("a \" or a ${ is not closed")? {
                '$' => value.push_str(&self.reference(depth)?),
                '`' => return Err(COMMAND),
                '\\' => {
                    self.next();
                    value.push_str(&self.escaped(end));
                }
                c => {
                    self.next();
                    if c == end {
                        return Ok(value);
                    }
                    value.push(c);
                }
            }
        }
    }

    /// What a backslash and the next character mean inside double quotes.
    fn escaped(&mut self, end: char) -> String {
        match self.next() {
            Some('\n') => String::new(),
            Some(c) if c == end || "\"\\$`".contains(c) => c.to_string(),
            Some(c) => format!("\\{c}"),
            None => "\\".to_owned(),
        }
    }

    /// `$NAME`, `${NAME}` or `${NAME:-default}`; any other `$` is a dollar.
    fn reference(&mut self, depth: usize) -> Result<String, &'static str> {
        self.next();
        if self.rest.starts_with('(') {
            return Err(COMMAND);
        }
        let braced = self.next_if(|c| c == '{').is_some();
        let name = self.name();
        if !braced {
            return Ok(if name.is_empty() { "$".to_owned() } else { self.lookup(&name) });
        }
        let value = self.lookup(&name);
        let default = match self.rest.strip_prefix(":-") {
            Some(_) if depth == MAX_DEPTH => return Err("references are nested too deep"),
            Some(rest) => {
                self.rest = rest;
                self.double('}', depth + 1)?
            }
            None => self.next_if(|c| c == '}').map(|_| String::new()).ok_or(FORMS)?,
        };
        if name.is_empty() {
            return Err(FORMS);
        }
        Ok(if value.is_empty() { default } else { value })
    }

    fn lookup(&self, name: &str) -> String {
        let above = self.found.values.get(name).map(|(value, _)| value);
        above.or_else(|| self.env.get(name)).cloned().unwrap_or_default()
    }

    fn name(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return String::new();
        }
        self.rest = rest;
        name.to_owned()
    }

    fn skip_export(&mut self) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        while self.rest.starts_with("\\\n") {
            self.next();
            self.next();
        }
        self.skip_while(|c| c == ' ' || c == '\t');
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.next_if(&wanted).is_some() {}
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        self.rest.starts_with(wanted).then(|| self.next()).flatten()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn refuse(&mut self, line: usize, what: &'static str) {
        match self.found.refusals.len() {
            0..MAX_REFUSALS => self.found.refusals.push(Refusal { line, what }),
            MAX_REFUSALS => {
                self.found.refusals.push(Refusal { line, what: "from here on, such lines are not listed" })
            }
            _ => {}
        }
    }
}

const COMMAND: &str = "$(…) and `…` would run a command, and nothing in this file is run";
const FORMS: &str = "of references, $NAME, ${NAME} and ${NAME:-default} are understood";

fn bounded(value: &str) -> Result<(), &'static str> {
    if value.len() > MAX_VALUE_BYTES { Err("the value is too long") } else { Ok(()) }
}

#[cfg(test)]
mod tests;
