//! Where the owner leaves orders for the watchdog itself: one small file per order in `inbox/` of the state
//! directory. No token is needed, for only the owner can write there. What an order leads to is the core's
//! decision; here it is only carried, and must not be looked for at a cost: a healthy cycle pays one `stat`.
//!
//! A file is removed once the state that absorbed its order is saved. After a crash before that, the next
//! start finds it again, and a pause is then applied a second time with the same end.

use super::chronicle;
use super::files;
use crate::recovery::evidence::{Name, Order};
use crate::recovery::time::Age;
use crate::values::one_line;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The longest pause: a longer one is a target that should be taken out of the configuration.
pub const PAUSE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// The longest reason, in characters: one line of a message.
pub const REASON_CHARS_MAX: usize = 200;
/// An order is a name, a span and a line.
const BYTES_MAX: u64 = 4096;
/// Orders taken in one pass; what is left is taken in the next ones.
const TAKEN_MAX: usize = 16;
/// Names looked at in one pass, so that a directory full of rubbish cannot hold it up.
const NAMES_MAX: usize = 256;
/// A test of the channel that waited longer than this is not wanted any more.
const TEST_EXPIRY_S: u64 = 3600;
/// The version of a note's meaning.
const VERSION: u32 = 1;
/// File times move in steps of some milliseconds: a directory that changed within this may change again
/// without showing it.
const TIME_STEP: Duration = Duration::from_secs(1);

/// What stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    version: u32,
    /// When it was left, in Unix seconds: a pause counts from then.
    left: u64,
    order: Order,
}

/// The directory below `state_dir`.
pub fn place(state_dir: &Path) -> PathBuf {
    state_dir.join("inbox")
}

/// Leaves an order, and gives the file that is gone once it was taken. `now_wall` is in Unix seconds.
///
/// # Errors
/// A sentence saying what the system says.
pub fn leave(state_dir: &Path, order: &Order, now_wall: u64) -> Result<PathBuf, String> {
    let directory = place(state_dir);
    let note = Note { version: VERSION, left: now_wall, order: order.clone() };
    let json = serde_json::to_vec(&note).map_err(|error| error.to_string())?;
    // Names sort by time, so that a resume never overtakes the pause that it ends.
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = format!("{:020}-{}", since_epoch.as_nanos(), std::process::id());
    let (fresh, path) = (directory.join(format!(".{name}")), directory.join(format!("{name}.json")));
    let put = create(&directory)
        .and_then(|()| files::write_new(&fresh, &json))
        .and_then(|_| fs::rename(&fresh, &path));
    put.map_err(|error| format!("leaving an order in {}: {error}", directory.display()))?;
    Ok(path)
}

fn create(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(files::PRIVATE_DIR).create(directory)
}

/// The watchdog's side.
#[derive(Debug)]
pub struct Inbox {
    directory: PathBuf,
    /// What was taken or refused, and waits to be removed.
    done: BTreeSet<OsString>,
    /// The directory's time when nothing new was in it.
    quiet_since: Option<SystemTime>,
}

impl Inbox {
    /// Makes the directory, so that its doorbell can be hung up.
    pub fn open(state_dir: &Path) -> Self {
        let directory = place(state_dir);
        // Where it cannot be made, nothing can be left in it either.
        let _ = create(&directory);
        Self { directory, done: BTreeSet::new(), quiet_since: None }
    }

    /// Takes what was left since the last time, oldest first. The time it lay there is taken off a pause.
    pub fn take(&mut self, now_wall: u64) -> Vec<Order> {
        let changed = fs::metadata(&self.directory).and_then(|facts| facts.modified()).ok();
        if changed.is_none() || changed == self.quiet_since {
            return Vec::new();
        }
        let names = self.waiting();
        let all = names.len() <= TAKEN_MAX;
        self.quiet_since = changed.filter(|at| all && at.elapsed().is_ok_and(|age| age > TIME_STEP));
        names.into_iter().take(TAKEN_MAX).filter_map(|name| self.open_one(name, now_wall)).collect()
    }

    /// The names that were not dealt with yet. Those that begin with a dot are still being written.
    fn waiting(&self) -> BTreeSet<OsString> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return BTreeSet::new() };
        let names = entries.flatten().map(|entry| entry.file_name());
        let new = |name: &OsString| !name.as_encoded_bytes().starts_with(b".") && !self.done.contains(name);
        names.filter(new).take(NAMES_MAX).collect()
    }

    fn open_one(&mut self, name: OsString, now_wall: u64) -> Option<Order> {
        let order = read(&self.directory.join(&name)).and_then(|note| age(note, now_wall));
        match &order {
            Ok(order) => chronicle::order(order),
            Err(why) => {
                let name = one_line(&name.to_string_lossy(), 80);
                chronicle::trouble("inbox", &format!("{name} is thrown away: {why}"));
            }
        }
        self.done.insert(name);
        order.ok()
    }

    /// Removes what was taken; call it when the state that absorbed it is saved. What cannot be removed is
    /// not taken again, and is tried again with the next save.
    pub fn absorbed(&mut self) {
        let directory = &self.directory;
        let remains = |name: &OsString| {
            let path = directory.join(name);
            files::remove(&path).or_else(|_| fs::remove_dir(&path)).is_err()
        };
        self.done.retain(remains);
    }
}

/// Reads one file, if it is ours and nobody else could have written it.
fn read(path: &Path) -> Result<Note, String> {
    let (file, facts) = files::open_plain(path).map_err(|error| error.to_string())?;
    if facts.uid() != nix::unistd::geteuid().as_raw() {
        return Err(format!("it belongs to user {}, not to us", facts.uid()));
    }
    if facts.mode() & 0o022 != 0 {
        return Err(format!("its mode is {:o}, so others may write it", facts.mode() & 0o777));
    }
    let bytes = files::read_at_most(file, BYTES_MAX).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("it is no order: {error}"))
}

/// What is left of an order by now, with everything in it within its bounds.
fn age(note: Note, now_wall: u64) -> Result<Order, String> {
    if note.version > VERSION {
        return Err(format!("it has version {}, newer than this program knows", note.version));
    }
    // A clock that was set back meanwhile makes the pause longer by that, never shorter.
    let lay_s = now_wall.saturating_sub(note.left);
    match note.order {
        Order::Pause { target, span, reason } => {
            let span = span.min(PAUSE_MAX).saturating_sub(Duration::from_secs(lay_s));
            if span.is_zero() {
                return Err("the pause was over before a watchdog ran".to_owned());
            }
            let target = target.map(|name| Name::parse(name.as_str())).transpose()?;
            Ok(Order::Pause { target, span, reason: one_line(&reason, REASON_CHARS_MAX) })
        }
        Order::Resume { target } => {
            let target = target.map(|name| Name::parse(name.as_str())).transpose()?;
            Ok(Order::Resume { target })
        }
        Order::TestAlert { .. } if lay_s > TEST_EXPIRY_S => {
            Err(format!("the test was wanted {} ago", Age(Duration::from_secs(lay_s))))
        }
        Order::TestAlert { channel } => {
            let channel = channel.map(|name| Name::parse(name.as_str())).transpose()?;
            Ok(Order::TestAlert { channel })
        }
    }
}

#[cfg(test)]
mod tests;
