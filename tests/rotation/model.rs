//! What may happen to a log and to its follower, in whatever order, and what must come of it: every line that was
//! written is seen, once. Random tests and the fuzz target play it.

use nix::fcntl::{FallocateFlags, fallocate};
use picoclaw_watchdog::logscan::follow::{Follow, HOLD, Kind, Pattern, Sink, Source, Start, dispensable};
use picoclaw_watchdog::recovery::evidence::Name;
use picoclaw_watchdog::recovery::scan::ScanMark;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What is cut is cut in blocks of the file system.
const DISK_BLOCK: u64 = 4096;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Happens {
    /// Lines, the last of them perhaps without its end.
    Append { lines: usize, half: bool },
    /// As with logrotate: `.1` becomes `.2`, the log becomes `.1`.
    Rename { create: bool },
    /// The old writer still has the renamed file open.
    Late,
    /// By a writer that waits meanwhile.
    CopyTruncate,
    /// Emptied, or deleted and made anew; the follower is up to date, or nobody has the last lines.
    Empty { anew: bool },
    /// Our own rotation takes the beginning away, or hollows it out; the follower looks before anything else happens.
    Cut { hollow: bool },
    /// The follower reads about so many bytes.
    Read { budget: u64 },
    /// The follower crashes and begins again, at once or with the next reading.
    Crash { again: bool },
    /// Time passes.
    Pass,
}

/// Plays a story to its end.
pub(crate) fn play(steps: &[Happens], block: usize) {
    let mut stage = Stage::new(block);
    // Known before the first line, so that nothing is older than we are.
    stage.read(u64::MAX);
    steps.iter().for_each(|step| stage.step(step));
    stage.end_line();
    stage.read(u64::MAX);
    stage.now += HOLD;
    assert_eq!(stage.read(u64::MAX), 0, "nothing is left");
    let text = String::from_utf8_lossy(&stage.seen.0).into_owned();
    let mut seen: Vec<u64> =
        text.match_indices("line ").map(|(at, _)| text[at + 5..at + 11].parse().unwrap()).collect();
    seen.sort_unstable();
    let wrong = seen.iter().zip(1..).find(|(seen, number)| **seen != *number);
    assert_eq!(
        (wrong, seen.len() as u64),
        (None, stage.written),
        "the lines that were seen, and where they go wrong"
    );
}

/// Takes whole lines, and remembers all bytes.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn take(&mut self, _: &Name, _: &Path, block: &[u8], whole: bool) -> usize {
        let lines = block.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let taken = if whole { block.len() } else { lines };
        self.0.extend_from_slice(&block[..taken]);
        taken
    }
}

struct Stage {
    dir: TempDir,
    block: usize,
    follow: Option<Follow>,
    mark: ScanMark,
    seen: Bytes,
    now: Instant,
    written: u64,
    /// Of the log that is written, whether its last line has no end.
    open: bool,
    /// A copy was made, and is no file that a writer still has open.
    copied: bool,
}

impl Stage {
    fn new(block: usize) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            block,
            follow: None,
            mark: ScanMark::default(),
            seen: Bytes::default(),
            now: Instant::now(),
            written: 0,
            open: false,
            copied: false,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("app.log")
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        self.written += 1;
        format!("line {:06} {}\n", self.written, "x".repeat(self.written as usize * 7 % 50))
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.open) {
            self.append("app.log", " and its end\n");
        }
    }

    /// Opens it from its last mark, as after a crash.
    fn reopen(&mut self) {
        self.follow = None;
        let patterns = vec![Pattern::parse(self.log().to_str().unwrap()).unwrap()];
        let source = Source {
            name: Name::parse("app").unwrap(),
            kind: Kind::Files { patterns },
            start: Start::Beginning,
        };
        self.follow = Some(Follow::open(vec![source], &self.mark).in_blocks_of(self.block));
    }

    /// Reads, and says how many bytes are left.
    fn read(&mut self, budget: u64) -> u64 {
        if self.follow.is_none() {
            self.reopen();
        }
        let Some(follow) = &mut self.follow else { return 0 };
        let left = follow.read(budget, self.now, &mut self.seen).left;
        follow.mark(&mut self.mark);
        // The state document is JSON, and must give back what was put in.
        let text = serde_json::to_string(&self.mark).unwrap();
        assert_eq!(serde_json::from_str::<ScanMark>(&text).unwrap(), self.mark);
        left
    }

    fn shift(&self) {
        for number in (1..40).rev() {
            let from = self.path(&format!("app.log.{number}"));
            if from.exists() {
                fs::rename(from, self.path(&format!("app.log.{}", number + 1))).unwrap();
            }
        }
    }

    fn step(&mut self, what: &Happens) {
        if matches!(
            what,
            Happens::Append { .. } | Happens::Rename { .. } | Happens::CopyTruncate | Happens::Empty { .. }
        ) {
            self.end_line();
        }
        match *what {
            Happens::Append { lines, half } => self.append_lines(lines, half),
            Happens::Rename { create } => self.rename(create),
            Happens::Late => self.write_late(),
            Happens::CopyTruncate => self.copy_and_truncate(),
            Happens::Empty { anew } => self.empty(anew),
            Happens::Cut { hollow } => self.cut(hollow),
            Happens::Read { budget } => drop(self.read(budget)),
            Happens::Crash { again: true } => self.reopen(),
            Happens::Crash { again: false } => self.follow = None,
            Happens::Pass => self.now += Duration::from_millis(100),
        }
    }

    fn append_lines(&mut self, lines: usize, half: bool) {
        let text: String = (0..lines).map(|_| self.line()).collect();
        self.append("app.log", &text);
        if half {
            let line = self.line();
            self.append("app.log", line.trim_end());
            self.open = true;
        }
    }

    fn rename(&self, create: bool) {
        self.shift();
        if self.log().exists() {
            fs::rename(self.log(), self.path("app.log.1")).unwrap();
        }
        if create {
            self.append("app.log", "");
        }
    }

    fn write_late(&mut self) {
        // Only while somebody holds it: a rotated file that was let go of is not looked at again.
        if self.path("app.log.1").exists() && self.follow.is_some() && !self.copied {
            let line = self.line();
            self.append("app.log.1", &line);
        }
    }

    fn copy_and_truncate(&mut self) {
        self.shift();
        if self.log().exists() {
            fs::copy(self.log(), self.path("app.log.1")).unwrap();
            fs::write(self.log(), "").unwrap();
            self.copied = true;
        }
    }

    fn empty(&mut self, anew: bool) {
        self.read(u64::MAX);
        if anew {
            let _ = fs::remove_file(self.log());
        }
        fs::write(self.log(), "").unwrap();
    }

    fn cut(&mut self, hollow: bool) {
        let Ok(log) = OpenOptions::new().read(true).write(true).open(self.log()) else { return };
        // A log that nobody has looked at yet may be cut anywhere, which is no matter of ours.
        let spare = dispensable(&self.mark, &log).unwrap().unwrap_or(0) / DISK_BLOCK * DISK_BLOCK;
        if spare > 0 {
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let collapse = || fallocate(&log, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, 0, spare as i64);
            if hollow || collapse().is_err() {
                fallocate(&log, hole, 0, spare as i64).unwrap();
            }
        }
        self.read(1);
    }
}
