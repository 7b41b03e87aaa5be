//! The one state document on the disk. A crash at any point leaves at least one generation that loads, and
//! damage is noticed, never believed. It must not know what the state means.

mod document;

use super::files;
use document::{Flaw, compose, parse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A state of a hundred targets is a few hundred kilobytes; ten times that is not ours.
const MAX_BYTES: u64 = 4 << 20;
/// Unusable documents kept for a person to look at; more would let a bad disk fill itself.
const SET_ASIDE_MAX: usize = 3;

/// What was found at start.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded<T> {
    /// Nothing was ever saved here.
    Fresh,
    /// The last state that was saved.
    Current(T),
    /// The state before the last one, and why the last one could not be used.
    Previous(T, String),
    /// Something was saved, and none of it can be used.
    Unreadable {
        /// What is wrong with it.
        reason: String,
        /// Where the damaged document was put for a person to look at.
        set_aside: Option<PathBuf>,
    },
    /// Written by a newer program; left alone, and `save` will refuse to replace it.
    Newer {
        /// Its version.
        version: u32,
    },
}

impl<T> Loaded<T> {
    /// What can be used of it.
    pub fn state(&self) -> Option<&T> {
        match self {
            Self::Current(state) | Self::Previous(state, _) => Some(state),
            Self::Fresh | Self::Unreadable { .. } | Self::Newer { .. } => None,
        }
    }

    /// The same, to be kept.
    pub fn into_state(self) -> Option<T> {
        match self {
            Self::Current(state) | Self::Previous(state, _) => Some(state),
            Self::Fresh | Self::Unreadable { .. } | Self::Newer { .. } => None,
        }
    }
}

/// The place of the state document and what is known to be in it.
#[derive(Debug)]
pub struct Store {
    current: PathBuf,
    previous: PathBuf,
    version: u32,
    /// The document that is known to lie at `current`. Only such a one may become the previous generation:
    /// rotating an unread file could replace the only good one by a bad one.
    known: Option<Vec<u8>>,
    newer: Option<u32>,
}

/// One step of a save. Between any two of them a crash must leave a generation that loads.
type Step = fn(&Store, &[u8]) -> io::Result<()>;
const STEPS: [Step; 5] =
    [Store::write_fresh, Store::drop_previous, Store::keep_current, Store::put_fresh, Store::sync_directory];

impl Store {
    /// A store at `path` (`…/state.json`; the generation before it is kept in `…/state.prev.json`).
    /// `version` is that of the state's meaning: an older one is read, a newer one is refused.
    pub fn new(path: &Path, version: u32) -> Self {
        let previous = path.with_extension("prev.json");
        Self { current: path.to_owned(), previous, version, known: None, newer: None }
    }

    /// Reads the newest generation that can be used, and sets aside what is damaged.
    pub fn load<T: DeserializeOwned>(&mut self) -> Loaded<T> {
        match self.read(&self.current) {
            Ok((state, document)) => {
                self.known = Some(document);
                Loaded::Current(state)
            }
            Err(Miss::Newer(version)) => self.refuse_newer(version),
            Err(miss) => self.load_previous(&miss),
        }
    }

    /// Reads the newest generation that can be used, and changes nothing.
    ///
    /// # Errors
    /// Why there is something that cannot be used.
    pub fn peek<T: DeserializeOwned>(&self) -> Result<Option<T>, String> {
        match self.read(&self.current).or_else(|miss| self.read(&self.previous).map_err(|_| miss)) {
            Ok((state, _)) => Ok(Some(state)),
            Err(Miss::Missing(_)) => Ok(None),
            Err(miss) => Err(miss.to_string()),
        }
    }

    /// Makes `state` durable: it has reached the disk when this returns. An unchanged state costs nothing.
    ///
    /// # Errors
    /// A sentence saying what failed; the generations saved before still load.
    pub fn save<T: Serialize>(&mut self, state: &T) -> Result<(), String> {
        if let Some(version) = self.newer {
            return Err(format!(
                "the state on the disk has version {version}, newer than this program knows"
            ));
        }
        let document = compose(self.version, state)?;
        // What would not be read again is as good as not saved, and would take the place of what is.
        if document.len() as u64 > MAX_BYTES {
            return Err(format!(
                "the state has {} bytes, and no more than {MAX_BYTES} are read",
                document.len()
            ));
        }
        if self.known.as_deref() == Some(&document) && self.current.exists() {
            return Ok(());
        }
        STEPS
            .iter()
            .try_for_each(|step| step(self, &document))
            .map_err(|error| format!("saving {}: {error}", self.current.display()))?;
        self.known = Some(document);
        Ok(())
    }

    /// Whether something like what lies here could be saved, without doing so.
    ///
    /// # Errors
    /// What would fail.
    pub fn rehearse(&self) -> Result<(), String> {
        let alike = self.known.as_deref().unwrap_or_default();
        let tried = self.write_fresh(alike).and_then(|()| files::remove(&self.fresh()));
        tried.map_err(|error| format!("saving {}: {error}", self.current.display()))
    }

    /// Takes away all that is here.
    pub fn clear(&mut self) {
        self.known = None;
        // What stays is older than what is saved elsewhere, and that shows.
        let _ = files::remove(&self.current).and_then(|()| files::remove(&self.previous));
    }

    fn write_fresh(&self, document: &[u8]) -> io::Result<()> {
        files::create_parent(&self.current)?;
        files::remove(&self.fresh())?;
        files::write_new(&self.fresh(), document)?.sync_all()
    }

    fn drop_previous(&self, _: &[u8]) -> io::Result<()> {
        if self.known.is_some() && self.current.exists() {
            return files::remove(&self.previous);
        }
        Ok(())
    }

    /// A hard link leaves no moment without a current generation; file systems without links get a rename.
    fn keep_current(&self, _: &[u8]) -> io::Result<()> {
        if !self.current.exists() {
            return Ok(());
        }
        if self.known.is_none() {
            return files::rotate(&self.current, &self.aside(), SET_ASIDE_MAX).map(drop);
        }
        fs::hard_link(&self.current, &self.previous).or_else(|_| fs::rename(&self.current, &self.previous))
    }

    fn put_fresh(&self, _: &[u8]) -> io::Result<()> {
        fs::rename(self.fresh(), &self.current)
    }

    fn sync_directory(&self, _: &[u8]) -> io::Result<()> {
        File::open(files::parent(&self.current))?.sync_all()
    }

    fn load_previous<T: DeserializeOwned>(&mut self, first: &Miss) -> Loaded<T> {
        match self.read(&self.previous) {
            Ok((state, _)) => {
                self.set_aside(&self.current, first);
                Loaded::Previous(state, first.to_string())
            }
            Err(Miss::Newer(version)) => self.refuse_newer(version),
            Err(Miss::Missing(_)) if matches!(first, Miss::Missing(_)) => self.nothing_left(),
            Err(second) => {
                let older = self.set_aside(&self.previous, &second);
                let newer = self.set_aside(&self.current, first);
                Loaded::Unreadable { reason: format!("{first}; {second}"), set_aside: newer.or(older) }
            }
        }
    }

    /// A crash right after damage was set aside must not look like a first start: that would refill every
    /// budget.
    fn nothing_left<T>(&self) -> Loaded<T> {
        let left = files::suffixed(&self.aside(), ".1");
        if !left.exists() {
            return Loaded::Fresh;
        }
        let reason = "the state was damaged, and none was saved since".to_owned();
        Loaded::Unreadable { reason, set_aside: Some(left) }
    }

    fn refuse_newer<T>(&mut self, version: u32) -> Loaded<T> {
        self.newer = Some(version);
        Loaded::Newer { version }
    }

    fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<(T, Vec<u8>), Miss> {
        let document = files::read_plain(path, MAX_BYTES).map_err(|error| Miss::of(path, &error))?;
        match parse(self.version, &document) {
            Ok(state) => Ok((state, document)),
            Err(Flaw::Damaged(reason)) => Err(Miss::Damaged(path.to_owned(), reason)),
            Err(Flaw::Newer(version)) => Err(Miss::Newer(version)),
        }
    }

    fn set_aside(&self, path: &Path, miss: &Miss) -> Option<PathBuf> {
        let damaged = matches!(miss, Miss::Damaged(..));
        damaged.then(|| files::rotate(path, &self.aside(), SET_ASIDE_MAX).ok()).flatten()
    }

    fn fresh(&self) -> PathBuf {
        files::suffixed(&self.current, ".tmp")
    }

    fn aside(&self) -> PathBuf {
        files::suffixed(&self.current, ".bad")
    }
}

/// Why a generation cannot be used.
enum Miss {
    Missing(PathBuf),
    /// The system's trouble; it may pass, so such a file stays where it is.
    Unread(PathBuf, String),
    Damaged(PathBuf, String),
    Newer(u32),
}

impl Miss {
    fn of(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Missing(path);
        }
        if error.kind() == io::ErrorKind::FileTooLarge {
            return Self::Damaged(path, error.to_string());
        }
        Self::Unread(path, error.to_string())
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{} is missing", path.display()),
            Self::Unread(path, reason) | Self::Damaged(path, reason) => {
                write!(f, "{}: {reason}", path.display())
            }
            Self::Newer(version) => write!(f, "it has version {version}"),
        }
    }
}

#[cfg(test)]
mod tests;
