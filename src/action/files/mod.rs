//! What can be done to files, one file per kind. All of it happens beneath one root that the configuration allows,
//! which [`Dir`] cannot leave, within a time, and in slices that let everything else go on.

pub mod clean;
pub mod create_dirs;
pub(super) mod job;
mod names;
pub mod permissions;
pub mod restore_json;
pub mod rotate;
pub mod size;

#[cfg(test)]
mod tests;

use super::allow::Allow;
use super::backup::Keep;
use super::tools::Tools;
use crate::beneath::{Dir, reason};
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use clean::Clean;
use create_dirs::CreateDirs;
use job::Job;
use permissions::Permissions;
use restore_json::RestoreJson;
use rotate::Rotate;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a pass may be held up for. Measured on two busy cores: 100,000 files are removed in 8 s, and 256 MiB of a log
/// are packed in 13 s and read back in 5 s.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Ten minutes are enough for any log that fits on such a machine.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// Something to do to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The directory that is not left.
    pub root: PathBuf,
    /// The longest that it may take.
    pub timeout: Duration,
    /// What.
    pub what: What,
}

/// What is done, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Removes what is old.
    Clean(Clean),
    /// Puts the beginning of a log into an archive.
    Rotate(Rotate),
    /// Makes directories that are missing.
    CreateDirs(CreateDirs),
    /// Sets modes and owners, or looks at them.
    Permissions(Permissions),
    /// Puts the last good version in the place of a broken file.
    RestoreJson(RestoreJson),
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// It is.
    Real,
    /// It is only said what would be.
    Still,
}

impl Files {
    /// Reads `do.clean = { … }`.
    pub fn clean(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        let what = Clean::read(section).map(What::Clean);
        Self::read(section, allow, what)
    }

    /// Reads `do.rotate = { … }`.
    pub fn rotate(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        let what = Rotate::read(section).map(What::Rotate);
        Self::read(section, allow, what)
    }

    /// Reads `do.create-dirs = { … }`.
    pub fn create_dirs(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        let what = CreateDirs::read(section).map(What::CreateDirs);
        Self::read(section, allow, what)
    }

    /// Reads `do.permissions = { … }`.
    pub fn permissions(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        let what = Permissions::read(section, allow).map(What::Permissions);
        Self::read(section, allow, what)
    }

    /// Reads `do.restore-json = { … }`.
    pub fn restore_json(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        let what = RestoreJson::read(section, allow).map(What::RestoreJson);
        Self::read(section, allow, what)
    }

    /// The same without any change to the files: it only keeps those that are whole, to go back to. None for the other
    /// kinds.
    pub fn keeper(&self) -> Option<Self> {
        match &self.what {
            What::RestoreJson(json) => {
                let what = What::RestoreJson(RestoreJson { only_keep: true, ..json.clone() });
                Some(Self { what, ..self.clone() })
            }
            What::Clean(_) | What::Rotate(_) | What::CreateDirs(_) | What::Permissions(_) => None,
        }
    }

    /// What a backup keeps before it.
    pub fn spoils(&self) -> Keep {
        match &self.what {
            What::Permissions(_) => Keep::Permissions,
            What::Clean(_) | What::Rotate(_) | What::CreateDirs(_) | What::RestoreJson(_) => Keep::Contents,
        }
    }

    /// Reads what all kinds have.
    fn read(section: &mut Section<'_>, allow: &Allow, what: Option<What>) -> Option<Self> {
        let root = section.need("root", allow.root());
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(TIMEOUT));
        Some(Self { root: root?, timeout, what: what? })
    }

    /// Does it, and says what was done, and what was left and why.
    pub async fn perform(&self, tools: &Tools, hand: Hand) -> Outcome {
        self.perform_at(tools, hand, SystemTime::now()).await
    }

    async fn perform_at(&self, tools: &Tools, hand: Hand, now: SystemTime) -> Outcome {
        let root = match Dir::open(&self.root) {
            Ok(root) => root,
            Err(error) => return Outcome::Failed(unopened(&self.root, &error)),
        };
        let mut job = Job::new(root, self, tools, hand, now);
        let done = match &self.what {
            What::Clean(clean) => clean.perform(&mut job).await,
            What::Rotate(rotate) => rotate.perform(&mut job).await,
            What::CreateDirs(dirs) => dirs.perform(&mut job).await,
            What::Permissions(permissions) => permissions.perform(&mut job).await,
            What::RestoreJson(json) => json.perform(&mut job).await,
        };
        job.outcome(done)
    }
}

/// Why a root cannot be worked in. A link on the way is the one thing for which the fix is not plain.
pub(super) fn unopened(root: &Path, error: &std::io::Error) -> String {
    let why = reason(error);
    match root.canonicalize() {
        Ok(real) if real != root => {
            format!("{}: {why}; if that is right, allow {} instead", root.display(), real.display())
        }
        Ok(_) | Err(_) => format!("{}: {why}", root.display()),
    }
}
