//! The view that the running watchdog publishes for `status`: a small file on the runtime directory's
//! memory disk. Its time says when all that it holds was last seen, so that a pass in which nothing has changed only
//! touches it. It is no state; losing it loses nothing.

use super::files;
use super::view::View;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::signal::kill;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where a file of the running instance lies: in the runtime directory, so that no disk is written every
/// minute and a full or read-only one does not matter; in the state directory where there is none. Two
/// watchdogs with different states do not share it.
pub fn place(state: &Path, what: &str) -> PathBuf {
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    // `runuser` and `sudo` leave the one of whoever called them.
    let is_ours =
        |dir: &PathBuf| dir.metadata().is_ok_and(|facts| facts.uid() == nix::unistd::getuid().as_raw());
    let given = given.filter(is_ours);
    // cron and sudo do not set the variable, but must find the same place as systemd.
    let usual =
        || Some(PathBuf::from(format!("/run/user/{}", nix::unistd::getuid()))).filter(|dir| dir.is_dir());
    match given.or_else(usual) {
        Some(runtime) => {
            let name = state.to_string_lossy().replace('/', "-");
            runtime.join("picoclaw-watchdog").join(format!("{what}{name}"))
        }
        None => state.join(what),
    }
}

const STATUS: &str = "status";

/// Publishes, pass after pass.
#[derive(Debug, Default)]
pub struct Publisher {
    /// What stands in the file.
    last: Option<View>,
}

impl Publisher {
    /// Nothing published yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes.
    ///
    /// # Errors
    /// What is in the way.
    pub fn publish(&mut self, state: &Path, view: View) -> Result<(), String> {
        let path = place(state, STATUS);
        if let Some(last) = &mut self.last {
            last.at = view.at;
            if *last == view && touch(&path) {
                return Ok(());
            }
        }
        self.last = None;
        let json = serde_json::to_vec(&view).map_err(|error| error.to_string())?;
        files::replace(&path, &json).map_err(|error| format!("writing {}: {error}", path.display()))?;
        self.last = Some(view);
        Ok(())
    }
}

/// Whether the file is there, and is of now.
fn touch(path: &Path) -> bool {
    let now = TimeSpec::UTIME_NOW;
    utimensat(AT_FDCWD, path, &now, &now, UtimensatFlags::NoFollowSymlink).is_ok()
}

/// Reads what was published last; none when nothing was, or nothing readable.
pub fn read(state: &Path) -> Option<View> {
    /// A view of a hundred targets is some 100 KiB.
    const BYTES_MAX: u64 = 1 << 20;
    let path = place(state, STATUS);
    let view: View = serde_json::from_slice(&files::read_plain(&path, BYTES_MAX).ok()?).ok()?;
    let at = fs::symlink_metadata(path).ok()?.mtime();
    Some(View { at: u64::try_from(at).unwrap_or_default(), ..view })
}

/// What a watchdog that still runs published last.
pub fn running(state: &Path) -> Option<View> {
    read(state).filter(|view| view.resident && is_alive(view.pid))
}

/// Whether a process is there, whoever it belongs to.
pub fn is_alive(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    pid > 0 && kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// Takes it away at the end, so that nobody takes an old view for a running watchdog.
pub fn clear(state: &Path) {
    // It may never have been written.
    let _ = files::remove(&place(state, STATUS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, compile};
    use std::time::{Duration, SystemTime};

    fn view(at: u64) -> View {
        let sources = Sources { home: "/home/pico".into(), ..Sources::default() };
        View::switched_off(&compile(&sources).config.unwrap().policy, at)
    }

    /// Back in time, so that it shows when the file is touched.
    fn age(path: &Path) -> u64 {
        let then = SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn a_pass_in_which_nothing_changed_only_touches_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, mut publisher) = (place(dir.path(), STATUS), Publisher::new());
        let read = || read(dir.path()).unwrap();
        publisher.publish(dir.path(), view(1)).unwrap();
        let (first, old) = (age(&path), read().at);
        publisher.publish(dir.path(), view(2)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), first, "the same file");
        assert!(read().at >= old + 3600, "seen just now");
        assert_eq!(read(), View { at: read().at, ..view(0) });

        let changed = View { unsaved: Some("no space".to_owned()), ..view(3) };
        publisher.publish(dir.path(), changed.clone()).unwrap();
        assert_eq!(read().unsaved, changed.unsaved);

        clear(dir.path());
        publisher.publish(dir.path(), View { at: 4, ..changed }).unwrap();
        assert!(path.exists(), "somebody took it away");
        clear(dir.path());
    }

    #[test]
    fn what_could_not_be_written_is_written_as_soon_as_it_can_be() {
        let dir = tempfile::tempdir().unwrap();
        let (path, mut publisher) = (place(dir.path(), STATUS), Publisher::new());
        fs::create_dir_all(path.join("in the way")).unwrap();
        assert!(publisher.publish(dir.path(), view(1)).is_err());
        fs::remove_dir_all(&path).unwrap();
        publisher.publish(dir.path(), view(2)).unwrap();
        assert!(read(dir.path()).is_some());
        clear(dir.path());
    }
}
