//! The view that the running watchdog publishes for `status`: a small file on the runtime directory's
//! memory disk, rewritten after each pass. It is no state; losing it loses nothing.

use super::files;
use super::view::View;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
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

/// Publishes.
///
/// # Errors
/// What is in the way.
pub fn write(state: &Path, view: &View) -> Result<(), String> {
    let path = place(state, STATUS);
    let json = serde_json::to_vec(view).map_err(|error| error.to_string())?;
    files::replace(&path, &json).map_err(|error| format!("writing {}: {error}", path.display()))
}

/// Reads what was published last; none when nothing was, or nothing readable.
pub fn read(state: &Path) -> Option<View> {
    /// A view of a hundred targets is some 100 KiB.
    const BYTES_MAX: u64 = 1 << 20;
    serde_json::from_slice(&files::read_plain(&place(state, STATUS), BYTES_MAX).ok()?).ok()
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
