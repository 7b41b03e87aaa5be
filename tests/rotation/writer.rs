//! Who writes a log and rotates it in every way, as fast as he can.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rotated logs that are kept: more than a follower can be behind.
const KEPT: usize = 2000;

/// A small generator of random numbers (xorshift): the same story for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Writes numbered lines and rotates its log now and then.
pub(crate) struct Writer {
    path: PathBuf,
    log: File,
    /// What each line says behind its number.
    says: &'static str,
    pub(crate) written: u64,
    pub(crate) rotated: usize,
}

impl Writer {
    pub(crate) fn new(directory: &Path, says: &'static str) -> Self {
        let path = directory.join("app.log");
        let log = open(&path);
        Self { path, log, says, written: 0, rotated: 0 }
    }

    fn write(&mut self, lines: u64) {
        for _ in 0..lines {
            self.written += 1;
            let text =
                format!("line {} {}{}\n", self.written, "x".repeat((self.written % 80) as usize), self.says);
            // In two halves, so that a reader meets half lines.
            let (first, second) = text.split_at(text.len() / 2);
            self.log.write_all(first.as_bytes()).unwrap();
            self.log.write_all(second.as_bytes()).unwrap();
        }
    }

    fn rotate(&mut self, kind: u64) {
        self.rotated += 1;
        let aside = self.path.with_file_name(format!("app.log-{:08}", 20_000_000 + self.rotated));
        match kind {
            // Renamed, and written on for a while.
            0 => {
                fs::rename(&self.path, aside).unwrap();
                self.write(20);
                self.log = open(&self.path);
            }
            1 => {
                fs::copy(&self.path, aside).unwrap();
                self.log.set_len(0).unwrap();
            }
            // A new one takes its place in one step.
            _ => {
                fs::hard_link(&self.path, aside).unwrap();
                let new = self.path.with_file_name("new");
                self.log = open(&new);
                fs::rename(new, &self.path).unwrap();
            }
        }
        if self.rotated > KEPT {
            let old = format!("app.log-{:08}", 20_000_000 + self.rotated - KEPT);
            let _ = fs::remove_file(self.path.with_file_name(old));
        }
    }

    pub(crate) fn torture(&mut self, dice: &mut Dice, until: Instant, mut step: impl FnMut(&mut Dice)) {
        while Instant::now() < until {
            let lines = dice.throw(300);
            self.write(lines);
            step(dice);
            if dice.throw(3) == 0 {
                let kind = dice.throw(3);
                self.rotate(kind);
            }
        }
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).unwrap()
}
