//! Whether the backups in a directory are there: the newest one, by its name or by its time, is young enough, whole,
//! and as large as those before it. What a backup program says of its success is not asked, nor how it exited.
//!
//! An empty directory, or none at all, is a failure; one that cannot be looked into proves nothing. What another
//! machine answers for is not looked at, for it could hang for ever. Nothing here writes, or follows a link.

mod judge;
mod label;
mod look;
mod read;
#[cfg(test)]
mod tests;
mod unpack;

use crate::beneath::Pace;
use crate::recovery::evidence::Reading;
use jiff::Timestamp;
use label::Label;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A probe of a directory of backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Where they are.
    pub directory: PathBuf,
    /// How they are named.
    names: Label,
    /// The greatest age of the newest.
    pub max_age: Duration,
    /// What is written last into each of them, so that its time is that of the backup.
    pub marker: Option<PathBuf>,
    /// What each of them has to hold.
    pub holds: Vec<Part>,
    /// How long one that is not whole may still be under way.
    pub finish_within: Duration,
    /// Whether what ends in `.gz` is looked into.
    pub unpack: bool,
    /// The bound of the whole reading.
    pub timeout: Duration,
}

/// A part of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where in the backup; empty for the backup itself, where that is a file.
    pub path: PathBuf,
    /// The least size in bytes.
    pub min_size: u64,
    /// Percent of the median size of those before it that it must have; 0 for any.
    pub shrink: u64,
}

impl Files {
    /// Looks once. It goes on in slices, for it has no thread of its own.
    pub async fn ask(&self) -> Reading {
        match self.seen().await {
            Ok(praise) => Reading::Pass(praise),
            Err(reading) => reading,
        }
    }

    async fn seen(&self) -> Result<String, Reading> {
        let pace = &mut Pace::new(self.timeout);
        let (root, backups) = self.look(SystemTime::now(), pace).await?;
        let chosen = self.judge(&backups, Timestamp::now())?;
        if self.unpack {
            self.try_out(&root, &chosen.backup.name, pace).await?;
        }
        Ok(chosen.praise)
    }
}
