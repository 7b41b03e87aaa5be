//! Puts the last good version in the place of a JSON file that does not parse. The broken one is kept aside, and where
//! no good version is known, nothing is changed: an empty list instead of a service's data would be worse than none.
//!
//! Good versions are those that were whole when this action, or the keeping of them, ran the last time, which lie in our
//! own directory, and those of a directory that the configuration names, such as the one of a nightly backup.

mod good;

use super::Hand;
use super::job::{Job, List};
use super::names::Names;
use crate::action::allow::Allow;
use crate::action::backup::stamp;
use crate::beneath::{Access, Dir, Entry, Facts, Kind, Visit, Walk, belong_like, reason};
use crate::section::{Section, parse};
use good::Good;
use serde::de::IgnoredAny;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// A file that is larger is no document any more. Parsing it takes some 20 ms, in which nothing else goes on.
const BYTES_MAX: u64 = 8 << 20;
/// Files looked at in one run, of which as many good versions are kept.
const FILES_MAX: u64 = 1000;
/// What was written this recently may be half written.
const BEING_WRITTEN: Duration = Duration::from_secs(5);
/// Broken versions kept of one file.
const ASIDE_MAX: usize = 5;
/// What comes behind the name of one.
const ASIDE: &str = ".broken-";
/// To its owner such a file may be whole, so it is neither replaced nor a version to go back to.
const PYTHONS: &str = "maybe no JSON, for NaN or Infinity is in it, which only some programs take";

/// Which files to look after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreJson {
    /// The names that are meant.
    pub names: Names,
    /// How many levels below the root are looked at.
    pub depth: usize,
    /// Where others keep good versions, under the same paths as below the root.
    pub good: Option<PathBuf>,
    /// Whether whole versions are only kept, and broken files left alone.
    pub only_keep: bool,
}

/// What was found.
#[derive(Default)]
struct Found {
    whole: u64,
    restored: List,
}

impl RestoreJson {
    /// Reads what is its own of `do.restore-json = { … }`.
    pub fn read(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        let names = Names::read(section);
        let good = section.opt("good", allow.root());
        let depth = section.or("depth", 0, parse::within(0..=crate::beneath::DEPTH_MAX));
        Some(Self { names: names?, depth, good, only_keep: false })
    }

    pub(super) async fn perform(&self, job: &mut Job) -> Result<String, String> {
        let good = Good::open(job, self.good.as_deref())?;
        let mut found = Found::default();
        let walked = self.walk(job, &good, &mut found).await;
        let told = match found.restored.count() {
            0 => format!("found {} whole files and restored none", found.whole),
            _ => format!("put the last good version in the place of {}", found.restored),
        };
        match walked {
            Err(why) => Err(format!("{told}, and then stopped, for {why}")),
            Ok(()) if job.left_some() => Err(told),
            Ok(()) => Ok(told),
        }
    }

    async fn walk(&self, job: &mut Job, good: &Good, found: &mut Found) -> Result<(), String> {
        let unopened = |error: io::Error| super::unopened(&job.at, &error);
        let mut walk = Walk::through(&job.root, self.depth).map_err(unopened)?;
        let mut seen = 0;
        while let Some(visit) = walk.next(&mut job.pace).await? {
            match visit {
                Visit::Found(entry) if self.means(&entry) => {
                    seen += 1;
                    if seen > FILES_MAX {
                        return Err(format!("more than {FILES_MAX} files are too many"));
                    }
                    if let Err(why) = self.look_after(job, &entry, good, found) {
                        job.leave(&entry.path, why);
                    }
                }
                Visit::Found(entry) if !self.names.reach(&entry.name) => walk.stay_out(),
                Visit::Found(_) | Visit::Done(_) => {}
                Visit::Closed(path, error) => job.leave_for(&path, &error),
            }
        }
        Ok(())
    }

    /// Keeps a version that is whole, and replaces one that is not.
    fn look_after(&self, job: &Job, entry: &Entry, good: &Good, found: &mut Found) -> Result<(), String> {
        let bytes = read(&entry.dir, &entry.name).map_err(|error| reason(&error))?;
        let Err(fault) = whole(&bytes) else {
            found.whole += 1;
            return match job.hand {
                Hand::Real => good
                    .keep(entry, &bytes)
                    .map_err(|why| format!("whole, but no version of it is kept: {why}")),
                Hand::Still => Ok(()),
            };
        };
        if self.only_keep {
            return Ok(());
        }
        if fault == PYTHONS {
            return Err(fault.to_owned());
        }
        if entry.facts.untouched_for(job.now) < BEING_WRITTEN {
            return Err("written just now, and maybe not to its end yet".to_owned());
        }
        let Some(version) = good.newest(&entry.path) else {
            return Err(format!("{fault}, and no good version is known; a person has to mend it"));
        };
        if job.hand == Hand::Real {
            replace(entry, &version)
                .map_err(|error| format!("{fault}, and cannot be replaced: {}", reason(&error)))?;
        }
        found.restored.add(&entry.path);
        Ok(())
    }

    fn means(&self, entry: &Entry) -> bool {
        let aside = entry.name.to_string_lossy().contains(ASIDE);
        entry.facts.kind == Kind::File && !aside && self.names.mean(&entry.name)
    }
}

/// Whether a text is JSON, as all who read JSON understand it.
///
/// # Errors
/// What is wrong with it.
fn whole(bytes: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "no text in UTF-8")?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(_) if text.trim().is_empty() => Err("empty"),
        // Python writes these and reads them again.
        Err(_) if text.contains("NaN") || text.contains("Infinity") => Err(PYTHONS),
        Err(_) => Err("no JSON"),
    }
}

/// Reads a file that is small enough.
fn read(dir: &Dir, name: &OsStr) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    dir.file(name, Access::Read)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err(io::Error::other(format!("more than {} MiB", BYTES_MAX >> 20))),
        false => Ok(bytes),
    }
}

/// Keeps the broken file under another name, and puts the good version in its place in one step.
fn replace(entry: &Entry, version: &[u8]) -> io::Result<()> {
    let fresh = written(&entry.dir, &entry.name, version, Some(&entry.facts))?;
    let aside = with(&entry.name, &format!("{ASIDE}{}", stamp()));
    let swap = || {
        entry.dir.link(&entry.name, &aside)?;
        if changed(entry)? {
            entry.dir.remove(&aside)?;
            return Err(io::Error::other("it is being written"));
        }
        entry.dir.rename(&fresh, &entry.name)
    };
    if let Err(error) = swap() {
        let _ = entry.dir.remove(&fresh);
        return Err(error);
    }
    forget_oldest(entry)?;
    entry.dir.sync()
}

/// Whether somebody has written it since it was read.
fn changed(entry: &Entry) -> io::Result<bool> {
    let now = entry.dir.facts(&entry.name)?;
    let sign = |facts: &Facts| (facts.identity, facts.size, facts.modified);
    Ok(sign(&now) != sign(&entry.facts))
}

/// Writes a new file under a hidden name. If it cannot be as `like`, it would be of no use to its service.
fn written(dir: &Dir, name: &OsStr, bytes: &[u8], like: Option<&Facts>) -> io::Result<OsString> {
    let hidden = with(OsStr::new("."), &format!("{}.restoring", name.to_string_lossy()));
    // One that is there was left by a crash.
    let _ = dir.remove(&hidden);
    let mut file: File = dir.create(&hidden)?;
    let filled = file
        .write_all(bytes)
        .and_then(|()| like.map_or(Ok(()), |like| belong_like(&file, like)))
        .and_then(|()| file.sync_all());
    match filled {
        Ok(()) => Ok(hidden),
        Err(error) => {
            let _ = dir.remove(&hidden);
            Err(error)
        }
    }
}

/// The broken versions of a file are for a person to look at, and some are enough.
fn forget_oldest(entry: &Entry) -> io::Result<()> {
    let own = with(&entry.name, ASIDE).into_encoded_bytes();
    let mut aside: Vec<OsString> = entry.dir.names()?.collect::<io::Result<_>>()?;
    aside.retain(|name| name.as_encoded_bytes().starts_with(&own));
    aside.sort_unstable();
    let excess = aside.len().saturating_sub(ASIDE_MAX);
    aside[..excess].iter().try_for_each(|name| entry.dir.remove(name))
}

fn with(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}
