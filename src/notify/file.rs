//! `alerts.log`: one JSON object per line, for programs that follow a file. It is bounded, and readable by its owner
//! only. It must not know what a line says.

use crate::recovery::evidence::{Delivery, Name};
use crate::recovery::outbox::Letter;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How this channel is called.
pub const NAME: &str = "alerts-log";
/// Chat ids and the texts of services may be in it.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIR: u32 = 0o700;
/// Where a line is looked for that may have been written before a crash.
const TAIL_BYTES: u64 = 64 << 10;

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// The size at which a new one is begun.
    pub max_bytes: u64,
    /// How many old ones are kept.
    pub keep: u32,
}

impl File {
    /// Appends the body of a letter as a line, unless an earlier try has done so already.
    pub fn append(&self, letter: &Letter) -> Delivery {
        let line = letter.body.as_deref().unwrap_or_default();
        let tail = if letter.tries > 1 { tail(&self.path).unwrap_or_default() } else { String::new() };
        let written = match (tail.contains(&letter.retry_key), tail.is_empty() || tail.ends_with('\n')) {
            (true, true) => Ok(()),
            (false, true) => self.write(line),
            // A full disk, or a crash, has left half a line.
            (_, false) => self.write(&format!("\n{line}")),
        };
        match written {
            Ok(()) => Delivery::Accepted { request_id: String::new() },
            Err(error) => Delivery::Retry(format!("writing {}: {error}", self.path.display())),
        }
    }

    fn write(&self, line: &str) -> io::Result<()> {
        let bytes = format!("{line}\n");
        let length = fs::metadata(&self.path).map_or(0, |facts| facts.len());
        if length > 0 && length + bytes.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(directory)?;
        // Not blocking, so that a FIFO in its place does not stop the watchdog.
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(PRIVATE_FILE).custom_flags(nix::libc::O_NONBLOCK);
        options.open(&self.path)?.write_all(bytes.as_bytes())
    }

    fn rotate(&self) -> io::Result<()> {
        let old = |number: u32| PathBuf::from(format!("{}.{number}", self.path.display()));
        for number in (1..self.keep).rev() {
            let _ = fs::rename(old(number), old(number + 1));
        }
        if self.keep == 0 { fs::remove_file(&self.path) } else { fs::rename(&self.path, old(1)) }
    }
}

/// The name as the core knows it.
pub fn name() -> Name {
    Name::known(NAME)
}

/// The end of the file.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests::letter;
    use std::os::unix::fs::PermissionsExt;

    fn file(dir: &Path, max_bytes: u64) -> File {
        File { path: dir.join("logs/alerts.log"), max_bytes, keep: 2 }
    }

    fn saying(line: &str) -> Letter {
        Letter { body: Some(line.to_owned()), ..letter() }
    }

    #[test]
    fn lines_are_private_and_a_repetition_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), 1 << 20);
        let line = format!("{{\"id\":\"{}\"}}", letter().retry_key);
        let taken = Delivery::Accepted { request_id: String::new() };
        assert_eq!(file.append(&saying(&line)), taken);
        assert_eq!(file.append(&Letter { tries: 2, ..saying(&line) }), taken);
        assert_eq!(fs::read_to_string(&file.path).unwrap(), format!("{line}\n"));
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn it_rotates_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), 100);
        (0..50).for_each(|n| drop(file.append(&saying(&format!("line {n} {}", "x".repeat(30))))));
        let files = fs::read_dir(file.path.parent().unwrap()).unwrap().map(Result::unwrap);
        let sizes: Vec<u64> = files.map(|file| file.metadata().unwrap().len()).collect();
        assert!(sizes.len() == 3 && sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        assert!(fs::read_to_string(&file.path).unwrap().contains("line 49"));
    }

    #[test]
    fn a_disk_that_is_full_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let full = File { path: dir.path().join("alerts.log"), ..file(dir.path(), 1 << 20) };
        std::os::unix::fs::symlink("/dev/full", &full.path).unwrap();
        let Delivery::Retry(why) = full.append(&saying("x")) else { panic!() };
        assert!(why.contains("No space left"), "{why}");
        fs::remove_file(&full.path).unwrap();
        nix::unistd::mkfifo(&full.path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(full.append(&saying("x")), Delivery::Retry(_)), "nobody reads it, and nobody waits");
    }
}
