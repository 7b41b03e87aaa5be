//! Makes directories that are missing. What is there is left as it is, whatever it is.

use super::Hand;
use super::job::{Job, List};
use crate::action::allow;
use crate::beneath::{Dir, Facts, Kind, reason};
use crate::section::Section;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

/// What everybody may read and its owner change, as services usually have it.
pub(super) const DEFAULT_MODE: u32 = 0o755;

/// The directories that have to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateDirs {
    /// Below the root.
    pub dirs: Vec<PathBuf>,
    /// The mode of those that are made.
    pub mode: u32,
}

impl CreateDirs {
    /// Reads what is its own of `do.create-dirs = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        if !section.has("dirs") {
            section.error(&section.here(), "dirs is missing", "write dirs = [\"data\", …]");
        }
        let dirs = section.list("dirs", allow::below);
        let mode = section.or("mode", DEFAULT_MODE, mode);
        Some(Self { dirs: dirs?, mode })
    }

    pub(super) async fn perform(&self, job: &mut Job) -> Result<String, String> {
        let mut made = List::default();
        for path in &self.dirs {
            job.pace.breathe().await?;
            match self.make(job, path, &mut made) {
                Ok(()) => {}
                Err(error) => job.leave_for(path, &error),
            }
        }
        match (made.count(), job.left_some()) {
            (1.., _) => Ok(format!("made {made}")),
            (0, false) => Ok("found all directories there".to_owned()),
            (0, true) => Err("nothing could be made".to_owned()),
        }
    }

    /// Makes what is missing of a path, from the root down.
    fn make(&self, job: &Job, path: &PathBuf, made: &mut List) -> io::Result<()> {
        let mut dir = job.root.dir(".".as_ref())?;
        for name in path {
            match dir.facts(name) {
                Ok(Facts { kind: Kind::Dir, .. }) => {}
                Ok(Facts { kind: Kind::File | Kind::Link | Kind::Other, .. }) => {
                    return Err(io::Error::other("something that is no directory has its name"));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) if job.hand == Hand::Still => {
                    made.add(path);
                    return Ok(());
                }
                Err(_) => {
                    self.make_one(&dir, name)?;
                    made.add(path);
                }
            }
            dir = dir.dir(name.as_ref())?;
        }
        Ok(())
    }

    /// Whoever owns the directory above is to use it.
    fn make_one(&self, above: &Dir, name: &OsStr) -> io::Result<()> {
        above.make_dir(name)?;
        let (made, owner) = (above.handle(name)?, above.own()?.uid);
        if made.facts()?.uid != owner {
            // Ours alone, it would be there and still be of no use: that is said.
            made.set_owner(owner)
                .map_err(|error| io::Error::other(format!("it was made, but is ours: {}", reason(&error))))?;
        }
        made.set_mode(self.mode)
    }
}

/// A mode such as `"0755"`. Nobody may gain another's rights by it.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777 && digits.len() >= 3);
    mode.ok_or_else(|| format!("{text:?} is no such mode; write three octal digits, like \"0755\""))
}
