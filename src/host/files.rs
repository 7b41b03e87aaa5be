//! Files, read so that nothing on the disk can make us wait or grow, and replaced so that a reader sees the
//! old content or the new, never half of it. It must not know what the bytes mean.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Everything we write may hold chat ids or the texts of alerts: for its owner only.
pub const PRIVATE_FILE: u32 = 0o600;
/// The same for directories.
pub const PRIVATE_DIR: u32 = 0o700;

/// Opens a plain file for reading. A symbolic link is refused, and a FIFO, which would make us wait for its
/// writer, is refused before it can.
///
/// # Errors
/// What the system says, or that it is not a plain file.
pub fn open_plain(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let facts = file.metadata()?;
    match facts.is_file() {
        true => Ok((file, facts)),
        false => Err(io::Error::other("it is not a plain file")),
    }
}

/// Reads a plain file of at most `cap` bytes.
///
/// # Errors
/// What the system says; a longer file is [`io::ErrorKind::FileTooLarge`].
pub fn read_plain(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let (file, _) = open_plain(path)?;
    read_at_most(file, cap)
}

/// Reads to the end, but refuses more than `cap` bytes. The file may grow while it is read, so its
/// announced size is not asked.
///
/// # Errors
/// What the system says; more bytes are [`io::ErrorKind::FileTooLarge`].
pub fn read_at_most(source: impl Read, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(cap + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {cap} bytes")));
    }
    Ok(bytes)
}

/// Creates a file that must not exist yet, for its owner only, and writes it whole.
///
/// # Errors
/// What the system says; the half-written file is removed.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)?;
    match file.write_all(bytes) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _ = fs::remove_file(path);
            Err(error)
        }
    }
}

/// Replaces a file in one step. It is not synced: for what may be lost in a power cut.
///
/// # Errors
/// What the system says; the old content stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = suffixed(path, ".tmp");
    // Nearly always this works at once; only then is it looked what is missing or in the way.
    write_new(&fresh, bytes).or_else(|_| {
        create_parent(path)?;
        remove(&fresh)?;
        write_new(&fresh, bytes)
    })?;
    fs::rename(&fresh, path)
}

/// Removes a file; one that is not there is as good as removed.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes the directory of `path`, for its owner only. One that is there keeps its mode.
///
/// # Errors
/// What the system says.
pub fn create_parent(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(parent(path))
}

/// The directory of a file; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Moves `path` to `base.1`, what was there to `base.2`, and so on; what was `base.<keep>` is gone. This is
/// how everything that is kept for people stays bounded.
///
/// # Errors
/// What the system says of moving `path` itself; a gap among the older ones is no error.
pub fn rotate(path: &Path, base: &Path, keep: usize) -> io::Result<PathBuf> {
    let numbered = |number: usize| suffixed(base, &format!(".{number}"));
    for number in (1..keep).rev() {
        let _ = fs::rename(numbered(number), numbered(number + 1));
    }
    fs::rename(path, numbered(1))?;
    Ok(numbered(1))
}

/// `path` with `suffix` appended to its name.
pub fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_no_plain_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", at("link")).unwrap();
        for bad in [at("fifo"), at("link"), dir.path().to_owned(), at("missing"), "/dev/zero".into()] {
            assert!(read_plain(&bad, 10).is_err(), "{}", bad.display());
        }
    }

    #[test]
    fn the_cap_is_exact() {
        assert_eq!(read_at_most(&b"1234"[..], 4).unwrap(), b"1234");
        assert_eq!(read_at_most(&b"12345"[..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(read_at_most(io::repeat(0), 1 << 16).is_err(), "an endless source ends");
    }

    #[test]
    fn replacing_is_private_and_survives_a_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/file");
        replace(&path, b"one").unwrap();
        fs::write(suffixed(&path, ".tmp"), "left by a crash").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE_FILE);
        assert_eq!(fs::metadata(parent(&path)).unwrap().permissions().mode() & 0o777, PRIVATE_DIR);
        assert_eq!(fs::read_dir(parent(&path)).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn rotation_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("log");
        for text in ["a", "b", "c", "d"] {
            fs::write(&base, text).unwrap();
            rotate(&base, &base, 3).unwrap();
        }
        let kept = ["log.1", "log.2", "log.3"].map(|name| fs::read_to_string(dir.path().join(name)).unwrap());
        assert_eq!(kept, ["d", "c", "b"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
