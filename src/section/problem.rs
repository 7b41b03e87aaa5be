//! What is wrong with a configuration, where, and what to write instead. It judges nothing itself.

use std::fmt;

/// Whether the configuration can be used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot be used.
    Error,
    /// It can, but not as its author may think.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong, said so that a person can mend it without reading the manual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// The file, or `environment`.
    pub file: String,
    /// The line, counted from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The column in characters, counted from 1; 0 when the whole line is meant.
    pub column: usize,
    /// The key, such as `target[gateway].probe[health].check.http.timeout`; may be empty.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl Problem {
    /// A problem of a whole file; [`Problem::at_line`] narrows it.
    pub fn new(
        severity: Severity,
        file: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (file, what, hint) = (file.into(), what.into(), hint.into());
        Self { severity, file, line: 0, column: 0, path: String::new(), what, hint }
    }

    /// The same problem, placed on a line that is counted from 1.
    #[must_use]
    pub fn at_line(mut self, line: usize) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for place in [self.line, self.column].iter().filter(|place| **place > 0) {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}: ", self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// Line and column of a byte offset, both counted from 1, the column in characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// `did you mean …?` when one of the candidates is close to the word, else an empty text.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    // A third of the letters may be wrong, and three at most: enough for typing errors, too little for
    // another word.
    let most = word.chars().count().div_ceil(3).min(3);
    let measured = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    match measured.filter(|(edits, _)| *edits <= most).min() {
        Some((_, candidate)) => format!("did you mean {candidate}?"),
        None => String::new(),
    }
}

/// The number of letters to insert, delete or replace to turn one word into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], done + 1);
        for (i, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(row[i] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_from_one() {
        assert_eq!(line_and_column("a\nbc", 0), (1, 1));
        assert_eq!(line_and_column("a\nbc", 3), (2, 2));
        assert_eq!(line_and_column("日本 x", 7), (1, 4));
        assert_eq!(line_and_column("ab", 99), (1, 3), "behind the end");
        assert_eq!(line_and_column("日", 1), (1, 2), "inside a character");
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        assert_eq!(did_you_mean("timout", ["timeout", "url"]), "did you mean timeout?");
        assert_eq!(did_you_mean("colour", ["timeout", "url"]), "");
    }

    #[test]
    fn a_problem_says_where_what_and_how() {
        let mut problem = Problem::new(Severity::Error, "w.toml", "no", "write yes").at_line(3);
        assert_eq!(problem.to_string(), "w.toml:3: error: no; write yes");
        (problem.column, problem.path) = (7, "a.b".to_owned());
        assert_eq!(problem.to_string(), "w.toml:3:7: error: a.b: no; write yes");
    }
}
