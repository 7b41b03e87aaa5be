//! Goes through all that is below a directory, one at a time, so that its caller can change what it sees. It holds
//! one open directory for each level, and never more than [`DEPTH_MAX`].

use super::{Dir, Facts, Kind, Pace};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Levels below the root; each holds a few open files, of which a process may have 1024.
pub const DEPTH_MAX: usize = 32;
/// Names looked at in one walk. A cache of a small service has a tenth of that.
const NAMES_MAX: u32 = 100_000;

/// Something that was found.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The directory that it is in.
    pub dir: Arc<Dir>,
    /// Its name there.
    pub name: OsString,
    /// Its path below the root, for people.
    pub path: PathBuf,
    /// What it was when it was found.
    pub facts: Facts,
}

/// What happens on the way.
#[derive(Debug)]
pub enum Visit {
    /// Here is something. A directory is gone into next, unless [`Walk::stay_out`] says no.
    Found(Entry),
    /// All that is in a directory was visited.
    Done(Entry),
    /// Something cannot be looked at.
    Closed(PathBuf, io::Error),
}

/// A walk that is under way.
pub struct Walk {
    depth: usize,
    names: u32,
    next: Option<Entry>,
    levels: Vec<Level>,
}

struct Level {
    dir: Arc<Dir>,
    path: PathBuf,
    /// The directory as it was found; none for the root.
    entry: Option<Entry>,
    names: Box<dyn Iterator<Item = io::Result<OsString>> + Send>,
    /// Whether the names were read from the directory.
    is_listed: bool,
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Walk({} levels, {} names)", self.levels.len(), self.names)
    }
}

impl Walk {
    /// Through all that is in `root`, and so many levels below it.
    ///
    /// # Errors
    /// What the system says.
    pub fn through(root: &Arc<Dir>, depth: usize) -> io::Result<Self> {
        let names = Box::new(root.names()?);
        Ok(Self::of(
            Level { dir: Arc::clone(root), path: PathBuf::new(), entry: None, names, is_listed: true },
            depth,
        ))
    }

    /// To one thing below `root`, and through so many levels of what is in it.
    ///
    /// # Errors
    /// What the system says of the directory that it is in.
    pub fn to(root: &Dir, below: &Path, depth: usize) -> io::Result<Self> {
        let path = below.parent().unwrap_or(Path::new("")).to_owned();
        let name = below.file_name().unwrap_or_default().to_owned();
        let dir = Arc::new(root.dir(&path)?);
        let names = Box::new(std::iter::once(Ok(name)));
        Ok(Self::of(Level { dir, path, entry: None, names, is_listed: false }, depth))
    }

    fn of(level: Level, depth: usize) -> Self {
        Self { depth: depth.min(DEPTH_MAX), names: 0, next: None, levels: vec![level] }
    }

    /// Does not go into the directory that was found last.
    pub fn stay_out(&mut self) {
        self.next = None;
    }

    /// What comes next; none when all was visited.
    ///
    /// # Errors
    /// When the time is over, or too much was seen.
    pub async fn next(&mut self, pace: &mut Pace) -> Result<Option<Visit>, String> {
        pace.breathe().await?;
        if let Some(entry) = self.next.take() {
            let path = entry.path.clone();
            if let Err(error) = self.enter(entry) {
                return Ok(Some(Visit::Closed(path, error)));
            }
        }
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(name) = level.names.next() else { return Ok(self.leave()) };
            if self.names == NAMES_MAX {
                return Err(format!("more than {NAMES_MAX} names are too many for one time"));
            }
            self.names += 1;
            let visit = level.visit(name);
            match &visit {
                // Somebody else removed it meanwhile. One that was asked for by its name should be there.
                Visit::Closed(_, error) if level.is_listed && error.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                Visit::Found(entry) if entry.facts.kind == Kind::Dir && self.levels.len() <= self.depth => {
                    self.next = Some(entry.clone());
                }
                Visit::Found(_) | Visit::Closed(..) | Visit::Done(_) => {}
            }
            return Ok(Some(visit));
        }
    }

    fn enter(&mut self, entry: Entry) -> io::Result<()> {
        let (dir, path) = (Arc::new(entry.dir.dir(Path::new(&entry.name))?), entry.path.clone());
        let names = Box::new(dir.names()?);
        self.levels.push(Level { dir, path, entry: Some(entry), names, is_listed: true });
        Ok(())
    }

    fn leave(&mut self) -> Option<Visit> {
        self.levels.pop()?.entry.map(Visit::Done)
    }
}

impl Level {
    fn visit(&self, name: io::Result<OsString>) -> Visit {
        let name = match name {
            Ok(name) => name,
            Err(error) => return Visit::Closed(self.path.clone(), error),
        };
        let path = self.path.join(&name);
        match self.dir.facts(&name) {
            Ok(facts) => Visit::Found(Entry { dir: Arc::clone(&self.dir), name, path, facts }),
            Err(error) => Visit::Closed(path, error),
        }
    }
}
