//! `${NAME}` and `${NAME:-default}` inside a value, filled after the TOML is parsed, so that a variable
//! can never add keys. Values of variables are inserted as they are and never looked at again.

use std::collections::BTreeMap;
use std::fmt;

/// Defaults may hold variables with defaults; deeper than this nobody can read them.
const MAX_DEPTH: usize = 8;

/// A value longer than this is a mistake; it also bounds `${A}${A}${A}…` with a long `A`.
const MAX_BYTES: usize = 16 * 1024;

/// Where a variable got its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The environment of the process.
    Environment,
    /// A line of a `.env` file.
    File {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// A profile of this name.
    Profile(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Profile(name) => write!(f, "the profile {name}"),
        }
    }
}

/// A variable that is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its value; may be empty, which counts as not set.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

// By hand, because the value may be a token.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable(*** from {})", self.origin)
    }
}

/// All variables that are set, by name.
pub type Variables = BTreeMap<String, Variable>;

/// Whether a variable of this name is to be treated as secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASSWORD", "API_KEY"].iter().any(|word| name.contains(word))
}

/// A variable that a value mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) name: String,
    /// Whether it was asked for: a variable in a default that was not needed is not.
    pub(super) asked: bool,
}

/// A value with its variables filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    pub(super) mentions: Vec<Mention>,
}

impl Expanded {
    /// In words, which variables the value depends on and where they are set; empty when there are none.
    pub(super) fn note(&self, variables: &Variables) -> String {
        let say = |name: &String| match variables.get(name) {
            Some(variable) if variable.value.is_empty() => format!("{name} is empty in {}", variable.origin),
            Some(variable) => format!("{name} comes from {}", variable.origin),
            None => format!("{name} is not set"),
        };
        let asked = self.mentions.iter().filter(|mention| mention.asked);
        asked.map(|mention| say(&mention.name)).collect::<Vec<_>>().join(", ")
    }

    /// Whether a secret may be in the text.
    pub(super) fn is_secret(&self) -> bool {
        self.mentions.iter().any(|mention| mention.asked && names_a_secret(&mention.name))
    }
}

/// Fills in the variables. The mentions are complete even when the text is an error, so that a variable
/// is not called unused because of it.
pub(super) fn expand(text: &str, variables: &Variables) -> (Result<String, String>, Expanded) {
    let mut reader = Reader { rest: text, variables, mentions: Vec::new() };
    let filled = reader.text(0, true);
    let expanded = Expanded { text: filled.clone().unwrap_or_default(), mentions: reader.mentions };
    (filled, expanded)
}

struct Reader<'a> {
    rest: &'a str,
    variables: &'a Variables,
    mentions: Vec<Mention>,
}

impl Reader<'_> {
    /// Reads to the end, or inside a default to its closing brace, which is left to the caller.
    fn text(&mut self, depth: usize, asked: bool) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err(format!("defaults are nested more than {MAX_DEPTH} deep; use fewer variables"));
        }
        let mut filled = String::new();
        loop {
            let stop = |c: char| c == '$' || (depth > 0 && c == '}');
            let (plain, rest) = self.rest.split_at(self.rest.find(stop).unwrap_or(self.rest.len()));
            filled.push_str(plain);
            self.rest = rest;
            if filled.len() > MAX_BYTES {
                return Err(format!("longer than {MAX_BYTES} bytes; shorten the variables in it"));
            }
            if self.skip("$$") {
                filled.push('$');
            } else if self.skip("${") {
                filled.push_str(&self.variable(depth, asked)?);
            } else if rest.starts_with('$') {
                return Err("a lone $; write ${NAME:-default} for a variable and $$ for a dollar".to_owned());
            } else {
                return Ok(filled);
            }
        }
    }

    /// Reads what follows `${`, the closing brace included.
    fn variable(&mut self, depth: usize, asked: bool) -> Result<String, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if name.is_empty() {
            return Err("${ without a name; write ${NAME:-default}, and $$ for a dollar".to_owned());
        }
        self.mentions.push(Mention { name: name.to_owned(), asked });
        let set = self.variables.get(name).map(|variable| variable.value.clone());
        let given = set.clone().filter(|value| !value.is_empty());
        let default = match self.skip(":-") {
            true => Some(self.text(depth + 1, asked && given.is_none())?),
            false => set,
        };
        if !self.skip("}") {
            return Err(format!("${{{name} is not closed; write ${{{name}}} or ${{{name}:-default}}"));
        }
        match given.or(default) {
            Some(value) => Ok(value),
            None if asked => Err(format!("{name} is not set; set it, or write ${{{name}:-default}}")),
            None => Ok(String::new()),
        }
    }

    fn skip(&mut self, token: &str) -> bool {
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Variables {
        let variable = |value: &str| Variable { value: value.to_owned(), origin: Origin::Environment };
        pairs.iter().map(|(name, value)| ((*name).to_owned(), variable(value))).collect()
    }

    fn filled(text: &str, pairs: &[(&str, &str)]) -> Result<String, String> {
        expand(text, &with(pairs)).0
    }

    #[test]
    fn variables_are_filled_and_dollars_kept() {
        assert_eq!(filled("${A:-3}s costs $$5", &[]).as_deref(), Ok("3s costs $5"));
        assert_eq!(filled("${A:-3}s", &[("A", "7")]).as_deref(), Ok("7s"));
        assert_eq!(filled("${A:-3}", &[("A", "")]).as_deref(), Ok("3"), "empty counts as not set");
        assert_eq!(filled("<${A}>", &[("A", "")]).as_deref(), Ok("<>"));
        assert_eq!(filled("a } b", &[]).as_deref(), Ok("a } b"));
    }

    #[test]
    fn defaults_nest() {
        let url = "${A:-http://127.0.0.1:${B:-18790}/health}";
        assert_eq!(filled(url, &[]).as_deref(), Ok("http://127.0.0.1:18790/health"));
        assert_eq!(filled(url, &[("B", "1")]).as_deref(), Ok("http://127.0.0.1:1/health"));
        assert_eq!(filled(url, &[("A", "x"), ("B", "1")]).as_deref(), Ok("x"));
        assert_eq!(filled("${A:-${B}}", &[("A", "x")]).as_deref(), Ok("x"), "B is not asked for");
        let deep = format!("{}x{}", "${A:-".repeat(9), "}".repeat(9));
        assert!(filled(&deep, &[]).unwrap_err().contains("nested"));
    }

    #[test]
    fn the_value_of_a_variable_is_not_read_again() {
        assert_eq!(filled("${A}", &[("A", "${B} $$ }")]).as_deref(), Ok("${B} $$ }"));
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, expected) in [
            ("${A", "not closed"),
            ("${A:-x", "not closed"),
            ("${A:-${B:-x}", "not closed"),
            ("${}", "without a name"),
            ("${A-x}", "not closed"),
            ("$A", "a lone $"),
            ("x$", "a lone $"),
            ("${A}", "A is not set"),
        ] {
            let said = filled(text, &[]).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
        let long = with(&[("A", &"x".repeat(MAX_BYTES))]);
        assert!(expand("${A}${A}", &long).0.unwrap_err().contains("longer than"));
    }

    #[test]
    fn only_variables_that_matter_are_asked_for() {
        let variables = with(&[("A", "x"), ("B", "y")]);
        let (_, expanded) = expand("${A:-${B}}", &variables);
        assert_eq!(expanded.note(&variables), "A comes from the environment");
        assert_eq!(expanded.mentions.len(), 2, "B is mentioned all the same");
        assert!(expand("${LINE_TOKEN:-}", &variables).1.is_secret());
    }
}
