//! Looks into what is packed. A small file is read to its end, so that one that breaks off is found; of a large one
//! only the beginning is read, for a probe must cost next to nothing.

use super::Files;
use crate::beneath::{Access, Dir, Pace, reason};
use crate::recovery::evidence::Reading;
use flate2::read::MultiGzDecoder;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What is not longer is read to its end. A tenth of a second for a dump of 50 MB.
const WHOLE: u64 = 8 << 20;
/// Bytes that may come out of it: a few bytes could stand for anything.
const OUT_MAX: u64 = 256 << 20;
/// Of a longer one so much is unpacked.
const HEAD: u64 = 64 << 10;
/// Unpacked in one go: less than a millisecond of work.
const CHUNK: usize = 32 << 10;

impl Files {
    /// Unpacks what is packed in the backup of this name.
    pub(super) async fn try_out(&self, root: &Dir, name: &OsStr, pace: &mut Pace) -> Result<(), Reading> {
        for part in &self.holds {
            let path = Path::new(name).join(&part.path);
            if !is_packed(&path) {
                continue;
            }
            let shown = self.directory.join(&path);
            let closed = |error: io::Error| {
                let (shown, why) = (shown.display(), reason(&error));
                Reading::Unknown(format!("{shown} cannot be read: {why}; unpack = false leaves it closed"))
            };
            let file = open(root, &path).map_err(closed)?;
            if let Some(why) = tried(file, pace).await? {
                return Err(Reading::Fail(format!("{} is damaged: {why}", shown.display())));
            }
        }
        Ok(())
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz" || ending == "tgz")
}

fn open(root: &Dir, path: &Path) -> io::Result<File> {
    let dir = root.dir(path.parent().unwrap_or(Path::new("")))?;
    dir.file(path.file_name().unwrap_or_default(), Access::Read)
}

/// What is wrong with a packed file, if anything is.
async fn tried(file: File, pace: &mut Pace) -> Result<Option<String>, Reading> {
    let length = file.metadata().map(|facts| facts.len()).unwrap_or(u64::MAX);
    let limit = if length <= WHOLE { OUT_MAX } else { HEAD };
    let (mut unpacker, mut chunk, mut out) = (MultiGzDecoder::new(file), vec![0; CHUNK], 0);
    while out < limit {
        pace.breathe().await.map_err(Reading::Unknown)?;
        match unpacker.read(&mut chunk) {
            Ok(0) if out == 0 => return Ok(Some("it is packed, and there is nothing in it".to_owned())),
            Ok(0) => break,
            Ok(read) => out += read as u64,
            Err(error) => return Ok(Some(said(&error, out))),
        }
    }
    Ok(None)
}

fn said(error: &io::Error, out: u64) -> String {
    match (error.kind() == io::ErrorKind::UnexpectedEof, out) {
        (true, _) => format!("it breaks off after {out} bytes of what is in it"),
        (false, 0) => "it is not packed as its name says".to_owned(),
        (false, _) => format!("it cannot be unpacked beyond {out} bytes ({error})"),
    }
}
