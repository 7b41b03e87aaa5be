//! Packs files into an archive under a hidden name. What cannot be read, or does not fit, leaves no archive at all:
//! half a backup would be taken for a whole one. Only for a repair that makes files readable it is no reason to stop.

use super::modes::{self, Modes};
use super::{Backup, Keep, verify};
use crate::action::files::job::{List, shown};
use crate::action::files::size::written;
use crate::beneath::{Access, DENIED, Dir, Entry, Kind, Pace, Visit, Walk, reason};
use crate::recovery::evidence::Name;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tar::{Builder, EntryType, Header};

/// Read and packed in one go: some 3 ms of work.
const CHUNK: usize = 64 << 10;
/// Contents in an archive are filled up to a multiple of this.
pub(super) const BLOCK: u64 = 512;

/// How much is in an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Files, directories and links.
    pub(super) entries: u64,
    /// Files alone.
    pub(super) files: u64,
    /// Of the files, without what an archive adds.
    pub(super) bytes: u64,
}

/// An archive that was read back and has no name yet.
pub(super) struct Packed<'a> {
    pub(super) content: Content,
    /// Whose modes and owners are in it.
    modes: u64,
    /// What could not be read.
    missed: List,
    place: &'a Dir,
    hidden: OsString,
}

impl Packed<'_> {
    /// What was kept, for people.
    pub(super) fn kept(&self, keep: Keep) -> String {
        let (files, size, modes) = (self.content.files, written(self.content.bytes), self.modes);
        match keep {
            Keep::Contents => format!("{files} files ({size}) were kept"),
            Keep::Permissions => format!("modes and owners of {modes} were kept"),
            // The list is a file, too.
            Keep::Both => {
                format!(
                    "{} files ({size}) and modes and owners of {modes} were kept",
                    files.saturating_sub(1)
                )
            }
        }
    }

    /// What is not in it, though it should be.
    pub(super) fn missed(&self) -> String {
        match self.missed.count() {
            0 => String::new(),
            1.. => format!(", without what is in {} ({DENIED})", self.missed),
        }
    }

    pub(super) fn name(&self, name: &str) -> io::Result<()> {
        self.place.rename(&self.hidden, OsStr::new(name))?;
        self.place.sync()
    }
}

impl Drop for Packed<'_> {
    fn drop(&mut self) {
        // After it got its name there is none; one that stays is found and removed by the next.
        let _ = self.place.remove(&self.hidden);
    }
}

/// Packs all that is to be kept, and reads it back.
pub(super) async fn pack<'a>(
    backup: &Backup,
    keep: Keep,
    root: &Dir,
    place: &'a Dir,
    action: &Name,
    pace: &mut Pace,
) -> Result<Packed<'a>, String> {
    let told = |error: io::Error| reason(&error);
    let hidden = OsString::from(format!(".{action}.making"));
    // One that is there was left by a crash, for no action runs twice at a time.
    let _ = place.remove(&hidden);
    let file = place.create(&hidden).map_err(told)?;
    let mut packed = Packed { content: Content::default(), modes: 0, missed: List::default(), place, hidden };
    let target = file.try_clone().map_err(told)?;
    let mut packer = Packer::new(target, keep);
    for path in &backup.paths {
        let walk = Walk::to(root, path, crate::beneath::DEPTH_MAX);
        match walk {
            Ok(mut walk) => packer.all(&mut walk, backup.max_bytes, pace).await?,
            // What is not there needs no backup.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => packer.miss(path, reason(&error))?,
        }
    }
    packer.list(pace).await?;
    (packed.content, packed.modes, packed.missed) = (packer.content, packer.modes.count, packer.missed);
    packer.tar.into_inner().and_then(GzEncoder::finish).and_then(|file| file.sync_all()).map_err(told)?;
    verify::read_back(file, packed.content, pace).await?;
    Ok(packed)
}

struct Packer {
    tar: Builder<GzEncoder<File>>,
    content: Content,
    keep: Keep,
    modes: Modes,
    missed: List,
}

impl Packer {
    fn new(target: File, keep: Keep) -> Self {
        let tar = Builder::new(GzEncoder::new(target, Compression::fast()));
        Self { tar, content: Content::default(), keep, modes: Modes::default(), missed: List::default() }
    }

    /// Goes on without something that is closed, if that is what the repair is for.
    fn miss(&mut self, path: &Path, why: String) -> Result<(), String> {
        if !self.keep.has_permissions() || why != DENIED {
            return Err(format!("{}: {why}", shown(path)));
        }
        self.missed.add(path);
        Ok(())
    }

    async fn all(&mut self, walk: &mut Walk, max: u64, pace: &mut Pace) -> Result<(), String> {
        while let Some(visit) = walk.next(pace).await? {
            match visit {
                Visit::Found(entry) => {
                    if self.keep.has_permissions() {
                        self.modes.add(&entry.path, &entry.facts);
                    }
                    if self.keep.has_contents()
                        && let Err(why) = self.one(&entry, max, pace).await
                    {
                        self.miss(&entry.path, why)?;
                    }
                }
                Visit::Closed(_, error) if error.kind() == io::ErrorKind::NotFound => {}
                Visit::Closed(path, error) => self.miss(&path, reason(&error))?,
                Visit::Done(_) => {}
            }
        }
        Ok(())
    }

    /// The modes and owners, as a file after all others.
    async fn list(&mut self, pace: &mut Pace) -> Result<(), String> {
        if !self.keep.has_permissions() {
            return Ok(());
        }
        let told = |error: io::Error| reason(&error);
        let text = std::mem::take(&mut self.modes.text);
        let size = text.len() as u64;
        self.content.entries += 1;
        self.content.files += 1;
        self.content.bytes = self.content.bytes.saturating_add(size);
        let mut header = Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        self.tar.append_data(&mut header, modes::NAME, io::empty()).map_err(told)?;
        for chunk in text.chunks(CHUNK) {
            pace.breathe().await?;
            self.tar.get_mut().write_all(chunk).map_err(told)?;
        }
        self.fill(size)
    }

    /// Contents are filled up to a whole block.
    fn fill(&mut self, size: u64) -> Result<(), String> {
        let filling = size.next_multiple_of(BLOCK) - size;
        io::copy(&mut io::repeat(0).take(filling), self.tar.get_mut())
            .map(drop)
            .map_err(|error| reason(&error))
    }

    async fn one(&mut self, entry: &Entry, max: u64, pace: &mut Pace) -> Result<(), String> {
        let told = |error: io::Error| reason(&error);
        match entry.facts.kind {
            Kind::File => return self.file(entry, max, pace).await,
            Kind::Dir => {
                self.tar.append_data(&mut header(entry, EntryType::Directory, 0), &entry.path, io::empty())
            }
            Kind::Link => {
                let target = entry.dir.target(&entry.name).map_err(told)?;
                self.tar.append_link(&mut header(entry, EntryType::Symlink, 0), &entry.path, target)
            }
            // Nothing of a FIFO, a socket or a device could be kept.
            Kind::Other => return Ok(()),
        }
        .map_err(told)?;
        self.content.entries += 1;
        Ok(())
    }

    /// The archive's own way to take a file reads it in one go, which may be long; so it is only given the head.
    async fn file(&mut self, entry: &Entry, max: u64, pace: &mut Pace) -> Result<(), String> {
        let told = |error: io::Error| reason(&error);
        let mut file = entry.dir.file(&entry.name, Access::Read).map_err(told)?;
        let size = file.metadata().map_err(told)?.len();
        self.content.entries += 1;
        self.content.files += 1;
        self.content.bytes = self.content.bytes.saturating_add(size);
        if self.content.bytes > max {
            let hint = "name fewer paths, or raise max_bytes of this backup";
            return Err(format!("with it, this is more than {}; {hint}", written(max)));
        }
        self.tar
            .append_data(&mut header(entry, EntryType::Regular, size), &entry.path, io::empty())
            .map_err(told)?;
        let mut chunk = vec![0; CHUNK];
        let mut missing = size;
        while missing > 0 {
            pace.breathe().await?;
            let wanted = usize::try_from(missing).unwrap_or(CHUNK).min(CHUNK);
            // One that became shorter meanwhile is no file to go back to.
            file.read_exact(&mut chunk[..wanted]).map_err(told)?;
            self.tar.get_mut().write_all(&chunk[..wanted]).map_err(told)?;
            missing -= wanted as u64;
        }
        self.fill(size)
    }
}

fn header(entry: &Entry, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(entry.facts.mode);
    header.set_uid(entry.facts.uid.into());
    header.set_gid(entry.facts.gid.into());
    header.set_mtime(entry.facts.modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    header
}
