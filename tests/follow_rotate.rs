//! Our own rotation of a log that we follow ourselves, while a program goes on writing: each line is seen once,
//! wherever the log was cut meanwhile, and whether the file system can take a beginning away or only hollow it out.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.
#![allow(clippy::print_stdout, clippy::print_stderr)] // What was measured, and what was skipped.

#[path = "rotation/count.rs"]
mod count;

use count::Count;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use picoclaw_watchdog::action::allow::Allow;
use picoclaw_watchdog::action::files::{Files, Hand};
use picoclaw_watchdog::action::tools::Tools;
use picoclaw_watchdog::logscan::follow::{Follow, HOLD, Kind, Pattern, Source, Start};
use picoclaw_watchdog::probe::clients::Clients;
use picoclaw_watchdog::recovery::evidence::Name;
use picoclaw_watchdog::recovery::record::Outcome;
use picoclaw_watchdog::recovery::scan::ScanMark;
use picoclaw_watchdog::section::{self, Variables};
use picoclaw_watchdog::systemd::Bus;
use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the writer writes.
const LONG: Duration = Duration::from_secs(3);
/// How much of a log nobody has packed yet, in bytes.
const ROOM: u64 = 24 << 20;
/// Bytes per block that is read: small, so that a cut finds us in the middle.
const BLOCK: usize = 16 << 10;

/// A log, who follows it, and who rotates it.
struct Stage {
    dir: TempDir,
    log: PathBuf,
    rotate: Files,
    follow: Option<Follow>,
    seen: Count,
    /// What a state document would hold: where it stands, and how many lines were counted by then.
    saved: (Arc<ScanMark>, usize),
}

impl Stage {
    fn new(dir: TempDir) -> Self {
        let root = dir.path().canonicalize().unwrap();
        let log = root.join("app.log");
        File::create(&log).unwrap();
        let allow = Allow { roots: vec![root.clone()], ..Allow::default() };
        let text = format!("root = {root:?}\nmatch = \"*.log\"\nabove = \"64KiB\"\nkeep = 100");
        let source = section::Source { file: "f", text: &text, variables: &Variables::new() };
        let (rotate, findings) = section::read(source, |section| Files::rotate(section, &allow));
        assert!(findings.problems.is_empty());
        let rotate = rotate.flatten().unwrap();
        let mut stage =
            Self { dir, log, rotate, follow: None, seen: Count::default(), saved: Default::default() };
        stage.reopen();
        stage.save();
        stage
    }

    /// As after a crash: what was not saved never happened.
    fn reopen(&mut self) {
        let patterns = vec![Pattern::parse(self.log.to_str().unwrap()).unwrap()];
        let kind = Kind::Files { patterns };
        let source = Source { name: Name::parse("app").unwrap(), kind, start: Start::Beginning };
        self.seen.0.truncate(self.saved.1);
        self.follow = Some(Follow::open(vec![source], &self.saved.0).in_blocks_of(BLOCK));
    }

    fn read_at(&mut self, budget: u64, now: Instant) {
        let progress = self.follow.as_mut().unwrap().read(budget, now, &mut self.seen);
        assert_eq!(progress.troubles, []);
    }

    fn save(&mut self) {
        let mut mark = ScanMark::clone(&self.saved.0);
        self.follow.as_ref().unwrap().mark(&mut mark);
        self.saved = (Arc::new(mark), self.seen.0.len());
    }

    fn tools(&self) -> Tools {
        let (bus, clients) = (Bus::user(), Arc::new(Clients::new()));
        Tools { bus, clients, state: self.dir.path().join("state"), scan: Arc::clone(&self.saved.0) }
    }
}

/// Writes numbered lines at full speed, in two halves, so that half lines are met; says how many.
fn write_until(log: &Path, over: &AtomicBool) -> u64 {
    let mut log = OpenOptions::new().append(true).open(log).unwrap();
    let mut written = 0;
    while !over.load(Ordering::Relaxed) {
        written += 1;
        let text = format!("line {written} {}\n", "x".repeat((written % 80) as usize));
        let (first, second) = text.split_at(text.len() / 2);
        log.write_all(first.as_bytes()).unwrap();
        log.write_all(second.as_bytes()).unwrap();
        // Whoever packs it may be slower, and a tmpfs is small.
        while written % 1000 == 0
            && log.metadata().unwrap().blocks() * 512 > ROOM
            && !over.load(Ordering::Relaxed)
        {
            thread::sleep(Duration::from_millis(1));
        }
    }
    written
}

/// Reads now more and now less, sometimes saves, and sometimes begins again from what was saved.
async fn follow_until(stage: &RefCell<Stage>, over: &AtomicBool) {
    for round in 1_u64.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        look(&mut stage.borrow_mut(), round);
        tokio::task::yield_now().await;
    }
}

fn look(stage: &mut Stage, round: u64) {
    stage.read_at(round % 7 * 300_000, Instant::now());
    if round.is_multiple_of(3) {
        stage.save();
    }
    if round.is_multiple_of(10) {
        stage.reopen();
    }
}

/// Rotates whenever there is enough, until there was time for it and it was done a few times, and says how often.
async fn rotate_until(stage: &RefCell<Stage>, over: &AtomicBool) -> usize {
    let (began, mut rotated) = (Instant::now(), 0);
    while rotated < 95 && (began.elapsed() < LONG || (rotated <= 3 && began.elapsed() < LONG * 20)) {
        let (rotate, tools) = (stage.borrow().rotate.clone(), stage.borrow().tools());
        match rotate.perform(&tools, Hand::Real).await {
            Outcome::Done(text) => rotated += usize::from(text.starts_with("rotated")),
            Outcome::Failed(why) => assert!(why.contains("have not seen its lines yet"), "{why}"),
            Outcome::Running(_) => panic!("it is waited for"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    over.store(true, Ordering::Relaxed);
    rotated
}

/// Each line once, and in order, although the log was cut all the time.
async fn torture(dir: TempDir) -> u64 {
    let stage = RefCell::new(Stage::new(dir));
    let (log, over) = (stage.borrow().log.clone(), Arc::new(AtomicBool::new(false)));
    let writer = thread::spawn({
        let over = Arc::clone(&over);
        move || write_until(&log, &over)
    });
    let ((), rotated) = tokio::join!(follow_until(&stage, &over), rotate_until(&stage, &over));
    let written = writer.join().unwrap();
    let mut stage = stage.into_inner();
    for wait in [Duration::ZERO, HOLD, HOLD * 2] {
        stage.read_at(u64::MAX, Instant::now() + wait);
    }
    println!("{written} lines, {rotated} rotations");
    assert!(rotated > 3, "{rotated} rotations of {written} lines");
    let wrong = stage.seen.0.iter().zip(1..).position(|(seen, number)| *seen != number);
    assert_eq!((wrong, stage.seen.0.len() as u64), (None, written));
    fs::metadata(&stage.log).unwrap().size()
}

#[tokio::test]
async fn each_line_is_seen_once_where_the_beginning_is_taken_away() {
    torture(tempfile::tempdir().unwrap()).await;
}

#[tokio::test]
async fn each_line_is_seen_once_where_the_beginning_becomes_a_hole() {
    let Some(dir) = on_tmpfs() else { return };
    let size = torture(dir).await;
    assert!(size > 1 << 20, "a log that is hollowed out keeps its length, and this one has {size} bytes");
}

/// What nobody has read is not put away, for then no rule would ever see it; and what was read is not read again.
#[tokio::test]
async fn what_was_not_read_yet_stays_in_the_log() {
    for dir in [Some(tempfile::tempdir().unwrap()), on_tmpfs()].into_iter().flatten() {
        let mut stage = Stage::new(dir);
        let lines: String = (1..=20_000).map(|line| format!("line {line}\n")).collect();
        fs::write(&stage.log, &lines).unwrap();
        let told = stage.rotate.perform(&stage.tools(), Hand::Real).await;
        let Outcome::Failed(why) = told else { panic!("{told:?}") };
        assert!(why.contains("app.log (the rules about it have not seen its lines yet)"), "{why}");
        stage.read_at(100_000, Instant::now());
        stage.save();
        for _ in 0..2 {
            // Also with a mark that is older than the cut.
            let told = stage.rotate.perform(&stage.tools(), Hand::Real).await;
            println!("{told:?}");
        }
        stage.reopen();
        stage.read_at(u64::MAX, Instant::now());
        assert!(stage.seen.0.iter().copied().eq(1..=20_000), "{} lines", stage.seen.0.len());
    }
}

/// A directory on a file system that cannot take the beginning of a file away.
fn on_tmpfs() -> Option<TempDir> {
    let memory = Path::new("/dev/shm");
    let dir = statfs(memory).ok().filter(|kind| kind.filesystem_type() == TMPFS_MAGIC);
    let dir = dir.and_then(|_| TempDir::new_in(memory).ok());
    if dir.is_none() {
        eprintln!("SKIPPED: /dev/shm is no tmpfs that we may write to, so nothing was hollowed out");
    }
    dir
}
