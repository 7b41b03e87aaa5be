//! Where to begin, what is held back, what is no log, and what must cost nothing.

use super::*;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

#[test]
fn the_first_look_begins_where_it_is_told() {
    for (start, seen) in [
        (Start::Beginning, "a\nb\nc\nnew\n"),
        (Start::Last(2), "b\nc\nnew\n"),
        (Start::Last(9), "a\nb\nc\nnew\n"),
        (Start::Last(0), "new\n"),
        (Start::End, "new\n"),
    ] {
        let mut stage = Stage { start, ..Stage::new() };
        stage.append("app.log.1", "older\n");
        stage.append("app.log", "a\nb\nc\n");
        std::thread::sleep(Duration::from_millis(30));
        stage.reopen();
        stage.append("app.log", "new\n");
        assert_eq!(stage.all(), seen, "{start:?}");
    }
}

#[test]
fn a_log_that_comes_later_is_read_from_its_beginning() {
    let mut stage = Stage { start: Start::End, ..Stage::new() };
    let progress = stage.read();
    assert!(progress.troubles[0].1.ends_with("app.log: there is no such file yet"), "{progress:?}");
    stage.append("app.log", "one\n");
    assert_eq!(stage.all(), "one\n");
    let mut stage = Stage { start: Start::End, ..Stage::new() };
    stage.read();
    stage.follow = None;
    stage.append("app.log", "one\n");
    assert_eq!(stage.all(), "one\n", "also when we were stopped");
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_glob_finds_new_files_and_old_ones_once() {
    let mut stage = Stage { start: Start::End, pattern: "*.log*", ..Stage::new() };
    stage.append("a.log", "before\n");
    std::thread::sleep(Duration::from_millis(30));
    stage.read();
    stage.append("a.log", "a1\n");
    stage.append("b.log", "b1\n");
    // A second name is not a second log.
    symlink(stage.path("b.log"), stage.path("current.log")).unwrap();
    fs::create_dir(stage.path("dir.log")).unwrap();
    stage.append("a.log.1.gz", "packed\n");
    // Whose turn it is first is nobody's right.
    assert_eq!(sorted(&stage.all()), ["a1", "b1"]);
    // Renamed to a name that the pattern means, too.
    stage.rename("a.log", "z.log");
    stage.append("z.log", "a2\n");
    stage.append("a.log", "a3\n");
    assert_eq!(sorted(&stage.all()), ["a1", "a2", "a3", "b1"]);
    stage.rename("b.log", "b.log.1");
    stage.append("b.log.1", "b2\n");
    assert_eq!(sorted(&stage.all()), ["a1", "a2", "a3", "b1", "b2"]);
    stage.wait(Duration::from_secs(1000));
    stage.all();
    stage.reopen();
    assert_eq!(sorted(&stage.all()), ["a1", "a2", "a3", "b1", "b2"]);
}

#[test]
fn more_files_than_can_be_followed_are_said() {
    let mut stage = Stage { pattern: "*.log", ..Stage::new() };
    for number in 0..70 {
        stage.append(&format!("{number:02}.log"), "line\n");
    }
    let progress = stage.read();
    assert_eq!(stage.seen.text().lines().count(), 64);
    assert!(progress.troubles[0].1.starts_with("6 files more than the 64"), "{progress:?}");
}

#[test]
fn a_half_line_waits_for_its_other_half_or_a_second() {
    let mut stage = Stage::new();
    stage.append("app.log", "one\nha");
    let progress = stage.read();
    assert_eq!((stage.seen.text().as_str(), progress.flush_at), ("one\n", Some(stage.now + HOLD)));
    assert_eq!(stage.mark.files[&name()].paths.values().next().unwrap().files[0].place.offset, 4);
    stage.wait(Duration::from_millis(900));
    assert_eq!(stage.read().bytes, 0);
    stage.append("app.log", "lf\n");
    assert_eq!((stage.all().as_str(), stage.seen.forced), ("one\nhalf\n", 0));
    stage.append("app.log", "no end");
    stage.all();
    stage.wait(HOLD);
    assert_eq!((stage.all().as_str(), stage.seen.forced), ("one\nhalf\nno end", 1));
    assert_eq!(stage.read().flush_at, None);
}

#[test]
fn what_is_held_back_comes_again_after_a_restart() {
    let mut stage = Stage::new();
    stage.append("app.log", "one\nha");
    stage.all();
    stage.reopen();
    stage.append("app.log", "lf\n");
    assert_eq!(stage.all(), "one\nhalf\n");
}

#[test]
fn without_a_newline_it_comes_in_blocks() {
    let mut stage = Stage { block: BLOCK, ..Stage::new() };
    let size = 100 << 20;
    let chunk = vec![b'x'; 1 << 20];
    let mut file = File::create(stage.path("app.log")).unwrap();
    for _ in 0..100 {
        file.write_all(&chunk).unwrap();
    }
    let progress = stage.read_some(10 << 20);
    assert_eq!((progress.bytes, progress.left), (10 << 20, 90 << 20));
    stage.read();
    assert_eq!((stage.seen.bytes.len(), stage.seen.largest), (size, BLOCK));
}

#[test]
fn bytes_are_bytes() {
    let mut stage = Stage::new();
    let bytes: Vec<u8> = (0..=255).chain([0, 0, 0, b'\n', 0xff, 0xfe, b'\n']).collect();
    fs::write(stage.path("app.log"), &bytes).unwrap();
    stage.all();
    assert_eq!(stage.seen.bytes, bytes);
}

#[test]
fn holes_are_not_read() {
    let mut stage = Stage { block: BLOCK, ..Stage::new() };
    stage.append("app.log", "begin\n");
    let file = OpenOptions::new().write(true).open(stage.path("app.log")).unwrap();
    file.write_all_at(b"middle\n", 10 << 30).unwrap();
    file.set_len(20 << 30).unwrap();
    let began = Instant::now();
    stage.read();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(stage.seen.bytes.len() < 4 * BLOCK, "{}", stage.seen.bytes.len());
    let text: String = stage.seen.text().replace('\0', "");
    assert_eq!(text, "begin\nmiddle\n");
    file.write_all_at(b"end\n", 20 << 30).unwrap();
    assert!(stage.all().ends_with("end\n"));
    stage.reopen();
    let before = stage.seen.bytes.len();
    stage.all();
    assert_eq!(stage.seen.bytes.len(), before);
}

#[test]
fn a_writer_that_keeps_its_position_after_a_truncation_is_understood() {
    let mut stage = Stage { block: BLOCK, ..Stage::new() };
    let mut file = File::create(stage.path("app.log")).unwrap();
    let lines: String = (0..10_000).map(|line| format!("line {line}\n")).collect();
    file.write_all(lines.as_bytes()).unwrap();
    stage.all();
    file.set_len(0).unwrap();
    file.write_all(b"after\n").unwrap();
    stage.read();
    assert_eq!(stage.seen.text().replace('\0', ""), format!("{lines}after\n"));
}

#[test]
fn what_is_no_file_is_said_and_never_waited_for() {
    let mut stage = Stage::new();
    nix::unistd::mkfifo(&stage.path("app.log"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let progress = stage.read();
    assert!(
        progress.troubles[0].1.ends_with("it is not a plain file, and only those can be followed"),
        "{progress:?}"
    );
    stage.remove("app.log");
    fs::create_dir(stage.path("app.log")).unwrap();
    assert_eq!(stage.read().troubles.len(), 1);
    fs::remove_dir(stage.path("app.log")).unwrap();
    symlink("nowhere", stage.path("app.log")).unwrap();
    stage.read();
    stage.remove("app.log");
    stage.append("real", "one\n");
    symlink("real", stage.path("app.log")).unwrap();
    stage.wait(Duration::from_secs(60));
    assert_eq!(stage.all(), "one\n");
}

#[test]
fn a_link_to_the_log_of_the_day_is_followed() {
    let mut stage = Stage { pattern: "current", ..Stage::new() };
    stage.append("monday", "one\n");
    symlink("monday", stage.path("current")).unwrap();
    stage.all();
    stage.append("monday", "two\n");
    stage.append("tuesday", "three\n");
    stage.remove("current");
    symlink("tuesday", stage.path("current")).unwrap();
    assert_eq!(stage.all(), "one\ntwo\nthree\n");
}

#[test]
fn a_log_that_may_not_be_read_says_so() {
    let mut stage = Stage::new();
    stage.append("app.log", "one\n");
    fs::set_permissions(stage.path("app.log"), fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(stage.path("app.log")).is_ok() {
        return; // Root may read everything.
    }
    let progress = stage.read();
    assert!(progress.troubles[0].1.contains("let the watchdog's user read it"), "{progress:?}");
}

#[test]
fn a_budget_serves_all_in_turn() {
    let mut stage = Stage { pattern: "*.log", ..Stage::new() };
    stage.append("a.log", &"a a a a a a a a\n".repeat(100));
    stage.append("b.log", &"b b b b b b b b\n".repeat(100));
    let progress = stage.read_some(640);
    let text = stage.seen.text();
    let count = |letter| text.lines().filter(|line| line.starts_with(letter)).count();
    assert_eq!((count('a'), count('b'), progress.bytes, progress.left), (20, 20, 640, 2560));
    for _ in 0..10 {
        stage.read_some(1);
    }
    assert_eq!(stage.seen.text().matches("b b b b b b b b\n").count(), 40);
}

#[test]
fn a_quiet_log_changes_no_mark() {
    let mut stage = Stage::new();
    stage.append("app.log", "one\n");
    stage.all();
    let mark = stage.mark.clone();
    for _ in 0..3 {
        stage.wait(Duration::from_secs(100));
        stage.all();
    }
    assert_eq!(stage.mark, mark);
    stage.append("app.log", "two\n");
    stage.all();
    assert_ne!(stage.mark, mark);
}

#[tokio::test(flavor = "current_thread")]
async fn new_lines_ring_within_a_moment() {
    const SOON: Duration = Duration::from_secs(5);
    const AWHILE: Duration = Duration::from_millis(150);
    let mut stage = Stage { pattern: "*.log", ..Stage::new() };
    stage.append("app.log", "one\n");
    stage.all();
    let rings = async |stage: &mut Stage, within| {
        tokio::time::timeout(within, stage.follow.as_mut().unwrap().rung()).await.is_ok()
    };
    assert!(!rings(&mut stage, AWHILE).await);
    stage.append("app.log", "two\n");
    let began = Instant::now();
    assert!(rings(&mut stage, SOON).await);
    assert!(began.elapsed() >= Duration::from_millis(40), "a busy writer is waited for");
    assert!(rings(&mut stage, SOON).await, "until it is answered");
    stage.all();
    assert!(!rings(&mut stage, AWHILE).await);
    stage.append("new.log", "three\n");
    assert!(rings(&mut stage, SOON).await);
    assert_eq!(stage.all(), "one\ntwo\nthree\n");
    stage.append("new.log", "four\n");
    assert!(rings(&mut stage, SOON).await, "a file that came later rings, too");
    stage.rename("app.log", "moved");
    stage.all();
    stage.append("moved", "late\n");
    assert!(rings(&mut stage, SOON).await, "whatever its name");
}
