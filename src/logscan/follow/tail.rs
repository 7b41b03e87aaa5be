//! One open file, read block by block from where it was left. It must not care under which name the file
//! lies, and never keeps its bytes: what the sink leaves is read again.

use super::HOLD;
use super::place::{WINDOW, next_data, read_at};
use crate::recovery::scan::{FileId, FileMark, Place};
use nix::sys::inotify::WatchDescriptor;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a replaced file must be quiet to be let go: longer than any service takes to open its new log,
/// short enough that the space of a deleted one comes back.
const LINGER: Duration = Duration::from_secs(300);

/// How long a log may have been prepared before it got its name, in nanoseconds: more than a busy machine holds up a
/// program between two system calls.
const PREPARED: u64 = 1_000_000_000;

/// Takes a block, or all of it when the flag is set; says how much it took.
pub(super) type Give<'a> = dyn FnMut(&[u8], bool) -> usize + 'a;

/// What became of one look with a block of room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing is there to be read.
    Idle,
    /// This many bytes were read, and this many of them taken.
    Read {
        /// Bytes read.
        read: u64,
        /// Bytes taken.
        taken: u64,
    },
    /// What was read before is no longer there: the file was emptied, or written anew.
    Cut,
    /// It has changed, and nothing was read of it: whether it was emptied meanwhile only a copy of it can tell.
    Unsure,
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    id: FileId,
    place: Place,
    /// The file as it was when it was last read.
    seen: Stamp,
    /// The sink was shown the bytes up to here, and left those from the place on.
    shown: u64,
    /// Since when it leaves them.
    held: Option<Instant>,
    /// When it was last seen to grow.
    grew: Instant,
    /// It was looked at in this pass already, and had not changed: system calls are what an idle look costs.
    idle: bool,
    /// Copies of it were looked for since it was last read.
    asked: bool,
    /// The ring of its changes.
    pub(super) watch: Option<WatchDescriptor>,
}

/// What changes with a file's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    size: u64,
    changed: (i64, i64),
    linked: bool,
    sparse: bool,
}

impl Stamp {
    fn of(facts: &Metadata) -> Self {
        Self {
            size: facts.len(),
            changed: (facts.mtime(), facts.mtime_nsec()),
            linked: facts.nlink() > 0,
            // Blocks are counted in units of 512 bytes (stat(2)).
            sparse: facts.blocks().saturating_mul(512) < facts.len(),
        }
    }
}

impl Tail {
    /// Reads what was opened from `place` on.
    pub(super) fn new(opened: Opened, place: Place, now: Instant) -> Self {
        let Opened { file, seen: Seen { id, .. }, stamp: seen } = opened;
        Self {
            file,
            id,
            place,
            seen,
            shown: place.offset,
            held: None,
            grew: now,
            idle: false,
            asked: false,
            watch: None,
        }
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// The file as it is seen from outside by now.
    pub(super) fn seen(&self) -> io::Result<Seen> {
        Seen::of(&self.file.metadata()?)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// How far it was read.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Where it stands; `replaced` when its name belongs to another by now.
    pub(super) fn mark(&self, replaced: bool) -> FileMark {
        FileMark { id: self.id, place: self.place, drained: replaced && self.is_drained() }
    }

    /// Whether all that was ever seen of it was taken.
    pub(super) fn is_drained(&self) -> bool {
        self.place.offset >= self.seen.size
    }

    /// Whether nothing of it was taken yet.
    pub(super) fn is_unread(&self) -> bool {
        self.place.offset == 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seen.size == 0
    }

    /// Bytes that were not shown to the sink yet.
    pub(super) fn left(&self) -> u64 {
        self.seen.size.saturating_sub(self.shown)
    }

    /// When what the sink left has waited long enough.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.held.map(|since| since + HOLD)
    }

    /// Whether a file whose name belongs to another may be closed. Without a successor its writer may come back,
    /// unless nobody can find it any more.
    pub(super) fn is_finished(&self, succeeded: bool, now: Instant) -> bool {
        let alone = succeeded || !self.seen.linked;
        alone && self.is_drained() && now.saturating_duration_since(self.grew) >= LINGER
    }

    /// Whether it is sure that it was not emptied since it was read.
    pub(super) fn is_intact(&mut self) -> io::Result<bool> {
        let stamp = Stamp::of(&self.file.metadata()?);
        self.idle = stamp == self.seen;
        Ok(self.idle || (self.place.offset > 0 && self.find(stamp.size)?))
    }

    /// Whether what was read of it is no longer there.
    pub(super) fn is_cut(&mut self) -> io::Result<bool> {
        let size = self.file.metadata()?.len();
        Ok(!self.find(size)?)
    }

    /// Begins it anew, because it was emptied; says what was lost of it.
    pub(super) fn restart(&mut self) -> FileMark {
        let lost = FileMark { id: self.id, place: self.place, drained: self.is_drained() };
        (self.place, self.shown, self.held, self.seen) = (Place::default(), 0, None, Stamp::default());
        self.asked = true;
        lost
    }

    /// Reads one block, if there is anything to be read. `room` holds a window and a block.
    pub(super) fn turn(&mut self, room: &mut [u8], now: Instant, give: &mut Give<'_>) -> io::Result<Turn> {
        let due = self.flush_at().is_some_and(|at| at <= now);
        if std::mem::take(&mut self.idle) && self.left() == 0 && !due {
            return Ok(Turn::Idle);
        }
        let stamp = Stamp::of(&self.file.metadata()?);
        if stamp == self.seen && self.left() == 0 && !due {
            return Ok(Turn::Idle);
        }
        if stamp.size != self.seen.size {
            self.grew = now;
        }
        if stamp != self.seen {
            if !self.find(stamp.size)? {
                return Ok(Turn::Cut);
            }
            if self.is_unread() && !std::mem::replace(&mut self.asked, true) {
                return Ok(Turn::Unsure);
            }
        }
        self.skip_hole(&stamp)?;
        let back = self.place.back();
        let block = room.len() - WINDOW;
        let room = &mut room[..back + block];
        let count = read_at(&self.file, room, self.place.offset - back as u64)?;
        if count < back || !self.place.follows(&room[..back]) {
            // It was emptied just now.
            return Ok(Turn::Cut);
        }
        (self.seen, self.asked) = (stamp, false);
        Ok(self.show(&room[..count], count == room.len(), due, now, give))
    }

    /// Makes sure that what was read is still before the place, also when the beginning of the file is gone.
    fn find(&mut self, size: u64) -> io::Result<bool> {
        let Some(place) = self.place.found(&self.file, size)? else { return Ok(false) };
        self.shown -= self.place.offset - place.offset;
        self.place = place;
        Ok(true)
    }

    fn skip_hole(&mut self, stamp: &Stamp) -> io::Result<()> {
        if !stamp.sparse {
            return Ok(());
        }
        let data = next_data(&self.file, self.place.offset, stamp.size)?;
        if data > self.place.offset {
            self.place = Place::at(&self.file, data)?;
            (self.shown, self.held) = (data, None);
        }
        Ok(())
    }

    /// Gives the block behind the window to the sink, and moves on by what it took.
    fn show(&mut self, bytes: &[u8], full: bool, due: bool, now: Instant, give: &mut Give<'_>) -> Turn {
        let block = &bytes[self.place.back()..];
        let end = self.place.offset + block.len() as u64;
        let mut taken = if end == self.shown { 0 } else { give(block, false).min(block.len()) };
        if taken == 0 && (full || due) && !block.is_empty() {
            give(block, true);
            taken = block.len();
        }
        if taken > 0 {
            self.place = self.place.after(bytes, taken);
            self.held = None;
        }
        self.shown = end;
        self.held = if self.place.offset < end { self.held.or(Some(now)) } else { None };
        Turn::Read { read: block.len() as u64, taken: taken as u64 }
    }
}

/// What is seen of a plain file from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) id: FileId,
    /// When it came: the earlier of its birth and its last change, so that neither a late writer nor a
    /// restored copy makes it look newer than it is.
    pub(super) came: u64,
    /// When it was last written to.
    pub(super) changed: u64,
    /// When anything about it was last changed, its name included.
    touched: u64,
    pub(super) size: u64,
}

impl Seen {
    /// Looks at a path; a link is followed.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Self::of(&path.metadata()?)
    }

    /// Whether it was not there when one looked: it may have been made a moment before under another name, but then
    /// it was given its own since.
    pub(super) fn is_new(&self, looked: u64) -> bool {
        self.touched >= looked && self.came.saturating_add(PREPARED) >= looked
    }

    fn of(facts: &Metadata) -> io::Result<Self> {
        if !facts.is_file() {
            return Err(io::Error::other("it is not a plain file, and only those can be followed"));
        }
        let born = facts.created().map_or(0, nanoseconds);
        let changed = facts.modified().map_or(0, nanoseconds);
        let came = if born == 0 { changed } else { born.min(changed) };
        let touched =
            Duration::new(facts.ctime().unsigned_abs(), u32::try_from(facts.ctime_nsec()).unwrap_or(0));
        Ok(Self {
            id: FileId { device: facts.dev(), inode: facts.ino(), born },
            came,
            changed,
            touched: nanoseconds(UNIX_EPOCH + touched),
            size: facts.len(),
        })
    }
}

/// A plain file that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) seen: Seen,
    stamp: Stamp,
}

impl Opened {
    /// Opens a file without ever waiting. A FIFO or a device is not even touched.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        Seen::at(path)?;
        let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
        let facts = file.metadata()?;
        Ok(Self { file, seen: Seen::of(&facts)?, stamp: Stamp::of(&facts) })
    }
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
