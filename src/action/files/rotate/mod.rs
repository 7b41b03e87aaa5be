//! Puts the beginning of a log into an archive beside it, without losing a line of a program that goes on writing.
//!
//! A log cannot be moved away under such a program, and to truncate it loses what is written between the last look
//! and the cut. So the beginning is copied, and then exactly what was copied is taken out of the file, in whole
//! blocks, by the file system itself: the rest, and whatever was written meanwhile, moves to the front. Where a file
//! system cannot do that, the blocks are given back and read as zeros from then on; nothing is lost there, either.
//! The archive ends and the log begins wherever the block does, so a line may lie in both, in two halves.

mod archive;
mod cut;

use super::Hand;
use super::job::{Job, shown};
use super::names::Names;
use super::size::{bytes, written};
use crate::beneath::{Access, Entry, Kind, Visit, Walk, reason};
use crate::logscan::follow::dispensable;
use crate::section::{Section, parse};
use archive::Archive;
use std::ffi::OsString;
use std::fs::File;
use std::io;

/// Larger ones are slow to open in an editor.
const DEFAULT_ABOVE: u64 = 10 << 20;
/// As our own log keeps.
const DEFAULT_KEEP: u32 = 5;
/// A log that is smaller is no trouble.
const LEAST: u64 = 64 << 10;

/// Which logs to rotate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// The names that are meant.
    pub names: Names,
    /// What a log takes on the disk before anything is done about it, in bytes.
    pub above: u64,
    /// How many archives of each log are kept.
    pub keep: u32,
    /// How many levels below the root are looked at.
    pub depth: usize,
}

impl Rotate {
    /// Reads what is its own of `do.rotate = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let names = Names::read(section);
        let deepest = crate::beneath::DEPTH_MAX;
        let rotate = Self {
            above: section.or("above", DEFAULT_ABOVE, bytes(LEAST..=1 << 40)),
            keep: section.or("keep", DEFAULT_KEEP, parse::within(1..=100)),
            depth: section.or("depth", 0, parse::within(0..=deepest)),
            names: names?,
        };
        Some(rotate)
    }

    pub(super) async fn perform(&self, job: &mut Job) -> Result<String, String> {
        let mut told = Vec::new();
        let walked = self.walk(job, &mut told).await;
        match (walked, told.is_empty()) {
            (Ok(()), false) => Ok(told.join("; ")),
            (Err(why), false) => Ok(format!("{}; and then stopped, for {why}", told.join("; "))),
            (Err(why), true) => Err(format!("nothing was rotated, for {why}")),
            (Ok(()), true) if job.left_some() => Err("nothing could be rotated".to_owned()),
            (Ok(()), true) => Ok(format!("found no log above {}", written(self.above))),
        }
    }

    async fn walk(&self, job: &mut Job, told: &mut Vec<String>) -> Result<(), String> {
        let unopened = |error: io::Error| super::unopened(&job.at, &error);
        let mut walk = Walk::through(&job.root, self.depth).map_err(unopened)?;
        while let Some(visit) = walk.next(&mut job.pace).await? {
            match visit {
                Visit::Found(entry) if self.means(&entry) => match self.rotate(job, &entry).await {
                    Ok(done) => told.push(done),
                    Err(why) => job.leave(&entry.path, why),
                },
                Visit::Found(entry) if !self.names.reach(&entry.name) => walk.stay_out(),
                Visit::Found(_) | Visit::Done(_) => {}
                Visit::Closed(path, error) => job.leave_for(&path, &error),
            }
        }
        Ok(())
    }

    /// What it takes on the disk counts: a log of many gigabytes of holes is in nobody's way.
    fn means(&self, entry: &Entry) -> bool {
        let archive = entry.name.as_encoded_bytes().ends_with(b".gz");
        entry.facts.kind == Kind::File
            && !archive
            && self.names.mean(&entry.name)
            && entry.facts.on_disk.min(entry.facts.size) >= self.above
    }

    async fn rotate(&self, job: &mut Job, entry: &Entry) -> Result<String, String> {
        if entry.facts.names > 1 {
            return Err("it has a second name, whose owner may need it whole".to_owned());
        }
        if job.hand == Hand::Still {
            return Ok(format!("rotated {} of {}", shown(&entry.path), written(entry.facts.on_disk)));
        }
        let log = entry.dir.file(&entry.name, Access::Change).map_err(|error| reason(&error))?;
        // Whoever else rotates it with care holds this lock.
        log.try_lock().map_err(|_| "somebody else has locked it".to_owned())?;
        let done = self.move_beginning(job, entry, &log).await;
        // To close the file is not enough: a child process that is just being started has it open, too.
        let _ = log.unlock();
        done
    }

    async fn move_beginning(&self, job: &mut Job, entry: &Entry, log: &File) -> Result<String, String> {
        let path = shown(&entry.path);
        // Whoever looks for something in it must have seen what is put away.
        let limit = dispensable(&job.scan, log).map_err(|error| reason(&error))?;
        let mut archive = Archive::of(log, limit.unwrap_or(u64::MAX), entry, &mut job.pace).await?;
        // A crash from here to the cut leaves lines in both, which is better than in neither.
        self.make_room(entry).map_err(|error| reason(&error))?;
        archive.name(&numbered(entry, 1)).map_err(|error| format!("its archive: {}", reason(&error)))?;
        match cut::beginning(log, &archive) {
            Ok(how) => Ok(format!("rotated {path}: {} are in {path}.1.gz now{how}", written(archive.bytes))),
            Err(why) => {
                // Or its lines would be there twice.
                let _ = entry.dir.remove(&numbered(entry, 1));
                Err(why)
            }
        }
    }

    /// Moves `log.1.gz` to `log.2.gz`, and so on; the last one is gone. A gap is no error.
    fn make_room(&self, entry: &Entry) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            match entry.dir.rename(&numbered(entry, number), &numbered(entry, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn numbered(entry: &Entry, number: u32) -> OsString {
    let mut name = entry.name.clone();
    name.push(format!(".{number}.gz"));
    name
}

#[cfg(test)]
mod tests;
