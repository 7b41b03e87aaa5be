//! What lies beside a log: the files it became when it was rotated. It only lists them, and opens nothing.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// A directory with more than this is no place for logs; what comes behind is not looked at.
const ENTRIES_MAX: usize = 100_000;
/// What compressed logs end in.
const PACKED: [&str; 8] = [".gz", ".xz", ".bz2", ".zst", ".lz4", ".lzma", ".Z", ".zip"];
/// What rotated logs end in that are not numbered.
const WORDS: [&str; 4] = ["old", "prev", "bak", "save"];

/// A file beside a log, or the log itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
}

/// The log at `path`, what its name says was rotated from it, and the files with these inode numbers.
pub(super) fn list(path: &Path, inodes: &[u64]) -> io::Result<Vec<Sibling>> {
    let name = path.file_name().unwrap_or_default();
    let mut found = Vec::new();
    let entries = match fs::read_dir(parent(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries.take(ENTRIES_MAX) {
        let entry = entry?;
        let (other, inode) = (entry.file_name(), entry.ino());
        if other == name || is_rotated(name, &other) || inodes.contains(&inode) {
            found.push(Sibling { path: entry.path(), inode });
        }
    }
    found.sort();
    Ok(found)
}

/// Whether the name says that it was rotated from `name`: `app.log.1`, `app.log-20260220.gz`, `app.log.old`.
fn is_rotated(name: &OsStr, other: &OsStr) -> bool {
    other.as_bytes().strip_prefix(name.as_bytes()).is_some_and(is_suffix)
}

fn is_suffix(rest: &[u8]) -> bool {
    let [b'.' | b'-' | b'_', rest @ ..] = rest else { return false };
    let packed = PACKED.iter().find_map(|ending| rest.strip_suffix(ending.as_bytes()));
    let rest = packed.unwrap_or(rest);
    rest.first().is_some_and(u8::is_ascii_digit) || WORDS.iter().any(|word| word.as_bytes() == rest)
}

/// The name of the log that this one was rotated from, if its own name says so.
pub(super) fn rotated_from(path: &Path) -> impl Iterator<Item = PathBuf> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let splits = (1..name.len()).filter(|at| is_suffix(&name[*at..]));
    splits.map(|at| path.with_file_name(OsStr::from_bytes(&name[..at])))
}

/// Whether it is compressed by its name.
pub(super) fn is_packed(path: &Path) -> bool {
    PACKED.iter().any(|ending| path.as_os_str().as_bytes().ends_with(ending.as_bytes()))
}

/// The order of two that came in the same moment: `app.log.2` is older than `app.log.1`, and a date is what
/// it says.
pub(super) fn rank(path: &Path) -> i64 {
    /// More rotated logs than this are told apart by dates.
    const COUNT_MAX: i64 = 999;
    let name = path.as_os_str().as_bytes();
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let number = str::from_utf8(&name[name.len() - digits..]).ok().and_then(|text| text.parse().ok());
    number.map_or(0, |number: i64| if number <= COUNT_MAX { -number } else { number })
}

/// The directory a file lies in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_known() {
        let is = |other| is_rotated(OsStr::new("app.log"), OsStr::new(other));
        for name in ["app.log.1", "app.log.12", "app.log-20260220", "app.log.2026-02-20_01", "app.log.1.gz"] {
            assert!(is(name), "{name}");
        }
        assert!(is("app.log.old") && is("app.log.old.xz"));
        for name in ["app.log", "app.log.", "app.logs", "app.log.gz", "app.log.swp", "app.log1", "xapp.log.1"]
        {
            assert!(!is(name), "{name}");
        }
    }

    #[test]
    fn a_rotated_name_leads_to_its_log() {
        let from: Vec<_> = rotated_from(Path::new("/a/app.log-2026.1")).collect();
        assert_eq!(from, [Path::new("/a/app.log"), Path::new("/a/app.log-2026")]);
        assert_eq!(rotated_from(Path::new("/a/app.log")).count(), 0);
    }

    #[test]
    fn counts_go_down_and_dates_go_up() {
        let rank = |name| rank(Path::new(name));
        assert!(rank("app.log.2") < rank("app.log.1"));
        assert!(rank("app.log-20260219") < rank("app.log-20260220"));
        assert_eq!((rank("app.log"), rank("app.log.99999999999999999999999")), (0, 0));
    }

    #[test]
    fn only_what_belongs_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["app.log", "app.log.1", "other.log", "moved"] {
            fs::write(path(name), "").unwrap();
        }
        use std::os::unix::fs::MetadataExt;
        let moved = path("moved").metadata().unwrap().ino();
        let found = list(&path("app.log"), &[moved]).unwrap();
        let names: Vec<_> = found.into_iter().map(|sibling| sibling.path).collect();
        assert_eq!(names, [path("app.log"), path("app.log.1"), path("moved")]);
        assert_eq!(list(Path::new("/nonexistent/app.log"), &[]).unwrap(), []);
    }
}
