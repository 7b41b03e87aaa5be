//! Modes and owners as a list in the form of getfacl(1), so that `setfacl --restore=permissions.facl`, run in the root,
//! brings them back. Owners are numbers, for a name may mean somebody else by then.

use crate::beneath::{Facts, Kind};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Its name in the archive.
pub(super) const NAME: &str = "permissions.facl";

/// The list.
#[derive(Debug, Default)]
pub(super) struct Modes {
    pub(super) text: Vec<u8>,
    pub(super) count: u64,
}

impl Modes {
    /// Adds one. Of a link and of what is no file only its target, or nothing, could be changed.
    pub(super) fn add(&mut self, path: &Path, facts: &Facts) {
        match facts.kind {
            Kind::File | Kind::Dir => {}
            Kind::Link | Kind::Other => return,
        }
        self.count += 1;
        self.text.extend_from_slice(b"# file: ");
        self.text.extend(escaped(path.as_os_str()));
        let Facts { uid, gid, mode, .. } = facts;
        let (flags, of) = (flags(*mode), |shift: u32| rights(mode >> shift));
        // A list of bytes takes everything.
        let _ = write!(
            self.text,
            "\n# owner: {uid}\n# group: {gid}\n{flags}user::{}\ngroup::{}\nother::{}\n\n",
            of(6),
            of(3),
            of(0)
        );
    }
}

/// A name may hold what ends a line.
fn escaped(path: &OsStr) -> Vec<u8> {
    let one = |byte: &u8| match byte {
        b'\\' | b'\n' | b'\r' => format!("\\{byte:03o}").into_bytes(),
        other => vec![*other],
    };
    path.as_bytes().iter().flat_map(one).collect()
}

fn rights(mode: u32) -> String {
    [(4, 'r'), (2, 'w'), (1, 'x')]
        .map(|(bit, letter)| if mode & bit == 0 { '-' } else { letter })
        .iter()
        .collect()
}

/// setuid, setgid and sticky, where there is one.
fn flags(mode: u32) -> String {
    let letters = [(0o4000, 's'), (0o2000, 's'), (0o1000, 't')];
    let flags: String =
        letters.map(|(bit, letter)| if mode & bit == 0 { '-' } else { letter }).iter().collect();
    if mode & 0o7000 == 0 { String::new() } else { format!("# flags: {flags}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn it_is_as_getfacl_writes_it() {
        let facts = |kind, mode| Facts {
            kind,
            size: 0,
            on_disk: 0,
            mode,
            uid: 1000,
            gid: 33,
            names: 1,
            modified: UNIX_EPOCH,
            changed: UNIX_EPOCH,
            identity: (0, 0),
        };
        let mut modes = Modes::default();
        modes.add(Path::new("data/a b\n\\"), &facts(Kind::File, 0o640));
        modes.add(Path::new("data"), &facts(Kind::Dir, 0o3000));
        modes.add(Path::new("data/link"), &facts(Kind::Link, 0o777));
        let wanted = "# file: data/a b\\012\\134\n# owner: 1000\n# group: 33\nuser::rw-\ngroup::r--\nother::---\n\n\
                      # file: data\n# owner: 1000\n# group: 33\n# flags: -st\nuser::---\ngroup::---\nother::---\n\n";
        assert_eq!((String::from_utf8(modes.text).unwrap().as_str(), modes.count), (wanted, 2));
    }
}
