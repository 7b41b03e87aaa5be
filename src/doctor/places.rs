//! Whether state and log can be written: the right to, and the room for it. Nothing is written to find out.

use super::Finding;
use crate::config::Paths;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use std::path::Path;

/// The log may grow by its own bound of 30 MiB, and 20 bundles by 50; below this there is not even room for the
/// state, its predecessor and a day of log.
const LEAST_BYTES: u64 = 16 * 1024 * 1024;
/// Log and bundles at their bounds.
const USUAL_BYTES: u64 = 100 * 1024 * 1024;

/// What is known of a directory.
struct Place {
    writable: bool,
    /// Bytes that are left for us; none when the file system does not say.
    free: Option<u64>,
    /// Whether there is a number left for a new file; some file systems do not count them.
    inodes: bool,
}

/// Looks at the directories of state and log.
pub(super) fn check(paths: &Paths) -> Vec<Finding> {
    let log = paths.log.parent().unwrap_or(&paths.log);
    [("state", paths.state.as_path()), ("log", log)]
        .into_iter()
        .map(|(about, directory)| judge(about, directory, &look(directory)))
        .collect()
}

/// What is not there yet will be made in the nearest directory that is.
fn look(directory: &Path) -> Place {
    let there = directory.ancestors().find(|path| path.exists()).unwrap_or(directory);
    let room = statvfs(there).ok();
    Place {
        writable: there.is_dir() && access(there, AccessFlags::W_OK | AccessFlags::X_OK).is_ok(),
        free: room.map(|room| room.blocks_available().saturating_mul(room.fragment_size())),
        inodes: room.is_none_or(|room| room.files() == 0 || room.files_available() > 0),
    }
}

fn judge(about: &str, directory: &Path, place: &Place) -> Finding {
    let at = directory.display();
    let mib = |bytes: u64| bytes / (1024 * 1024);
    match place {
        Place { writable: false, .. } => Finding::fail(
            about,
            format!("{at} cannot be written"),
            format!("mkdir -p '{at}' && sudo chown -R \"$USER\" '{at}' && chmod 700 '{at}'"),
        ),
        Place { inodes: false, .. } => {
            Finding::fail(about, format!("the disk of {at} takes no new file"), format!("df -i '{at}'"))
        }
        Place { free: Some(free), .. } if *free < LEAST_BYTES => Finding::fail(
            about,
            format!("the disk of {at} is full: {} MiB left", mib(*free)),
            format!("df -h '{at}'"),
        ),
        Place { free: Some(free), .. } if *free < USUAL_BYTES => Finding::warn(
            about,
            format!("the disk of {at} is nearly full: {} MiB left", mib(*free)),
            format!("df -h '{at}'"),
        ),
        Place { free: None, .. } => {
            Finding::unknown(about, format!("how much room is left at {at} is not known"))
        }
        Place { .. } => Finding::ok(about, format!("{at} can be written")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn room_is_judged_by_its_bounds() {
        let grade =
            |writable, free, inodes| judge("state", Path::new("/x"), &Place { writable, free, inodes }).grade;
        assert_eq!(grade(true, Some(USUAL_BYTES), true), Grade::Ok);
        assert_eq!(grade(true, Some(USUAL_BYTES - 1), true), Grade::Warn);
        assert_eq!(grade(true, Some(LEAST_BYTES), true), Grade::Warn);
        assert_eq!(grade(true, Some(LEAST_BYTES - 1), true), Grade::Fail);
        assert_eq!(grade(true, Some(USUAL_BYTES), false), Grade::Fail);
        assert_eq!(grade(false, Some(USUAL_BYTES), true), Grade::Fail);
        assert_eq!(grade(true, None, true), Grade::Unknown);
    }

    #[test]
    fn what_is_not_there_yet_is_judged_by_what_is_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = look(&dir.path().join("a/b/c"));
        assert!(place.writable && place.inodes && place.free.is_some());
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(!look(&dir.path().join("file/below")).writable);
        assert!(!look(Path::new("/proc/self/nothing")).writable || nix::unistd::geteuid().is_root());
        assert!(!dir.path().join("a").exists(), "nothing was made");
    }
}
