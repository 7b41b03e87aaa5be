//! One watchdog at a time. The kernel holds the lock and drops it with its holder, however that died; the
//! file's text only says who it is, and must never be taken for the lock.

use super::files;
use crate::values::one_line;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `<pid> <mode>`, and room to see that it is something else.
const HOLDER_BYTES_MAX: u64 = 64;

/// The lock; released when it is dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held for its drop")] Flock<File>);

/// Who holds the lock, as far as they have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Their process id; 0 when they have not written it yet.
    pub pid: u32,
    /// What they run as: `run` or `once`; `?` when they have not written it yet.
    pub mode: String,
}

/// Why the lock was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Another watchdog runs.
    Held(Held),
    /// The lock file cannot be used; the text says why.
    Failed(String),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(held) => write!(f, "another watchdog runs (pid {}, mode {})", held.pid, held.mode),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for LockError {}

impl Lock {
    /// Takes the lock at `path` without waiting, and leaves our pid and `mode` in it for others to read.
    ///
    /// # Errors
    /// Who holds it, or why it cannot be asked.
    pub fn take(path: &Path, mode: &str) -> Result<Self, LockError> {
        let failed =
            |error: &dyn fmt::Display| LockError::Failed(format!("locking {}: {error}", path.display()));
        let file = open(path).map_err(|error| failed(&error))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                sign(&mut lock, mode).map_err(|error| failed(&error))?;
                Ok(Self(lock))
            }
            Err((_, Errno::EWOULDBLOCK)) => Err(LockError::Held(holder(path))),
            Err((_, errno)) => Err(failed(&errno)),
        }
    }
}

/// Who signed the lock file last. They hold the lock only if taking it fails.
pub fn holder(path: &Path) -> Held {
    let bytes = files::read_plain(path, HOLDER_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    Held { pid, mode: words.next().map_or_else(|| "?".to_owned(), |word| one_line(word, 20)) }
}

/// Opened without truncating: until the lock is ours, the text is another's.
fn open(path: &Path) -> io::Result<File> {
    files::create_parent(path)?;
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(files::PRIVATE_FILE)
        .custom_flags(flags)
        .open(path)
}

fn sign(file: &mut File, mode: &str) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{} {mode}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_second_is_told_who_was_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/lock");
        let first = Lock::take(&path, "run").unwrap();
        let LockError::Held(held) = Lock::take(&path, "once").unwrap_err() else { panic!() };
        assert_eq!(held, Held { pid: std::process::id(), mode: "run".to_owned() });
        drop(first);
        let _second = Lock::take(&path, "once").unwrap();
        assert_eq!(holder(&path).mode, "once");
    }

    #[test]
    fn a_killed_holder_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        // flock(1) of util-linux; with -F the one other process holds the lock, until it is killed.
        let mut other = Command::new("flock")
            .arg("-F")
            .arg(&path)
            .args(["sh", "-c", "echo 4242 run > \"$0\"; echo locked; exec sleep 60"])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(other.stdout.as_mut().unwrap()), &mut line).unwrap();
        let LockError::Held(held) = Lock::take(&path, "run").unwrap_err() else { panic!() };
        assert_eq!(held, Held { pid: 4242, mode: "run".to_owned() });
        other.kill().unwrap();
        other.wait().unwrap();
        Lock::take(&path, "run").unwrap();
    }

    #[test]
    fn garbage_in_the_file_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, [0xff, b' ', 0x1b, b'\n'].repeat(40)).unwrap();
        assert_eq!(holder(&path), Held { pid: 0, mode: "?".to_owned() });
        drop(Lock::take(&path, "run").unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{} run\n", std::process::id()));
        assert!(matches!(Lock::take(&path.join("below"), "run"), Err(LockError::Failed(_))));
    }
}
