//! The journal, spoken by a script in the place of journalctl.

use super::*;
use crate::logscan::follow::journal::Journal;
use crate::recovery::scan::JournalMark;
use std::io::Write;

const SOON: Duration = Duration::from_secs(20);

/// A program that notes its arguments, says these lines, and stays.
fn program(dir: &Path, lines: &[&str], end: &str) -> String {
    let path = dir.join("journalctl");
    let said: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(dir.join("said"), said).unwrap();
    let here = dir.display();
    let script = format!("#!/bin/sh\necho \"$@\" >>{here}/asked\ncat {here}/said\n{end}\n");
    // Written by another process: a child that another test starts meanwhile could hold it open, and then nobody can
    // run it.
    let mut install = std::process::Command::new("install");
    install.args(["-m755", "/dev/stdin"]).arg(&path).stdin(std::process::Stdio::piped());
    let mut installing = install.spawn().unwrap();
    installing.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(installing.wait().unwrap().success());
    path.to_str().unwrap().to_owned()
}

fn journal(program: String, start: Start, mark: Option<&JournalMark>) -> Journal {
    Journal::open(name(), &["app.service".to_owned()], true, start, mark).spoken_by(program)
}

/// Reads until this much was seen.
async fn until(journal: &mut Journal, seen: &mut Lines, text: &str, now: Instant) {
    let mut room = vec![0; 4096];
    let all = async {
        while seen.text() != text {
            journal.turn(&mut room, now, seen);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(SOON, all).await;
    assert!(done.is_ok(), "{:?} {:?}", seen.text(), journal.news().collect::<Vec<_>>());
}

#[tokio::test(flavor = "current_thread")]
async fn entries_become_lines_and_the_cursor_follows() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"__CURSOR":"c1","MESSAGE":"one"}"#,
        r#"{"__CURSOR":"c2","MESSAGE":[116,119,111,255]}"#,
        r#"{"__CURSOR":"c3","MESSAGE":null}"#,
        r#"{"__CURSOR":"c4"}"#,
        "no json",
        r#"{"__CURSOR":"c5","MESSAGE":["a",[98]]}"#,
    ];
    let mut journal = journal(program(dir.path(), &lines, "exec sleep 1000"), Start::Last(5), None);
    let mut seen = Lines::default();
    until(&mut journal, &mut seen, "one\ntwo\u{fffd}\na\nb\n", Instant::now()).await;
    assert_eq!(journal.mark().cursor.as_deref(), Some("c5"));
    let news: Vec<_> = journal.news().collect();
    assert_eq!(news, ["journalctl wrote a line that is no entry; it was skipped"]);
    let asked = fs::read_to_string(dir.path().join("asked")).unwrap();
    assert_eq!(
        asked,
        "--follow --output=json --output-fields=MESSAGE --all --no-pager --quiet --lines=5 --user --user-unit=app.service\n"
    );
}

#[test]
fn it_goes_on_after_the_last_entry_that_was_taken() {
    let asked = |mark: &JournalMark, start| {
        let argv = journal("j".to_owned(), start, Some(mark)).argv();
        let places = ["--no-tail", "--since", "--after-cursor", "--lines"];
        argv.into_iter().filter(|word| places.iter().any(|place| word.starts_with(place))).collect::<Vec<_>>()
    };
    let mut mark = JournalMark { since: 1_700_000_000_000_042, cursor: None };
    assert_eq!(asked(&mark, Start::End), ["--no-tail", "--since=@1700000000.000042"]);
    assert_eq!(
        asked(&mark, Start::Last(5)),
        ["--no-tail", "--since=@1700000000.000042"],
        "the last ones were then"
    );
    mark.cursor = Some("c9".to_owned());
    assert_eq!(asked(&mark, Start::Beginning), ["--no-tail", "--after-cursor=c9"]);
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_sink_leaves_moves_no_cursor_until_it_waited() {
    let dir = tempfile::tempdir().unwrap();
    struct Half(Lines);
    impl Sink for Half {
        fn take(&mut self, source: &Name, path: &Path, block: &[u8], whole: bool) -> usize {
            let one = if whole { block.len() } else { memchr::memchr(b'\n', block).map_or(0, |end| end + 1) };
            self.0.take(source, path, &block[..one], whole)
        }
    }
    let lines = [r#"{"__CURSOR":"c1","MESSAGE":"one"}"#, r#"{"__CURSOR":"c2","MESSAGE":"two"}"#];
    let mut journal = journal(program(dir.path(), &lines, "exec sleep 1000"), Start::End, None);
    let (mut seen, now, mut room) = (Half(Lines::default()), Instant::now(), vec![0; 4096]);
    let first = async {
        while seen.0.text() != "one\n" {
            journal.turn(&mut room, now, &mut seen);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, first).await.unwrap();
    assert_eq!(journal.mark().cursor.as_deref(), Some("c1"));
    assert_eq!(journal.wake_at(), Some(now + HOLD));
    journal.turn(&mut room, now + HOLD, &mut seen);
    assert_eq!((seen.0.text().as_str(), journal.mark().cursor.as_deref()), ("one\ntwo\n", Some("c2")));
    assert_eq!(journal.wake_at(), None);
}

#[tokio::test(flavor = "current_thread")]
async fn one_that_ends_is_started_again_with_growing_pauses() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(
        program(dir.path(), &[], "echo 'No journal files were found.' >&2; exit 1"),
        Start::End,
        None,
    );
    let (mut seen, mut now, mut room) = (Lines::default(), Instant::now(), vec![0; 4096]);
    for pause in [1, 2, 4] {
        let ended = async {
            while journal.wake_at().is_none_or(|at| at <= now) {
                journal.turn(&mut room, now, &mut seen);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, ended).await.unwrap();
        assert_eq!(journal.wake_at(), Some(now + Duration::from_secs(pause)));
        let news: Vec<_> = journal.news().collect();
        assert!(news.iter().any(|text| text.starts_with("the journal cannot be followed")), "{news:?}");
        assert!(news.concat().contains("No journal files were found."), "{news:?}");
        now += Duration::from_secs(pause);
    }
    let mut missing = self::journal("no-such-tool".to_owned(), Start::End, None);
    missing.turn(&mut room, now, &mut seen);
    assert_eq!(
        missing.news().collect::<Vec<_>>(),
        ["the journal cannot be followed: no-such-tool: not found"]
    );
}

#[tokio::test(flavor = "current_thread")]
async fn an_endless_entry_is_skipped_and_costs_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!(r#"{{"__CURSOR":"c1","MESSAGE":"{}"}}"#, "x".repeat(3 << 20));
    let lines = [long.as_str(), r#"{"__CURSOR":"c2","MESSAGE":"two"}"#];
    let mut journal = journal(program(dir.path(), &lines, "exec sleep 1000"), Start::End, None);
    let mut seen = Lines::default();
    until(&mut journal, &mut seen, "two\n", Instant::now()).await;
    let news: Vec<_> = journal.news().collect();
    assert_eq!(news, ["an entry of the journal was longer than 1 MiB and was skipped"]);
    let mut journal = self::journal(program(dir.path(), &lines[1..], "exec sleep 1000"), Start::End, None);
    journal.turn(&mut vec![0; 4096], Instant::now(), &mut seen);
    assert!(tokio::time::timeout(SOON, journal.rung()).await.is_ok(), "it rings");
}
