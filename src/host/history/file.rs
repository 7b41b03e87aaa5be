//! The files of the history: appended to, bounded, and read back with every line that is whole. What may be
//! lost in a power cut is not synced, and a full disk costs lines, never a repair.

use super::record::{Line, VERSION};
use crate::host::files;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The size at which a new file is begun: some thousand repairs, or a day in which something was suspect
/// every two seconds.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files kept besides the one being written: 8 MiB in all.
pub const OLD_FILES: usize = 7;
/// A line longer than this is not ours: a state of a hundred targets is a tenth of it.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// The history's place.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    len: u64,
    /// Whether the last line may be half written, so that the next one must not be glued to it.
    torn: bool,
}

impl File {
    /// The history below this state directory. Nothing is created before the first line.
    pub(super) fn new(state_dir: &Path) -> Self {
        let path = place(state_dir);
        let (len, torn) = end_of(&path).unwrap_or((0, false));
        Self { path, len, torn }
    }

    /// Appends whole lines in one write. True when a new file was begun for them.
    ///
    /// # Errors
    /// What the system says; the next write tries again.
    pub(super) fn append(&mut self, lines: &str) -> Result<bool, String> {
        let full = self.len > 0 && self.len + lines.len() as u64 > FILE_BYTES_MAX;
        let written = if full { self.begin_new() } else { Ok(()) }.and_then(|()| self.write(lines));
        self.torn = written.is_err();
        written.map(|()| full).map_err(|error| format!("writing {}: {error}", self.path.display()))
    }

    fn begin_new(&mut self) -> io::Result<()> {
        (self.len, self.torn) = (0, false);
        match files::rotate(&self.path, &self.path, OLD_FILES) {
            // Somebody cleared it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        files::create_parent(&self.path)?;
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(files::PRIVATE_FILE).custom_flags(flags);
        let mut file = options.open(&self.path)?;
        let start = if self.torn { "\n" } else { "" };
        file.write_all(format!("{start}{lines}").as_bytes())?;
        self.len += (start.len() + lines.len()) as u64;
        Ok(())
    }
}

fn place(state_dir: &Path) -> PathBuf {
    state_dir.join("history").join("history.jsonl")
}

fn end_of(path: &Path) -> io::Result<(u64, bool)> {
    let (mut file, facts) = files::open_plain(path)?;
    if facts.len() == 0 {
        return Ok((0, false));
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok((facts.len(), last != *b"\n"))
}

/// Every line that can be read, oldest first. What is torn, damaged, or of a newer program is left out.
///
/// # Errors
/// What keeps a file that is there from being read: only where none is, nothing was recorded.
pub fn read(state_dir: &Path) -> Result<Vec<Line>, String> {
    let path = place(state_dir);
    let old = (1..=OLD_FILES).rev().map(|number| files::suffixed(&path, &format!(".{number}")));
    let mut all = Vec::new();
    for path in old.chain([path.clone()]) {
        match lines(&path, 0) {
            Ok(lines) => all.extend(lines),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("reading {}: {error}", path.display())),
        }
    }
    Ok(all)
}

/// The lines in the last `bytes` of the newest file.
pub(super) fn tail(state_dir: &Path, bytes: u64) -> Vec<Line> {
    lines(&place(state_dir), bytes).unwrap_or_default()
}

/// The lines of a file, or of its last `tail` bytes when that is not zero.
fn lines(path: &Path, tail: u64) -> io::Result<Vec<Line>> {
    let text = || -> io::Result<Vec<u8>> {
        let (mut file, facts) = files::open_plain(path)?;
        if tail > 0 {
            file.seek(SeekFrom::Start(facts.len().saturating_sub(tail)))?;
        }
        files::read_at_most(file, FILE_BYTES_MAX + LINE_BYTES_MAX)
    };
    let text = text()?;
    let line = |bytes: &[u8]| serde_json::from_slice::<Line>(bytes).ok().filter(|line| line.v <= VERSION);
    Ok(text.split(|byte| *byte == b'\n').filter_map(line).collect())
}
