//! The rotation torture: a writer at full speed under every kind of rotation, and a follower that is killed at random
//! and goes on from what it had saved. Lines in are lines counted, each once.
//!
//! The writer of a copytruncate waits while its log is copied and emptied. A writer that does not loses its lines
//! between the copy and the truncation to nobody at all: they are in no file, and no follower can have them.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

#[path = "rotation/count.rs"]
mod count;
#[path = "rotation/model.rs"]
mod model;
#[path = "rotation/writer.rs"]
mod writer;

use count::Count;
use model::{Happens, play};
use picoclaw_watchdog::logscan::follow::{Follow, HOLD, Kind, Pattern, Source, Start};
use picoclaw_watchdog::recovery::evidence::Name;
use picoclaw_watchdog::recovery::scan::ScanMark;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use writer::{Dice, Writer};

/// How long it lasts.
const LONG: Duration = Duration::from_secs(3);
/// The child that follows, by the variable that names its directory.
const FOLLOWER: &str = "ROTATION_FOLLOWER";

fn follow(directory: &Path, mark: &ScanMark, block: usize) -> Follow {
    let patterns = vec![Pattern::parse(directory.join("app.log").to_str().unwrap()).unwrap()];
    let name = Name::parse("app").unwrap();
    let source = Source { name, kind: Kind::Files { patterns }, start: Start::Beginning };
    Follow::open(vec![source], mark).in_blocks_of(block)
}

/// What a follower knows that has seen the log while it was empty.
fn first_look(directory: &Path) -> ScanMark {
    let mut mark = ScanMark::default();
    follow(directory, &mark, 4096).mark(&mut mark);
    mark
}

/// Each line once, whatever their order.
fn assert_complete(seen: &[u64], written: u64) {
    let mut counts = BTreeMap::new();
    for number in seen {
        *counts.entry(*number).or_insert(0_u32) += 1;
    }
    let wrong: Vec<_> = (1..=written).filter(|number| counts.get(number) != Some(&1)).take(10).collect();
    let how: Vec<_> = wrong.iter().map(|number| counts.get(number)).collect();
    assert!(wrong.is_empty(), "of {written} lines, {} seen; wrong are {wrong:?}: {how:?}", seen.len());
    assert_eq!(seen.len() as u64, written);
}

/// The follower runs beside the writer, and is dropped and opened again from a mark that may be old: what it
/// counted since then does not count, as with a state document that was not saved.
#[test]
fn dropped_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let over = AtomicBool::new(false);
    let until = Instant::now() + LONG;
    let mut writer = Writer::new(&path, "");
    let first = first_look(&path);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&path, first, &over));
        writer.torture(&mut Dice(7), until, |_| thread::sleep(Duration::from_micros(200)));
        over.store(true, Ordering::Release);
        let (seen, opened) = reader.join().unwrap();
        println!("{} lines, {} rotations, {opened} starts", writer.written, writer.rotated);
        assert_complete(&seen, writer.written);
    });
}

fn read_until(path: &Path, first: ScanMark, over: &AtomicBool) -> (Vec<u64>, u32) {
    let mut dice = Dice(99);
    let (mut saved, mut opened) = ((first, 0), 0);
    let mut count = Count::default();
    loop {
        // A crash: what was not saved never happened.
        count.0.truncate(saved.1);
        let mut follow = follow(path, &saved.0, 1 << (7 + dice.throw(9)));
        opened += 1;
        for _ in 0..dice.throw(8) {
            let progress = follow.read(dice.throw(200_000), Instant::now(), &mut count);
            assert_eq!(progress.troubles, []);
            if dice.throw(4) > 0 {
                follow.mark(&mut saved.0);
                saved.1 = count.0.len();
            }
            thread::sleep(Duration::from_millis(dice.throw(4)));
        }
        if over.load(Ordering::Acquire) {
            finish(&mut follow, &mut count);
            return (count.0, opened);
        }
    }
}

/// Reads all, and a little later what was held back.
fn finish(follow: &mut Follow, count: &mut Count) {
    // What looks like a copy in the making is waited for (`COPY_TIME` of the follower), and rotated logs may have to
    // wait for it in turn.
    thread::sleep(Duration::from_millis(3100));
    for wait in [Duration::ZERO, HOLD, HOLD * 2] {
        let progress = follow.read(u64::MAX, Instant::now() + wait, count);
        assert_eq!(progress.troubles, []);
    }
}

/// The follower is a process of its own, killed by SIGKILL at random. It saves its mark and what it counted in one
/// rename, as the watchdog does.
#[test]
fn killed_at_random() {
    if let Ok(directory) = std::env::var(FOLLOWER) {
        return follow_until_killed(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(directory.path(), "");
    save(directory.path(), &first_look(directory.path()), &Count::default());
    let mut child = start(directory.path());
    let mut kills = 0;
    let mut next = Instant::now();
    writer.torture(&mut Dice(3), Instant::now() + LONG, |dice| {
        thread::sleep(Duration::from_micros(500));
        if Instant::now() >= next {
            kill(&mut child);
            kills += 1;
            child = start(directory.path());
            next = Instant::now() + Duration::from_millis(20 + dice.throw(150));
        }
    });
    kill(&mut child);
    let (mark, mut count) = load(directory.path());
    finish(&mut follow(directory.path(), &mark, 4096), &mut count);
    println!("{} lines, {} rotations, {kills} kills", writer.written, writer.rotated);
    assert_complete(&count.0, writer.written);
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..30_usize, any::<bool>()).prop_map(|(lines, half)| Happens::Append { lines, half }),
        1 => (100..300_usize).prop_map(|lines| Happens::Append { lines, half: false }),
        2 => any::<bool>().prop_map(|create| Happens::Rename { create }),
        1 => Just(Happens::Late),
        2 => Just(Happens::CopyTruncate),
        1 => any::<bool>().prop_map(|anew| Happens::Empty { anew }),
        2 => any::<bool>().prop_map(|hollow| Happens::Cut { hollow }),
        4 => (1..4000_u64).prop_map(|budget| Happens::Read { budget }),
        3 => any::<bool>().prop_map(|again| Happens::Crash { again }),
        1 => Just(Happens::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_seen_once(steps in prop::collection::vec(happens(), 1..40), block in 40..700_usize) {
        play(&steps, block);
    }
}

fn start(directory: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["killed_at_random", "--exact", "--nocapture"]).env(FOLLOWER, directory);
    command.stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap()
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn follow_until_killed(directory: &Path) {
    let (mark, mut count) = load(directory);
    let mut mark = mark;
    let mut follow = follow(directory, &mark, 4096);
    // Nobody who forgot to kill it has it for ever.
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        follow.read(200_000, Instant::now(), &mut count);
        follow.mark(&mut mark);
        save(directory, &mark, &count);
        thread::sleep(Duration::from_millis(2));
    }
}

fn save(directory: &Path, mark: &ScanMark, count: &Count) {
    let mut file = File::create(directory.join("state.new")).unwrap();
    let numbers: Vec<String> = count.0.iter().map(u64::to_string).collect();
    let text = format!("{}\n{}\n", serde_json::to_string(mark).unwrap(), numbers.join(" "));
    file.write_all(text.as_bytes()).unwrap();
    fs::rename(directory.join("state.new"), directory.join("state")).unwrap();
}

fn load(directory: &Path) -> (ScanMark, Count) {
    let file = File::open(directory.join("state")).unwrap();
    let lines: Vec<String> = BufReader::new(file).lines().map(Result::unwrap).collect();
    let numbers = lines[1].split_whitespace().map(|number| number.parse().unwrap());
    (serde_json::from_str(&lines[0]).unwrap(), Count(numbers.collect()))
}
