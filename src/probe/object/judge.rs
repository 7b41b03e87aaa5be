//! Judges what was found: its age first, then its size. Pure.

use super::store::Entry;
use super::{Object, Trace};
use crate::probe::age::Stamp;
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use jiff::Timestamp;
use std::time::Duration;

/// The newest trace of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its key.
    pub(super) what: String,
    /// When the backup was made.
    pub(super) at: Timestamp,
    /// Its bytes, if they were told.
    pub(super) size: Option<u64>,
    /// The sizes of those before it, newest first.
    pub(super) before: Vec<u64>,
    /// When the store said so, by its own clock.
    pub(super) date: Option<Timestamp>,
}

impl Found {
    /// The first of objects in the order of their age, with the others as its history.
    pub(super) fn newest_of(latest: Vec<Entry>, date: Option<Timestamp>) -> Option<Self> {
        let mut latest = latest.into_iter();
        let newest = latest.next()?;
        let before = latest.map(|entry| entry.size).collect();
        Some(Self { what: newest.key, at: newest.at, size: Some(newest.size), before, date })
    }
}

impl Object {
    pub(super) fn judge(&self, found: &Found) -> Result<Reading, Reading> {
        let Found { what, at, size, .. } = found;
        let age = Stamp { what, at: *at }.age(found.date)?;
        if age > self.max_age {
            let most = Age(self.max_age);
            return Ok(Reading::Fail(format!("stale: {what} is {} old, more than {most}", Age(age))));
        }
        let wrong_size =
            size.and_then(|size| self.too_small(size).or_else(|| self.shrunk(size, &found.before)));
        Ok(match wrong_size {
            Some(why) => Reading::Fail(format!("{what} is fresh, but {why}")),
            None => Reading::Pass(format!("fresh: {what} is {} old", Age(age))),
        })
    }

    /// By how much it is too old, if it is.
    pub(super) fn overdue(&self, found: &Found) -> Option<Duration> {
        let Found { what, at, .. } = found;
        Stamp { what, at: *at }.age(found.date).ok()?.checked_sub(self.max_age)
    }

    fn too_small(&self, size: u64) -> Option<String> {
        let least = self.min_size;
        (size < least).then(|| format!("too small: {size} bytes, less than {least}"))
    }

    /// A dump of a database that is half gone is as fresh as any.
    fn shrunk(&self, size: u64, before: &[u64]) -> Option<String> {
        let Trace::Newest { shrink, .. } = self.trace else { return None };
        let usual = median(before)?;
        let so_many = before.len();
        (u128::from(size) * 100 < u128::from(usual) * u128::from(shrink)).then(|| {
            format!(
                "shrunk: {size} bytes, less than {shrink} % of {usual}, the median of the {so_many} before it"
            )
        })
    }
}

fn median(sizes: &[u64]) -> Option<u64> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied()
}
