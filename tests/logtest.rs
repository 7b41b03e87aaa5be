//! `logtest` as the writer of a rule meets it: the real binary on files, lines and pipes, and all that it prints.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const RULES: &str = r"
[[source]]
name = 'app'
files = ['/srv/app.log']
[[target]]
name = 'ledger'
[[target.probe]]
name = 'broken'
[target.probe.check.log]
in = ['app']
pattern = 'ledger \d+ is broken'
exclude = ['already repaired', '^DEBUG']
hits = ['ledger 7 is broken']
misses = ['ledger 7 is broken, already repaired', 'ledger seven is broken']
[[target]]
name = 'memory'
[[target.probe]]
name = 'out'
check.log = { in = ['app'], pattern = '\bMemoryError\b', hits = ['MemoryError'], misses = ['memory'] }
";

/// Eight lines, the last without its newline.
const LOG: &str = r#"all is well
ledger 1 is broken
DEBUG ledger 2 is broken
Traceback (most recent call last):
  File "a.py", line 1
MemoryError: x
Ledger 3 is broken, already repaired
LEDGER 4 IS BROKEN"#;

/// What is to be read of it.
const SEEN: &str = r#"8 lines, 183 bytes

ledger/broken  2 events, 2 excluded
       2  ledger 1 is broken
       3  DEBUG ledger 2 is broken
          excluded by "^DEBUG"
       7  Ledger 3 is broken, already repaired
          excluded by "already repaired"
       8  LEDGER 4 IS BROKEN

memory/out     1 event
       4  MemoryError: x
"#;

/// What neither rule has anything to say of.
const NOTHING: &str = "\n\nledger/broken  0 events\n\nmemory/out     0 events\n";

/// A home with rules and logs of its own.
struct Desk(TempDir);

/// How the program ended, and what it printed.
#[derive(Debug)]
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.put("rules.toml", RULES);
        desk
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs it in the home, with these arguments behind the subcommand.
    fn run(&self, arguments: &[&str], input: &[u8]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picoclaw-watchdog"));
        command.env_clear().env("HOME", self.0.path()).current_dir(self.0.path());
        command.arg("logtest").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end without having read.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Told { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Tests a text with the usual rules.
    fn test(&self, text: &str) -> Told {
        self.run(&["--rules", "rules.toml", text], b"")
    }
}

#[test]
fn a_file_is_told_line_by_line_with_what_took_lines_out() {
    let desk = Desk::new();
    desk.put("app.log", LOG);
    let told = desk.test("app.log");
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (0, SEEN, ""));
    for pipe in ["-", "/dev/stdin"] {
        let piped = desk.run(&["--rules", "rules.toml", pipe], LOG.as_bytes());
        assert_eq!((piped.code, piped.out.as_str()), (0, SEEN), "the same through a pipe: {pipe}");
    }
    let ended = desk.run(&["--rules", "rules.toml", "-"], format!("{LOG}\n").as_bytes());
    assert_eq!(ended.out, SEEN.replace("183", "184"), "a newline at the end begins no line");
}

#[test]
fn one_line_is_told_and_the_exit_code_says_whether_it_counts() {
    let desk = Desk::new();
    for (line, code, told) in [
        ("Ledger 9 is broken", 0, "ledger/broken  1 event\n       1  Ledger 9 is broken\n"),
        ("GET /a/b: ledger 9 is broken", 0, "ledger/broken  1 event\n"),
        ("MemoryError", 0, "memory/out     1 event\n"),
        (
            "DEBUG ledger 9 is broken",
            1,
            "0 events, 1 excluded\n       1  DEBUG ledger 9 is broken\n          excluded by \"^DEBUG\"\n",
        ),
        ("ledger nine is broken", 1, NOTHING),
    ] {
        let seen = desk.test(line);
        assert!(
            seen.code == code && seen.out.contains(told) && seen.out.starts_with("1 line, "),
            "{line}: {seen:?}"
        );
    }
    let word = desk.test("app.log").err;
    assert_eq!(word, "no file is called \"app.log\": it is tested as a line\n");
    assert_eq!(desk.test("").out, format!("0 lines, 0 bytes{NOTHING}"));
}

/// A mistyped path must not look like a log in which all is well.
#[test]
fn a_file_that_cannot_be_read_is_no_line() {
    let desk = Desk::new();
    fs::create_dir(desk.0.path().join("logs")).unwrap();
    for (path, why) in [
        ("/no/such.log", "No such file or directory"),
        ("./ap.log", "No such file or directory"),
        ("logs", "Is a directory"),
        ("rules.toml/x", "Not a directory"),
    ] {
        let told = desk.test(path);
        assert_eq!((told.code, told.out.as_str()), (70, ""), "{path}: {told:?}");
        assert!(told.err.starts_with(&format!("{path}: {why}")), "{}", told.err);
    }
}

#[test]
fn files_of_any_bytes_are_read() {
    let desk = Desk::new();
    desk.put("empty.log", "");
    let told = desk.test("empty.log");
    assert_eq!((told.code, told.out), (1, format!("0 lines, 0 bytes{NOTHING}")));
    desk.put("newlines.log", "\n\n");
    assert_eq!(desk.test("newlines.log").out, format!("2 lines, 2 bytes{NOTHING}"));
    desk.put("binary.log", b"\0\xff ledger 5 is broken\0\xfe\r\n\x1b[31mledger 6 is broken\xe2\x80\xae\n");
    let told = desk.test("binary.log");
    let shown = "       1  \\u{0}\u{fffd} ledger 5 is broken\\u{0}\u{fffd}\n       2  \\u{1b}[31mledger 6 is broken\\u{202e}\n";
    assert!(told.code == 0 && told.out.contains(shown), "nothing reaches the terminal raw: {}", told.out);
    let mut long = b"x".repeat(3 << 20);
    long.extend(b"\nledger 7 is broken\n");
    desk.put("long.log", long);
    let told = desk.test("long.log");
    assert!(
        told.out.starts_with("2 lines, ") && told.out.contains("       2  ledger 7"),
        "a line of 3 MiB: {}",
        told.out
    );
}

#[test]
fn five_lines_of_each_rule_are_shown_unless_all_are_asked_for() {
    let desk = Desk::new();
    let log: String = (1..=7).map(|number| format!("ledger {number} is broken\n")).collect();
    desk.put("app.log", log);
    let few = desk.test("app.log").out;
    assert!(
        few.contains("7 events\n") && few.contains("       5  ledger 5") && !few.contains("ledger 6"),
        "{few}"
    );
    assert!(few.contains("          … and 2 more (--all shows them)\n"), "{few}");
    let all = desk.run(&["--rules", "rules.toml", "--all", "app.log"], b"").out;
    assert!(all.contains("       7  ledger 7 is broken\n") && !all.contains("more"), "{all}");
}

#[test]
fn scripts_read_the_same_as_people() {
    let desk = Desk::new();
    desk.put("app.log", LOG);
    let told = desk.run(&["--rules", "rules.toml", "--json", "app.log"], b"");
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((told.code, &report["lines"], &report["bytes"]), (0, &8.into(), &183.into()));
    assert_eq!(report["matching_lines"], 5, "each line once, excluded or not");
    let [ledger, memory] = [&report["rules"][0], &report["rules"][1]];
    assert_eq!([&ledger["events"], &ledger["excluded"], &memory["events"]], [2, 2, 1]);
    let shown = &ledger["shown"][1];
    assert_eq!([&shown["text"], &shown["excluded_by"]], ["DEBUG ledger 2 is broken", "^DEBUG"]);
    assert_eq!((&shown["line"], &ledger["shown"][0]["excluded_by"]), (&3.into(), &Value::Null));
}

#[test]
fn without_a_text_the_samples_are_listed() {
    let desk = Desk::new();
    let told = desk.run(&["--rules", "rules.toml"], b"");
    let listed = r"ledger/broken  ledger \d+ is broken
  but not  already repaired
  but not  ^DEBUG
  matches  ledger 7 is broken
  not      ledger 7 is broken, already repaired
  not      ledger seven is broken
memory/out  \bMemoryError\b
  matches  MemoryError
  not      memory
2 rules, 5 samples, 0 of them wrong
";
    assert_eq!((told.code, told.out.as_str()), (0, listed));
    let json: Value = serde_json::from_str(&desk.run(&["--rules", "rules.toml", "--json"], b"").out).unwrap();
    assert_eq!([&json["rules"][1]["hits"][0], &json["rules"][1]["misses"][0]], ["MemoryError", "memory"]);
}

/// Only a rule that is not strict can have one.
#[test]
fn a_sample_that_does_not_fit_is_shown() {
    let desk = Desk::new();
    let rules = RULES.replace("misses = ['memory']", "strict = false, misses = ['a MemoryError']");
    desk.put("rules.toml", rules);
    let told = desk.run(&["--rules", "rules.toml"], b"");
    assert_eq!(told.code, 1);
    assert!(told.out.contains("  not      a MemoryError  (WRONG: it is otherwise)\n"), "{}", told.out);
    assert!(told.out.ends_with("2 rules, 5 samples, 1 of them wrong\n"), "{}", told.out);
}

#[test]
fn an_error_patterns_json_is_tested_as_it_is() {
    let desk = Desk::new();
    desk.put("patterns.json", include_str!("fixtures/mirai/error_patterns.json"));
    let told = desk.run(&["--rules", "patterns.json", "OSError: [Errno 28] No space left on device"], b"");
    assert_eq!(told.code, 0, "{told:?}");
    for (rule, events) in [("disk_full/log", 1), ("python_exception/log", 1), ("http_5xx/log", 0)] {
        let line = told.out.lines().find(|line| line.starts_with(rule)).unwrap();
        assert!(line.contains(&format!("  {events} event")), "{line}");
    }
}

#[test]
fn rules_that_are_none_are_refused() {
    let desk = Desk::new();
    desk.put("bad.toml", RULES.replace(r"'ledger \d+ is broken'", "'ledger (is broken'"));
    let told = desk.run(&["--rules", "bad.toml", "x"], b"");
    assert!(
        told.code == 78 && told.err.starts_with("bad.toml:11:11: error: target[ledger].probe[broken]"),
        "{told:?}"
    );
    let told = desk.run(&["--rules", "no.toml", "x"], b"");
    assert!(told.code == 78 && told.err.starts_with("no.toml: error: no such file"), "{told:?}");
    let told = desk.run(&["x"], b"");
    assert!(told.code == 64 && told.err.starts_with("the configuration has no rule"), "{told:?}");
}
