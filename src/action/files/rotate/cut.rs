//! Takes the beginning out of a log: exactly what is in the archive, and not a byte more.

use super::archive::Archive;
use crate::beneath::reason;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Takes it out, and says how when that is not plain.
///
/// # Errors
/// Why nothing was taken out.
pub(super) fn beginning(log: &File, archive: &Archive) -> Result<&'static str, String> {
    // Who truncated it meanwhile, and wrote as much again, would lose what is not in the archive.
    let (at, sample) = &archive.sample;
    let mut there = vec![0; sample.len()];
    match log.read_exact_at(&mut there, *at) {
        Ok(()) if there == *sample => {}
        Ok(()) | Err(_) => return Err("somebody else has cut it meanwhile".to_owned()),
    }
    let told =
        |error: Errno| format!("its beginning cannot be taken out: {}", reason(&io::Error::from(error)));
    let length = i64::try_from(archive.length).map_err(|_| "it is too long".to_owned())?;
    match fallocate(log, FallocateFlags::FALLOC_FL_COLLAPSE_RANGE, 0, length) {
        Ok(()) => Ok(""),
        // Not on this file system, or not in blocks of this size.
        Err(Errno::EOPNOTSUPP | Errno::EINVAL) => {
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            fallocate(log, hole, 0, length).map_err(told)?;
            Ok(
                ", and in the log they read as zeros and take no room, for this file system cannot cut its beginning",
            )
        }
        Err(error) => Err(told(error)),
    }
}
