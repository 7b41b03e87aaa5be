//! Notices new lines and new files the moment they are there. It is only a bell: where inotify is missing, or its
//! watches are used up, it never rings, which is said once, and looking at every cycle is the net.

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep_until};

/// A busy writer wakes us this often at most; half of what a new line may take to be noticed.
const PAUSE: Duration = Duration::from_millis(50);
/// Reads of the queue of events at one go, of some hundred events each.
const READS_MAX: usize = 64;

/// The bell. What it watches is known by the kernel alone.
#[derive(Debug)]
pub(super) struct Bell {
    inotify: Option<Inotify>,
    /// The same queue, for waiting; made by the first one who waits, because it needs a runtime.
    waiting: Option<Receiver>,
    /// When it first rang since somebody looked.
    rang: Option<Instant>,
    new_names: bool,
    /// Which limit of the kernel keeps it from ringing, if one does; said once.
    mute: Option<&'static str>,
    said: bool,
}

impl Bell {
    pub(super) fn new() -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC);
        let mute = matches!(inotify, Err(Errno::EMFILE)).then_some("max_user_instances");
        Self { inotify: inotify.ok(), waiting: None, rang: None, new_names: false, mute, said: false }
    }

    /// Why it does not ring for all that it should, the first time that this is asked.
    pub(super) fn news(&mut self) -> Option<String> {
        let limit = self.mute.filter(|_| !self.said)?;
        self.said = true;
        Some(format!(
            "new lines may be seen only once a cycle, for fs.inotify.{limit} is used up; picoclaw-watchdog doctor says \
             how to raise it"
        ))
    }

    /// Rings when an open file changes. It is named by its descriptor, so that no rename comes in between.
    pub(super) fn watch_file(&mut self, file: &File) -> Option<WatchDescriptor> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        self.watch(Path::new(&path), AddWatchFlags::IN_MODIFY)
    }

    /// One that is missing or forbidden is looked at without a bell.
    fn watch(&mut self, path: &Path, events: AddWatchFlags) -> Option<WatchDescriptor> {
        let watch = self.inotify.as_ref()?.add_watch(path, events);
        if watch == Err(Errno::ENOSPC) {
            self.mute = Some("max_user_watches");
        }
        watch.ok()
    }

    /// Rings when a name appears in a directory. To say it twice is to say it once.
    pub(super) fn watch_directory(&mut self, directory: &Path) {
        let appears = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
        self.watch(directory, appears);
    }

    /// Watches a file no longer.
    pub(super) fn forget(&self, watch: Option<WatchDescriptor>) {
        if let (Some(inotify), Some(watch)) = (&self.inotify, watch) {
            // It went with its file, if that is gone.
            let _ = inotify.rm_watch(watch);
        }
    }

    /// Somebody looks now: what rang until here is answered.
    pub(super) fn answer(&mut self) {
        self.hear();
        self.rang = None;
    }

    /// Whether names have appeared since the last look.
    pub(super) fn has_new_names(&self) -> bool {
        self.new_names
    }

    /// All directories were looked at.
    pub(super) fn names_are_known(&mut self) {
        self.new_names = false;
    }

    /// Waits until it rings, and a moment longer. It goes on ringing until it is answered; may be dropped.
    pub(super) async fn rung(&mut self) {
        loop {
            if let Some(rang) = self.rang {
                return sleep_until(rang + PAUSE).await;
            }
            let Some(queue) = self.queue() else { return std::future::pending().await };
            match queue.readable().await {
                // The queue is read below; until it is empty, it does not ring again.
                Ok(()) => drop(queue.try_io(|| io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()))),
                Err(_) => self.inotify = None,
            }
            self.hear();
        }
    }

    fn queue(&mut self) -> Option<&Receiver> {
        if self.waiting.is_none() {
            let copy = self.inotify.as_ref()?.as_fd().try_clone_to_owned().ok()?;
            // An inotify descriptor is waited for like a pipe, and tokio's pipe does so without `unsafe`.
            self.waiting = Receiver::from_owned_fd_unchecked(copy).ok();
        }
        self.inotify.as_ref().and(self.waiting.as_ref())
    }

    /// Takes the events from the queue; what stands in them matters little.
    fn hear(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        for _ in 0..READS_MAX {
            let Ok(events) = inotify.read_events() else { return };
            // A watch that ends with its file says so, and is no news.
            for event in events.iter().filter(|event| event.mask != AddWatchFlags::IN_IGNORED) {
                self.rang.get_or_insert_with(Instant::now);
                self.new_names |= !event.mask.contains(AddWatchFlags::IN_MODIFY);
            }
        }
    }
}
