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

/// A copy that did not grow for so long, and whose log was not emptied, is not being made any more. On a busy machine
/// its maker may be held up for a while; a rotated log that looks like such a copy is read that much later.
const COPY_TIME: u64 = 3_000_000_000;

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
    /// The file at the path, and how far it was read, when it is followed already.
    pub(super) current: Option<(&'a File, Place)>,
}

/// What one came to.
pub(super) struct Choice {
    /// In the order of writing; the file at the path is the last.
    pub(super) chosen: Vec<Chosen>,
    /// What was not found.
    pub(super) lost: Vec<FileMark>,
    /// When the oldest came for which there was no room.
    pub(super) more: Option<u64>,
    /// When the oldest came that seems to be a copy in the making: only when the log has been emptied, or not, can one
    /// tell what it is worth.
    pub(super) unsure: Option<u64>,
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
    /// It is a copy of the log, and its writer may still be at it, or has emptied the log just now.
    Wait,
}

impl Choice {
    /// Since when there may be files that were not looked into yet.
    pub(super) fn open_since(&self) -> Option<u64> {
        self.more.into_iter().chain(self.unsure).min()
    }
}

impl Search<'_> {
    /// As many of the oldest files as there is room for.
    pub(super) fn choose(&self, siblings: &[Sibling]) -> io::Result<Choice> {
        let candidates = self.candidates(siblings)?;
        let at_path = candidates.last().filter(|last| last.here);
        let opened = at_path.map(|last| Opened::new(last.path)).transpose()?;
        let mut choice = Choice { chosen: Vec::new(), lost: self.lost.to_vec(), more: None, unsure: None };
        // What is known by its number is never taken for a copy of something else.
        for candidate in &candidates {
            choice.chosen.extend(self.again(candidate, &mut choice.lost)?);
        }
        let read = choice.chosen.iter().find(|chosen| chosen.here).map(|chosen| chosen.place);
        let current = self.current.or(opened.as_ref().map(|opened| (&opened.file, read.unwrap_or_default())));
        for candidate in &candidates {
            if choice.chosen.iter().any(|chosen| chosen.opened.seen.id == candidate.id) {
                continue;
            }
            let mut chosen = Chosen::new(candidate, Place::default())?;
            let mut lost = choice.lost.clone();
            match self.judge(&mut chosen, current, &mut lost)? {
                Verdict::Read(_) if choice.chosen.len() >= self.room => {
                    choice.more = Some(candidate.age.0);
                    break;
                }
                Verdict::Read(place) => {
                    choice.lost = lost;
                    choice.chosen.push(Chosen { place, ..chosen });
                }
                Verdict::Leave => {}
                Verdict::Wait => choice.unsure = choice.unsure.or(Some(candidate.age.0)),
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
            let seen = match Seen::at(path) {
                Ok(seen) => seen,
                Err(error) if here => return Err(error),
                // Gone already, or not a plain file: no log of ours.
                Err(_) => continue,
            };
            let concerns = here || !self.lost.is_empty() || seen.is_new(self.looked);
            let Seen { id, came, .. } = seen;
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
        current: Option<(&File, Place)>,
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
            None if opened.seen.is_new(self.looked) => self.compare(opened, current),
            None => Verdict::Leave,
        })
    }

    /// Tells a rotated log from a copy of the one at the path.
    fn compare(&self, opened: &Opened, current: Option<(&File, Place)>) -> Verdict {
        let anew = Verdict::Read(Place::default());
        let Some((current, read)) = current else { return anew };
        let Ok(end) = Place::at(&opened.file, opened.seen.size) else { return anew };
        let recent = opened.seen.changed.saturating_add(COPY_TIME) > self.wall;
        // What a short one holds may be the greeting of every log.
        let greets = |place: Place| place.offset > 0 && !place.is_certain();
        if end.stands(current) {
            if recent {
                Verdict::Wait
            } else if greets(end) {
                anew
            } else {
                Verdict::Leave
            }
        } else if read.offset > 0 && read.stands(&opened.file) {
            // The log was emptied just now, which the next look will find.
            if recent || !greets(read) { Verdict::Wait } else { anew }
        } else {
            anew
        }
    }

    /// Where to begin in the file at the path when it is new to us.
    fn beginning(&self, opened: &Opened) -> io::Result<Place> {
        let size = opened.seen.size;
        let offset = match self.start.filter(|_| !opened.seen.is_new(self.looked)) {
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
