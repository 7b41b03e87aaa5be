//! Whether a backup in an object store is fresh: by the time in a marker object, or by the newest object under
//! prefixes. What a backup says of its own success is not asked.
//!
//! Age is told by the store's clock. Only what proves the backup stale, missing or broken is a failure; a store
//! that cannot be asked, or refuses us, proves nothing. Nothing here writes, or prints a key, a token or a
//! signature.

mod judge;
mod read;
mod refusal;
mod rest;
mod s3;
mod sign;
mod store;
#[cfg(test)]
mod tests;
mod xml;

pub use store::Store;

use super::clients::Clients;
use super::http::Template;
use super::http::error::Fault;
use super::http::exchange::{Answer, Request, send};
use crate::probe;
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use crate::values::one_line;
use jiff::Timestamp;
use judge::Found;
use reqwest::header::{CONTENT_LENGTH, LAST_MODIFIED};
use std::cmp::Reverse;
use std::time::Duration;
use store::{PAGE_CAP, Page};

/// A time has 25 characters. What is longer is no marker, and need not be read.
const MARKER_CAP: usize = 4096;
/// Pages of a thousand objects that are read of one prefix, one after the other, in one reading.
const MAX_PAGES: usize = 20;
/// How many objects before the newest make its history.
const HISTORY: usize = 10;
/// How a reading begins that tells of our own settings, and nothing of the backup.
pub(crate) const MISCONFIGURED: &str = "misconfigured probe: ";
/// Characters shown of what an object or a store says.
const SHOWN_CHARS: usize = 60;

/// A probe of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Where it is kept.
    pub store: Store,
    /// The bucket.
    pub bucket: String,
    /// What tells of it.
    pub trace: Trace,
    /// The greatest age.
    pub max_age: Duration,
    /// The least size in bytes; 0 for any.
    pub min_size: u64,
    /// The bound of the whole reading.
    pub timeout: Duration,
}

/// What tells of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// One object that each backup writes anew.
    Marker {
        /// Its key.
        key: String,
        /// Whether it holds the time of the backup; else it was written at that time.
        holds_time: bool,
    },
    /// Whatever each backup adds.
    Newest {
        /// Where; all of them together are one backup. They may hold the day.
        prefixes: Vec<Template>,
        /// Percent of the median size of those before it that the newest must have; 0 for any.
        shrink: u64,
    },
}

impl Object {
    /// Asks once.
    pub async fn ask(&self, clients: &Clients) -> Reading {
        self.check(clients).await.reading
    }

    /// Asks once, and tells by how much the backup is too old.
    pub async fn check(&self, clients: &Clients) -> probe::Answer {
        let looked = async {
            let found = match &self.trace {
                Trace::Marker { key, holds_time } => self.marker(clients, key, *holds_time).await?,
                Trace::Newest { prefixes, .. } => {
                    let now = Timestamp::now();
                    let prefixes: Vec<String> = prefixes.iter().map(|prefix| prefix.at(now)).collect();
                    self.newest(clients, &prefixes).await?
                }
            };
            let overdue = self.overdue(&found);
            self.judge(&found).map(|reading| probe::Answer { overdue, ..reading.into() })
        };
        let too_late = |_| Err(Reading::Unknown(format!("no full answer within {}", Age(self.timeout))));
        match tokio::time::timeout(self.timeout, looked).await.unwrap_or_else(too_late) {
            Ok(answer) => answer,
            Err(reading) => reading.into(),
        }
    }

    async fn marker(&self, clients: &Clients, key: &str, holds_time: bool) -> Result<Found, Reading> {
        let request = self.store.get(&self.bucket, key, Timestamp::now());
        let answer = self.send(clients, request, MARKER_CAP, key).await?;
        let at = match holds_time {
            true => time_in(key, &answer)?,
            false => answer.time(LAST_MODIFIED).ok_or_else(|| {
                Reading::Unknown(format!("the answer does not say when {key} was last modified"))
            })?,
        };
        let size = answer.header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        Ok(Found { what: key.to_owned(), at, size, before: Vec::new(), date: answer.date() })
    }

    async fn newest(&self, clients: &Clients, prefixes: &[String]) -> Result<Found, Reading> {
        let mut newest: Option<Found> = None;
        for prefix in prefixes {
            let found = self.newest_under(clients, prefix).await?;
            newest = newest.into_iter().chain(found).max_by_key(|found| found.at);
        }
        let names: Vec<String> = prefixes.iter().map(|prefix| named(prefix)).collect();
        newest.ok_or_else(|| {
            let (bucket, names) = (&self.bucket, names.join(", "));
            Reading::Fail(format!("nothing in {bucket} under {names}: no backup yet, or another prefix"))
        })
    }

    /// A list is in the order of keys, so the newest is known only at its end.
    async fn newest_under(&self, clients: &Clients, prefix: &str) -> Result<Option<Found>, Reading> {
        let (mut latest, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let (page, date) = self.page(clients, prefix, cursor.as_deref()).await?;
            latest.extend(page.entries);
            // Of all pages no more is kept than is compared at the end.
            latest.sort_unstable_by_key(|entry| Reverse(entry.at));
            latest.truncate(1 + HISTORY);
            match page.next {
                None => return Ok(Found::newest_of(latest, date)),
                next => cursor = next,
            }
        }
        let prefix = named(prefix);
        Err(self
            .misconfigured(&format!("more than {MAX_PAGES} pages under {prefix}: name a narrower prefix")))
    }

    /// One page of a list, and when it was true.
    async fn page(
        &self,
        clients: &Clients,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<(Page, Option<Timestamp>), Reading> {
        let request = self.store.list(&self.bucket, prefix, cursor, Timestamp::now());
        let answer = self.send(clients, request, PAGE_CAP, prefix).await?;
        let page = match answer.cut {
            true => Err(format!("longer than the {PAGE_CAP} bytes we read")),
            false => self.store.page(&answer.body),
        };
        let page = page.map_err(|why| self.misconfigured(&format!("its list of objects is {why}")))?;
        Ok((page, answer.date()))
    }

    /// Asks the store for one thing. Only an answer that says 200 comes back.
    async fn send(
        &self,
        clients: &Clients,
        request: Result<Request, String>,
        cap: usize,
        wanted: &str,
    ) -> Result<Answer, Reading> {
        let request = request.map_err(|why| self.misconfigured(&why))?;
        match send(clients, &request, cap).await {
            Ok(answer) if answer.status == 200 => Ok(answer),
            Ok(answer) => Err(self.refused(&answer, wanted, Timestamp::now())),
            Err(Fault::Theirs(why)) => {
                Err(Reading::Unknown(format!("{} cannot be reached: {why}", self.host())))
            }
            Err(Fault::Unclear(why)) => Err(Reading::Unknown(why)),
        }
    }

    fn misconfigured(&self, why: &str) -> Reading {
        Reading::Unknown(format!("{MISCONFIGURED}{} at {}: {why}", self.bucket, self.host()))
    }

    fn host(&self) -> &str {
        self.store.url().host_str().unwrap_or_default()
    }
}

/// The time that a marker holds.
fn time_in(key: &str, answer: &Answer) -> Result<Timestamp, Reading> {
    let text = String::from_utf8_lossy(&answer.body);
    match text.trim() {
        "" => Err(Reading::Fail(format!("{key} is empty: the backup broke off, or it holds no time"))),
        text => text.parse().map_err(|_| {
            let text = one_line(text, SHOWN_CHARS);
            Reading::Fail(format!("{key} holds no time with its offset, but \"{text}\""))
        }),
    }
}

/// A prefix in words.
fn named(prefix: &str) -> String {
    if prefix.is_empty() { "any prefix".to_owned() } else { prefix.to_owned() }
}
