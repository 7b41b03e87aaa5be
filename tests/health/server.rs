//! A real server as a process of the test: unprivileged, on loopback, with a directory of its own that ends with it.

use crate::common::{KeptPort, wait_until};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, chown, geteuid, getgid, getuid};
use std::env;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Whom a server runs as when the test is root: nobody, for PostgreSQL refuses root.
const NOBODY: u32 = 65_534;
/// How long a server may take to come up or go down; they need a second on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Where a server's files are.
pub(crate) struct Place {
    directory: TempDir,
    /// A port that nobody else gets.
    pub(crate) port: u16,
    _kept: KeptPort,
}

/// A running server; dropping it kills all its processes.
pub(crate) struct Server {
    child: Child,
}

/// A program of Debian's package. None where it is missing, after a line that nobody overlooks; under `CI=true` that
/// is a failure.
pub(crate) fn program_or_skip(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps PostgreSQL's programs where no path leads.
    let versions = (13..=18).rev().map(|version| format!("/usr/lib/postgresql/{version}/bin").into());
    let found = versions
        .chain(env::split_paths(&path))
        .map(|folder: PathBuf| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(env::var("CI").as_deref() != Ok("true"), "CI must have {name}: see .ci/run");
        eprintln!("!!!! SKIPPED: {name} is missing, so no real server was asked");
    }
    found
}

fn user() -> (u32, u32) {
    if geteuid().is_root() { (NOBODY, NOBODY) } else { (getuid().as_raw(), getgid().as_raw()) }
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (uid, gid) = user();
        chown(directory.path(), Some(uid.into()), Some(gid.into())).unwrap();
        let kept = KeptPort::new();
        Self { directory, port: kept.port(), _kept: kept }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A command in it, as the one whom the server runs as.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let (uid, gid) = user();
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command.uid(uid).gid(gid).stdin(Stdio::null()).process_group(0);
        command
    }

    /// Starts a server; what it says goes into the file `log`.
    pub(crate) fn start(&self, command: &mut Command) -> Server {
        let log = File::options().create(true).append(true).open(self.path().join("log")).unwrap();
        Server { child: command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap() }
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

impl Server {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Stops it, and waits until it is gone.
    #[track_caller]
    pub(crate) fn stop(mut self, signal: Signal) {
        self.signal(signal);
        wait_until(SOON, "the server ended", || self.child.try_wait().unwrap());
    }

    /// Kills it after a while, from a thread of its own.
    pub(crate) fn kill_after(&self, wait: Duration) -> std::thread::JoinHandle<()> {
        let pid = self.pid();
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            kill(pid, Signal::SIGKILL).unwrap();
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        killpg(self.pid(), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}
