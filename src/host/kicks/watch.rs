//! Notices a kick the moment it is written. It is only a doorbell: where inotify is missing it never rings,
//! and the pass that looks at every interval is the net.

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Many events at once; what they say is not looked at.
const EVENTS_BYTES: usize = 4096;

/// Rings when the kick file appears.
#[derive(Debug)]
pub struct KickWatch {
    kick_file: PathBuf,
    bell: Option<Receiver>,
}

impl KickWatch {
    /// Watches the directory of `kick_file`, which must exist by now. Needs a tokio runtime.
    pub fn new(kick_file: &Path) -> Self {
        Self { kick_file: kick_file.to_owned(), bell: bell(crate::host::files::parent(kick_file)).ok() }
    }

    /// Waits until the kick file appears; for ever where it cannot be noticed. May be dropped at any time.
    pub async fn changed(&mut self) {
        let mut events = [0; EVENTS_BYTES];
        while let Some(bell) = &mut self.bell {
            match bell.read(&mut events).await {
                // Our own state lies in the same directory, and must not wake the watchdog at each save.
                Ok(1..) if self.kick_file.symlink_metadata().is_ok() => return,
                Ok(1..) => {}
                Ok(0) | Err(_) => self.bell = None,
            }
        }
        std::future::pending().await
    }
}

/// An inotify descriptor is read like a pipe, and tokio's pipe is its only reader that needs no `unsafe`.
fn bell(directory: &Path) -> io::Result<Receiver> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(directory, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)?;
    Receiver::from_owned_fd_unchecked(OwnedFd::from(inotify))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kicks;
    use crate::values::Secret;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);
    const AWHILE: Duration = Duration::from_millis(100);

    #[tokio::test(flavor = "current_thread")]
    async fn a_kick_rings_and_our_own_files_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kick_request");
        let mut watch = KickWatch::new(&path);
        std::fs::write(dir.path().join("state.json"), "x").unwrap();
        std::fs::rename(dir.path().join("state.json"), dir.path().join("state.prev.json")).unwrap();
        assert!(timeout(AWHILE, watch.changed()).await.is_err());
        kicks::write(&path, "a", &Secret::new("token"), "me", 1).unwrap();
        timeout(SOON, watch.changed()).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(timeout(AWHILE, watch.changed()).await.is_err(), "one request rings once");
        std::fs::write(dir.path().join("tmp"), "x").unwrap();
        std::fs::rename(dir.path().join("tmp"), &path).unwrap();
        timeout(SOON, watch.changed()).await.unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn without_a_directory_it_never_rings_nor_spins() {
        let mut watch = KickWatch::new(Path::new("/nonexistent/kick_request"));
        assert!(timeout(AWHILE, watch.changed()).await.is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_directory_that_goes_is_silence() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = KickWatch::new(&dir.path().join("kick_request"));
        dir.close().unwrap();
        assert!(timeout(AWHILE, watch.changed()).await.is_err());
    }
}
