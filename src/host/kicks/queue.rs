//! The author's side of a kick: queueing a request and reading its answer. It must not look at a request
//! that is not its own.

use super::request::{EXPIRY_S, PUNCTUATION, printable};
use super::{LINE_BYTES_MAX, files};
use crate::values::Secret;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What became of a request, for its author to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KickResult {
    /// The action asked for.
    pub action: String,
    /// Who asked.
    pub source: String,
    /// When they asked, as they wrote it.
    pub epoch: u64,
    /// What became of it, in words.
    pub outcome: String,
    /// When it was answered, in Unix seconds.
    pub at: u64,
}

/// What an action and a source may hold, in words.
pub fn fields_rule() -> String {
    format!("action and source may hold letters, digits and {PUNCTUATION:?}, 1 to 80 of them")
}

/// Queues a request.
///
/// # Errors
/// A sentence: a field that cannot be written, a request that is still pending, or what the system says.
pub fn write(path: &Path, action: &str, token: &Secret, source: &str, epoch: u64) -> Result<(), String> {
    if !printable(action) || !printable(source) {
        return Err(fields_rule());
    }
    if token.is_empty() || token.expose().contains(['\n', '\r']) {
        return Err("the kick token is empty or has more than one line".to_owned());
    }
    let line = format!("{action}|{}|{source}|{epoch}\n", token.expose());
    let fresh = files::suffixed(path, &format!(".tmp.{}", std::process::id()));
    let put = files::remove(&fresh)
        .and_then(|()| files::write_new(&fresh, line.as_bytes()))
        .and_then(|_| put_in_place(&fresh, path));
    let _ = files::remove(&fresh);
    put.map_err(|error| format!("queueing the request in {}: {error}", path.display()))
}

/// Tells the author of a request what became of it, in `<kick file>.result`.
///
/// # Errors
/// A sentence saying what failed.
pub fn write_result(kick_file: &Path, result: &KickResult) -> Result<(), String> {
    let path = result_file(kick_file);
    let json = serde_json::to_vec(result).map_err(|error| error.to_string())?;
    files::replace(&path, &json).map_err(|error| format!("writing {}: {error}", path.display()))
}

/// The latest answer, if there is one that can be read.
pub fn read_result(kick_file: &Path) -> Option<KickResult> {
    serde_json::from_slice(&files::read_plain(&result_file(kick_file), LINE_BYTES_MAX).ok()?).ok()
}

/// Linking fails when the name is taken, in one step; a pending request is replaced only when it is too old
/// to be accepted.
fn put_in_place(fresh: &Path, path: &Path) -> io::Result<()> {
    let Err(error) = fs::hard_link(fresh, path) else { return Ok(()) };
    if error.kind() != io::ErrorKind::AlreadyExists {
        return Err(error);
    }
    let age = fs::symlink_metadata(path)?.modified()?.elapsed().unwrap_or_default();
    if age.as_secs() <= EXPIRY_S {
        return Err(io::Error::other("another request is still pending there; is the watchdog running?"));
    }
    fs::rename(fresh, path)
}

fn result_file(kick_file: &Path) -> PathBuf {
    files::suffixed(kick_file, ".result")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kicks::{KickSettings, Seen, read};
    use std::time::{Duration, SystemTime};

    const NOW: u64 = 1_771_556_400;
    const TOKEN: &str = "to|ken";

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kick_request");
        (dir, path)
    }

    fn settings() -> KickSettings {
        KickSettings { enabled: true, token: Secret::new(TOKEN) }
    }

    #[test]
    fn a_pending_request_is_replaced_only_when_it_is_stale() {
        let (_dir, path) = place();
        write(&path, "one", &Secret::new(TOKEN), "a", NOW).unwrap();
        let error = write(&path, "two", &Secret::new(TOKEN), "a", NOW).unwrap_err();
        assert!(error.contains("still pending"), "{error}");
        let stale = SystemTime::now() - Duration::from_secs(EXPIRY_S + 5);
        fs::File::open(&path).unwrap().set_modified(stale).unwrap();
        write(&path, "two", &Secret::new(TOKEN), "a", NOW).unwrap();
        assert_eq!(read(&path, NOW, &settings(), &Seen::default()).unwrap().0.action, "two");
        assert!(write(&path, "a|b", &Secret::new(TOKEN), "a", NOW).is_err());
        assert!(write(&path, "a", &Secret::new("x\ny"), "a", NOW).is_err());
        assert!(write(&path.join("nowhere"), "a", &Secret::new(TOKEN), "a", NOW).is_err());
    }

    #[test]
    fn the_answer_comes_back_whole() {
        let (_dir, path) = place();
        assert_eq!(read_result(&path), None);
        let result = KickResult {
            action: "a".into(),
            source: "b".into(),
            epoch: 5,
            outcome: "restarted \"gateway\"\n".into(),
            at: NOW,
        };
        write_result(&path, &result).unwrap();
        assert_eq!(read_result(&path), Some(result));
        fs::write(result_file(&path), "garbage").unwrap();
        assert_eq!(read_result(&path), None);
    }
}
