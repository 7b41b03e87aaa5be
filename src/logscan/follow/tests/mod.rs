//! Real files under real rotation: what was written is seen, once and in order.

mod edge;
mod journal;
mod rotate;

use super::*;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// Small enough that most lines meet the end of a block.
const TINY: usize = 64;
const PLENTY: u64 = u64::MAX;

/// Takes whole lines, and remembers all bytes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) largest: usize,
    pub(super) forced: usize,
}

impl Sink for Lines {
    fn take(&mut self, _: &Name, _: &Path, block: &[u8], whole: bool) -> usize {
        let lines = memchr::memrchr(b'\n', block).map_or(0, |end| end + 1);
        let taken = if whole { block.len() } else { lines };
        self.bytes.extend_from_slice(&block[..taken]);
        self.largest = self.largest.max(taken);
        self.forced += usize::from(whole);
        taken
    }
}

impl Lines {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A directory with a log, somebody who follows it, and all that was seen.
pub(super) struct Stage {
    dir: tempfile::TempDir,
    follow: Option<Follow>,
    pub(super) mark: ScanMark,
    pub(super) seen: Lines,
    pub(super) now: Instant,
    pub(super) start: Start,
    pub(super) pattern: &'static str,
    pub(super) block: usize,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            follow: None,
            mark: ScanMark::default(),
            seen: Lines::default(),
            now: Instant::now(),
            start: Start::Beginning,
            pattern: "app.log",
            block: TINY,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Opens it from its last mark, as after a crash.
    pub(super) fn reopen(&mut self) {
        self.follow = None;
        let patterns = vec![Pattern::parse(self.path(self.pattern).to_str().unwrap()).unwrap()];
        let source = Source { name: name(), kind: Kind::Files { patterns }, start: self.start };
        self.follow = Some(Follow::open(vec![source], &self.mark).in_blocks_of(self.block));
    }

    pub(super) fn read_some(&mut self, budget: u64) -> Progress {
        if self.follow.is_none() {
            self.reopen();
        }
        let follow = self.follow.as_mut().unwrap();
        let progress = follow.read(budget, self.now, &mut self.seen);
        follow.mark(&mut self.mark);
        // The state document is JSON, and must give back what was put in.
        let text = serde_json::to_string(&self.mark).unwrap();
        assert_eq!(serde_json::from_str::<ScanMark>(&text).unwrap(), self.mark);
        progress
    }

    pub(super) fn read(&mut self) -> Progress {
        self.read_some(PLENTY)
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// All that is there, and that nothing is wrong.
    pub(super) fn all(&mut self) -> String {
        let progress = self.read();
        assert_eq!(progress.troubles, [], "{progress:?}");
        assert_eq!(progress.left, 0);
        self.seen.text()
    }
}

pub(super) fn name() -> Name {
    Name::parse("app").unwrap()
}
