//! Removes what is old: temporary files, a cache, old logs. Only files whose names are meant; directories only when
//! that leaves them empty, and only if that is wanted. The root itself stays.

use super::Hand;
use super::job::{Job, List};
use super::names::Names;
use super::size::written;
use crate::beneath::{Entry, Kind, Visit, Walk};
use crate::section::{Section, parse};
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

/// Who writes a temporary file may need it for as long as the machine is used in one go.
const DEFAULT_AGE: Duration = Duration::from_secs(48 * 3600);
/// What was touched within a minute is in use, whatever the configuration says.
const LEAST_AGE: Duration = Duration::from_secs(60);
const AGE: RangeInclusive<Duration> = LEAST_AGE..=Duration::from_secs(3650 * 86_400);
/// Caches nest a few levels deep.
const DEFAULT_DEPTH: usize = 8;

/// What to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clean {
    /// The names that are meant.
    pub names: Names,
    /// How long ago they were written at least.
    pub older_than: Duration,
    /// So many of the newest of them stay, however old they are.
    pub keep_newest: usize,
    /// How many levels below the root are looked at.
    pub depth: usize,
    /// Whether directories that are left empty go, too.
    pub empty_dirs: bool,
}

/// What was removed.
#[derive(Default)]
struct Removed {
    files: List,
    dirs: List,
    bytes: u64,
    /// Whether one that should have gone is still there.
    stuck: bool,
}

impl Clean {
    /// Reads what is its own of `do.clean = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let names = Names::read(section);
        let deepest = crate::beneath::DEPTH_MAX;
        let clean = Self {
            older_than: section.or("older_than", DEFAULT_AGE, parse::span(AGE)),
            keep_newest: section.or("keep_newest", 0, parse::within(0..=100_000)),
            depth: section.or("depth", DEFAULT_DEPTH, parse::within(0..=deepest)),
            empty_dirs: section.or("empty_dirs", false, parse::flag),
            names: names?,
        };
        Some(clean)
    }

    pub(super) async fn perform(&self, job: &mut Job) -> Result<String, String> {
        let mut removed = Removed::default();
        let swept = match self.newest_to_go(job).await {
            Ok(until) => self.sweep(job, until, &mut removed).await,
            Err(why) => Err(why),
        };
        match (swept, removed.told()) {
            // What is gone is gone; the rest comes next time.
            (Ok(()), Some(told)) => Ok(told),
            (Err(why), Some(told)) => Ok(format!("{told}, and then stopped, for {why}")),
            (Err(why), None) => Err(format!("nothing was removed, for {why}")),
            (Ok(()), None) if removed.stuck => Err("nothing could be removed".to_owned()),
            // A directory of others, as there are always some in /tmp, is theirs to clean: told, and no failure.
            (Ok(()), None) => Ok("found nothing to remove".to_owned()),
        }
    }

    /// What was written later stays. None when nothing is old enough.
    async fn newest_to_go(&self, job: &mut Job) -> Result<Option<SystemTime>, String> {
        let Some(old) = job.now.checked_sub(self.older_than) else { return Ok(None) };
        if self.keep_newest == 0 {
            return Ok(Some(old));
        }
        let mut times = Vec::new();
        let mut walk = self.walk(job)?;
        while let Some(visit) = walk.next(&mut job.pace).await? {
            match visit {
                Visit::Found(entry) if self.means(&entry) => times.push(entry.facts.modified),
                Visit::Found(entry) if !self.names.reach(&entry.name) => walk.stay_out(),
                Visit::Found(_) | Visit::Done(_) | Visit::Closed(..) => {}
            }
        }
        // Those of the same time as the last that stays stay with it.
        times.sort_unstable_by(|a, b| b.cmp(a));
        let last = times.get(self.keep_newest - 1);
        let before = |last: &SystemTime| last.checked_sub(Duration::from_nanos(1));
        Ok(last.and_then(before).map(|before| before.min(old)))
    }

    async fn sweep(
        &self,
        job: &mut Job,
        until: Option<SystemTime>,
        removed: &mut Removed,
    ) -> Result<(), String> {
        let Some(until) = until else { return Ok(()) };
        let mut walk = self.walk(job)?;
        while let Some(visit) = walk.next(&mut job.pace).await? {
            match visit {
                Visit::Found(entry) if self.means(&entry) => self.file(job, &entry, until, removed),
                Visit::Found(entry) if !self.names.reach(&entry.name) => walk.stay_out(),
                Visit::Found(_) => {}
                Visit::Done(entry) => self.dir(job, &entry, removed),
                Visit::Closed(path, error) => job.leave_for(&path, &error),
            }
        }
        Ok(())
    }

    fn walk(&self, job: &Job) -> Result<Walk, String> {
        Walk::through(&job.root, self.depth).map_err(|error| super::unopened(&job.at, &error))
    }

    /// A symbolic link is removed like a file, and where it leads to is not touched.
    fn means(&self, entry: &Entry) -> bool {
        matches!(entry.facts.kind, Kind::File | Kind::Link) && self.names.mean(&entry.name)
    }

    fn file(&self, job: &mut Job, entry: &Entry, until: SystemTime, removed: &mut Removed) {
        if entry.facts.modified > until || entry.facts.untouched_for(job.now) < LEAST_AGE {
            return;
        }
        match job.really(|| entry.dir.remove(&entry.name)) {
            Ok(()) => {
                removed.files.add(&entry.path);
                // Under another name it stays where it is.
                removed.bytes += if entry.facts.names == 1 { entry.facts.on_disk } else { 0 };
            }
            Err(error) => {
                removed.stuck = true;
                job.leave_for(&entry.path, &error);
            }
        }
    }

    /// One that was made a moment ago waits for what is to be put into it.
    fn dir(&self, job: &Job, entry: &Entry, removed: &mut Removed) {
        let old = entry.facts.untouched_for(job.now) >= LEAST_AGE;
        if self.empty_dirs && old && job.hand == Hand::Real && entry.dir.remove_dir(&entry.name).is_ok() {
            removed.dirs.add(&entry.path);
        }
    }
}

impl Removed {
    fn told(&self) -> Option<String> {
        let files = (self.files.count() > 0).then(|| {
            let (count, freed) = (self.files.count(), written(self.bytes));
            format!("removed {count} files, which frees {freed}: {}", self.files)
        });
        let dirs = (self.dirs.count() > 0).then(|| format!("removed empty directories: {}", self.dirs));
        let told: Vec<String> = files.into_iter().chain(dirs).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}
