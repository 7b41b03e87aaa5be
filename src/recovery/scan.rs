//! Where the scanning of logs stands. It is kept in the one document with everything that is remembered, so that
//! a line and what it caused are never saved apart. The core stores it and knows nothing of its meaning.

use super::evidence::Name;
use super::tally::Tally;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was read of all sources, and what their rules remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanMark {
    /// Sources that are files.
    pub files: BTreeMap<Name, FilesMark>,
    /// Sources that are the journal.
    pub journals: BTreeMap<Name, JournalMark>,
    /// What was counted, by rule.
    pub rules: BTreeMap<String, Tally>,
}

/// What was read of the files of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesMark {
    /// When all paths were known, in nanoseconds since 1970: a file that came later was not seen yet.
    pub looked: u64,
    /// By path.
    pub paths: BTreeMap<String, PathMark>,
}

/// What was read of what lay at one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathMark {
    /// When this was the whole truth, in nanoseconds since 1970: a rotated file that came later was not seen yet.
    pub looked: u64,
    /// In the order of writing: files that were renamed away, then the one that lies there.
    pub files: Vec<FileMark>,
}

/// What was read of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMark {
    /// Which file it is.
    pub id: FileId,
    /// How far it was read.
    pub place: Place,
    /// It was replaced and read to its end: when it is gone, nothing is lost.
    pub drained: bool,
}

/// A file, whatever its name. The time of birth tells it from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileId {
    /// The device it lies on.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// When it was created, in nanoseconds since 1970; 0 where the file system does not say.
    pub born: u64,
}

/// A position in a file, and by which bytes it is known again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The bytes before it were handled.
    pub offset: u64,
    /// The first bytes of the file.
    pub head: Print,
    /// The last bytes before the offset.
    pub tail: Print,
}

/// A fingerprint of some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Print {
    /// How many they are.
    pub length: u16,
    /// Their FNV-1a sum.
    pub sum: u64,
}

/// What was read of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalMark {
    /// When it was first looked at, in microseconds since 1970.
    pub since: u64,
    /// The last entry that was handled, in the journal's own words; none was yet.
    pub cursor: Option<String>,
}
