//! The plain files of the bash watchdog: read once when there is no state yet, and kept up to date for the
//! people and scripts that look at them. They are a copy; nothing is ever decided from them later.

use super::files;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

const RESTARTS: &str = "restart_gateway_times.log";
const HEALTH: &str = "health_fail_count";
const OLLAMA: &str = "ollama_fail_count";
const WEBHOOK: &str = "webhook_fail_count";

/// The end of a restart log that is read: the newest 700 stamps, where the window asks for three.
const LOG_TAIL_BYTES: u64 = 8 << 10;
/// A counter or a stamp is one number; an honest file has 11 bytes.
const NUMBER_BYTES_MAX: u64 = 1 << 10;
/// The predecessor knew six alerts.
const ALERTS_MAX: usize = 64;
/// It never removed its journal dumps, 1,440 a day, and they lie in the same directory.
const ENTRIES_MAX: usize = 100_000;
const KEY_CHARS_MAX: usize = 64;

/// What the predecessor kept. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legacy {
    /// When the gateway was restarted, in the order of the file.
    pub restarts: Vec<u64>,
    /// Consecutive failures of health or readiness.
    pub health_fail_count: u32,
    /// Consecutive failures of Ollama.
    pub ollama_fail_count: u32,
    /// Consecutive failures of the public webhook.
    pub webhook_fail_count: u32,
    /// When each alert was last sent, sorted by key.
    pub alerts: Vec<(String, u64)>,
}

/// Reads the files of `dir`; none when there are none. What is no number counts as absent.
pub fn read(dir: &Path) -> Option<Legacy> {
    let present = |name: &&str| dir.join(name).is_file();
    let alerts = read_alerts(dir);
    if alerts.is_empty() && ![RESTARTS, HEALTH, OLLAMA, WEBHOOK].iter().any(present) {
        return None;
    }
    let count =
        |name| read_number(&dir.join(name)).map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX));
    Some(Legacy {
        restarts: read_restarts(&dir.join(RESTARTS)),
        health_fail_count: count(HEALTH),
        ollama_fail_count: count(OLLAMA),
        webhook_fail_count: count(WEBHOOK),
        alerts,
    })
}

/// Writes the files whose content changed, each in one step. An alert that is no longer listed keeps its file,
/// as it did with the predecessor.
///
/// # Errors
/// A sentence on the first file that could not be written; the others are written all the same.
pub fn write(dir: &Path, legacy: &Legacy) -> Result<(), String> {
    let restarts: String = legacy.restarts.iter().map(|epoch| format!("{epoch}\n")).collect();
    let mut wanted = vec![
        (RESTARTS.to_owned(), restarts),
        (HEALTH.to_owned(), format!("{}\n", legacy.health_fail_count)),
        (OLLAMA.to_owned(), format!("{}\n", legacy.ollama_fail_count)),
        (WEBHOOK.to_owned(), format!("{}\n", legacy.webhook_fail_count)),
    ];
    for (key, epoch) in legacy.alerts.iter().filter(|(key, _)| is_key(key)) {
        wanted.push((format!("alert_{key}.ts"), format!("{epoch}\n")));
    }
    let written = wanted.iter().map(|(name, content)| write_if_changed(&dir.join(name), content));
    written.fold(Ok(()), Result::and)
}

fn write_if_changed(path: &Path, content: &str) -> Result<(), String> {
    // One byte more than we would write, so that a longer file is seen to differ.
    if files::read_plain(path, content.len() as u64 + 1).is_ok_and(|old| old == content.as_bytes()) {
        return Ok(());
    }
    files::replace(path, content.as_bytes()).map_err(|error| format!("writing {}: {error}", path.display()))
}

fn read_alerts(dir: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(dir).into_iter().flatten().take(ENTRIES_MAX).flatten();
    let mut alerts: Vec<_> = entries
        .filter_map(|entry| Some((alert_key(&entry.file_name())?, read_number(&entry.path())?)))
        .take(ALERTS_MAX)
        .collect();
    alerts.sort();
    alerts
}

fn alert_key(file_name: &OsStr) -> Option<String> {
    let key = file_name.to_str()?.strip_prefix("alert_")?.strip_suffix(".ts")?;
    is_key(key).then(|| key.to_owned())
}

fn is_key(key: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=KEY_CHARS_MAX).contains(&key.len()) && key.chars().all(good)
}

fn read_number(path: &Path) -> Option<u64> {
    number(&files::read_plain(path, NUMBER_BYTES_MAX).ok()?)
}

/// The stamps at the end of the log. A first line that the cut may have shortened is not believed.
fn read_restarts(path: &Path) -> Vec<u64> {
    let Ok((bytes, whole)) = read_tail(path) else { return Vec::new() };
    bytes.split(|byte| *byte == b'\n').skip(usize::from(!whole)).filter_map(number).collect()
}

fn read_tail(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let (mut file, facts) = files::open_plain(path)?;
    let skipped = facts.len().saturating_sub(LOG_TAIL_BYTES);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok((bytes, skipped == 0))
}

/// A decimal number with whatever the shell left around it: leading zeros (which broke the predecessor's own
/// arithmetic), blanks, a carriage return.
fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn nothing_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        assert_eq!(read(&dir.path().join("missing")), None);
        fs::write(dir.path().join("gateway_journal_20260220_120000.log"), "x").unwrap();
        assert_eq!(read(dir.path()), None);
    }

    #[test]
    fn the_shells_files_are_understood() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put(RESTARTS, "1771556400\r\n\nnot a number\n0001771556460\n-5\n99999999999999999999\n1771556520");
        put(HEALTH, "08\n");
        put(OLLAMA, "\r\n");
        put("alert_gateway_limit.ts", "1771556400\n");
        put("alert_.._evil.ts", "1\n");
        put("alert_funnel_recover_failed.ts", "garbage");
        let found = read(dir.path()).unwrap();
        assert_eq!(found.restarts, [1_771_556_400, 1_771_556_460, 1_771_556_520]);
        assert_eq!((found.health_fail_count, found.ollama_fail_count, found.webhook_fail_count), (8, 0, 0));
        assert_eq!(found.alerts, [("gateway_limit".to_owned(), 1_771_556_400)]);
    }

    #[test]
    fn a_huge_or_strange_file_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let lines: String = (0..200_000).map(|n| format!("{}\n", 1_700_000_000 + n)).collect();
        fs::write(dir.path().join(RESTARTS), lines).unwrap();
        fs::write(dir.path().join(HEALTH), vec![b'1'; 1 << 20]).unwrap();
        fs::write(dir.path().join(WEBHOOK), "4294967296\n").unwrap();
        nix::unistd::mkfifo(&dir.path().join(OLLAMA), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::create_dir(dir.path().join("alert_x.ts")).unwrap();
        let found = read(dir.path()).unwrap();
        assert_eq!(found.restarts.last(), Some(&1_700_199_999));
        assert!(found.restarts.len() < 800 && found.restarts.iter().all(|epoch| *epoch >= 1_700_199_000));
        assert_eq!((found.health_fail_count, found.ollama_fail_count), (0, 0));
        assert_eq!(found.webhook_fail_count, u32::MAX, "a count too large is large, not zero");
    }

    #[test]
    fn what_is_written_has_the_old_form_and_changes_only_what_changed() {
        let dir = tempfile::tempdir().unwrap();
        let mut legacy = Legacy {
            restarts: vec![1_771_556_400, 1_771_556_460],
            health_fail_count: 2,
            alerts: vec![("gateway_limit".to_owned(), 1_771_556_400)],
            ..Legacy::default()
        };
        write(dir.path(), &legacy).unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text(RESTARTS), "1771556400\n1771556460\n");
        assert_eq!(
            (text(HEALTH), text(OLLAMA), text("alert_gateway_limit.ts")),
            ("2\n".into(), "0\n".into(), "1771556400\n".into())
        );
        assert_eq!(read(dir.path()), Some(legacy.clone()));
        let inode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().ino();
        let before = [RESTARTS, HEALTH].map(inode);
        legacy.health_fail_count = 0;
        write(dir.path(), &legacy).unwrap();
        assert_eq!(inode(RESTARTS), before[0]);
        assert_ne!(inode(HEALTH), before[1]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    }

    #[test]
    fn an_alert_key_is_never_a_path_and_one_bad_file_does_not_stop_the_others() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(RESTARTS)).unwrap();
        let legacy =
            Legacy { alerts: vec![("../../x".to_owned(), 1), ("y".to_owned(), 2)], ..Legacy::default() };
        let error = write(dir.path(), &legacy).unwrap_err();
        assert!(error.contains(RESTARTS), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("alert_y.ts")).unwrap(), "2\n");
        assert!(!dir.path().parent().unwrap().join("x.ts").exists());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            for name in [RESTARTS, HEALTH, "alert_a.ts"] {
                fs::write(dir.path().join(name), &bytes).unwrap();
            }
            proptest::prop_assert!(read(dir.path()).is_some());
        }
    }
}
