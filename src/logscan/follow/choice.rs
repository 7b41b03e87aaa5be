//! Which of the files beside a log are to be read, and from where, after it was rotated or while nobody looked. It
//! opens what it needs to know, and leaves alone what may be a copy of the log that is just being made.

use super::Start;
use super::place::last_lines;
use super::siblings::{Sibling, is_packed, rank};
use super::tail::{Opened, Seen};
use crate::recovery::scan::{FileId, FileMark, Place};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

/// The clock of file systems stands still for up to 10 ms (a kernel with 100 ticks per second); twice that.
pub(super) const CLOCK_GRAIN: u64 = 20_000_000;
/// Between the last byte of a copy and the truncation of the log less time passes than this.
const COPY_TIME: u64 = 50_000_000;

/// What is known when one begins to look.
pub(super) struct Search<'a> {
    pub(super) path: &'a Path,
    /// Files that are followed already.
    pub(super) known: &'a [FileId],
    /// Files that were read, but are not where they were, or not what they were.
    pub(super) lost: &'a [FileMark],
    /// Since when new files are unseen, and what time it is, in nanoseconds since 1970.
    pub(super) looked: u64,
    pub(super) wall: u64,
    /// Where to begin in a file that lay there before we came.
    pub(super) start: Option<Start>,
    /// How many files may be opened.
    pub(super) room: usize,
    /// The file at the path, when it is followed already.
    pub(super) current: Option<&'a File>,
}

/// What one came to.
pub(super) struct Choice {
    /// In the order of writing; the file at the path is the last.
    pub(super) chosen: Vec<Chosen>,
    /// What was not found.
    pub(super) lost: Vec<FileMark>,
    /// There are newer ones, for which there was no room.
    pub(super) more: bool,
    /// One seems to be a copy in the making: only when the log has been emptied, or not, can one tell what it is worth.
    pub(super) unsure: bool,
}

/// A file that is to be read, and from where.
pub(super) struct Chosen {
    pub(super) opened: Opened,
    pub(super) here: bool,
    pub(super) place: Place,
    age: Age,
}

/// When a file came, in nanoseconds since 1970, and what its name says when several came at once.
type Age = (u64, i64);

struct Candidate<'a> {
    path: &'a Path,
    here: bool,
    id: FileId,
    age: Age,
}

/// What is to be done with a file.
enum Verdict {
    Read(Place),
    /// It adds nothing: it is old, or a copy of the log as it stands.
    Leave,
    /// It is a copy of the log as it stands, and its writer may still be at it.
    Wait,
}

/// Whether a file that came then was not there when we looked.
pub(super) fn is_new(came: u64, looked: u64) -> bool {
    came >= looked.saturating_sub(CLOCK_GRAIN)
}

impl Search<'_> {
    /// As many of the oldest files as there is room for.
    pub(super) fn choose(&self, siblings: &[Sibling]) -> io::Result<Choice> {
        let candidates = self.candidates(siblings)?;
        let at_path = candidates.last().filter(|last| last.here);
        let opened = at_path.map(|last| Opened::new(last.path)).transpose()?;
        let current = self.current.or(opened.as_ref().map(|opened| &opened.file));
        let mut choice = Choice { chosen: Vec::new(), lost: self.lost.to_vec(), more: false, unsure: false };
        // What is known by its number is never taken for a copy of something else.
        for candidate in &candidates {
            choice.chosen.extend(self.again(candidate, &mut choice.lost)?);
        }
        for candidate in &candidates {
            if choice.chosen.iter().any(|chosen| chosen.opened.seen.id == candidate.id) {
                continue;
            }
            choice.more = choice.chosen.len() >= self.room;
            if choice.more {
                break;
            }
            let mut chosen = Chosen::new(candidate, Place::default())?;
            match self.judge(&mut chosen, current, &mut choice.lost)? {
                Verdict::Read(place) => choice.chosen.push(Chosen { place, ..chosen }),
                Verdict::Leave => {}
                Verdict::Wait => choice.unsure = true,
            }
        }
        choice.chosen.sort_by_key(|chosen| (chosen.here, chosen.age));
        Ok(choice)
    }

    /// The files that may concern us, oldest first; the one at the path is the newest.
    fn candidates<'a>(&self, siblings: &'a [Sibling]) -> io::Result<Vec<Candidate<'a>>> {
        let mut found: BTreeMap<FileId, Candidate<'a>> = BTreeMap::new();
        for Sibling { path, .. } in siblings.iter().filter(|sibling| !is_packed(&sibling.path)) {
            let here = path == self.path;
            let Seen { id, came, .. } = match Seen::at(path) {
                Ok(seen) => seen,
                Err(error) if here => return Err(error),
                // Gone already, or not a plain file: no log of ours.
                Err(_) => continue,
            };
            let concerns = here || !self.lost.is_empty() || is_new(came, self.looked);
            // A file with two names, as in the middle of a rotation, is there once, and under the path.
            if concerns && !self.known.contains(&id) && (here || !found.contains_key(&id)) {
                found.insert(id, Candidate { path, here, id, age: (came, rank(path)) });
            }
        }
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by_key(|candidate| (candidate.here, candidate.age));
        Ok(found)
    }

    /// A file that was read before, and not emptied since.
    fn again(&self, candidate: &Candidate<'_>, lost: &mut Vec<FileMark>) -> io::Result<Option<Chosen>> {
        if lost.iter().all(|mark| mark.id != candidate.id) {
            return Ok(None);
        }
        let chosen = Chosen::new(candidate, Place::default())?;
        let place =
            take(lost, |mark| if mark.id == candidate.id { found_again(&chosen.opened, mark) } else { None });
        Ok(place.map(|place| Chosen { place, ..chosen }))
    }

    /// From where a file is to be read that is not the one it was, or new.
    fn judge(
        &self,
        file: &mut Chosen,
        current: Option<&File>,
        lost: &mut Vec<FileMark>,
    ) -> io::Result<Verdict> {
        let Chosen { opened, here, age, .. } = file;
        let emptied = self.lost.iter().any(|mark| mark.id == opened.seen.id);
        if emptied {
            // What is in it now came after all that was in it before.
            age.0 = opened.seen.changed;
        }
        // The copy of a log that was emptied holds what was not read of it.
        let proof = |mark: &FileMark| mark.place.offset > 0 && (!*here || mark.place.is_certain());
        let copy = |mark: &FileMark| (proof(mark) && mark.place.stands(&opened.file)).then_some(mark.place);
        Ok(match take(lost, copy) {
            Some(place) => Verdict::Read(place),
            None if *here => Verdict::Read(self.beginning(opened)?),
            None if emptied => Verdict::Read(Place::default()),
            None if is_new(opened.seen.came, self.looked) => self.compare(opened, current),
            None => Verdict::Leave,
        })
    }

    /// Tells a rotated log from a copy of the one at the path.
    fn compare(&self, opened: &Opened, current: Option<&File>) -> Verdict {
        let end = Place::at(&opened.file, opened.seen.size);
        match end.ok().zip(current) {
            Some((end, current)) if end.stands(current) => {
                let recent = opened.seen.changed.saturating_add(COPY_TIME) > self.wall;
                // A short one may be no copy, but have the same greeting.
                let copied = if end.is_certain() { Verdict::Leave } else { Verdict::Read(Place::default()) };
                if recent { Verdict::Wait } else { copied }
            }
            Some(_) | None => Verdict::Read(Place::default()),
        }
    }

    /// Where to begin in the file at the path when it is new to us.
    fn beginning(&self, opened: &Opened) -> io::Result<Place> {
        let Seen { came, size, .. } = opened.seen;
        let offset = match self.start.filter(|_| !is_new(came, self.looked)) {
            Some(Start::End) => size,
            Some(Start::Last(lines)) => last_lines(&opened.file, size, lines)?,
            Some(Start::Beginning) | None => 0,
        };
        Place::at(&opened.file, offset)
    }
}

impl Chosen {
    fn new(candidate: &Candidate<'_>, place: Place) -> io::Result<Self> {
        Ok(Self { opened: Opened::new(candidate.path)?, here: candidate.here, age: candidate.age, place })
    }
}

/// Takes the first mark for which `find` has a place.
fn take(lost: &mut Vec<FileMark>, find: impl Fn(&FileMark) -> Option<Place>) -> Option<Place> {
    let (index, place) = lost.iter().enumerate().find_map(|(index, mark)| Some((index, find(mark)?)))?;
    lost.remove(index);
    Some(place)
}

/// Where a file that was read before is to be read on, unless it was emptied or written anew.
fn found_again(opened: &Opened, mark: &FileMark) -> Option<Place> {
    mark.place.found(&opened.file, opened.seen.size).ok().flatten()
}
