//! Is a disk full? Its blocks, its inodes, and whether it is there at all.
//!
//! The one question asked of the file system, `statvfs`, is answered at once by those of this machine; a dead file
//! server would never answer it, and nothing could end the wait. So those are recognised first, and refused.

use super::mounts::{Mount, hazard, on_the_way};
use super::{Seen, judged, kernel_file, percent, size};
use crate::probe::figures::{Figures, gb, rounded};
use crate::recovery::evidence::Reading;
use crate::section::{Section, parse};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::statvfs::{Statvfs, fstatvfs};
use std::path::{Component, Path, PathBuf};

/// The predecessor's threshold.
const MAX: u8 = 90;

/// A probe of one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Where it is mounted, or any directory on it.
    pub mount: PathBuf,
    /// The share in percent from which on it counts as full.
    pub max: Option<u8>,
    /// Bytes that must be free for those who are not root.
    pub min_free: Option<u64>,
    /// The share of inodes in percent from which on it counts as full.
    pub inodes: Option<u8>,
    /// Whether something has to be mounted just there.
    pub mounted: bool,
}

/// How full a file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fill {
    /// Bytes of its blocks: all, used, and free for those who are not root.
    bytes: (u64, u64, u64),
    /// Its inodes: used, and free for those who are not root. Some have none.
    inodes: (u64, u64),
}

impl Disk {
    /// Reads `check.disk = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let mount = section.need("mount", plain);
        let max = section.opt("max", parse::percent);
        let min_free = section.opt("min_free", parse::bytes);
        let inodes = section.opt("inodes", parse::percent);
        let mounted = section.or("mounted", false, parse::flag);
        let is_asked = ["max", "min_free", "inodes", "mounted"].map(|key| section.has(key)).contains(&true);
        let max = if is_asked { max } else { Some(MAX) };
        Some(Self { mount: mount?, max, min_free, inodes, mounted })
    }

    pub(super) fn look(&self) -> Seen {
        let way = on_the_way(&kernel_file("/proc/self/mountinfo")?, &self.mount);
        if let Some(reading) = self.refused(&way)? {
            return Ok((reading, Figures::new()));
        }
        let fill = Fill::of(&self.fill()?);
        Ok((self.judge(&fill), fill.figures()))
    }

    /// A reading without a look: what has to be mounted is not.
    ///
    /// # Errors
    /// That a look might never end.
    fn refused(&self, way: &[Mount]) -> Result<Option<Reading>, String> {
        if let Some(remote) = way.iter().find(|mount| mount.is_remote()) {
            return Err(hazard(remote, &self.mount));
        }
        let mount = self.mount.display();
        let missing = self.mounted && way.last().is_none_or(|last| last.at != self.mount);
        Ok(missing.then(|| {
            Reading::Fail(format!("nothing is mounted at {mount}; see `findmnt --verify` and dmesg"))
        }))
    }

    /// Symbolic links could lead to where a look never ends.
    fn fill(&self) -> Result<Statvfs, String> {
        let how =
            OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let filled = openat2(AT_FDCWD, self.mount.as_path(), how).and_then(fstatvfs);
        filled.map_err(|error| unseen(&self.mount, error))
    }

    fn judge(&self, fill: &Fill) -> Reading {
        let (used, free, mount) = (fill.usage(), fill.bytes.2, self.mount.display());
        let mut wrong = Vec::new();
        if let Some(max) = self.max.filter(|max| used >= f64::from(*max)) {
            wrong.push(format!("{mount} is {used:.0} % full, {max} % is too much; {} are free", size(free)));
        }
        if let Some(least) = self.min_free.filter(|least| free < *least) {
            wrong.push(format!("{mount} has only {} free, less than {}", size(free), size(least)));
        }
        let inodes = percent(fill.inodes.0, fill.inodes.0 + fill.inodes.1);
        if let Some(max) = self.inodes.filter(|max| inodes >= f64::from(*max)) {
            wrong.push(format!("{inodes:.0} % of the inodes of {mount} are used, {max} % is too much"));
        }
        judged(format!("{used:.0} % full, {} free", size(free)), &wrong)
    }
}

/// An absolute path that leads where it seems to.
pub(in crate::probe) fn plain(text: &str) -> Result<PathBuf, String> {
    let path = parse::absolute(text)?;
    match path.components().any(|part| part == Component::ParentDir) {
        true => Err(format!("{text:?} goes back with ..; write where it leads")),
        false => Ok(path),
    }
}

fn unseen(mount: &Path, error: Errno) -> String {
    let mount = mount.display();
    let known = [
        (Errno::ELOOP, format!("there is a symbolic link in {mount}; write where it leads")),
        (Errno::ENOENT, format!("there is no {mount}")),
        (Errno::EACCES, format!("no permission to look at {mount}")),
    ];
    let found = known.into_iter().find(|(known, _)| *known == error).map(|(_, told)| told);
    found.unwrap_or_else(|| format!("{mount} cannot be looked at: {}", error.desc()))
}

impl Fill {
    /// As `df` counts: what is kept for root is neither used nor free.
    fn of(seen: &Statvfs) -> Self {
        let bytes = |blocks: u64| blocks.saturating_mul(seen.fragment_size());
        let used = seen.blocks().saturating_sub(seen.blocks_free());
        let inodes = seen.files().saturating_sub(seen.files_free());
        Self {
            bytes: (bytes(seen.blocks()), bytes(used), bytes(seen.blocks_available())),
            inodes: (inodes, seen.files_available()),
        }
    }

    fn usage(&self) -> f64 {
        percent(self.bytes.1, self.bytes.1.saturating_add(self.bytes.2))
    }

    fn figures(&self) -> Figures {
        let (total, used, free) = self.bytes;
        let usage = rounded(self.usage());
        [("usage_percent", usage), ("total_gb", gb(total)), ("used_gb", gb(used)), ("free_gb", gb(free))]
            .into()
    }
}

/// How full the root is, for the metrics.
pub(super) fn of_root() -> Figures {
    let root = Disk { mount: "/".into(), max: None, min_free: None, inodes: None, mounted: false };
    root.look().map(|(_, figures)| figures).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(mount: &Path) -> Disk {
        Disk { mount: mount.to_owned(), max: Some(90), min_free: None, inodes: None, mounted: false }
    }

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_threshold_is_too_much_when_it_is_reached() {
        let at = |used: u64| {
            let fill = Fill { bytes: (1000, used, 1000 - used), inodes: (0, 0) };
            disk(Path::new("/x")).judge(&fill)
        };
        assert_eq!(at(899), Reading::Pass("90 % full, 0 MiB free".to_owned()));
        assert_eq!(at(900), Reading::Fail("/x is 90 % full, 90 % is too much; 0 MiB are free".to_owned()));
    }

    #[test]
    fn blocks_and_inodes_are_counted_apart() {
        let all = Disk { min_free: Some(20 * GIB), inodes: Some(95), ..disk(Path::new("/x")) };
        let at = |free, inodes| all.judge(&Fill { bytes: (100 * GIB, 100 * GIB - free, free), inodes });
        assert_eq!(at(20 * GIB, (94, 6)), Reading::Pass("80 % full, 20 GiB free".to_owned()));
        assert_eq!(
            at(GIB, (95, 5)).detail(),
            "/x is 99 % full, 90 % is too much; 1024 MiB are free, and /x has only 1024 MiB free, less than 20 GiB, and \
             95 % of the inodes of /x are used, 95 % is too much"
        );
        // A file system without inodes has none to run out of.
        assert!(matches!(at(30 * GIB, (0, 0)), Reading::Pass(_)));
    }

    #[test]
    fn what_could_hang_is_not_looked_at() {
        let mount = |at: &str, kind: &str| Mount { at: at.into(), kind: kind.to_owned() };
        let way = [mount("/", "ext4"), mount("/mnt", "nfs4"), mount("/mnt/disk", "ext4")];
        let told = disk(Path::new("/mnt/disk/x")).refused(&way).unwrap_err();
        assert!(told.starts_with("/mnt is nfs4, which can hang for ever"), "{told}");
        assert_eq!(disk(Path::new("/mnt")).refused(&way[..1]), Ok(None));
        let bare = Disk { mounted: true, ..disk(Path::new("/mnt")) };
        assert!(
            matches!(bare.refused(&way[..1]), Ok(Some(Reading::Fail(why))) if why.starts_with("nothing is mounted"))
        );
    }

    #[test]
    fn a_real_disk_is_looked_at_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        let (reading, figures) = disk(&real).look().unwrap();
        assert!(matches!(reading, Reading::Pass(_) | Reading::Fail(_)), "{reading:?}");
        assert_eq!(
            figures.keys().copied().collect::<Vec<_>>(),
            ["free_gb", "total_gb", "usage_percent", "used_gb"]
        );
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        assert!(disk(&real.join("link")).look().unwrap_err().contains("symbolic link"));
        assert!(plain("/mnt/../nfs").is_err() && plain("nfs").is_err() && plain("/mnt").is_ok());
        assert!(disk(&real.join("none")).look().unwrap_err().starts_with("there is no "));
        assert!(!of_root().is_empty());
    }
}
