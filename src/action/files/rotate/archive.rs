//! The archive of the beginning of a log: made beside it under a hidden name, proven readable, and only then named.

use crate::beneath::{Dir, Entry, Pace, belong_like, reason};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Read and packed in one go: some 3 ms of work.
const CHUNK: usize = 64 << 10;
/// The disk is waited for this often, in bytes of the log: a tenth of that is written, so never for long.
const SYNC_EVERY: usize = 64 << 20;
/// What is cut is cut in whole blocks of the file system, which are this large or smaller wherever files are kept on
/// purpose. A larger block only means that the file system refuses, and says so.
const BLOCK: u64 = 4096;
/// Of the time, so much is for packing; reading the archive back takes less than the rest.
const PACKING: (u32, u32) = (2, 3);

/// An archive, and how much of the log is in it.
#[derive(Debug)]
pub(super) struct Archive {
    /// Bytes from the beginning of the log, in whole blocks.
    pub(super) length: u64,
    /// The data among them, in bytes: holes are left out.
    pub(super) bytes: u64,
    /// The first of these data and where they are in the log, to know it again.
    pub(super) sample: (u64, Vec<u8>),
    file: File,
    hidden: OsString,
    dir: Arc<Dir>,
    named: bool,
}

impl Archive {
    /// Packs the beginning of a log, no more than `limit` bytes and as much as there is time for, and reads it back.
    ///
    /// # Errors
    /// Why there is none. Nothing of it stays then.
    pub(super) async fn of(log: &File, limit: u64, entry: &Entry, pace: &mut Pace) -> Result<Self, String> {
        let told = |error: io::Error| format!("its archive: {}", reason(&error));
        let length = log.metadata().map_err(told)?.len();
        // At least one byte has to stay, for a file cannot be cut up to its end.
        let whole = length.saturating_sub(1).min(limit) / BLOCK * BLOCK;
        let mut archive = Self::begin(entry).map_err(told)?;
        archive.pack(log, whole, pace).await?;
        if archive.bytes == 0 {
            return Err(match pace.is_over(PACKING.0, PACKING.1) {
                true => "nothing of it could be packed in the time there was".to_owned(),
                false => "the rules about it have not seen its lines yet".to_owned(),
            });
        }
        archive.read_back(pace).await?;
        // Who may read the log may read its archive. If it cannot be given to them, it stays ours alone.
        let _ = belong_like(&archive.file, &entry.facts);
        Ok(archive)
    }

    fn begin(entry: &Entry) -> io::Result<Self> {
        let mut hidden = OsString::from(".");
        hidden.push(&entry.name);
        hidden.push(".rotating");
        // One that is there was left by a crash: nobody else works on it, for the log is locked.
        match entry.dir.remove(&hidden) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = entry.dir.create(&hidden)?;
        let dir = Arc::clone(&entry.dir);
        Ok(Self { length: 0, bytes: 0, sample: (0, Vec::new()), file, hidden, dir, named: false })
    }

    async fn pack(&mut self, log: &File, whole: u64, pace: &mut Pace) -> Result<(), String> {
        let told = |error: io::Error| format!("its archive: {}", reason(&error));
        let target = self.file.try_clone().map_err(told)?;
        let mut packer = GzEncoder::new(target, Compression::fast());
        let (mut chunk, mut unsynced) = (vec![0; CHUNK], 0);
        while self.length < whole && !pace.is_over(PACKING.0, PACKING.1) {
            pace.breathe().await?;
            let from = data_from(log, self.length).map_err(told)?.min(whole) / BLOCK * BLOCK;
            let wanted = usize::try_from(whole - from).unwrap_or(CHUNK).min(CHUNK);
            // It was longer a moment ago; what comes short is an error.
            log.read_exact_at(&mut chunk[..wanted], from).map_err(told)?;
            packer.write_all(&chunk[..wanted]).map_err(told)?;
            if self.bytes == 0 {
                self.sample = (from, chunk[..wanted].to_vec());
            }
            self.length = from + wanted as u64;
            self.bytes += wanted as u64;
            unsynced += wanted;
            if unsynced >= SYNC_EVERY {
                packer.get_ref().sync_data().map_err(told)?;
                unsynced = 0;
            }
        }
        packer.finish().and_then(|file| file.sync_all()).map_err(told)
    }

    /// Whether it can be read to its end, and holds as much as was packed; gzip's own checksum vouches for what.
    async fn read_back(&mut self, pace: &mut Pace) -> Result<(), String> {
        self.file.seek(SeekFrom::Start(0)).map_err(|error| reason(&error))?;
        let bad = |why: String| format!("its archive cannot be read back: {why}");
        let mut reader = GzDecoder::new(&self.file);
        let (mut chunk, mut bytes) = (vec![0; CHUNK], 0);
        loop {
            pace.breathe().await?;
            match reader.read(&mut chunk).map_err(|error| bad(reason(&error)))? {
                0 if bytes == self.bytes => return Ok(()),
                0 => return Err(bad("it has another length".to_owned())),
                read => bytes += read as u64,
            }
        }
    }

    /// Gives it its name, for good.
    pub(super) fn name(&mut self, name: &OsStr) -> io::Result<()> {
        self.dir.rename(&self.hidden, name)?;
        self.named = true;
        self.dir.sync()
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if !self.named {
            // One that stays is found and removed by the next.
            let _ = self.dir.remove(&self.hidden);
        }
    }
}

/// Where the next data are, from here on. Beyond the last of them there is nothing but holes.
fn data_from(log: &File, from: u64) -> io::Result<u64> {
    let at = i64::try_from(from).map_err(io::Error::other)?;
    match lseek(log, at, Whence::SeekData) {
        Ok(at) => Ok(u64::try_from(at).unwrap_or(from)),
        Err(Errno::ENXIO) => Ok(u64::MAX),
        // A file system that knows no holes has none.
        Err(_) => Ok(from),
    }
}
