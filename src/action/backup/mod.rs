//! What is kept before an action is carried out: an archive of the files that it might spoil. It is bounded in bytes,
//! files and time, read back before it counts, and the oldest go. When it cannot be made, the action is not run.

mod modes;
mod pack;
mod prune;
mod verify;

use super::allow::{Allow, below};
use super::files::size::bytes;
use crate::beneath::{Dir, Pace, reason};
use crate::recovery::evidence::Name;
use crate::section::{Section, parse};
use jiff::Timestamp;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest that a backup may take. Measured on two busy cores: 100 MiB take 7 s.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// As many as the ladder of one bad day may ask for.
const DEFAULT_KEEP: usize = 5;
/// The data directory of a small service.
const DEFAULT_BYTES: u64 = 100 << 20;
/// Where they are, below our own directory.
const PLACE: &str = "fix-backups";

/// What is kept before an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The directory that is not left.
    pub root: PathBuf,
    /// What of it is kept.
    pub paths: Vec<PathBuf>,
    /// How many backups of one action are kept.
    pub keep: usize,
    /// The most that is packed into one, in bytes.
    pub max_bytes: u64,
}

/// What an action may spoil of the files, and so what is kept of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What is in them. Half of it is no backup.
    Contents,
    /// Their modes and owners: those are all that a repair of permissions changes, and they can be seen of what cannot
    /// be read.
    Permissions,
    /// Both, for several actions. What cannot be read is left out, and that is said.
    Both,
}

impl Keep {
    /// What is kept for one action after another.
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }

    fn has_contents(self) -> bool {
        self != Self::Permissions
    }

    fn has_permissions(self) -> bool {
        self != Self::Contents
    }
}

impl Backup {
    /// Reads `backup = { … }` of an action.
    pub fn read(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        if !section.has("paths") {
            section.error(&section.here(), "paths is missing", "write paths = [\"data\", …]");
        }
        let (root, paths) = (section.need("root", allow.root()), section.list("paths", below));
        let keep = section.or("keep", DEFAULT_KEEP, parse::within(1..=100));
        let max_bytes = section.or("max_bytes", DEFAULT_BYTES, bytes(1 << 10..=10 << 30));
        Some(Self { root: root?, paths: paths?, keep, max_bytes })
    }

    /// Makes one for an action, and says what and where it is.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn make(&self, action: &Name, state: &Path, keep: Keep) -> Result<String, String> {
        let place = place(&state.join(PLACE)).map_err(|error| format!("{PLACE}: {}", reason(&error)))?;
        let root =
            Dir::open(&self.root).map_err(|error| format!("{}: {}", self.root.display(), reason(&error)))?;
        let mut pace = Pace::new(TIMEOUT);
        let packed = pack::pack(self, keep, &root, &place, action, &mut pace).await?;
        let name = format!("{action}-{}.tar.gz", stamp());
        packed.name(&name).map_err(|error| format!("{PLACE}: {}", reason(&error)))?;
        prune::prune(&place, self.keep);
        Ok(format!("{} in {PLACE}/{name}{}", packed.kept(keep), packed.missed()))
    }
}

/// Makes and opens a directory of our own; in our home, a link on the way to it is ours, too.
pub(super) fn place(path: &Path) -> io::Result<Dir> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    Dir::open(&path.canonicalize()?)
}

/// The time, fit for a name: names sort by it.
pub(super) fn stamp() -> String {
    let now = Timestamp::now();
    let microsecond = now.as_microsecond().rem_euclid(1_000_000);
    format!("{}{microsecond:06}Z", now.strftime("%Y%m%dT%H%M%S"))
}

#[cfg(test)]
mod tests;
