//! Reads logs so that no line is lost and none is seen twice, whatever happens to the files meanwhile: they are
//! renamed, emptied, deleted and made anew, and we are stopped and started in between.
//!
//! It knows bytes and positions. What a line is, and what it means, is the business of the [`Sink`]. It keeps no
//! bytes either: what the sink leaves is read again from the file.
//!
//! ```text
//! Follow ─▶ Files (a source: its patterns) ─▶ Trail (a path) ─▶ Tail (a file) ─▶ Place (a position)
//!        └▶ Journal (a source)
//! ```
//!
//! What cannot be promised: bytes that a log loses between the copy and the truncation of a `copytruncate` are in
//! no file at all, unless its writer waits meanwhile; a rotated log that is compressed or deleted while nobody
//! looks is gone, which is said; and two logs whose first and last kilobyte are the same look the same.

mod bell;
mod choice;
mod files;
mod journal;
mod own;
mod pattern;
mod place;
mod siblings;
mod tail;
mod trail;

use crate::recovery::evidence::Name;
use crate::recovery::scan::ScanMark;
use bell::Bell;
use files::Files;
use futures_util::FutureExt;
use futures_util::future::select_all;
use journal::Journal;
use nix::time::{ClockId, clock_gettime};
pub use own::Own;
pub use pattern::Pattern;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tail::Turn;
use trail::Trail;

/// Bytes read at once, and the most that a sink can hold back.
pub const BLOCK: usize = 256 << 10;
/// How long a sink may hold back what may still be half an event.
pub const HOLD: Duration = Duration::from_secs(1);

/// A log to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: Name,
    /// Where its lines come from.
    pub kind: Kind,
    /// Where to begin when it is seen for the first time.
    pub start: Start,
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Files.
    Files {
        /// Which.
        patterns: Vec<Pattern>,
    },
    /// systemd's journal.
    Journal {
        /// Only these units; all when empty.
        units: Vec<String>,
        /// The user's own journal and units, not the system's.
        user: bool,
    },
}

/// Where to begin in a log that is seen for the first time. What comes later is always read from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first line there is.
    Beginning,
    /// With this many last lines.
    Last(u32),
    /// With the next line.
    End,
}

/// Takes the bytes of logs.
pub trait Sink {
    /// Takes the bytes of one source in order, as many as make whole events, and says how many it took. What it
    /// leaves comes again, with more behind it. With `whole` it must take all: the rest has waited for [`HOLD`],
    /// or is as long as a block. `path` is the path that is followed; `journal` for a journal.
    fn take(&mut self, source: &Name, path: &Path, block: &[u8], whole: bool) -> usize;
}

/// What one reading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that the sinks took.
    pub bytes: u64,
    /// Bytes that the budget left for the next time, as far as is known.
    pub left: u64,
    /// When to read again at the latest, because something is held back.
    pub flush_at: Option<Instant>,
    /// Sources that cannot be read, or not all of them, and why.
    pub troubles: Vec<(Name, String)>,
    /// Why new lines may be noticed late, said once.
    pub late: Option<String>,
}

/// Follows all sources.
#[derive(Debug)]
pub struct Follow {
    files: Vec<Files>,
    journals: Vec<Journal>,
    room: Room,
    bell: Bell,
    /// Whose turn it is first, so that a small budget serves all in the long run.
    first: usize,
}

/// Room for a window and a block, shared by all files.
#[derive(Debug)]
struct Room(Vec<u8>);

impl Room {
    fn new(block: usize) -> Self {
        Self(vec![0; place::WINDOW + block.max(1)])
    }
}

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Reader {
    File { source: usize, trail: usize },
    Journal(usize),
}

impl Follow {
    /// Goes on where `mark` says. The files are opened by now, so that what is renamed from now on is still read.
    /// A source that is a journal needs a tokio runtime.
    pub fn open(sources: Vec<Source>, mark: &ScanMark) -> Self {
        Self::open_but(&Arc::default(), sources, mark)
    }

    /// The same, but what is our own is never read, whatever its name.
    pub fn open_but(own: &Arc<Own>, sources: Vec<Source>, mark: &ScanMark) -> Self {
        let (mut files, mut journals) = (Vec::new(), Vec::new());
        for Source { name, kind, start } in sources {
            match kind {
                Kind::Files { patterns } => {
                    let mark = mark.files.get(&name);
                    files.push(Files::open(name, patterns, start, (mark, own)));
                }
                Kind::Journal { units, user } => {
                    let mark = mark.journals.get(&name);
                    journals.push(Journal::open(name, &units, user, start, mark));
                }
            }
        }
        let mut follow = Self { files, journals, room: Room::new(BLOCK), bell: Bell::new(), first: 0 };
        follow.look(Instant::now());
        follow
    }

    /// Reads in blocks of another size, at least one byte: a small machine can do with less.
    #[must_use]
    pub fn in_blocks_of(mut self, bytes: usize) -> Self {
        self.room = Room::new(bytes);
        self
    }

    /// Reads what is new, until about `budget` bytes were read: it ends with the block that reaches it.
    pub fn read(&mut self, budget: u64, now: Instant, sink: &mut dyn Sink) -> Progress {
        let mut progress = Progress::default();
        let mut left = budget;
        loop {
            self.look(now);
            let read = self.read_around(left, now, sink, &mut progress);
            let closed = self.let_go(now);
            left = left.saturating_sub(read);
            // Files that had no room have it now.
            let more = closed && self.files.iter().flat_map(Files::trails).any(Trail::has_more);
            if left == 0 || !more {
                break;
            }
        }
        self.conclude(&mut progress);
        progress
    }

    /// Closes what is over; says whether anything was.
    fn let_go(&mut self, now: Instant) -> bool {
        self.files.iter_mut().fold(false, |closed, files| files.let_go(&self.bell, now) | closed)
    }

    fn conclude(&mut self, progress: &mut Progress) {
        for files in &mut self.files {
            progress.troubles.extend(files.news().map(|news| (files.name().clone(), news)));
        }
        for journal in &mut self.journals {
            progress.troubles.extend(journal.news().map(|news| (journal.name().clone(), news)));
        }
        progress.late = self.bell.news();
        let trails = || self.files.iter().flat_map(Files::trails);
        progress.left = trails().map(Trail::left).sum();
        let journals = self.journals.iter().filter_map(Journal::wake_at);
        progress.flush_at = trails().filter_map(Trail::flush_at).chain(journals).min();
    }

    /// Where everything stands now; the marks of rules are left as they are. It changes only when something
    /// was read or rotated.
    pub fn mark(&self, mark: &mut ScanMark) {
        let of = |files: &Files| (files.name().clone(), files.mark(mark.files.get(files.name())));
        mark.files = self.files.iter().map(of).collect();
        mark.journals =
            self.journals.iter().map(|journal| (journal.name().clone(), journal.mark())).collect();
    }

    /// Waits until there is something new, and 50 ms more, so that a busy writer does not wake us for every line.
    /// It goes on ringing until [`Follow::read`] answers. Needs a tokio runtime; may be dropped at any time.
    pub async fn rung(&mut self) {
        let journals = self.journals.iter().map(|journal| journal.rung().boxed_local());
        let bell = self.bell.rung().boxed_local();
        select_all(journals.chain([bell])).await;
    }

    fn look(&mut self, now: Instant) {
        self.bell.answer();
        let wall = wall();
        for files in &mut self.files {
            files.look(&mut self.bell, now, wall);
        }
        self.bell.names_are_known();
    }

    /// Block by block in turn, until nobody has anything more. Says how many bytes it read.
    fn read_around(
        &mut self,
        budget: u64,
        now: Instant,
        sink: &mut dyn Sink,
        progress: &mut Progress,
    ) -> u64 {
        let readers = self.readers();
        let (mut read, mut idle) = (0, 0);
        let mut next = self.first;
        while read < budget && idle < readers.len() {
            next %= readers.len();
            match self.turn(readers[next], now, sink, progress) {
                Turn::Idle => idle += 1,
                Turn::Cut | Turn::Unsure => idle = 0,
                Turn::Read { read: more, .. } => (idle, read) = (0, read + more),
            }
            next += 1;
        }
        self.first = next;
        read
    }

    fn readers(&self) -> Vec<Reader> {
        let files = self.files.iter().enumerate();
        let trails = files.flat_map(|(source, files)| {
            (0..files.trails().len()).map(move |trail| Reader::File { source, trail })
        });
        trails.chain((0..self.journals.len()).map(Reader::Journal)).collect()
    }

    fn turn(&mut self, reader: Reader, now: Instant, sink: &mut dyn Sink, progress: &mut Progress) -> Turn {
        let turn = match reader {
            Reader::File { source, trail } => self.files[source].turn(trail, &mut self.room.0, now, sink),
            Reader::Journal(index) => self.journals[index].turn(&mut self.room.0, now, sink),
        };
        if let Turn::Read { taken, .. } = turn {
            progress.bytes += taken;
        }
        turn
    }
}

/// How many bytes of a log may be taken away at its beginning without anybody who follows it noticing: those that
/// were handled, but for the last, by which the place is known again. None when nobody follows it.
///
/// # Errors
/// Why that cannot be told.
pub fn dispensable(mark: &ScanMark, log: &File) -> io::Result<Option<u64>> {
    let facts = log.metadata()?;
    let files = mark.files.values().flat_map(|files| files.paths.values()).flat_map(|path| &path.files);
    let mut least = None;
    for file in files.filter(|file| (file.id.device, file.id.inode) == (facts.dev(), facts.ino())) {
        let handled = file.place.found(log, facts.len())?.map_or(0, |place| place.offset);
        let spare = handled.saturating_sub(place::WINDOW as u64);
        least = Some(least.map_or(spare, |least: u64| least.min(spare)));
    }
    Ok(least)
}

/// Nanoseconds since 1970 by the clock that file systems use, so that no file of later seems to be older: it stands
/// still between two ticks of the kernel, and for longer on a virtual machine that is not let run.
fn wall() -> u64 {
    clock_gettime(ClockId::CLOCK_REALTIME_COARSE)
        .map_or(0, |now| u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
