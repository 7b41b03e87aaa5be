//! The real binary as a process of the test, where no systemd is needed: a home directory of its own, its own
//! configuration, bounded waits on its log, and an end with the test.

use super::{OpsLog, wait_until_showing, watchdog_binary};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A home directory in which watchdogs run.
pub(crate) struct Home(TempDir);

/// A running watchdog; dropping it kills its process group.
pub(crate) struct Daemon<'a> {
    home: &'a Home,
    child: Child,
}

impl Home {
    /// A fresh one with this configuration.
    pub(crate) fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.state()).unwrap();
        fs::create_dir_all(home.path("run")).unwrap();
        home.configure(config);
        home
    }

    /// A path below it.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.path(".picoclaw/state/watchdog")
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, config: &str) {
        self.write(".picoclaw/watchdog.toml", config);
    }

    /// Writes a file for nobody else to read.
    pub(crate) fn write(&self, below: &str, content: &str) {
        let path = self.path(below);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A command of the watchdog that ends by itself, or is ended after half a minute, so that no test hangs.
    pub(crate) fn command(&self, argv: &[&str]) -> Command {
        let mut command = self.clean(Command::new("timeout"));
        command.args(["--kill-after=5", "30"]).arg(watchdog_binary()).args(argv);
        command
    }

    /// Runs a command of the watchdog to its end.
    pub(crate) fn ask(&self, argv: &[&str]) -> Output {
        self.command(argv).output().unwrap()
    }

    /// An environment that holds nothing of the test's.
    fn clean(&self, mut command: Command) -> Command {
        command.env_clear().env("HOME", self.0.path()).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }

    /// Starts the daemon, and waits until its first cycle is over.
    #[track_caller]
    pub(crate) fn start(&self) -> Daemon<'_> {
        self.start_with(&[])
    }

    /// As [`Self::start`], with more in its environment.
    #[track_caller]
    pub(crate) fn start_with(&self, environment: &[(&str, &str)]) -> Daemon<'_> {
        let cycles = self.log().cycles();
        let daemon = self.spawn(&[], environment);
        daemon.wait("the first cycle is over", |log| log.cycles() > cycles);
        daemon
    }

    /// Starts the daemon, and waits until it is in the middle of a repair.
    #[track_caller]
    pub(crate) fn start_until_attempt(&self) -> Daemon<'_> {
        let daemon = self.spawn(&[], &[]);
        daemon.wait("a repair has begun", |log| !log.lines(&["action=diagnostics"]).is_empty());
        daemon
    }

    /// Starts the daemon, and waits for nothing.
    pub(crate) fn start_without_a_cycle(&self) -> Daemon<'_> {
        self.spawn(&[], &[])
    }

    /// As [`Self::start`], by a command that is followed by that of the daemon, and becomes it.
    #[track_caller]
    pub(crate) fn start_by(&self, command: &[&str]) -> Daemon<'_> {
        let daemon = self.spawn(command, &[]);
        daemon.wait("the first cycle is over", |log| log.cycles() > 0);
        daemon
    }

    fn spawn(&self, by: &[&str], environment: &[(&str, &str)]) -> Daemon<'_> {
        let errors = fs::File::create(self.path("stderr")).unwrap();
        let mut argv = by.iter().map(PathBuf::from).chain([watchdog_binary(), "run".into()]);
        let mut command = self.clean(Command::new(argv.next().unwrap()));
        command.args(argv);
        let child =
            command.envs(environment.iter().copied()).stderr(errors).process_group(0).spawn().unwrap();
        Daemon { home: self, child }
    }

    /// The log as it is now.
    pub(crate) fn log(&self) -> OpsLog {
        OpsLog(fs::read_to_string(self.path(".picoclaw/logs/ops-watchdog.log")).unwrap_or_default())
    }
}

impl Daemon<'_> {
    /// How long anything may take that does not wait for a configured time.
    const SOON: Duration = Duration::from_secs(60);

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until its log says so.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&OpsLog) -> bool) -> OpsLog {
        self.wait_within(Self::SOON, what, is_so)
    }

    /// As [`Self::wait`], for what has to wait for a time of the watchdog's own.
    #[track_caller]
    pub(crate) fn wait_within(&self, limit: Duration, what: &str, is_so: impl Fn(&OpsLog) -> bool) -> OpsLog {
        let context = || format!("{}\n{}", self.home.log().0, read(&self.home.path("stderr")));
        wait_until_showing(limit, what, context, || Some(self.home.log()).filter(&is_so))
    }

    /// Waits for so many more cycles, to show that something does not happen.
    #[track_caller]
    pub(crate) fn cycles(&self, more: usize) -> OpsLog {
        let now = self.home.log().cycles();
        let limit = Self::SOON + Duration::from_secs(3) * u32::try_from(more).unwrap();
        self.wait_within(limit, "more cycles are over", |log| log.cycles() >= now + more)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        let home = self.home;
        wait_until_showing(limit, "the watchdog ended", || home.log().0, || self.child.try_wait().unwrap())
    }

    /// Kills it without a word.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        killpg(self.pid(), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}

/// What a file holds; nothing when it cannot be read.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
