//! One path, and the files that lay there one after the other. They are read in the order in which they were
//! written: a file that was renamed away to its end, then those that came and went between two looks, then
//! the one that lies there now.

use super::Start;
use super::choice::{Choice, Chosen, Search};
use super::siblings::{Sibling, is_packed, list};
use super::tail::{Tail, Turn, nanoseconds};
use crate::recovery::scan::{FileId, FileMark, PathMark};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Files of one path that are open at the same time; more of them wait in their directory.
const TAILS_MAX: usize = 64;
/// How often a directory is read again because it changed under our eyes.
const TRIES: usize = 3;
/// What was written while we looked is no news, in nanoseconds.
const LOOK_TIME: u64 = 20_000_000;

/// Takes a block of the file at a path, or all of it when the flag is set; says how much it took.
pub(super) type GiveOf<'a> = dyn FnMut(&Path, &[u8], bool) -> usize + 'a;

/// The files of one path.
#[derive(Debug)]
pub(super) struct Trail {
    path: PathBuf,
    /// In the order of writing.
    tails: Vec<Tail>,
    /// Whether the last of them lies at the path.
    here: bool,
    /// Files of which we know how far they were read, but not where they are.
    lost: Vec<FileMark>,
    /// When all of this was the whole truth, in nanoseconds since 1970.
    looked: u64,
    /// Where to begin in a file that lay there before we came; none once we have looked.
    start: Option<Start>,
    /// More files wait than could be opened.
    more: bool,
    /// Whether the last look came to an end.
    settled: bool,
}

impl Trail {
    /// A path of which nothing is known: files that came after `looked` are read whole.
    pub(super) fn new(path: PathBuf, looked: u64, start: Option<Start>) -> Self {
        Self {
            path,
            tails: Vec::new(),
            here: false,
            lost: Vec::new(),
            looked,
            start,
            more: false,
            settled: false,
        }
    }

    /// A path that was followed before.
    pub(super) fn resume(path: PathBuf, mark: &PathMark) -> Self {
        Self { lost: mark.files.clone(), ..Self::new(path, mark.looked, None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn tails(&mut self) -> &mut [Tail] {
        &mut self.tails
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = FileId> {
        self.tails.iter().map(Tail::id)
    }

    /// Whether it is known where all the files are that were read under this path.
    pub(super) fn has_found_all(&self) -> bool {
        self.lost.is_empty()
    }

    /// Whether nothing is known of it but its name.
    pub(super) fn is_bare(&self) -> bool {
        self.tails.is_empty() && self.lost.is_empty()
    }

    pub(super) fn mark(&self) -> PathMark {
        let last = self.tails.len().saturating_sub(usize::from(self.here));
        let open = self.tails.iter().enumerate().map(|(index, tail)| tail.mark(index < last));
        PathMark { looked: self.looked, files: self.lost.iter().copied().chain(open).collect() }
    }

    /// Whether files wait in their directory until others are closed.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// Bytes not read yet; at least one when whole files wait.
    pub(super) fn left(&self) -> u64 {
        self.tails.iter().map(Tail::left).sum::<u64>() + u64::from(self.more)
    }

    /// When something must be read although nothing new came.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.tails.iter().filter_map(Tail::flush_at).min()
    }

    /// Takes note of which file lies at the path by now; says whether that is the one we know, as we know it.
    pub(super) fn meet(&mut self, there: Option<FileId>, wall: u64) -> io::Result<bool> {
        let known = there.and_then(|id| self.ids().position(|known| known == id));
        self.here = known.is_some();
        let Some(index) = known else { return Ok(false) };
        // It may have been moved away and back.
        self.tails[index..].rotate_left(1);
        // Asked first, for it also says whether there is anything to be read.
        let intact = self.tails.last_mut().map_or(Ok(false), Tail::is_intact)?;
        let same = intact && self.settled && self.lost.is_empty();
        if same {
            // Whatever lies beside it by now is old, or a copy of it.
            self.looked = wall;
        }
        Ok(same)
    }

    /// Gives up a file that lies elsewhere by now.
    pub(super) fn release(&mut self, id: FileId) -> Option<Tail> {
        let index = self.ids().position(|known| known == id)?;
        let stays = self.here && index + 1 == self.tails.len();
        (!stays).then(|| self.tails.remove(index))
    }

    /// Takes over the file that lies at the path.
    pub(super) fn adopt(&mut self, tail: Tail) {
        self.tails.push(tail);
        (self.here, self.settled) = (true, true);
        self.start = None;
    }

    /// Reads one block of the first file that has something to be read.
    pub(super) fn turn(&mut self, room: &mut [u8], now: Instant, give: &mut GiveOf<'_>) -> io::Result<Turn> {
        let path = &self.path;
        let mut give = |block: &[u8], whole| give(path, block, whole);
        for index in 0..self.tails.len() {
            let current = self.here && index + 1 == self.tails.len();
            let first = self.tails[index].is_unread();
            let turn = match self.tails[index].turn(room, now, &mut give) {
                Ok(turn) => turn,
                Err(error) if current => return Err(error),
                Err(error) => {
                    // It must not keep us from those behind it.
                    self.tails.remove(index);
                    return Err(error);
                }
            };
            match turn {
                Turn::Idle => continue,
                // What it held before may have been copied away after we looked: nothing of it tells.
                Turn::Read { .. } if first => self.settled = false,
                Turn::Read { .. } | Turn::Unsure => {}
                Turn::Cut if index + 1 == self.tails.len() => {}
                // A rotated file that was emptied or overwritten is nobody's log any more.
                Turn::Cut => drop(self.tails.remove(index)),
            }
            return Ok(turn);
        }
        Ok(Turn::Idle)
    }

    /// A log that was emptied goes on; the rest of its old content may lie in a copy.
    fn restart(&mut self) {
        self.lost.extend(self.tails.last_mut().map(Tail::restart));
    }

    /// Closes what was replaced and has been quiet for long.
    pub(super) fn let_go(&mut self, now: Instant) -> Vec<Tail> {
        let mut gone = Vec::new();
        let mut index = 0;
        while index + usize::from(self.here) < self.tails.len() {
            let succeeded = self.tails[index + 1..].iter().any(|tail| !tail.is_empty());
            if self.is_crowded_out(&self.tails[index]) || self.tails[index].is_finished(succeeded, now) {
                gone.push(self.tails.remove(index));
            } else {
                index += 1;
            }
        }
        gone
    }

    /// Whether a file is to make room for others: not one that would look new to us again.
    fn is_crowded_out(&self, tail: &Tail) -> bool {
        let crowded = self.tails.len() >= TAILS_MAX && tail.is_drained();
        crowded && tail.seen().is_ok_and(|seen| !seen.is_new(self.looked))
    }

    /// Finds out what became of the files we knew, and which came after them. `known` are files that are
    /// followed already. What the directory does not tell now, because it changes under our eyes, a later
    /// look will. Returns what was lost, in words.
    pub(super) fn settle(&mut self, known: &[FileId], wall: u64, now: Instant) -> io::Result<Vec<String>> {
        self.settled = false;
        if self.tails.last_mut().map(Tail::is_cut).transpose()? == Some(true) {
            self.restart();
        }
        let inodes: Vec<u64> = self.lost.iter().map(|mark| mark.id.inode).collect();
        for _ in 0..TRIES {
            let before = list(&self.path, &inodes)?;
            let choice = match self.search(known, wall).choose(&before) {
                Ok(choice) => choice,
                // Renamed before it could be opened.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if list(&self.path, &inodes)? == before {
                let mut said = if self.goes_on(&choice) { Vec::new() } else { self.unreadable(&before) };
                let over = choice.open_since().is_none();
                let missing = choice.lost.iter().filter(|mark| over && !mark.drained);
                said.extend(missing.map(|mark| self.said(mark)));
                self.commit(choice, wall, now);
                return Ok(said);
            }
        }
        Ok(Vec::new())
    }

    fn search<'a>(&'a self, known: &'a [FileId], wall: u64) -> Search<'a> {
        Search {
            path: &self.path,
            known,
            lost: &self.lost,
            looked: self.looked,
            wall,
            start: self.start,
            room: TAILS_MAX.saturating_sub(self.tails.len()),
            current: self.tails.last().filter(|_| self.here).map(|tail| (tail.file(), tail.place())),
        }
    }

    fn commit(&mut self, choice: Choice, wall: u64, now: Instant) {
        // What is at the path is the last; so is what was emptied, for it was written before that.
        let last = self.here || !self.lost.is_empty();
        let behind = self.tails.split_off(self.tails.len().saturating_sub(usize::from(last)));
        let open_since = choice.open_since();
        // A candidate may be older than all that is new to us.
        self.looked = open_since.map_or(wall, |came| came.max(self.looked));
        self.lost = if open_since.is_some() { choice.lost } else { Vec::new() };
        let mut at_path = None;
        for Chosen { opened, here, place, .. } in choice.chosen {
            let tail = Tail::new(opened, place, now);
            if here { at_path = Some(tail) } else { self.tails.push(tail) }
        }
        self.here |= at_path.is_some();
        self.tails.extend(behind.into_iter().chain(at_path));
        (self.start, self.more, self.settled) = (None, choice.more.is_some(), open_since.is_none());
    }

    /// Whether the file at the path is the one that was read before, so that nothing can have been renamed away since.
    fn goes_on(&self, choice: &Choice) -> bool {
        let lost = |id| self.lost.iter().any(|mark| mark.id == id);
        let found = |chosen: &Chosen| chosen.here && chosen.place.offset > 0 && lost(chosen.opened.seen.id);
        let still = self.here && self.tails.last().is_some_and(|tail| !lost(tail.id()));
        still || choice.chosen.last().is_some_and(found)
    }

    /// What was rotated and compressed before we could read it. A compressed log keeps the time of its last line,
    /// so that those we have open are known by it.
    fn unreadable(&self, siblings: &[Sibling]) -> Vec<String> {
        let changed =
            |facts: io::Result<Metadata>| facts.and_then(|facts| facts.modified()).map_or(0, nanoseconds);
        let open: Vec<u64> = self.tails.iter().map(|tail| changed(tail.file().metadata())).collect();
        let packed = siblings.iter().map(|sibling| &sibling.path).filter(|path| is_packed(path));
        let unseen = packed.filter(|path| {
            let time = changed(path.metadata());
            time > self.looked.saturating_add(LOOK_TIME) && !open.contains(&time)
        });
        let said = |path: &PathBuf| {
            format!("{} was compressed before it was read; its lines are not seen", path.display())
        };
        unseen.map(said).collect()
    }

    fn said(&self, mark: &FileMark) -> String {
        format!(
            "{} was replaced or emptied before it was read to its end, and no copy of it lies beside it; what was written after byte {} is not seen",
            self.path.display(),
            mark.place.offset
        )
    }
}
