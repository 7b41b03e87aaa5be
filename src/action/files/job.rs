//! One run of an action on files: where, how long, whether for real, and what is to be told of it.

use super::{Files, Hand};
use crate::action::tools::Tools;
use crate::beneath::{DENIED, Dir, Pace, reason};
use crate::recovery::record::Outcome;
use crate::recovery::scan::ScanMark;
use crate::values::one_line;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Names told of one list; the others are counted.
const NAMED: usize = 5;
/// Characters of a path that are told. Whoever names files may write what he likes.
const PATH_CHARS: usize = 80;

/// A run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) root: Arc<Dir>,
    /// The root's path, for people.
    pub(super) at: PathBuf,
    /// Our own directory.
    pub(super) state: PathBuf,
    /// How far logs were read.
    pub(super) scan: Arc<ScanMark>,
    pub(super) hand: Hand,
    /// When it began, by the clock of the files.
    pub(super) now: SystemTime,
    pub(super) pace: Pace,
    /// What was left as it was, by reason.
    left: BTreeMap<String, List>,
}

impl Job {
    pub(super) fn new(root: Dir, files: &Files, tools: &Tools, hand: Hand, now: SystemTime) -> Self {
        let pace = Pace::new(files.timeout);
        let (at, state) = (files.root.clone(), tools.state.clone());
        let scan = Arc::clone(&tools.scan);
        Self { root: Arc::new(root), at, state, scan, hand, now, pace, left: BTreeMap::new() }
    }

    /// Notes that something was left as it was.
    pub(super) fn leave(&mut self, path: &Path, why: impl Into<String>) {
        self.left.entry(why.into()).or_default().add(path);
    }

    /// The same, because the system refused.
    pub(super) fn leave_for(&mut self, path: &Path, error: &io::Error) {
        self.leave(path, reason(error));
    }

    /// Whether anything was left.
    pub(super) fn left_some(&self) -> bool {
        !self.left.is_empty()
    }

    /// Whether anything was left because we may not.
    pub(super) fn was_denied(&self) -> bool {
        self.left.contains_key(DENIED)
    }

    /// Does something for real, or says that it would work.
    pub(super) fn really<T: Default>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.hand {
            Hand::Real => act(),
            Hand::Still => Ok(T::default()),
        }
    }

    /// What became of it, with what was left.
    pub(super) fn outcome(self, done: Result<String, String>) -> Outcome {
        let left: Vec<String> = self.left.iter().map(|(why, list)| format!("{list} ({why})")).collect();
        let with = |text: String| match left.is_empty() {
            true => text,
            false => format!("{text}; left as they were: {}", left.join("; ")),
        };
        match done {
            Ok(text) => Outcome::Done(with(text)),
            Err(why) => Outcome::Failed(with(why)),
        }
    }
}

/// A path, fit for one line.
pub(in crate::action) fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy(), PATH_CHARS)
}

/// Paths of which the first are told and all are counted.
#[derive(Clone, Debug, Default)]
pub(in crate::action) struct List {
    first: Vec<String>,
    count: u64,
}

impl List {
    pub(in crate::action) fn add(&mut self, path: &Path) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(shown(path));
        }
    }

    pub(in crate::action) fn count(&self) -> u64 {
        self.count
    }
}

impl std::fmt::Display for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = self.first.join(", ");
        match self.count.saturating_sub(self.first.len() as u64) {
            0 => f.write_str(&first),
            more => write!(f, "{first} and {more} more"),
        }
    }
}
