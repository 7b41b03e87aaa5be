//! The request file by which a person asks for something now: one line `action|token|source|epoch`, written
//! beside its place and renamed into it. Here a request is claimed, checked and cleared away; what it may
//! cause is the core's decision.
//!
//! A request is first renamed to a private name, so that a second one written meanwhile is never lost. It is
//! removed once the state that absorbed it is saved; after a crash before that, the next start finds it
//! again, and a request that was already accepted is then refused as a replay.

mod desk;
mod queue;
mod request;

pub use queue::{KickResult, fields_rule, read_result, write, write_result};
pub use request::{EXPIRY_S, KickSettings, ReceivedKick, Seen, printable};

use super::files;
use crate::recovery::evidence::KickRefusal;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A request is four short fields.
const LINE_BYTES_MAX: u64 = 4096;

/// Claims and reads the pending request; none when there is none. `now_wall` is in Unix seconds. It stays
/// claimed, and is answered again by the next call, until [`remove`].
pub fn read(
    path: &Path,
    now_wall: u64,
    settings: &KickSettings,
    seen: &Seen,
) -> Option<(ReceivedKick, Result<(), KickRefusal>)> {
    let line = match claim(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(format!("it cannot be claimed: {error}")),
        Ok(claimed) => read_line(&claimed),
    };
    Some(request::check(line, now_wall, settings, seen))
}

/// Clears away the request that was read; call it when the state that absorbed it is saved.
///
/// # Errors
/// A sentence saying what is in the way.
pub fn remove(path: &Path) -> Result<(), String> {
    let claimed = claimed(path);
    files::remove(&claimed)
        .or_else(|_| fs::remove_dir(&claimed))
        .map_err(|error| format!("removing {}: {error}", claimed.display()))
}

/// Takes the request away from its author. One that a crash left claimed comes first.
fn claim(path: &Path) -> io::Result<PathBuf> {
    let claimed = claimed(path);
    if fs::symlink_metadata(&claimed).is_err() {
        // Asked first, because a read-only file system refuses to rename even what is not there.
        fs::symlink_metadata(path)?;
        fs::rename(path, &claimed)?;
    }
    Ok(claimed)
}

/// The request belongs to us and to nobody else, or it is not read: it holds the token.
fn read_line(claimed: &Path) -> Result<String, String> {
    let (file, facts) = files::open_plain(claimed).map_err(|error| match error.raw_os_error() {
        Some(nix::libc::ELOOP) => "it is a symbolic link".to_owned(),
        _ => error.to_string(),
    })?;
    if facts.uid() != nix::unistd::geteuid().as_raw() {
        return Err(format!("it belongs to user {}, not to us", facts.uid()));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(format!(
            "its mode is {:o}, and others must not read the token: use 600",
            facts.mode() & 0o777
        ));
    }
    let bytes = files::read_at_most(file, LINE_BYTES_MAX).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    match line.contains('\n') {
        true => Err("it has more than one line".to_owned()),
        false => Ok(line.to_owned()),
    }
}

fn claimed(path: &Path) -> PathBuf {
    files::suffixed(path, ".taken")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Secret;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    const NOW: u64 = 1_771_556_400;
    const LINE: &str = "check_ollama|to|ken|me|1771556400";

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kick_request");
        (dir, path)
    }

    fn put(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn token() -> Secret {
        Secret::new("to|ken")
    }

    fn look(path: &Path, seen: &Seen) -> Option<(ReceivedKick, Result<(), KickRefusal>)> {
        read(path, NOW, &KickSettings { enabled: true, token: token() }, seen)
    }

    /// Reads what lies there, clears it away, and gives the reason of its refusal.
    fn refusal(path: &Path) -> String {
        let verdict = look(path, &Seen::default()).unwrap().1;
        remove(path).unwrap();
        let Err(KickRefusal::Invalid(reason)) = verdict else { panic!("{verdict:?}") };
        reason
    }

    #[test]
    fn what_is_written_is_read_once() {
        let (dir, path) = place();
        let mut seen = Seen::default();
        assert_eq!(look(&path, &seen), None);
        write(&path, "restart_gateway", &token(), "line:U1", NOW).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (kick, verdict) = look(&path, &seen).unwrap();
        assert_eq!(
            (kick.action.as_str(), kick.source.as_str(), kick.epoch),
            ("restart_gateway", "line:U1", NOW)
        );
        assert_eq!(verdict, Ok(()));
        seen.remember(&kick);
        let again = look(&path, &seen).unwrap().1;
        assert!(matches!(again, Err(KickRefusal::Invalid(_))), "a crash before `remove` repeats nothing");
        remove(&path).unwrap();
        assert_eq!(look(&path, &seen), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        remove(&path).unwrap();
    }

    #[test]
    fn a_second_request_is_not_lost_while_the_first_is_handled() {
        let (_dir, path) = place();
        write(&path, "one", &token(), "a", NOW).unwrap();
        assert_eq!(look(&path, &Seen::default()).unwrap().0.action, "one");
        write(&path, "two", &token(), "b", NOW).unwrap();
        remove(&path).unwrap();
        assert_eq!(look(&path, &Seen::default()).unwrap().0.action, "two");
    }

    #[test]
    fn only_a_private_plain_file_is_read() {
        let (dir, path) = place();
        for mode in [0o604, 0o640, 0o620, 0o602, 0o644, 0o666] {
            put(&path, LINE, mode);
            assert!(refusal(&path).contains("use 600"));
        }
        let elsewhere = dir.path().join("elsewhere");
        put(&elsewhere, LINE, 0o600);
        symlink(&elsewhere, &path).unwrap();
        assert_eq!(refusal(&path), "it is a symbolic link");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert!(refusal(&path).contains("plain"));
        fs::create_dir(&path).unwrap();
        assert!(refusal(&path).contains("plain"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the link went, what it pointed to stayed");
    }

    #[test]
    fn a_strangers_file_is_refused() {
        let (_dir, path) = place();
        put(&path, LINE, 0o600);
        // Giving a file away needs root; without it there is no stranger to test with.
        if chown(&path, Some(12_345), None).is_ok() {
            assert!(refusal(&path).contains("user 12345"));
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let (_dir, path) = place();
        let two_lines = format!("{LINE}\n{LINE}\n");
        let rows = [(two_lines.as_bytes(), "one line"), (b"\xff|a|b|1", "UTF-8"), (&[b'x'; 5000], "longer")];
        for (bytes, reason) in rows {
            put(&path, bytes, 0o600);
            assert!(refusal(&path).contains(reason), "{reason}");
        }
    }
}
