//! Keeps the picture in ARCHITECTURE.md true: who may import whom, what the pure core may know, and the
//! habits that can be read off a file. It reads the sources as text and runs nothing of the program.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/source.rs"]
mod source;
use source::{Source, words_of};

/// Who may import whom: one line per module, the same lines as the picture in ARCHITECTURE.md. A module may
/// always import itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli", "command", "exit"]),
    (
        "command",
        &[
            "action", "cli", "config", "cycle", "doctor", "exit", "host", "logscan", "probe", "recovery",
            "sim", "values",
        ],
    ),
    ("cli", &[]),
    (
        "doctor",
        &[
            "action", "config", "exec", "logscan", "notify", "probe", "recovery", "section", "systemd",
            "values",
        ],
    ),
    (
        "host",
        &[
            "action", "config", "cycle", "exec", "exit", "logscan", "notify", "probe", "recovery", "systemd",
            "values",
        ],
    ),
    ("sim", &["cycle", "recovery", "section"]),
    ("cycle", &["recovery"]),
    ("config", &["action", "logscan", "notify", "probe", "recovery", "section", "values"]),
    ("probe", &["beneath", "exec", "recovery", "section", "systemd", "values"]),
    ("action", &["beneath", "exec", "logscan", "probe", "recovery", "section", "systemd", "values"]),
    ("beneath", &[]),
    ("notify", &["probe", "recovery", "section", "values"]),
    ("logscan", &["exec", "recovery", "section", "values"]),
    ("systemd", &["recovery", "values"]),
    ("section", &["values"]),
    ("exec", &["values"]),
    ("recovery", &[]),
    ("values", &[]),
    ("exit", &[]),
];

/// The core has `std` without its doors to the world, and serde's derives.
const CLOSED_TO_THE_CORE: &[&str] = &["env", "fs", "io", "net", "os", "process", "thread"];

/// A file is one thought. Beyond this it is two.
const LINES_MAX: usize = 400;

#[test]
fn modules_import_only_what_the_picture_allows() {
    report(sources("src").iter().flat_map(forbidden_imports).collect());
}

#[test]
fn the_core_knows_nothing_but_itself() {
    let manifest = read(&top().join("Cargo.toml"));
    let crates = dependencies(&manifest);
    assert!(crates.contains(&"tokio".to_owned()), "the dependencies were not found: {crates:?}");
    let core = sources("src").into_iter().filter(|file| file.module() == "recovery");
    report(core.flat_map(|file| forbidden_in_the_core(&file, &crates)).collect());
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = |file: &Source| !file.text.starts_with("//! ");
    let files = sources("src").into_iter().chain(sources("tests"));
    report(files.filter(silent).map(|file| format!("{} does not begin with //!", file.path)).collect());
}

#[test]
fn no_file_grows_beyond_one_thought() {
    let files = sources("src").into_iter().chain(sources("tests"));
    let long =
        files.map(|file| (file.text.lines().count(), file.path)).filter(|(lines, _)| *lines > LINES_MAX);
    report(long.map(|(lines, path)| format!("{path} has {lines} lines, more than {LINES_MAX}")).collect());
}

#[test]
fn nothing_refers_to_the_machine_it_was_written_on() {
    let mut files = Vec::new();
    walk(&top(), &mut files);
    // In halves, or this file would refer to it itself.
    let needles = [concat!("/wor", "k/"), concat!("/roo", "t/"), concat!("../sha", "red")];
    let found = |path: &PathBuf| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let needle = needles.iter().find(|needle| text.contains(**needle))?;
        Some(format!("{} mentions {needle}", path.display()))
    };
    report(files.iter().filter_map(found).collect());
}

/// Every module in the sources has its line in the table, and the other way round, so that a new one is
/// not free by being unknown.
#[test]
fn the_table_is_complete() {
    let mut modules: Vec<String> = sources("src").iter().map(|file| file.module().to_owned()).collect();
    modules.retain(|module| module != "lib");
    modules.sort();
    modules.dedup();
    let mut listed: Vec<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    listed.sort_unstable();
    assert_eq!(modules, listed);
}

/// The same lines stand in ARCHITECTURE.md, for people.
#[test]
fn the_picture_shows_the_same_arrows() {
    let picture = read(&top().join("ARCHITECTURE.md"));
    let missing = |(module, allowed): &(&str, &[&str])| {
        let line =
            format!("{module:<9} -> {}", if allowed.is_empty() { "-".to_owned() } else { allowed.join(" ") });
        (!picture.contains(&line)).then(|| format!("ARCHITECTURE.md lacks the line: {line}"))
    };
    report(ARROWS.iter().filter_map(missing).collect());
}

fn forbidden_imports(file: &Source) -> Vec<String> {
    let from = file.module();
    let allowed = ARROWS.iter().find(|(module, _)| *module == from).map_or(&[][..], |(_, allowed)| allowed);
    let mut wrong = file.imports();
    // lib.rs only declares; `crate::` alone, as in `pub(crate)`, names nothing.
    wrong.retain(|to| from != "lib" && to != from && !allowed.contains(&to.as_str()));
    wrong.iter().map(|to| format!("{}: {from} must not import {to}", file.path)).collect()
}

fn forbidden_in_the_core(file: &Source, crates: &[String]) -> Vec<String> {
    let words = words_of(&file.text);
    let mut wrong = Vec::new();
    for three in words.windows(3).filter(|three| three[1] == "::") {
        let outside = crates.contains(&three[0]) && three[0] != "serde";
        if outside || (three[0] == "std" && CLOSED_TO_THE_CORE.contains(&three[2].as_str())) {
            wrong.push(format!("{}: the core must not use {}", file.path, three.concat()));
        }
    }
    wrong
}

/// The names under `[dependencies]`, as code writes them.
fn dependencies(manifest: &str) -> Vec<String> {
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once(" =")?.0.replace('-', "_"))).collect()
}

fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a folder of the project.
fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    walk(&top().join(folder), &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(!files.is_empty(), "nothing was found in {folder}");
    let relative = |path: &Path| path.strip_prefix(top()).unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| Source { path: relative(path), text: read(path) }).collect()
}

/// All files below a folder, except what git and cargo keep there.
fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        let name = entry.file_name();
        if kind.is_dir() && name != ".git" && !name.to_string_lossy().starts_with("target") {
            walk(&entry.path(), into);
        } else if kind.is_file() && name != ".git" {
            into.push(entry.path());
        }
    }
}

/// The checker itself, on planted faults.
#[cfg(test)]
mod planted {
    use super::*;

    fn file(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn every_way_to_write_an_import_is_seen() {
        for text in [
            "use crate::host::clock;",
            "use crate::{recovery::time::Now, host};",
            "use crate::{\n    recovery::{self, time::Now},\n    host::{self, view::View},\n};",
            "fn f() { crate::host::clock::wall(); }",
            "use super::super::host::clock;",
            "mod tests { use super::super::super::host::Host; }",
            "pub use crate::host as h;",
            "/* crate::sim */ use crate :: host;",
            "fn f() -> char { '\"' } use crate::host;",
            "fn f<'a>(x: &'a str) { let _ = r#\"\"crate::sim\"#; crate::host::f(x) }",
        ] {
            assert_eq!(forbidden_imports(&file("src/sim/model.rs", text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_import_is_not() {
        for text in [
            "//! See [`crate::host`].\n/* use crate::host; /* nested */ crate::host */",
            "const X: &str = \"crate::host\\\" crate::host\"; const Y: char = '\"';",
            "pub(crate) fn f() {} use super::model; use self::host::x;",
            "mod tests { use super::super::host; }",
            "use crate::cycle::{self, host};",
        ] {
            assert_eq!(forbidden_imports(&file("src/sim/model.rs", text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn the_arrows_have_a_direction() {
        let core = file("src/recovery/gate.rs", "use crate::values::Secret;");
        assert_eq!(forbidden_imports(&core), ["src/recovery/gate.rs: recovery must not import values"]);
        assert_eq!(forbidden_imports(&file("src/values.rs", "use crate::exec;")).len(), 1);
        assert_eq!(forbidden_imports(&file("src/exec.rs", "use crate::values;")), [""; 0]);
        assert_eq!(forbidden_imports(&file("src/main.rs", "use picoclaw_watchdog::host::x;")).len(), 1);
        assert_eq!(forbidden_imports(&file("src/cycle.rs", "use super::host;")).len(), 1);
    }

    #[test]
    fn the_core_is_caught_with_a_clock_or_a_file() {
        let crates = ["jiff".to_owned(), "serde".to_owned()];
        for text in ["use std::fs;", "fn f() { std::process::exit(1) }", "let t = jiff::Timestamp::now();"] {
            assert_eq!(forbidden_in_the_core(&file("src/recovery/x.rs", text), &crates).len(), 1, "{text}");
        }
        let good = "use serde::Serialize; use std::time::Duration; // std::fs\n";
        assert_eq!(forbidden_in_the_core(&file("src/recovery/x.rs", good), &crates), [""; 0]);
    }
}
