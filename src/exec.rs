//! The one runner of child processes: argv in, words out, always with a deadline.
//!
//! A child gets a process group of its own, so that its whole family can be ended with it. Nothing here may
//! build a shell line, wait without a bound, or judge what an exit code means. The one child that is listened
//! to without a deadline is in [`stream`].

use crate::values::{Secret, one_line};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

/// Bytes kept of each output stream: some hundred lines, more than any log line or alert will quote.
pub const OUTPUT_CAP: usize = 64 * 1024;
/// How long a family may take to clean up after SIGTERM before SIGKILL.
pub const TERM_GRACE: Duration = Duration::from_secs(1);
/// How long we wait for a killed child. One in uninterruptible sleep is then abandoned to the runtime's reaper.
const REAP_GRACE: Duration = Duration::from_millis(500);
/// How long the pipes may stay open after the child ended, because a grandchild holds them.
const DRAIN_GRACE: Duration = Duration::from_millis(200);
/// What systemd tells us alone: a child that spoke to our notify socket could keep us alive falsely.
const OWN_ENVIRONMENT: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// What to run, and for how long at most.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The program, looked up in `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// When it must have ended. Ending it by force takes at most 1.7 s more.
    pub deadline: Duration,
    /// What it reads; empty means `/dev/null`, so that a password prompt fails instead of waiting.
    pub stdin: Vec<u8>,
    /// Environment variables that hold secrets and that it must not inherit.
    pub hide_env: Vec<String>,
    /// Environment variables that it gets beside those that it inherits. Only its own user and root can read them,
    /// where everybody can read an argument.
    pub env: Vec<(String, Secret)>,
}

impl Command {
    /// A command without input that inherits the environment.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>, deadline: Duration) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), deadline, ..Self::default() }
    }
}

/// How a command ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// The first [`OUTPUT_CAP`] bytes of its standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// The same of its standard error.
    pub stderr: String,
}

impl Finished {
    /// How it ended together with the last thing it said, fit for one line: `exit code 1: not found`.
    pub fn summary(&self) -> String {
        /// Enough for a sentence; the whole text is in the fields.
        const QUOTE_CHARS: usize = 200;
        let last =
            |text: &str| text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
        match last(&self.stderr).or_else(|| last(&self.stdout)) {
            Some(line) => format!("{}: {}", self.end, one_line(&line, QUOTE_CHARS)),
            None => self.end.to_string(),
        }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// By a signal that was not ours.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// By our signal, because its deadline was over. What it had done by then is not known.
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// It never ran.
    CouldNotStart {
        /// Why not.
        reason: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exit code {code}"),
            Self::Signalled { signal } => write!(f, "killed by signal {signal}"),
            Self::TimedOut { after } => write!(f, "not finished after {} ms", after.as_millis()),
            Self::CouldNotStart { reason } => write!(f, "could not start: {reason}"),
        }
    }
}

/// Runs `command` to its end or its deadline. Dropping the future kills the whole family at once.
///
/// A command that ends in time may leave a background process behind, as under a shell; only its hold on
/// our pipes is ignored.
pub async fn run(command: &Command) -> Finished {
    let mut child = match spawn(command) {
        Ok(child) => child,
        Err(reason) => {
            return Finished {
                end: End::CouldNotStart { reason },
                stdout: String::new(),
                stderr: String::new(),
            };
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let talk = talk(&mut child, &command.stdin, &mut out, &mut err);
    let end = while_talking(talk, supervise(child, command.deadline)).await;
    Finished { end, stdout: text(&out), stderr: text(&err) }
}

fn spawn(command: &Command) -> Result<Child, String> {
    let (program, arguments) = command.argv.split_first().ok_or("the command is empty")?;
    let mut builder = tokio::process::Command::new(program);
    builder.args(arguments).process_group(0).kill_on_drop(true);
    builder.stdin(if command.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
    builder.stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in OWN_ENVIRONMENT.into_iter().chain(command.hide_env.iter().map(String::as_str)) {
        builder.env_remove(name);
    }
    builder.envs(command.env.iter().map(|(name, value)| (name, value.expose())));
    builder.spawn().map_err(|error| {
        // The system's "No such file or directory" would leave open which file is meant.
        let missing = error.kind() == io::ErrorKind::NotFound;
        if missing { format!("{program}: not found") } else { format!("{program}: {error}") }
    })
}

/// Feeds and drains the pipes, to the end of all three.
fn talk<'a>(
    child: &mut Child,
    input: &'a [u8],
    out: &'a mut Vec<u8>,
    err: &'a mut Vec<u8>,
) -> impl Future<Output = ()> + use<'a> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    async move {
        tokio::join!(feed(stdin, input), drain(stdout, out), drain(stderr, err));
    }
}

async fn feed(pipe: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        // A child may well stop reading before the end; its exit code tells how it liked that.
        let _ = pipe.write_all(input).await;
    }
}

/// Keeps the beginning and reads on without keeping, so that a chatty child is never blocked by us.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        let room = OUTPUT_CAP - kept.len();
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
}

/// Serves the pipes until `work` is done, and then briefly for the last words. They stay open while the
/// child is being stopped: one that says "terminated" into a closed pipe would die of that instead.
async fn while_talking(talk: impl Future<Output = ()>, work: impl Future<Output = End>) -> End {
    let (mut talk, mut work) = (pin!(talk), pin!(work));
    let mut talking = true;
    let end = loop {
        tokio::select! {
            end = &mut work => break end,
            () = &mut talk, if talking => talking = false,
        }
    };
    if talking {
        let _ = timeout(DRAIN_GRACE, talk).await;
    }
    end
}

/// Waits for the child until the deadline, and then ends its family: politely, then surely.
async fn supervise(mut child: Child, deadline: Duration) -> End {
    // Declared after `child` and so dropped before it, while the leader still keeps the group's number taken.
    let mut family = Family::led_by(&child);
    if let Ok(status) = timeout(deadline, child.wait()).await {
        family.release();
        return ended(status);
    }
    family.signal(Signal::SIGTERM);
    let _ = timeout(TERM_GRACE, child.wait()).await;
    // A group lives as long as any of its members, so its number cannot yet belong to somebody else.
    family.signal(Signal::SIGKILL);
    let _ = timeout(REAP_GRACE, child.wait()).await;
    family.release();
    End::TimedOut { after: deadline }
}

fn ended(status: io::Result<ExitStatus>) -> End {
    match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => End::Exited { code },
        Ok((None, Some(signal))) => End::Signalled { signal },
        Ok((None, None)) => End::CouldNotStart { reason: "it ended in no way we know".to_owned() },
        Err(error) => End::CouldNotStart { reason: format!("it cannot be waited for: {error}") },
    }
}

/// The child's process group; killed when dropped before it was released.
#[derive(Debug)]
struct Family(Option<Pid>);

impl Family {
    fn led_by(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // ESRCH means that all are gone already, which is what was wanted.
            let _: Result<(), Errno> = killpg(group, signal);
        }
    }

    fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub mod stream;
#[cfg(test)]
mod tests;
