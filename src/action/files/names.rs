//! Which files are meant, by their names.

use crate::section::Section;
use glob::{MatchOptions, Pattern};
use std::ffi::OsStr;

/// As a shell reads patterns, but for one thing that it leaves open: what a name begins with a dot for is to be left
/// alone, such as `.gitkeep`, so only a pattern with that dot means it.
const AS_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Patterns of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<Pattern>);

impl Names {
    /// Reads `match = ["*.tmp"]`, which has to be there: what is not named is not touched.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        if !section.has("match") {
            section.error(&section.here(), "match is missing", "write match = [\"*.tmp\", …]");
        }
        section.filled_list("match", pattern).map(Self)
    }

    /// Whether a name is meant. What is no UTF-8 in it matches `?` and `*` only.
    pub fn mean(&self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        self.0.iter().any(|pattern| pattern.matches_with(&name, AS_A_SHELL))
    }

    /// Whether directories of this name are gone into: hidden ones only for who means hidden files.
    pub fn reach(&self, name: &OsStr) -> bool {
        !name.as_encoded_bytes().starts_with(b".")
            || self.0.iter().any(|pattern| pattern.as_str().starts_with('.'))
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if text.is_empty() || text.contains('/') {
        return Err(format!("{text:?} is not a pattern of names; write something like \"*.tmp\", without /"));
    }
    Pattern::new(text)
        .map_err(|error| format!("{text:?} is not a pattern: {error}; write something like \"*.tmp\""))
}

#[cfg(test)]
impl Names {
    /// Those of a test.
    pub(super) fn of(patterns: &[&str]) -> Self {
        Self(patterns.iter().map(|text| pattern(text).unwrap()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn hidden_files_are_meant_only_by_a_dot() {
        let names = Names::of(&["*", "flask_?"]);
        for (name, meant) in [("a.tmp", true), ("-rf", true), ("flask_1", true), (".gitkeep", false)] {
            assert_eq!(names.mean(OsStr::new(name)), meant, "{name}");
        }
        assert!(!names.reach(OsStr::new(".git")) && Names::of(&[".*"]).reach(OsStr::new(".git")));
        assert!(names.mean(OsStr::from_bytes(b"\xff\xfe")), "bytes that are no text are a name, too");
        assert!(!Names::of(&["*.tmp"]).mean(OsStr::new("A.TMP")));
    }

    #[test]
    fn patterns_are_of_names_only() {
        for bad in ["", "/", "a/*", "../*", "[", "a**b"] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }
}
