//! What is mounted where. It reads the kernel's list and touches no file system.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// File systems that another machine or another process answers for: a question may hang with them, in a way that
/// nothing can end. `autofs` mounts such a one when it is touched.
const REMOTE: [&str; 16] = [
    "9p",
    "afs",
    "autofs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "fuse",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where.
    pub(super) at: PathBuf,
    /// What kind of file system it is.
    pub(super) kind: String,
}

impl Mount {
    /// Whether somebody else answers for it.
    pub(super) fn is_remote(&self) -> bool {
        self.kind.starts_with("fuse.") || REMOTE.contains(&self.kind.as_str())
    }
}

/// The mounts on the way to a path, outermost first: the last one holds it. Of several at one place the last counts.
pub(super) fn on_the_way(mountinfo: &str, path: &Path) -> Vec<Mount> {
    let mut way: Vec<Mount> = Vec::new();
    for mount in mountinfo.lines().filter_map(parse).filter(|mount| path.starts_with(&mount.at)) {
        way.retain(|known| known.at != mount.at);
        way.push(mount);
    }
    way.sort_by_key(|mount| mount.at.components().count());
    way
}

/// The first mount that somebody else answers for, on the way to a path or below it.
pub(super) fn remote(mountinfo: &str, path: &Path) -> Option<Mount> {
    let below = mountinfo.lines().filter_map(parse).filter(|mount| mount.at.starts_with(path));
    on_the_way(mountinfo, path).into_iter().chain(below).find(Mount::is_remote)
}

/// Why a look at something below it might never end.
pub(super) fn hazard(remote: &Mount, path: &Path) -> String {
    let (kind, at, path) = (&remote.kind, remote.at.display(), path.display());
    format!("{at} is {kind}, which can hang for ever, so {path} is not looked at; watch the disk where it is")
}

/// A line like `27 1 254:0 / /mnt rw,relatime shared:1 - ext4 /dev/vda rw`; see proc(5).
fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let at = PathBuf::from(unescape(before.split(' ').nth(4)?));
    Some(Mount { at, kind: after.split(' ').next()?.to_owned() })
}

/// Blanks and the like are written as three octal digits.
fn unescape(text: &str) -> OsString {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| byte == b'\\');
        let octal = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 27 0:21 / /proc rw - proc proc rw\n\
        27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n\
        40 27 0:40 / /mnt/nas rw - nfs4 nas:/export rw\n\
        41 40 8:1 / /mnt/nas/disk rw - ext4 /dev/sda1 rw\n\
        42 27 8:2 / /mnt/a\\040b rw - fuseblk /dev/sdb1 rw\n\
        43 27 8:3 / /mnt/a\\040b rw - fuse.sshfs me@there: rw\n\
        rubbish\n - \n1 2 3 - x\n";

    fn way(path: &str) -> Vec<(String, bool)> {
        let way = on_the_way(MOUNTS, Path::new(path));
        way.iter().map(|mount| (mount.kind.clone(), mount.is_remote())).collect()
    }

    #[test]
    fn every_mount_on_the_way_is_seen() {
        let local = ("ext4".to_owned(), false);
        assert_eq!(way("/mnt/nasty"), way("/"));
        assert_eq!(way("/mnt/nas/disk/x"), [local.clone(), ("nfs4".to_owned(), true), local.clone()]);
        // What was mounted last hides what was there before.
        assert_eq!(way("/mnt/a b"), [local, ("fuse.sshfs".to_owned(), true)]);
        assert_eq!(on_the_way("", Path::new("/")), []);
    }

    #[test]
    fn what_somebody_else_answers_for_is_found_above_and_below() {
        let at = |path: &str| remote(MOUNTS, Path::new(path)).map(|mount| mount.at);
        assert_eq!(at("/mnt/nas/disk/x"), Some("/mnt/nas".into()));
        assert_eq!(at("/mnt"), Some("/mnt/nas".into()), "a name in it could be asked about");
        assert_eq!(at("/srv/backups"), None);
    }

    #[test]
    fn a_name_with_blanks_and_backslashes_is_read_back() {
        assert_eq!(unescape("a\\040b\\134\\12"), OsString::from("a b\\\\12"));
        assert_eq!(unescape("\\999\\"), OsString::from("\\999\\"));
    }
}
