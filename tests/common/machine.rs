//! A throwaway systemd machine (`tests/machine`) as a value that ends with the test.

use super::repository;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What `tests/machine up` answers where no machine can be had.
const NONE_TO_BE_HAD: i32 = 77;
/// Seconds after which any command inside is ended, so that no test hangs; longer than every wait of ours.
const COMMAND_LIMIT: &str = "150";
/// The same for what runs as long as its machine, whose end is its end.
const RESIDENT_LIMIT: &str = "3600";

/// A machine that is up; dropping it takes it down with everything in it.
pub(crate) struct Machine {
    name: String,
}

impl Machine {
    /// Boots a machine; `name` is for people, and is made unique. None where the host cannot have one, after a
    /// line that nobody overlooks.
    ///
    /// # Panics
    /// When it does not come up; and under `CI=true` also where it cannot be had, for there a skipped test
    /// would be a green lie.
    pub(crate) fn up_or_skip(name: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let me = std::process::id().to_string();
        let machine = Self { name: format!("{name}-{me}-{}", COUNT.fetch_add(1, Ordering::Relaxed)) };
        let output = machine.script("up", &["--owner", &me]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(NONE_TO_BE_HAD) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have a machine:\n{told}");
            eprintln!("{told}!!!! SKIPPED {name}: it was NOT tested");
            return None;
        }
        assert!(output.status.success(), "{told}");
        Some(machine)
    }

    /// As [`Self::up_or_skip`], where the host has these files, for the machine has what the host has.
    ///
    /// # Panics
    /// As that does.
    pub(crate) fn up_with_or_skip(name: &str, needed: &[&str]) -> Option<Self> {
        let Some(missing) = needed.iter().find(|path| !Path::new(path).exists()) else {
            return Self::up_or_skip(name);
        };
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have {missing}");
        eprintln!("!!!! SKIPPED {name}: it was NOT tested, for this host has no {missing}");
        None
    }

    /// Runs a command as pico, with its user manager and bus.
    pub(crate) fn user(&self, argv: &[&str]) -> Output {
        self.script("user", argv).output().unwrap()
    }

    /// Runs a command as root inside.
    pub(crate) fn root(&self, argv: &[&str]) -> Output {
        self.script("exec", argv).output().unwrap()
    }

    /// As [`Self::user`], giving the trimmed standard output.
    ///
    /// # Panics
    /// When the command fails.
    #[track_caller]
    pub(crate) fn user_ok(&self, argv: &[&str]) -> String {
        text_of(argv, &self.user(argv))
    }

    /// As [`Self::root`], giving the trimmed standard output.
    ///
    /// # Panics
    /// When the command fails.
    #[track_caller]
    pub(crate) fn root_ok(&self, argv: &[&str]) -> String {
        text_of(argv, &self.root(argv))
    }

    /// Starts a command as pico and leaves it running; the machine's end is its end.
    pub(crate) fn spawn_user(&self, argv: &[&str]) -> Child {
        self.resident(argv).spawn().unwrap()
    }

    /// As [`Self::user`], for what lives as long as the machine.
    pub(crate) fn resident(&self, argv: &[&str]) -> Command {
        self.limited(RESIDENT_LIMIT, "user", argv)
    }

    /// One property of a user unit, such as `ActiveState`.
    #[track_caller]
    pub(crate) fn unit(&self, unit: &str, property: &str) -> String {
        self.user_ok(&["systemctl", "--user", "show", "--value", "-p", property, unit])
    }

    /// Copies a file of the host into the machine, for everybody to read and run. Sent through a pipe, because
    /// what lies in /tmp or on another file system is not visible inside.
    #[track_caller]
    pub(crate) fn put(&self, file: &Path, to: &str) {
        let argv = ["install", "-D", "-m755", "/dev/stdin", to];
        let output = self.script("exec", &argv).stdin(File::open(file).unwrap()).output().unwrap();
        text_of(&argv, &output);
    }

    /// Writes a file as pico, for pico only, with its directories. Sent through a pipe, for an argument must be short.
    #[track_caller]
    pub(crate) fn write(&self, to: &str, content: &str) {
        let argv = ["bash", "-euc", r#"umask 077; mkdir -p "${1%/*}"; cat >"$1""#, "write", to];
        let mut command = self.script("user", &argv);
        let mut writing =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // What a command that ended early did not take is told by its exit code.
        writing.stdin.take().unwrap().write_all(content.as_bytes()).ok();
        text_of(&argv, &writing.wait_with_output().unwrap());
    }

    /// What a file inside holds; nothing when there is none. Read through the machine's own /proc entry, so that a
    /// look costs no process.
    pub(crate) fn read(&self, path: &str) -> String {
        let base = std::env::var("MACHINE_BASE").unwrap_or_else(|_| "/run/picoclaw-machines".to_owned());
        let leader = std::fs::read_to_string(format!("{base}/{}/pid", self.name)).unwrap_or_default();
        let bytes = std::fs::read(format!("/proc/{}/root{path}", leader.trim())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of the watchdog's log and of pico's journal, for the message of a failing test.
    pub(crate) fn tails(&self) -> String {
        let script = "tail -n 60 ~/.picoclaw/logs/ops-watchdog.log; journalctl --user --no-pager -n 30";
        String::from_utf8_lossy(&self.user(&["bash", "-c", script]).stdout).into_owned()
    }

    /// The verb of the script for this machine, with a limit in time.
    pub(crate) fn script(&self, verb: &str, argv: &[&str]) -> Command {
        self.limited(COMMAND_LIMIT, verb, argv)
    }

    fn limited(&self, limit: &str, verb: &str, argv: &[&str]) -> Command {
        let script: PathBuf = repository().join("tests/machine");
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", limit]).arg(script).arg(verb).arg(&self.name).args(argv);
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.script("down", &[]).status().ok();
    }
}

#[track_caller]
pub(super) fn text_of(argv: &[&str], output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{argv:?}: {}\n{out}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    out.trim().to_owned()
}
