//! Good versions of JSON files: our own, under the path of the original below our own directory, and those that
//! somebody else keeps.

use super::{FILES_MAX, read, whole, written};
use crate::action::backup::place;
use crate::action::files::job::Job;
use crate::action::files::{Hand, unopened};
use crate::beneath::{Dir, Entry, reason};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Where ours are, below our own directory.
const PLACE: &str = "last-good";

/// Where good versions may be.
pub(super) struct Good {
    /// None in a dry run, as long as there are none.
    ours: Option<Dir>,
    theirs: Option<Dir>,
}

impl Good {
    pub(super) fn open(job: &Job, theirs: Option<&Path>) -> Result<Self, String> {
        let original = job.at.strip_prefix("/").unwrap_or(&job.at);
        let path = job.state.join(PLACE).join(original);
        let ours = match job.hand {
            Hand::Real => Some(place(&path).map_err(|error| format!("{PLACE}: {}", reason(&error)))?),
            Hand::Still => path.canonicalize().and_then(|path| Dir::open(&path)).ok(),
        };
        let theirs =
            theirs.map(|path| Dir::open(path).map_err(|error| unopened(path, &error))).transpose()?;
        Ok(Self { ours, theirs })
    }

    /// Keeps a version, unless it is kept already.
    pub(super) fn keep(&self, entry: &Entry, bytes: &[u8]) -> Result<(), String> {
        let told = |error: io::Error| reason(&error);
        let Some(ours) = &self.ours else { return Ok(()) };
        let (dir, name) = made(ours, &entry.path).map_err(told)?;
        match read(&dir, name) {
            Ok(kept) if kept == bytes => return Ok(()),
            Ok(_) => {}
            Err(_) if dir.names().map_err(told)?.count() as u64 > FILES_MAX => {
                return Err(format!("there are {FILES_MAX} already"));
            }
            Err(_) => {}
        }
        let fresh = written(&dir, name, bytes, None).map_err(told)?;
        let dated = || {
            dir.file(&fresh, crate::beneath::Access::Change)?.set_modified(entry.facts.modified)?;
            dir.rename(&fresh, name)
        };
        dated().map_err(told)
    }

    /// The newest version of a file that is whole.
    pub(super) fn newest(&self, path: &Path) -> Option<Vec<u8>> {
        let versions = [self.ours.as_ref(), self.theirs.as_ref()].into_iter().flatten();
        let whole = versions.filter_map(|dir| version(dir, path));
        whole.max_by_key(|(written, _)| *written).map(|(_, bytes)| bytes)
    }
}

fn version(root: &Dir, path: &Path) -> Option<(SystemTime, Vec<u8>)> {
    let dir = root.dir(path.parent()?).ok()?;
    let name = path.file_name()?;
    let bytes = read(&dir, name).ok()?;
    let written = dir.facts(name).ok()?.modified;
    whole(&bytes).ok().map(|()| (written, bytes))
}

/// The directory of a version, made if need be, and its name there.
fn made<'p>(root: &Dir, path: &'p Path) -> io::Result<(Dir, &'p OsStr)> {
    let mut dir = root.dir(Path::new(""))?;
    for name in path.parent().into_iter().flatten() {
        match dir.make_dir(name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        dir = dir.dir(Path::new(name))?;
    }
    Ok((dir, path.file_name().unwrap_or_default()))
}
