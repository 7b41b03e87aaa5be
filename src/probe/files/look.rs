//! Looks at the newest backups of a directory: what is there, how large, since when. It judges only whether it
//! could look.

use super::Files;
use super::label::When;
use crate::beneath::{Dir, Facts, Kind, Pace, reason};
use crate::probe::machine::may_hang;
use crate::recovery::evidence::Reading;
use crate::values::one_line;
use jiff::Timestamp;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Names of a directory that are looked at. A backup a day makes that in 27 years.
const NAMES_MAX: usize = 10_000;
/// Backups that are compared: the newest, one that may be under way, and their history.
const COMPARED: usize = 10;
/// Characters shown of a name.
const SHOWN_CHARS: usize = 80;
/// A date in a name may be that of tomorrow, by another time zone; later ones were written by a wrong clock.
const AHEAD: i64 = 1;

/// A backup as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backup {
    /// Its name.
    pub(super) name: OsString,
    /// When the file system says it was made.
    pub(super) modified: Timestamp,
    /// What its name says.
    pub(super) when: When,
    /// For how long nothing about it has changed.
    pub(super) quiet: Duration,
    /// The marker, where one is named.
    pub(super) marker: Option<Piece>,
    /// The parts that it has to hold, in their order.
    pub(super) pieces: Vec<Piece>,
}

/// A part as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// It is not there.
    Missing,
    /// A directory, and whether there is anything in it.
    Folder(bool),
    /// A file.
    File {
        /// Its bytes.
        size: u64,
        /// When it was written.
        modified: Timestamp,
        /// For how long nothing about it has changed.
        quiet: Duration,
    },
    /// A link or the like, which no backup consists of.
    Odd,
}

impl Backup {
    /// Its name, fit for a message.
    pub(super) fn shown(&self) -> String {
        one_line(&self.name.to_string_lossy(), SHOWN_CHARS)
    }
}

impl Files {
    /// The newest backups, newest first, and the directory that they are in.
    pub(super) async fn look(&self, now: SystemTime, pace: &mut Pace) -> Result<(Dir, Vec<Backup>), Reading> {
        may_hang(&self.directory).map_err(Reading::Unknown)?;
        let root = Dir::open(&self.directory).map_err(|error| self.closed(&error))?;
        let newest = self.newest(&root, now, pace).await?;
        let mut backups = Vec::with_capacity(newest.len());
        for (when, _, name) in newest {
            pace.breathe().await.map_err(Reading::Unknown)?;
            backups.extend(self.backup(&root, name, when, now)?);
        }
        Ok((root, backups))
    }

    fn closed(&self, error: &io::Error) -> Reading {
        let directory = self.directory.display();
        match error.kind() == io::ErrorKind::NotFound {
            true => Reading::Fail(format!("there is no {directory}: is its disk mounted?")),
            false => Reading::Unknown(format!("{directory} cannot be looked into: {}", reason(error))),
        }
    }

    /// The names that fit, newest first: by their date, or where they have none by the time of the file system.
    async fn newest(
        &self,
        root: &Dir,
        now: SystemTime,
        pace: &mut Pace,
    ) -> Result<Vec<(When, Option<SystemTime>, OsString)>, Reading> {
        let (mut newest, mut seen) = (Vec::new(), 0);
        for name in root.names().map_err(|error| self.closed(&error))? {
            pace.breathe().await.map_err(Reading::Unknown)?;
            let name = name.map_err(|error| self.closed(&error))?;
            seen += 1;
            if seen > NAMES_MAX {
                let directory = self.directory.display();
                return Err(Reading::Unknown(format!(
                    "more than {NAMES_MAX} names in {directory}: its backups need a directory of their own"
                )));
            }
            let Some(when) = self.names.read(&name.to_string_lossy()).filter(|when| is_past(*when, now))
            else {
                continue;
            };
            let modified = match self.names.is_dated() {
                true => None,
                false => self.facts(root, &name)?.map(|facts| facts.modified),
            };
            newest.push((when, modified, name));
            // No more is kept than is compared at the end.
            if newest.len() == 2 * COMPARED {
                newest.sort_unstable_by(|one, other| other.cmp(one));
                newest.truncate(COMPARED);
            }
        }
        newest.sort_unstable_by(|one, other| other.cmp(one));
        newest.truncate(COMPARED);
        Ok(newest)
    }

    /// What is known of a name; nothing when it is gone by now.
    fn facts(&self, root: &Dir, name: &OsStr) -> Result<Option<Facts>, Reading> {
        match root.facts(name) {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.closed(&error)),
        }
    }

    /// One backup; none when the name is a link, or of what no backup is.
    fn backup(
        &self,
        root: &Dir,
        name: OsString,
        when: When,
        now: SystemTime,
    ) -> Result<Option<Backup>, Reading> {
        let Some(facts) = self.facts(root, &name)? else { return Ok(None) };
        let wanted = if self.is_of_files() { Kind::File } else { Kind::Dir };
        if facts.kind != wanted {
            return Ok(None);
        }
        let piece = |path: &Path| self.piece(root, &name, &facts, path, now);
        let marker = self.marker.as_deref().map(piece).transpose()?;
        let pieces = self.holds.iter().map(|part| piece(&part.path)).collect::<Result<_, _>>()?;
        let quiet = facts.untouched_for(now);
        Ok(Some(Backup { modified: time(facts.modified), name, when, quiet, marker, pieces }))
    }

    /// Whether each backup is one file.
    pub(super) fn is_of_files(&self) -> bool {
        self.holds.iter().any(|part| part.path.as_os_str().is_empty())
    }

    fn piece(
        &self,
        root: &Dir,
        name: &OsStr,
        own: &Facts,
        path: &Path,
        now: SystemTime,
    ) -> Result<Piece, Reading> {
        let Some(last) = path.file_name() else { return Ok(Piece::of(own, now)) };
        let below = Path::new(name).join(path.parent().unwrap_or(Path::new("")));
        let found = root.dir(&below).and_then(|dir| {
            let facts = dir.facts(last)?;
            Ok(match facts.kind {
                Kind::Dir => Piece::Folder(dir.dir(Path::new(last))?.names()?.next().is_some()),
                Kind::File | Kind::Link | Kind::Other => Piece::of(&facts, now),
            })
        });
        found.or_else(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENOTDIR) => Ok(Piece::Missing),
            Some(_) | None => {
                let place = self.directory.join(name).join(path);
                let (place, why) = (place.display(), reason(&error));
                Err(Reading::Unknown(format!("{place} cannot be looked at: {why}")))
            }
        })
    }
}

impl Piece {
    fn of(facts: &Facts, now: SystemTime) -> Self {
        match facts.kind {
            Kind::File => {
                let (modified, quiet) = (time(facts.modified), facts.untouched_for(now));
                Self::File { size: facts.size, modified, quiet }
            }
            Kind::Dir | Kind::Link | Kind::Other => Self::Odd,
        }
    }
}

fn time(time: SystemTime) -> Timestamp {
    // What no calendar holds was written by no clock that is right; it is as old as can be.
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether the day of a name has come somewhere on earth; a name without a date is past.
fn is_past(when: When, now: SystemTime) -> bool {
    let Some((first, _)) = when.days() else { return true };
    let tomorrow = time(now).as_second() + AHEAD * 86_400;
    let first = first.to_zoned(jiff::tz::TimeZone::UTC).map(|day| day.timestamp().as_second());
    first.is_ok_and(|first| first <= tomorrow)
}
