//! A position in a file, known again by the bytes before it. It must hold when a log is cut off, written anew,
//! or loses its beginning, and never trust an inode number alone.

use crate::recovery::scan::{Place, Print};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek64};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How many bytes make a fingerprint: some lines, so that at least one time of day is among them.
pub(super) const WINDOW: usize = 1024;
/// The beginning of a file can only be taken away in whole blocks of the file system, and this divides them all.
const COLLAPSE_STEP: u64 = 4096;
/// How many blocks less are tried: 256 MiB, found within some 50 ms.
const COLLAPSE_TRIES: u64 = 65_536;
/// A log is searched backwards this far for its last lines: a thousand long tracebacks.
const LAST_BYTES_MAX: u64 = 16 << 20;
/// Lines are searched backwards in pieces of this size.
const PIECE: usize = 64 << 10;

impl Print {
    /// FNV-1a, for it must be the same in every version of this program.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let sum = if bytes.is_empty() { 0 } else { bytes.iter().fold(0xcbf2_9ce4_8422_2325, step) };
        Self { length: u16::try_from(bytes.len()).unwrap_or(u16::MAX), sum }
    }

    /// Whether these bytes stand in the file from `from` on.
    fn stands(self, file: &File, from: u64) -> bool {
        let mut room = [0; WINDOW];
        // A longer one is not ours, but may be read in a damaged state document.
        let Some(bytes) = room.get_mut(..usize::from(self.length)) else { return false };
        matches!(read_at(file, bytes, from), Ok(count) if count == bytes.len()) && Self::of(bytes) == self
    }
}

impl Place {
    /// The place before byte `offset`, which must be there.
    pub(super) fn at(file: &File, offset: u64) -> io::Result<Self> {
        let length = usize::try_from(offset).map_or(WINDOW, |offset| offset.min(WINDOW));
        let (mut head, mut tail) = ([0; WINDOW], [0; WINDOW]);
        let (head, tail) = (&mut head[..length], &mut tail[..length]);
        read_at(file, head, 0)?;
        read_at(file, tail, offset - length as u64)?;
        Ok(Self { offset, head: Print::of(head), tail: Print::of(tail) })
    }

    /// How many bytes before the offset are part of it.
    pub(super) fn back(&self) -> usize {
        usize::from(self.tail.length)
    }

    /// Whether a fingerprint is as long as it can be. A short one may be the greeting of every new log.
    pub(super) fn is_certain(&self) -> bool {
        self.back() == WINDOW
    }

    /// Whether the same bytes stand before it in `file`.
    pub(super) fn stands(&self, file: &File) -> bool {
        self.head.stands(file, 0) && self.tail.stands(file, self.offset.saturating_sub(self.back() as u64))
    }

    /// Whether these are the bytes just before it.
    pub(super) fn follows(&self, window: &[u8]) -> bool {
        Print::of(window) == self.tail
    }

    /// The place after `taken` more bytes. `bytes` are those around it, from [`Place::back`] before it on.
    pub(super) fn after(&self, bytes: &[u8], taken: usize) -> Self {
        let offset = self.offset + taken as u64;
        let end = self.back() + taken;
        let tail = Print::of(&bytes[end.saturating_sub(WINDOW)..end]);
        // While the head grows, the bytes begin at the beginning of the file.
        let head = if self.is_certain() { self.head } else { Print::of(&bytes[..end.min(WINDOW)]) };
        Self { offset, head, tail }
    }

    /// The same place in the file of `size` bytes as it is by now. None when what was read is no longer before it.
    pub(super) fn found(&self, file: &File, size: u64) -> io::Result<Option<Self>> {
        if size >= self.offset && self.stands(file) {
            return Ok(Some(*self));
        }
        match self.hollowed(file, size)? {
            None => self.collapsed(file, size),
            same => Ok(same),
        }
    }

    /// The same place in a file whose beginning became a hole: so our own rotation leaves it where a file system
    /// cannot take the beginning away.
    fn hollowed(&self, file: &File, size: u64) -> io::Result<Option<Self>> {
        let from = self.offset.saturating_sub(WINDOW as u64);
        let same = self.is_certain()
            && size >= self.offset
            && next_data(file, 0, size)? >= COLLAPSE_STEP
            && self.tail.stands(file, from)
            && !is_uniform(file, from)?;
        if same { Self::at(file, self.offset).map(Some) } else { Ok(None) }
    }

    /// The same place in a file whose beginning was taken away (`fallocate(2)`, collapse range). Our own
    /// rotation does that. None when the bytes are not there, or are so uniform that they prove nothing.
    fn collapsed(&self, file: &File, size: u64) -> io::Result<Option<Self>> {
        if !self.is_certain() {
            return Ok(None);
        }
        let least = self.offset.saturating_sub(size).div_ceil(COLLAPSE_STEP).max(1);
        for blocks in least..least.saturating_add(COLLAPSE_TRIES) {
            let Some(offset) = self.offset.checked_sub(blocks * COLLAPSE_STEP) else { break };
            let Some(from) = offset.checked_sub(WINDOW as u64) else { break };
            if self.tail.stands(file, from) {
                return if is_uniform(file, from)? { Ok(None) } else { Self::at(file, offset).map(Some) };
            }
        }
        Ok(None)
    }
}

/// Whether the window at `from` repeats itself, as a log of one message does: it then stands everywhere.
fn is_uniform(file: &File, from: u64) -> io::Result<bool> {
    let mut window = [0; WINDOW];
    read_at(file, &mut window, from)?;
    Ok((1..=WINDOW / 2).any(|period| window[period..] == window[..WINDOW - period]))
}

/// Reads until `room` is full or the file ends; says how much it was.
pub(super) fn read_at(file: &File, room: &mut [u8], from: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < room.len() {
        match file.read_at(&mut room[count..], from + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Where the next bytes that were really written begin, for a file of `size` bytes: a hole is not read.
pub(super) fn next_data(file: &File, offset: u64, size: u64) -> io::Result<u64> {
    let Ok(from) = i64::try_from(offset) else { return Ok(offset) };
    match lseek64(file, from, Whence::SeekData) {
        Ok(data) => Ok(u64::try_from(data).unwrap_or(offset)),
        Err(Errno::ENXIO) => Ok(size),
        Err(Errno::EINVAL) => Ok(offset),
        Err(error) => Err(error.into()),
    }
}

/// Where the last `lines` lines of a file of `size` bytes begin; a last one without its newline counts.
pub(super) fn last_lines(file: &File, size: u64, lines: u32) -> io::Result<u64> {
    let floor = size.saturating_sub(LAST_BYTES_MAX);
    let mut piece = vec![0; PIECE];
    // The newline at the very end ends a line and begins none.
    let (mut end, mut wanted) = (size.saturating_sub(1), lines);
    if lines == 0 {
        return Ok(size);
    }
    while end > floor {
        let from = end.saturating_sub(PIECE as u64).max(floor);
        let length = usize::try_from(end - from).unwrap_or(PIECE);
        let count = read_at(file, &mut piece[..length], from)?;
        for newline in memchr::memrchr_iter(b'\n', &piece[..count]) {
            wanted -= 1;
            if wanted == 0 {
                return Ok(from + newline as u64 + 1);
            }
        }
        end = from;
    }
    Ok(floor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn numbered(lines: std::ops::Range<u32>) -> Vec<u8> {
        lines.flat_map(|line| format!("12:00:00 line {line}\n").into_bytes()).collect()
    }

    #[test]
    fn a_print_is_the_published_sum() {
        assert_eq!(Print::of(b""), Print::default(), "nothing read, nothing to prove");
        assert_eq!(Print::of(b"foobar"), Print { length: 6, sum: 0x8594_4171_f739_67e8 });
    }

    #[test]
    fn a_place_moves_as_if_it_had_been_set_there() {
        let bytes = numbered(0..200);
        let file = file(&bytes);
        for step in [1, 7, 500, 1023, 1024, 1025, 3000] {
            let mut place = Place::default();
            while place.offset as usize + step <= bytes.len() {
                let from = place.offset as usize - place.back();
                place = place.after(&bytes[from..], step);
                assert_eq!(place, Place::at(&file, place.offset).unwrap());
                assert!(place.stands(&file));
            }
        }
    }

    #[test]
    fn other_bytes_are_another_place() {
        let bytes = numbered(0..200);
        let place = Place::at(&file(&bytes), 3000).unwrap();
        for changed in [0, 1023, 1976, 2999] {
            let mut other = bytes.clone();
            other[changed] ^= 1;
            assert!(!place.stands(&file(&other)), "{changed}");
        }
        assert!(!place.stands(&file(&bytes[..2999])));
        assert!(place.stands(&file(&bytes[..3000])));
        let damaged = Place { tail: Print { length: 60_000, sum: 1 }, ..place };
        assert!(!damaged.stands(&file(&bytes)));
    }

    #[test]
    fn a_removed_beginning_is_seen_through() {
        let bytes = numbered(0..3000);
        let place = Place::at(&file(&bytes), 50_000).unwrap();
        for removed in [4096, 40_960, 12 * 4096] {
            let rest = file(&bytes[removed..]);
            let size = (bytes.len() - removed) as u64;
            let found = place.collapsed(&rest, size).unwrap();
            // The last of them leaves too little to know it again.
            assert_eq!(
                found.map(|place| place.offset),
                50_000_u64.checked_sub(removed as u64).filter(|at| *at > 1024)
            );
        }
        assert_eq!(place.collapsed(&file(&numbered(5000..8000)), 60_000).unwrap(), None);
    }

    #[test]
    fn a_hollowed_beginning_changes_nothing_behind_it() {
        let bytes = numbered(0..3000);
        let hollowed = |length: usize| {
            let hole = file(&bytes);
            hole.set_len(0).unwrap();
            hole.write_all_at(&bytes[length..], length as u64).unwrap();
            hole
        };
        let place = Place::at(&file(&bytes), 20_000).unwrap();
        for length in [4096, 16_384] {
            let found = place.found(&hollowed(length), bytes.len() as u64).unwrap();
            assert_eq!(found.map(|place| place.offset), Some(20_000));
        }
        let beyond = place.found(&hollowed(20_480), bytes.len() as u64).unwrap();
        assert_eq!(beyond, None, "what it was known by is gone");
    }

    #[test]
    fn a_uniform_log_proves_nothing() {
        let bytes = b"ERROR boom\n".repeat(20_000);
        let place = Place::at(&file(&bytes), 110_000).unwrap();
        let anew = &bytes[..55_000];
        assert_eq!(place.collapsed(&file(anew), anew.len() as u64).unwrap(), None);
    }

    #[test]
    fn last_lines_are_counted_from_the_end() {
        let last = |bytes: &[u8], lines| {
            let at = last_lines(&file(bytes), bytes.len() as u64, lines).unwrap();
            String::from_utf8(bytes[at as usize..].to_vec()).unwrap()
        };
        assert_eq!(last(b"a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last(b"a\nb\nc", 2), "b\nc");
        assert_eq!(last(b"a\nb\n", 2), "a\nb\n");
        assert_eq!(last(b"a\nb\n", 9), "a\nb\n");
        assert_eq!(last(b"a\n\n\n", 2), "\n\n");
        assert_eq!(last(b"", 2), "");
        assert_eq!(last(b"a\nb", 0), "");
        let many = numbered(0..20_000);
        assert_eq!(last(&many, 10_000).lines().next(), Some("12:00:00 line 10000"));
    }

    #[test]
    fn a_hole_is_stepped_over() {
        let file = file(b"begin\n");
        file.write_all_at(b"end\n", 1 << 30).unwrap();
        let size = (1 << 30) + 4;
        assert_eq!(next_data(&file, 0, size).unwrap(), 0);
        assert_eq!(next_data(&file, 1 << 20, size).unwrap(), 1 << 30);
        file.set_len(1 << 31).unwrap();
        assert_eq!(next_data(&file, (1 << 30) + (1 << 20), 1 << 31).unwrap(), 1 << 31);
    }
}
