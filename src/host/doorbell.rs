//! Notices what people leave for us the moment it is there: a kick, an order. It is only a doorbell: where
//! inotify is missing it never rings, and the pass that looks at every interval is the net.

use super::files;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Many events at once; what they say is not looked at.
const EVENTS_BYTES: usize = 4096;

/// Rings when something appears.
#[derive(Debug)]
pub struct Doorbell {
    /// What must be there for a ring to count; none when nobody else puts anything into the directory.
    awaited: Option<PathBuf>,
    bell: Option<Receiver>,
}

impl Doorbell {
    /// Rings when `file` appears. Its directory must exist by now. Needs a tokio runtime.
    pub fn on_file(file: &Path) -> Self {
        let appears = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        Self { awaited: Some(file.to_owned()), bell: bell(files::parent(file), appears).ok() }
    }

    /// Rings when anything is renamed into `directory`, which must exist by now. Needs a tokio runtime.
    pub fn on_directory(directory: &Path) -> Self {
        Self { awaited: None, bell: bell(directory, AddWatchFlags::IN_MOVED_TO).ok() }
    }

    /// Waits until it rings; for ever where nothing can be noticed. May be dropped at any time.
    pub async fn rung(&mut self) {
        let mut events = [0; EVENTS_BYTES];
        while let Some(bell) = &mut self.bell {
            match bell.read(&mut events).await {
                // Our own state lies beside the kick file, and must not wake the watchdog at each save.
                Ok(1..) if self.awaited.as_ref().is_none_or(|file| file.symlink_metadata().is_ok()) => {
                    return;
                }
                Ok(1..) => {}
                Ok(0) | Err(_) => self.bell = None,
            }
        }
        std::future::pending().await
    }
}

/// An inotify descriptor is read like a pipe, and tokio's pipe is its only reader that needs no `unsafe`.
fn bell(directory: &Path, events: AddWatchFlags) -> io::Result<Receiver> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(directory, events)?;
    Receiver::from_owned_fd_unchecked(OwnedFd::from(inotify))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{inbox, kicks};
    use crate::recovery::evidence::Order;
    use crate::values::Secret;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);
    const AWHILE: Duration = Duration::from_millis(100);

    #[tokio::test(flavor = "current_thread")]
    async fn a_kick_rings_and_our_own_files_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kick_request");
        let mut bell = Doorbell::on_file(&path);
        std::fs::write(dir.path().join("state.json"), "x").unwrap();
        std::fs::rename(dir.path().join("state.json"), dir.path().join("state.prev.json")).unwrap();
        assert!(timeout(AWHILE, bell.rung()).await.is_err());
        kicks::write(&path, "a", &Secret::new("token"), "me", 1).unwrap();
        timeout(SOON, bell.rung()).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(timeout(AWHILE, bell.rung()).await.is_err(), "one request rings once");
        std::fs::write(dir.path().join("tmp"), "x").unwrap();
        std::fs::rename(dir.path().join("tmp"), &path).unwrap();
        timeout(SOON, bell.rung()).await.unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_order_rings_and_its_removal_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut inbox = inbox::Inbox::open(dir.path());
        let mut bell = Doorbell::on_directory(&inbox::place(dir.path()));
        inbox::leave(dir.path(), &Order::TestAlert { channel: None }, 1).unwrap();
        timeout(SOON, bell.rung()).await.unwrap();
        assert_eq!(inbox.take(1), [Order::TestAlert { channel: None }]);
        inbox.absorbed();
        assert!(timeout(AWHILE, bell.rung()).await.is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn without_a_directory_it_never_rings_nor_spins() {
        let mut bell = Doorbell::on_file(Path::new("/nonexistent/kick_request"));
        assert!(timeout(AWHILE, bell.rung()).await.is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_directory_that_goes_is_silence() {
        let dir = tempfile::tempdir().unwrap();
        let mut bell = Doorbell::on_file(&dir.path().join("kick_request"));
        dir.close().unwrap();
        assert!(timeout(AWHILE, bell.rung()).await.is_err());
    }
}
