//! The operations log, in the one shape that its readers grep for. Writing it never fails its caller and
//! never fills the disk; it must not decide what is worth a line.

mod layer;
mod line;

pub use layer::OpsLayer;
pub use line::{DEFAULT_ZONE, Entry, Level, parse_zone, stamp};

use super::files;
use crate::values::Secret;
use jiff::tz::TimeZone;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The file, such as `~/.picoclaw/logs/ops-watchdog.log`.
    pub path: PathBuf,
    /// The zone of the stamps.
    pub zone: TimeZone,
    /// The size at which a new file is begun.
    pub max_bytes: u64,
    /// How many old files are kept.
    pub keep: usize,
    /// What no line may show.
    pub secrets: Vec<Secret>,
    /// Whether each line also goes to standard error, for journald.
    pub mirror: bool,
}

/// The log file.
pub struct OpsLog {
    settings: LogSettings,
    file: Option<File>,
    /// Why the last write failed; it may have left half a line.
    trouble: Option<String>,
}

impl fmt::Debug for OpsLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpsLog").field(&self.settings.path).finish()
    }
}

impl OpsLog {
    /// A log that opens its file at the first line.
    pub fn new(settings: LogSettings) -> Self {
        Self { settings, file: None, trouble: None }
    }

    /// Writes one line, stamped with `epoch` (Unix seconds). A failure is kept for [`Self::trouble`]; the
    /// next line tries again.
    pub fn write(&mut self, epoch: u64, entry: Entry<'_>) {
        let line = line::compose(epoch, entry, &self.settings.zone, &self.settings.secrets);
        if self.settings.mirror && !entry.is_routine() {
            let _ = io::stderr().write_all(format!("{}{line}", entry.level.priority()).as_bytes());
        }
        let written = self.append(&line);
        self.trouble =
            written.err().map(|error| format!("writing {}: {error}", self.settings.path.display()));
    }

    /// Why lines are missing in the file, as long as they are.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    /// Masks other secrets from now on.
    pub fn set_secrets(&mut self, secrets: Vec<Secret>) {
        self.settings.secrets = secrets;
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let start = if self.trouble.is_some() { "\n" } else { "" };
        let bytes = format!("{start}{line}");
        let mut file = self.current(bytes.len() as u64)?;
        file.write_all(bytes.as_bytes())
    }

    /// The open file, if it is still the one at its path and has room; a new one otherwise. Others append to
    /// it too (`StandardError=append:`), and people move it away.
    fn current(&mut self, needed: u64) -> io::Result<&File> {
        let path = &self.settings.path;
        let there = fs::metadata(path).ok();
        if there
            .as_ref()
            .is_some_and(|facts| facts.len() > 0 && facts.len() + needed > self.settings.max_bytes)
        {
            self.file = None;
            files::rotate(path, path, self.settings.keep)?;
        }
        let held = self.file.take().filter(|file| is_same(file, there.as_ref()));
        let file = held.map_or_else(|| open(path), Ok)?;
        Ok(self.file.insert(file))
    }
}

fn is_same(file: &File, there: Option<&fs::Metadata>) -> bool {
    let identity = |facts: &fs::Metadata| (facts.dev(), facts.ino());
    file.metadata().is_ok_and(|held| there.is_some_and(|there| identity(&held) == identity(there)))
}

/// Not blocking, so that a FIFO in the place of the log does not stop the watchdog.
fn open(path: &Path) -> io::Result<File> {
    files::create_parent(path)?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(files::PRIVATE_FILE)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)
}

/// Whether standard error is journald's own stream: the variable alone would be inherited by children whose
/// output goes elsewhere (systemd.exec(5)).
pub fn stderr_is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    nix::sys::stat::fstat(io::stderr())
        .is_ok_and(|facts| stream == format!("{}:{}", facts.st_dev, facts.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 1_771_556_400;

    const KEEP: usize = 3;

    fn log(path: &Path) -> OpsLog {
        let zone = parse_zone(DEFAULT_ZONE).unwrap();
        let secrets = vec![Secret::new("hunter2")];
        let path = path.to_owned();
        OpsLog::new(LogSettings { path, zone, max_bytes: 5 << 20, keep: KEEP, secrets, mirror: false })
    }

    fn entry(detail: &str) -> Entry<'_> {
        Entry { level: Level::Info, target: "gateway", result: "OK", action: "none", id: None, detail }
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/ops-watchdog.log");
        (dir, path)
    }

    #[test]
    fn the_shape_is_the_readers() {
        let (_dir, path) = place();
        let mut log = log(&path);
        log.write(EPOCH, entry("200 in 2 ms"));
        log.write(
            EPOCH,
            Entry {
                level: Level::Error,
                target: "",
                result: "a b",
                action: "x=\"\n",
                id: Some(17),
                detail: "",
            },
        );
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "[2026-02-20 12:00:00 JST] level=INFO target=gateway result=OK action=none detail=\"200 in 2 ms\"\n\
             [2026-02-20 12:00:00 JST] level=ERROR target=- result=a_b action=x___ id=17 detail=\"\"\n"
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(log.trouble(), None);
    }

    #[test]
    fn it_rotates_within_bounds_and_loses_nothing_recent() {
        let (_dir, path) = place();
        let mut log = log(&path);
        log.settings.max_bytes = 1_000;
        (0..200).for_each(|n| log.write(EPOCH, entry(&format!("line {n}"))));
        let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1 + KEEP);
        let read = |suffix: &str| fs::read_to_string(files::suffixed(&path, suffix)).unwrap();
        assert!([read(""), read(".1")].iter().all(|text| text.len() <= 1_000 && text.ends_with("\"\n")));
        assert!(read("").contains("line 199"));
        let both = read(".1") + &read("");
        let newest = both.lines().count();
        assert!((200 - newest..200).all(|n| both.contains(&format!("\"line {n}\""))), "{both}");
    }

    #[test]
    fn it_follows_its_path_when_the_file_is_taken_away() {
        let (dir, path) = place();
        let mut log = log(&path);
        log.write(EPOCH, entry("one"));
        fs::rename(&path, dir.path().join("moved")).unwrap();
        log.write(EPOCH, entry("two"));
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        log.write(EPOCH, entry("three"));
        assert!(fs::read_to_string(dir.path().join("moved")).unwrap().contains("one"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("three") && !text.contains("two"));
        assert_eq!(log.trouble(), None);
    }

    #[test]
    fn a_full_disk_is_told_while_it_lasts_and_survived() {
        let (_dir, path) = place();
        files::create_parent(&path).unwrap();
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut log = log(&path);
        log.write(EPOCH, entry("one"));
        log.write(EPOCH, entry("two"));
        let trouble = log.trouble().unwrap();
        assert!(trouble.contains("No space left"), "{trouble}");
        fs::remove_file(&path).unwrap();
        log.write(EPOCH, entry("four"));
        assert_eq!(log.trouble(), None, "over");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("\n[") && text.contains("four"), "not glued to half a line: {text:?}");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        log.write(EPOCH, entry("five"));
        assert!(log.trouble().is_some(), "a FIFO without a reader is trouble, not a wait");
    }
}
