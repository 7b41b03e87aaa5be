//! Reads `[[source]]` and `[scan]`: which logs there are, where to begin, and how much is read of them.

use crate::logscan::follow::{Kind, Pattern, Source, Start};
use crate::recovery::evidence::Name;
use crate::section::{Section, Spot, parse};
use std::path::Path;

/// A tenth of a second's work in a minute; a service that writes more than this has no readers.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A log, and where it stands in the file.
pub(super) struct Log {
    pub(super) source: Source,
    pub(super) spot: Spot,
}

/// Reads one `[[source]]`.
pub(super) fn log(section: &mut Section<'_>, home: &Path) -> Option<Log> {
    let name = section.need("name", Name::parse);
    let files =
        section.filled_list("files", |text| Pattern::parse(&parse::path(home)(text)?.to_string_lossy()));
    let units = section.filled_list("journal", parse::filled);
    let user = section.or("user", true, parse::flag);
    let start = section.or("from", Start::End, start);
    let kind = match (files, units) {
        (Some(patterns), None) => Kind::Files { patterns },
        (None, Some(units)) => Kind::Journal { units, user },
        (Some(_), Some(_)) | (None, None) => {
            let hint = "write files = [\"/path/to/*.log\"] or journal = [\"unit.service\"]";
            section.error(&section.here(), "a source is either files or a journal", hint);
            return None;
        }
    };
    Some(Log { source: Source { name: name?, kind, start }, spot: section.spot("name") })
}

/// Reads `[scan]`.
pub(super) fn max_bytes(root: &mut Section<'_>) -> u64 {
    let bytes = parse::within(64 * 1024..=16 * 1024 * 1024 * 1024);
    root.table("scan", |scan| Some(scan.or("max_bytes", MAX_BYTES, bytes))).unwrap_or(MAX_BYTES)
}

fn start(text: &str) -> Result<Start, String> {
    let lines = text.strip_prefix("last ").and_then(|count| count.trim().parse().ok());
    match (text, lines) {
        ("end", _) => Ok(Start::End),
        ("start", _) => Ok(Start::Beginning),
        (_, Some(lines @ 1..=1_000_000)) => Ok(Start::Last(lines)),
        (_, _) => Err(format!("{text:?} is no place to begin; write \"end\", \"start\" or \"last 1000\"")),
    }
}
