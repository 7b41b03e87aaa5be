//! Judges the backups that were seen: whether the newest is whole, then its age, then its size. Pure.

use super::look::{Backup, Piece};
use super::{Files, Part};
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::time::Duration;

/// The farthest west that a day ends, after its end in UTC.
const WEST: SignedDuration = SignedDuration::from_hours(12);
/// What lies further in the future than this was written by a clock that was wrong.
const FUTURE_MAX: Duration = Duration::from_secs(300);
/// Without a marker, what was changed so lately may still be written: its size says nothing yet.
const QUIET: Duration = Duration::from_secs(600);

/// The backup that counts, and what is good about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen<'b> {
    /// It.
    pub(super) backup: &'b Backup,
    /// How old it is, in words.
    pub(super) praise: String,
}

impl Files {
    /// Judges them, newest first.
    ///
    /// # Errors
    /// What is wrong, or why that cannot be told.
    pub(super) fn judge<'b>(&self, backups: &'b [Backup], now: Timestamp) -> Result<Chosen<'b>, Reading> {
        let Some((newest, older)) = backups.split_first() else { return Err(Reading::Fail(self.none())) };
        let Some(why) = self.lacking(newest) else { return self.weighed(newest, older, now, "") };
        let shown = newest.shown();
        if newest.quiet >= self.finish_within {
            let path = self.directory.join(&shown);
            return Err(Reading::Fail(format!("{} is not whole: {why}", path.display())));
        }
        let Some((before, older)) = older.split_first() else {
            return Err(Reading::Unknown(format!("{shown} is the first, and not whole yet: {why}")));
        };
        if let Some(why) = self.lacking(before) {
            let path = self.directory.join(before.shown());
            return Err(Reading::Fail(format!("{} is not whole: {why}", path.display())));
        }
        self.weighed(before, older, now, &format!(", and {shown} is under way"))
    }

    fn none(&self) -> String {
        let (directory, names) = (self.directory.display(), self.names.as_str());
        let what = if self.is_of_files() { "file" } else { "directory" };
        format!("no {what} in {directory} is named like {names}: no backup yet, or another place")
    }

    /// What a backup lacks to be whole.
    fn lacking(&self, backup: &Backup) -> Option<String> {
        let parts = self.holds.iter().map(|part| part.path.display()).zip(&backup.pieces);
        let marker = self.marker.iter().map(|path| path.display()).zip(&backup.marker);
        let mut lacks = marker.chain(parts).filter_map(|(path, piece)| {
            Some(match piece {
                Piece::Missing => format!("there is no {path}"),
                Piece::Folder(false) | Piece::File { size: 0, .. } => format!("{path} is empty"),
                Piece::Odd => format!("{path} is no plain file"),
                Piece::Folder(true) | Piece::File { .. } => return None,
            })
        });
        // Of one that is a file, that it is empty is told with its size.
        if self.is_of_files() { None } else { lacks.next() }
    }

    fn weighed<'b>(
        &self,
        backup: &'b Backup,
        older: &[Backup],
        now: Timestamp,
        also: &str,
    ) -> Result<Chosen<'b>, Reading> {
        let shown = backup.shown();
        let age = self.age(backup, now)?;
        if age > self.max_age {
            let most = Age(self.max_age);
            return Err(Reading::Fail(format!("stale: {shown} is {} old, more than {most}{also}", Age(age))));
        }
        let sizes = self.holds.iter().enumerate();
        let wrong: Vec<String> =
            sizes.filter_map(|(at, part)| self.wrong_size(part, at, backup, older)).collect();
        match wrong.is_empty() {
            true => Ok(Chosen { backup, praise: format!("fresh: {shown} is {} old{also}", Age(age)) }),
            false => Err(Reading::Fail(format!("{shown} is fresh, but {}", wrong.join(", and ")))),
        }
    }

    /// The age of a backup, by its marker or by the file system; but it is no younger than its name allows, for a
    /// time is soon touched.
    fn age(&self, backup: &Backup, now: Timestamp) -> Result<Duration, Reading> {
        let written = match backup.marker {
            Some(Piece::File { modified, .. }) => modified,
            Some(Piece::Missing | Piece::Folder(_) | Piece::Odd) | None => backup.modified,
        };
        let at = self.latest(backup).map_or(written, |latest| latest.min(written));
        let age = now.duration_since(at);
        match (age.is_negative(), age.unsigned_abs()) {
            (true, ahead) if ahead > FUTURE_MAX => Err(Reading::Unknown(format!(
                "{} lies {} in the future: the clock is wrong, or was when it was written",
                backup.shown(),
                Age(ahead)
            ))),
            (true, _) => Ok(Duration::ZERO),
            (false, age) => Ok(age),
        }
    }

    /// The latest moment at which a backup of this name can have been finished.
    fn latest(&self, backup: &Backup) -> Option<Timestamp> {
        let (_, last) = backup.when.days()?;
        let end = last.checked_add(1.day()).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        end.checked_add(WEST).ok()?.checked_add(self.finish_within).ok()
    }

    fn wrong_size(&self, part: &Part, at: usize, backup: &Backup, older: &[Backup]) -> Option<String> {
        let Some(Piece::File { size, quiet, .. }) = backup.pieces.get(at) else { return None };
        if backup.marker.is_none() && *quiet < QUIET {
            return None;
        }
        let what = match part.path.as_os_str().is_empty() {
            true => String::new(),
            false => format!("{} is ", part.path.display()),
        };
        if *size < part.min_size {
            return Some(format!("{what}too small: {size} bytes, less than {}", part.min_size));
        }
        let before = older.iter().filter_map(|backup| backup.pieces.get(at));
        let mut before: Vec<u64> = before.filter_map(Piece::size).collect();
        before.sort_unstable();
        let (usual, shrink, so_many) = (*before.get(before.len() / 2)?, part.shrink, before.len());
        (u128::from(*size) * 100 < u128::from(usual) * u128::from(shrink)).then(|| {
            format!(
                "{what}shrunk: {size} bytes, less than {shrink} % of {usual}, the median of the {so_many} before it"
            )
        })
    }
}

impl Piece {
    fn size(&self) -> Option<u64> {
        match self {
            Self::File { size, .. } => Some(*size),
            Self::Missing | Self::Folder(_) | Self::Odd => None,
        }
    }
}
