//! Rust source as far as the architecture test must read it: words without comments and literals, and the
//! modules of ours that they name. It knows no rule.

/// One file.
pub(crate) struct Source {
    /// Its path inside the project.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// The top-level module that it belongs to: `host` for `src/host/log/mod.rs`.
    pub(crate) fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// How many modules lie above its items: 1 for `src/cycle.rs` and `src/host/mod.rs`, 2 for
    /// `src/host/log/mod.rs`.
    fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches("/mod.rs");
        if ["main.rs", "lib.rs"].contains(&inside) { 0 } else { inside.split('/').count() }
    }

    /// The top-level modules that it names, through `crate::`, our own crate's name, or enough `super::`.
    pub(crate) fn imports(&self) -> Vec<String> {
        let words = words_of(&self.text);
        let mut found = Vec::new();
        // One entry per open brace: whether it belongs to an inline module.
        let mut braces = Vec::new();
        for (at, word) in words.iter().enumerate() {
            match word.as_str() {
                "{" => braces.push(at >= 2 && words[at - 2] == "mod"),
                "}" => drop(braces.pop()),
                _ => {}
            }
            let starts_path = at == 0 || words[at - 1] != "::";
            let inline = braces.iter().filter(|is_module| **is_module).count();
            if starts_path && let Some(rest) = self.at_the_root(&words[at..], inline) {
                found.extend(first_names(rest));
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// What follows the part of a path that leads to the top of the crate, if it leads there.
    fn at_the_root<'a>(&self, words: &'a [String], inline: usize) -> Option<&'a [String]> {
        let step = |words: &'a [String]| (words.get(1)? == "::").then(|| &words[2..]);
        match words[0].as_str() {
            "crate" | "picoclaw_watchdog" => step(words),
            "super" => {
                let mut rest = words;
                let mut steps = 0;
                while rest.first().is_some_and(|word| word == "super") {
                    rest = step(rest)?;
                    steps += 1;
                }
                (steps == self.depth() + inline).then_some(rest)
            }
            _ => None,
        }
    }
}

/// The first name of each path in `a::b` or `{a, b::{c, d}}`.
fn first_names(words: &[String]) -> Vec<String> {
    if words.first().is_none_or(|word| word != "{") {
        return words.first().cloned().into_iter().collect();
    }
    let mut names = Vec::new();
    let mut depth = 0;
    for pair in words.windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && ["{", ","].contains(&pair[0].as_str()) && pair[1] != "}" {
            names.push(pair[1].clone());
        }
    }
    names
}

/// The words of some source: names, `::`, and every other sign by itself; no comments, no literals.
pub(crate) fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if rest.starts_with("::") { 2 } else { name.max(first.len_utf8()) };
            words.push(rest[..length].to_owned());
            length
        });
        rest = &rest[length..];
    }
    words
}

/// The length of the blank, comment or literal at the start, if there is one.
fn skipped(text: &str) -> Option<usize> {
    let to = |end: Option<usize>| Some(end.unwrap_or(text.len()));
    if text.starts_with("//") {
        return to(text.find('\n'));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    if text.starts_with(char::is_whitespace) {
        return to(text.find(|c: char| !c.is_whitespace()));
    }
    if let Some(raw) = text.strip_prefix('r').filter(|raw| raw.starts_with(['"', '#'])) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        // r#name is a name, not a string.
        let body = raw[hashes..].strip_prefix('"')?;
        return to(body.find(&end).map(|at| 1 + hashes + 1 + at + end.len()));
    }
    match text.chars().next()? {
        '"' => to(quoted(text, '"')),
        // A character, unless it is a lifetime: 'a' and '\n' end with a quote, 'a does not.
        '\'' if text[1..].starts_with('\\') || text.chars().nth(2) == Some('\'') => to(quoted(text, '\'')),
        _ => None,
    }
}

/// The length of a literal with its quotes.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return Some(at + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}
