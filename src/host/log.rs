//! The operations log, in the one shape that its readers grep for. Writing it never fails its caller and
//! never fills the disk; it must not decide what is worth a line.
//!
//! `[2026-02-20 12:00:00 JST] level=INFO target=gateway result=OK action=none detail="…"`, where the detail
//! is a JSON string: whatever was in it, any JSON reader gives it back.

use super::files;
use crate::values::{Secret, mask};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Four files of 5 MiB hold months of a quiet gateway and are nothing on any disk.
const FILE_BYTES_MAX: u64 = 5 << 20;
const ROTATED_MAX: usize = 3;
/// A line stays below 64 KiB even when each character needs its longest escape.
const DETAIL_CHARS_MAX: usize = 4_000;
const WORD_CHARS_MAX: usize = 80;
/// Japan Standard Time as POSIX writes it; needs no time zone database.
pub const DEFAULT_ZONE: &str = "JST-9";

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For somebody who looks for a fault of the watchdog.
    Debug,
    /// What happened.
    Info,
    /// What may need a person.
    Warn,
    /// What needs one.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    /// The prefix by which journald knows the level (sd-daemon(3)).
    fn priority(self) -> &'static str {
        match self {
            Self::Debug => "<7>",
            Self::Info => "<6>",
            Self::Warn => "<4>",
            Self::Error => "<3>",
        }
    }
}

/// What a line says. Empty words print as `-`.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// How much it matters.
    pub level: Level,
    /// The target it is about, such as `gateway`.
    pub target: &'a str,
    /// `OK` or `NG`.
    pub result: &'a str,
    /// What was done, such as `restart-gateway`.
    pub action: &'a str,
    /// The rest, for people.
    pub detail: &'a str,
}

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The file, such as `~/.picoclaw/logs/ops-watchdog.log`.
    pub path: PathBuf,
    /// The zone of the stamps.
    pub zone: TimeZone,
    /// What no line may show.
    pub secrets: Vec<Secret>,
    /// Whether each line also goes to standard error, for journald.
    pub mirror: bool,
}

/// The log file.
pub struct OpsLog {
    settings: LogSettings,
    bytes_max: u64,
    file: Option<File>,
    /// The last write failed and may have left half a line.
    torn: bool,
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
        Self { settings, bytes_max: FILE_BYTES_MAX, file: None, torn: false, trouble: None }
    }

    /// Writes one line, stamped with `epoch` (Unix seconds). A failure is kept for [`Self::trouble`]; the
    /// next line tries again.
    pub fn write(&mut self, epoch: u64, entry: Entry<'_>) {
        let line = line(&self.settings, epoch, entry);
        if self.settings.mirror {
            let _ = io::stderr().write_all(format!("{}{line}", entry.level.priority()).as_bytes());
        }
        match self.append(&line) {
            Ok(()) => self.torn = false,
            Err(error) => {
                // Told once per spell of trouble, not once per line.
                if !self.torn {
                    self.trouble = Some(format!("writing {}: {error}", self.settings.path.display()));
                }
                self.torn = true;
            }
        }
    }

    /// Why lines are missing in the file; each spell of trouble is told once.
    pub fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let start = if self.torn { "\n" } else { "" };
        let bytes = format!("{start}{line}");
        let mut file = self.current(bytes.len() as u64)?;
        file.write_all(bytes.as_bytes())
    }

    /// The open file, if it is still the one at its path and has room; a new one otherwise. Others append to
    /// it too (`StandardError=append:`), and people move it away.
    fn current(&mut self, needed: u64) -> io::Result<&File> {
        let path = &self.settings.path;
        let there = fs::metadata(path).ok();
        if there.as_ref().is_some_and(|facts| facts.len() > 0 && facts.len() + needed > self.bytes_max) {
            self.file = None;
            files::rotate(path, path, ROTATED_MAX)?;
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

/// Reads a time zone as `TZ` has it: `Asia/Tokyo`, or `JST-9` where there is no time zone database.
///
/// # Errors
/// A sentence with both forms.
pub fn parse_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).or_else(|_| TimeZone::posix(text)).map_err(|_| {
        format!("{text:?} is no time zone; write a name like \"Asia/Tokyo\", or \"{DEFAULT_ZONE}\"")
    })
}

/// Whether standard error is journald's own stream: the variable alone would be inherited by children whose
/// output goes elsewhere (systemd.exec(5)).
pub fn stderr_is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    nix::sys::stat::fstat(io::stderr())
        .is_ok_and(|facts| stream == format!("{}:{}", facts.st_dev, facts.st_ino))
}

fn line(settings: &LogSettings, epoch: u64, entry: Entry<'_>) -> String {
    let word = |text: &str| word(&mask(text, &settings.secrets));
    format!(
        "[{}] level={} target={} result={} action={} detail={}\n",
        stamp(epoch, &settings.zone),
        entry.level.word(),
        word(entry.target),
        word(entry.result),
        word(entry.action),
        // Masked before it is cut and escaped, or half a secret could remain.
        quoted(&mask(entry.detail, &settings.secrets)),
    )
}

fn stamp(epoch: u64, zone: &TimeZone) -> String {
    let moment = i64::try_from(epoch).ok().and_then(|second| Timestamp::from_second(second).ok());
    let zoned = moment.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A field that stands without quotes, and so must be one word.
fn word(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() && c != '"' && c != '=' { c } else { '_' };
    let word: String = text.chars().take(WORD_CHARS_MAX).map(plain).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// A JSON string. JSON leaves alone some characters that move a terminal's cursor or turn its text around;
/// those are escaped too.
fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(DETAIL_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    let mut quoted = String::with_capacity(short.len() + 2);
    for c in serde_json::Value::String(short).to_string().chars() {
        match c {
            c if is_unruly(c) => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted
}

fn is_unruly(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 1_771_556_400;

    fn log(path: &Path) -> OpsLog {
        let zone = parse_zone(DEFAULT_ZONE).unwrap();
        let secrets = vec![Secret::new("hunter2"), Secret::new("quo\"ted")];
        OpsLog::new(LogSettings { path: path.to_owned(), zone, secrets, mirror: false })
    }

    fn entry(detail: &str) -> Entry<'_> {
        Entry { level: Level::Info, target: "gateway", result: "OK", action: "none", detail }
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
            Entry { level: Level::Error, target: "", result: "a b", action: "x=\"\n", detail: "" },
        );
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "[2026-02-20 12:00:00 JST] level=INFO target=gateway result=OK action=none detail=\"200 in 2 ms\"\n\
             [2026-02-20 12:00:00 JST] level=ERROR target=- result=a_b action=x___ detail=\"\"\n"
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(log.trouble(), None);
    }

    proptest::proptest! {
        #[test]
        fn any_detail_is_one_plain_line_and_comes_back(detail: String) {
            let quoted = quoted(&detail);
            proptest::prop_assert!(!quoted.chars().any(is_unruly));
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), detail);
        }
    }

    #[test]
    fn unruly_text_is_tamed_and_japanese_is_not() {
        assert_eq!(
            quoted("再起動 \"x\\y\"\n\u{1b}[31m\u{9b}\u{202e}\u{7f}"),
            r#""再起動 \"x\\y\"\n\u001b[31m\u009b\u202e\u007f""#
        );
        assert!(quoted(&"\u{1b}".repeat(1 << 20)).len() < 1 << 15);
    }

    #[test]
    fn no_secret_is_printed() {
        let (_dir, path) = place();
        let detail = format!("{}hunter2 quo\"ted", "x".repeat(DETAIL_CHARS_MAX - 4));
        let entry = Entry { target: "hunter2", result: "hunter2", action: "hunter2", ..entry(&detail) };
        log(&path).write(EPOCH, entry);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hun") && !text.contains("ted\""), "{}", &text[text.len() - 60..]);
    }

    #[test]
    fn zones_by_name_and_by_rule() {
        for good in ["JST-9", "UTC", "EST5EDT,M3.2.0,M11.1.0"] {
            assert!(parse_zone(good).is_ok(), "{good}");
        }
        for bad in ["", "Mars/Olympus", "../../etc/passwd", "+9"] {
            assert!(parse_zone(bad).is_err(), "{bad}");
        }
        assert_eq!(stamp(u64::MAX, &parse_zone("JST-9").unwrap()), "1970-01-01 09:00:00 JST");
    }

    #[test]
    fn it_rotates_within_bounds_and_loses_nothing_recent() {
        let (_dir, path) = place();
        let mut log = log(&path);
        log.bytes_max = 1_000;
        (0..200).for_each(|n| log.write(EPOCH, entry(&format!("line {n}"))));
        let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1 + ROTATED_MAX);
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
    fn a_full_disk_is_told_once_and_survived() {
        let (_dir, path) = place();
        files::create_parent(&path).unwrap();
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut log = log(&path);
        log.write(EPOCH, entry("one"));
        log.write(EPOCH, entry("two"));
        let trouble = log.trouble().unwrap();
        assert!(trouble.contains("No space left"), "{trouble}");
        log.write(EPOCH, entry("three"));
        assert_eq!(log.trouble(), None, "once");
        fs::remove_file(&path).unwrap();
        log.write(EPOCH, entry("four"));
        assert!(fs::read_to_string(&path).unwrap().contains("four"));
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        log.write(EPOCH, entry("five"));
        assert!(log.trouble().is_some(), "a FIFO without a reader is trouble, not a wait");
    }
}
