//! Reads a files probe from the configuration.

use super::label::Label;
use super::{Files, Part};
use crate::probe::age;
use crate::probe::machine::plain;
use crate::section::{Section, parse};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Some hundred names are looked at in milliseconds; a disk that was asleep takes some seconds to turn.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);
const MOST_TIMEOUT: Duration = Duration::from_secs(600);
/// The longest that was measured copied for 70 minutes.
const FINISH_WITHIN: Duration = Duration::from_secs(3 * 3600);
/// A week: what takes longer is no backup of a day.
const MOST_FINISH: Duration = Duration::from_secs(7 * 86_400);
/// Each is looked for in the newest backup and in those that it is compared with.
const MAX_PARTS: usize = 16;

impl Files {
    /// Reads `check.files = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let directory = section.need("directory", plain);
        let names = section.need("names", Label::parse);
        let max_age = section.need("max_age", parse::span(age::LEAST..=age::MOST));
        let marker = section.opt("marker", below);
        let holds = holds(section);
        let span = || parse::span(age::LEAST..=MOST_FINISH);
        let finish_within = section.or("finish_within", FINISH_WITHIN, span());
        let unpack = section.or("unpack", true, parse::flag);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(LEAST_TIMEOUT..=MOST_TIMEOUT));
        Some(Self {
            directory: directory?,
            names: names?,
            max_age: max_age?,
            marker,
            holds,
            finish_within,
            unpack,
            timeout,
        })
    }
}

/// What a backup has to hold. Without a marker and without parts it is one file, and weighed as a whole.
fn holds(section: &mut Section<'_>) -> Vec<Part> {
    let parts = section.tables("holds", |part| {
        let path = part.need("path", below);
        let (min_size, shrink) = sizes(part);
        Some(Part { path: path?, min_size, shrink })
    });
    if parts.len() > MAX_PARTS {
        let what = format!("there are {} parts", parts.len());
        section.error(&section.spot("holds"), what, format!("write at most {MAX_PARTS}"));
    }
    if !section.has("marker") && !section.has("holds") {
        let (min_size, shrink) = sizes(section);
        return vec![Part { path: PathBuf::new(), min_size, shrink }];
    }
    for key in ["min_size", "shrink"] {
        if section.has(key) {
            let what = "each backup is a directory here, and its parts are weighed";
            section.error(&section.spot(key), what, format!("write holds = [{{ path = …, {key} = … }}]"));
        }
    }
    parts
}

/// An empty part is none.
fn sizes(section: &mut Section<'_>) -> (u64, u64) {
    (section.or("min_size", 1, parse::bytes), section.or("shrink", 0, parse::within(0..=100)))
}

/// A path within a backup.
fn below(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    match inside && !text.is_empty() {
        true => Ok(path.to_owned()),
        false => Err(format!("{text:?} is no path in a backup; write something like \"mysql/all.sql.gz\"")),
    }
}
