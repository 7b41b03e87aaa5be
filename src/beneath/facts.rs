//! What is known of a file without opening it.

use nix::sys::stat::{FileStat, SFlag};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What something in a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plain file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A FIFO, a socket or a device.
    Other,
}

/// The facts of one file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub size: u64,
    /// The bytes that it takes on the disk; fewer than its length when it has holes.
    pub on_disk: u64,
    /// Its permission bits, setuid and the like included.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// How many names it has.
    pub names: u64,
    /// When its content was changed last.
    pub modified: SystemTime,
    /// When anything about it was changed last, its name included.
    pub changed: SystemTime,
    /// Which one it is on this machine: device and inode.
    pub identity: (u64, u64),
}

impl Facts {
    /// Bytes of a block, as the system counts what a file takes.
    const BLOCK: u64 = 512;

    // The widths of these fields differ between C libraries and processors.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    pub(super) fn of(stat: &FileStat) -> Self {
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        let whole = |number: i64| u64::try_from(number).unwrap_or(0);
        Self {
            kind: match kind {
                SFlag::S_IFREG => Kind::File,
                SFlag::S_IFDIR => Kind::Dir,
                SFlag::S_IFLNK => Kind::Link,
                _ => Kind::Other,
            },
            size: whole(stat.st_size as i64),
            on_disk: whole(stat.st_blocks as i64) * Self::BLOCK,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            names: stat.st_nlink as u64,
            modified: at(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: at(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            identity: (stat.st_dev as u64, stat.st_ino as u64),
        }
    }

    /// For how long nothing about it was changed; for no time when it was changed later than `now`.
    pub fn untouched_for(&self, now: SystemTime) -> Duration {
        now.duration_since(self.modified.max(self.changed)).unwrap_or_default()
    }
}

/// A time of the file system; what is before 1970 counts as 1970.
fn at(seconds: i64, nanoseconds: i64) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, u32::try_from(nanoseconds).unwrap_or(0))
}
