//! One line of the log: `[2026-02-20 12:00:00 JST] level=INFO target=gateway result=OK action=none detail="…"`.
//! The detail is a JSON string: whatever was in it, any JSON reader gives it back, and none of it can
//! forge a second line.

use crate::host::files;
use crate::values::{Secret, mask};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs::File;
use std::path::Path;

/// A line stays below 64 KiB even when each character needs its longest escape.
const DETAIL_CHARS_MAX: usize = 4_000;
const WORD_CHARS_MAX: usize = 80;
/// Japan Standard Time as POSIX writes it; needs no time zone database.
pub const DEFAULT_ZONE: &str = "JST-9";
/// Where every Linux keeps its time zones (tzfile(5)).
/// The zone of this machine.
const LOCAL: &str = "/etc/localtime";
const DATABASE: &str = "/usr/share/zoneinfo";
/// The largest there has less than 4 KiB.
const ZONE_BYTES_MAX: u64 = 64 << 10;

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
    pub(super) fn priority(self) -> &'static str {
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
    /// The number of an action, by which `explain --id` knows it.
    pub id: Option<u64>,
    /// The rest, for people.
    pub detail: &'a str,
}

impl Entry<'_> {
    /// The closing line of a healthy cycle. The journal need not hold one a minute: the unit's status says it.
    pub(super) fn is_routine(&self) -> bool {
        self.level == Level::Info && self.action == "end" && self.result == "OK"
    }
}

/// Reads a time zone as `TZ` has it: `Asia/Tokyo`, or `JST-9` where there is no time zone database.
///
/// # Errors
/// A sentence with both forms.
pub fn parse_zone(text: &str) -> Result<TimeZone, String> {
    let text = text.trim_start_matches(':');
    if text.is_empty() {
        // The machine's own zone; one without this file runs on UTC.
        return Ok(read_zone("local", Path::new(LOCAL)).unwrap_or(TimeZone::UTC));
    }
    read_zone(text, &Path::new(DATABASE).join(text)).or_else(|| TimeZone::posix(text).ok()).ok_or_else(|| {
        format!("{text:?} is no time zone; write a name like \"Asia/Tokyo\", or \"{DEFAULT_ZONE}\"")
    })
}

/// One file is read. jiff's own search would walk the whole database at each start and keep all its names.
fn read_zone(name: &str, path: &Path) -> Option<TimeZone> {
    TimeZone::tzif(name, &files::read_at_most(File::open(path).ok()?, ZONE_BYTES_MAX).ok()?).ok()
}

/// The line, with its end, stamped with `epoch` (Unix seconds).
pub(super) fn compose(epoch: u64, entry: Entry<'_>, zone: &TimeZone, secrets: &[Secret]) -> String {
    let word = |text: &str| word(&mask(text, secrets));
    format!(
        "[{}] level={} target={} result={} action={}{} detail={}\n",
        stamp(epoch, zone),
        entry.level.word(),
        word(entry.target),
        word(entry.result),
        word(entry.action),
        entry.id.map(|id| format!(" id={id}")).unwrap_or_default(),
        // Masked before it is cut and escaped, or half a secret could remain.
        quoted(&mask(entry.detail, secrets)),
    )
}

/// A moment (Unix seconds) as people in `zone` read it: `2026-02-20 12:00:00 JST`.
pub fn stamp(epoch: u64, zone: &TimeZone) -> String {
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
        let secrets = [Secret::new("hunter2"), Secret::new("quo\"ted")];
        let detail = format!("{}hunter2 quo\"ted", "x".repeat(DETAIL_CHARS_MAX - 4));
        let name = "hunter2";
        let level = Level::Info;
        let entry = Entry { level, target: name, result: name, action: name, id: None, detail: &detail };
        let line = compose(0, entry, &parse_zone(DEFAULT_ZONE).unwrap(), &secrets);
        assert!(!line.contains("hun") && !line.contains("ted"), "{}", &line[line.len() - 60..]);
    }

    #[test]
    fn zones_by_name_and_by_rule() {
        for good in ["JST-9", "UTC", "EST5EDT,M3.2.0,M11.1.0"] {
            assert!(parse_zone(good).is_ok(), "{good}");
        }
        for bad in ["Mars/Olympus", "../../etc/passwd", "+9"] {
            assert!(parse_zone(bad).is_err(), "{bad}");
        }
        assert_eq!(stamp(u64::MAX, &parse_zone("JST-9").unwrap()), "1970-01-01 09:00:00 JST");
    }
}
