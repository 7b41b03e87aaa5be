//! Reads a backup as whoever needs it would: unpacked to its end, and from one head to the next. gzip's own checksum
//! vouches for every byte.

use super::pack::{BLOCK, Content};
use crate::beneath::{Pace, reason};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use tar::Header;

/// Unpacked in one go.
const CHUNK: u64 = 256 << 10;

/// Whether all that was packed is there.
pub(super) async fn read_back(mut file: File, packed: Content, pace: &mut Pace) -> Result<(), String> {
    let bad = |error: io::Error| format!("it cannot be read back: {}", reason(&error));
    file.seek(SeekFrom::Start(0)).map_err(bad)?;
    let (mut reader, mut found) = (GzDecoder::new(file), Content::default());
    while let Some(header) = next(&mut reader).map_err(bad)? {
        let size = header.entry_size().map_err(bad)?;
        let kind = header.entry_type();
        // These only announce that the next name, or the next target, is long.
        if !kind.is_gnu_longname() && !kind.is_gnu_longlink() {
            found.entries += 1;
            found.files += u64::from(kind.is_file());
            found.bytes += size;
        }
        skip(&mut reader, size.next_multiple_of(BLOCK), pace).await?;
    }
    // Only its end carries the checksum.
    io::copy(&mut reader.take(CHUNK), &mut io::sink()).map_err(bad)?;
    match found == packed {
        true => Ok(()),
        false => Err("it cannot be read back: something is missing in it".to_owned()),
    }
}

/// The next head; none at the block of zeros that ends an archive.
fn next(reader: &mut impl Read) -> io::Result<Option<Header>> {
    let mut header = Header::new_old();
    reader.read_exact(header.as_mut_bytes())?;
    Ok(header.as_bytes().iter().any(|byte| *byte != 0).then_some(header))
}

async fn skip(reader: &mut impl Read, bytes: u64, pace: &mut Pace) -> Result<(), String> {
    let mut missing = bytes;
    while missing > 0 {
        pace.breathe().await?;
        let read = io::copy(&mut reader.take(missing.min(CHUNK)), &mut io::sink());
        match read.map_err(|error| format!("it cannot be read back: {}", reason(&error)))? {
            0 => return Err("it cannot be read back: it ends too soon".to_owned()),
            read => missing -= read,
        }
    }
    Ok(())
}
