//! Ids and names of an `error_patterns.json` as names of ours. Its program took any text; here they become keys of the
//! state and parts of file names, so that what is none becomes one, and two of the same are told apart.

use super::file::PatternsFile;
use super::toml_text::Tables;
use std::collections::BTreeSet;

/// What is left for what actions add to it: `-fix-8`.
const NAME_MAX: usize = 34;
/// What is left for the number of one of several.
const BASE_MAX: usize = 30;

/// Gives every pattern and every check a name of its own, and says which are not as they were written.
pub(super) fn name_all(file: &mut PatternsFile, tables: &mut Tables) {
    let mut taken = BTreeSet::new();
    for (index, pattern) in file.error_patterns.iter_mut().enumerate() {
        name(&mut pattern.id, "pattern", index + 1, &mut taken, tables);
    }
    for (index, check) in file.health_checks.iter_mut().enumerate() {
        name(&mut check.name, "check", index + 1, &mut taken, tables);
    }
}

fn name(written: &mut String, kind: &str, number: usize, taken: &mut BTreeSet<String>, tables: &mut Tables) {
    let slug = slug(written).unwrap_or_else(|| format!("{kind}-{number}"));
    let free = |name: &String| !taken.contains(name);
    let base: String = slug.chars().take(BASE_MAX).collect();
    // There are no more names than patterns, so one of these is free.
    let numbered = (2..).map(|count| format!("{base}-{count}")).find(free).unwrap_or_default();
    let name = Some(slug.clone()).filter(free).unwrap_or(numbered);
    if taken.contains(&slug) {
        tables.warn(
            format!("{kind} {number}: there is another one called {written:?}; here it is called {name}"),
            "give each an id of its own",
        );
    } else if name != *written {
        tables.warn(
            format!("{kind} {number}: {written:?} is no name here, so it is called {name}"),
            format!("use 1 to {NAME_MAX} of a-z, 0-9, - and _"),
        );
    }
    taken.insert(name.clone());
    *written = name;
}

/// The text with nothing in it that no name has; none when nothing is left.
fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in text.trim().chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' | '-' | '_' => slug.push(c),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug: String = slug.trim_matches('-').chars().take(NAME_MAX).collect();
    let slug = slug.trim_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name() {
        for (text, wanted) in [
            ("http_5xx", Some("http_5xx")),
            ("Disk Full", Some("disk-full")),
            ("DB接続", Some("db")),
            ("接続エラー", None),
            ("", None),
            ("a\n[x]", Some("a-x")),
        ] {
            assert_eq!(slug(text).as_deref(), wanted, "{text:?}");
        }
        assert_eq!(slug(&"x".repeat(99)).map(|name| name.len()), Some(NAME_MAX));
    }
}
