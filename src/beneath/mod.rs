//! A directory that cannot be left: whatever is named, linked, swapped or mounted below it, nothing outside is
//! opened, changed or removed. The kernel sees to that, at the moment of each call, so there is nothing to win for
//! who changes the tree meanwhile. It must not know what the files are for, nor choose among them.
//!
//! What is opened is opened by `openat2`, which refuses every symbolic link and every other file system on the way.
//! Everything else takes one name in an open directory, and no such call follows a link.

mod facts;
mod pace;
mod walk;

#[cfg(test)]
mod tests;

pub use facts::{Facts, Kind};
pub use pace::Pace;
pub use walk::{DEPTH_MAX, Entry, Visit, Walk};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat, renameat};
use nix::sys::stat::{Mode, fstat, fstatat, mkdirat};
use nix::unistd::{AccessFlags, LinkatFlags, Uid, UnlinkatFlags, faccessat, fchownat, linkat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// Opens the directory that is not to be left. No symbolic link may be on the way to it: who may write above
    /// it could send us elsewhere.
    ///
    /// # Errors
    /// What the system says; see [`reason`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let how = OpenHow::new().flags(DIRECTORY).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        Ok(Self(openat2(AT_FDCWD, path, how)?))
    }

    /// A directory below this one, on the same file system.
    ///
    /// # Errors
    /// What the system says.
    pub fn dir(&self, below: &Path) -> io::Result<Self> {
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        self.open_at(below.as_os_str(), DIRECTORY, 0).map(Self)
    }

    /// A plain file in this directory, for reading, or for reading and changing. A FIFO is not waited for.
    ///
    /// # Errors
    /// What the system says, or that it is not a plain file.
    pub fn file(&self, name: &OsStr, access: Access) -> io::Result<File> {
        let access = match access {
            Access::Read => OFlag::O_RDONLY,
            Access::Change => OFlag::O_RDWR,
        };
        let flags = access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(self.open_at(single(name)?, flags, 0)?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is not a plain file")),
        }
    }

    /// A file that must not exist yet, for its owner only.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        self.open_at(single(name)?, flags, 0o600).map(File::from)
    }

    /// Something in this directory as it is, to change its mode or owner: what it is said to be and what is changed
    /// is the same thing then.
    ///
    /// # Errors
    /// What the system says.
    pub fn handle(&self, name: &OsStr) -> io::Result<Handle> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        self.open_at(single(name)?, flags, 0).map(|fd| Handle(File::from(fd)))
    }

    fn open_at(&self, path: &OsStr, flags: OFlag, mode: u32) -> io::Result<OwnedFd> {
        let stay =
            ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
        let how = OpenHow::new().flags(flags).mode(Mode::from_bits_truncate(mode)).resolve(stay);
        Ok(openat2(&self.0, path, how)?)
    }

    /// What a name in this directory stands for; of a symbolic link, the link itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn facts(&self, name: &OsStr) -> io::Result<Facts> {
        Ok(Facts::of(&fstatat(&self.0, single(name)?, AtFlags::AT_SYMLINK_NOFOLLOW)?))
    }

    /// Where a symbolic link says that it leads to. It is not gone there.
    ///
    /// # Errors
    /// What the system says.
    pub fn target(&self, name: &OsStr) -> io::Result<OsString> {
        Ok(readlinkat(&self.0, single(name)?)?)
    }

    /// What this directory is itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn own(&self) -> io::Result<Facts> {
        Ok(Facts::of(&fstat(&self.0)?))
    }

    /// Removes a name that is no directory's.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, single(name)?, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// What the system says, such as that it is not empty.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, single(name)?, UnlinkatFlags::RemoveDir)?)
    }

    /// Makes a directory, for its owner only.
    ///
    /// # Errors
    /// What the system says.
    pub fn make_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(mkdirat(&self.0, single(name)?, Mode::S_IRWXU)?)
    }

    /// Gives something another name in this directory. What had that name is gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, single(from)?, &self.0, single(to)?)?)
    }

    /// Gives a file one more name in this directory, which must be free.
    ///
    /// # Errors
    /// What the system says.
    pub fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(linkat(&self.0, single(from)?, &self.0, single(to)?, LinkatFlags::empty())?)
    }

    /// Makes the names in this directory durable.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        Ok(nix::unistd::fsync(&self.0)?)
    }

    /// The names in this directory, in no order, without `.` and `..`.
    ///
    /// # Errors
    /// What the system says.
    pub fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>> + Send + use<>> {
        // Opened anew: the place in a directory is shared by all copies of one descriptor.
        let listed = nix::dir::Dir::from_fd(self.dir(Path::new(""))?.0)?;
        let own = |name: &OsString| name == "." || name == "..";
        let name = |entry: nix::Result<nix::dir::Entry>| -> io::Result<OsString> {
            let name = entry?.file_name().to_bytes().to_vec();
            Ok(std::os::unix::ffi::OsStringExt::from_vec(name))
        };
        Ok(listed.into_iter().map(name).filter(move |name| !name.as_ref().is_ok_and(own)))
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To read it, and to cut it.
    Change,
}

/// Something below a root, held fast whatever becomes of its name. It can be neither read nor written.
#[derive(Debug)]
pub struct Handle(File);

impl Handle {
    /// What it is.
    ///
    /// # Errors
    /// What the system says.
    pub fn facts(&self) -> io::Result<Facts> {
        Ok(Facts::of(&fstat(&self.0)?))
    }

    /// Sets its mode. Never to be asked of a symbolic link.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        // The one way there is for a descriptor that may not be read; it leads to the thing itself, not to its name.
        fs::set_permissions(format!("/proc/self/fd/{}", self.0.as_raw_fd()), Permissions::from_mode(mode))
    }

    /// Whether we may read it, and enter it if it is a directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn access(&self, kind: Kind) -> io::Result<()> {
        let wanted = match kind {
            Kind::Dir => AccessFlags::R_OK | AccessFlags::X_OK,
            Kind::File | Kind::Link | Kind::Other => AccessFlags::R_OK,
        };
        let itself = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        Ok(faccessat(AT_FDCWD, itself.as_str(), wanted, AtFlags::AT_EACCESS)?)
    }

    /// Gives it to another owner.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_owner(&self, owner: u32) -> io::Result<()> {
        Ok(fchownat(&self.0, "", Some(Uid::from_raw(owner)), None, AtFlags::AT_EMPTY_PATH)?)
    }
}

// A link in the last place is refused by the way that it is looked up, with the one reason for all links.
const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// A name of one part. Any other would be looked up by the kernel, links and all.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a name in this directory")),
    }
}

/// The reason for all that takes rights which we do not have.
pub const DENIED: &str = "permission denied";

/// Gives a file of ours the owner, the group and the mode of another; setuid and the like are left out.
///
/// # Errors
/// What the system says; it stays ours alone then.
pub fn belong_like(file: &File, like: &Facts) -> io::Result<()> {
    std::os::unix::fs::fchown(file, Some(like.uid), Some(like.gid))?;
    file.set_permissions(Permissions::from_mode(like.mode & 0o777))
}

/// Why the system refused, in words for people.
pub fn reason(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
    match errno {
        Some(nix::errno::Errno::ENOSYS) => {
            "this kernel has no openat2; Linux 5.6 or newer is needed".to_owned()
        }
        Some(nix::errno::Errno::ELOOP) => "a symbolic link is on the way, and none is followed".to_owned(),
        Some(nix::errno::Errno::EXDEV) => "it is on another file system".to_owned(),
        Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM) => DENIED.to_owned(),
        Some(nix::errno::Errno::ENOENT) => "it does not exist".to_owned(),
        Some(nix::errno::Errno::ENOSPC | nix::errno::Errno::EDQUOT) => "the disk is full".to_owned(),
        Some(other) => other.desc().to_owned(),
        None => error.to_string(),
    }
}
