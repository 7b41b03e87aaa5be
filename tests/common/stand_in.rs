//! Stand-ins as processes of the test: free ports, a control directory, and an end with the test.

use super::{stand_in_binary, wait_until};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A running stand-in; dropping it kills its process group.
pub(crate) struct StandIn {
    child: Child,
    addresses: Vec<SocketAddr>,
    home: TempDir,
}

/// One push that the LINE stand-in received.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) epoch_ms: i64,
    /// Whether a bearer token was sent.
    pub(crate) authorization: bool,
    pub(crate) retry_key: Option<String>,
    pub(crate) content_type: Option<String>,
    /// The exact body.
    pub(crate) body: String,
    /// Whether it counts as sent.
    pub(crate) accepted: bool,
    /// What the client was told; none when it heard nothing.
    pub(crate) status: Option<u16>,
}

impl StandIn {
    /// A gateway on free ports; `options` as in the head of `tests/stand_in/stand_in.rs`.
    pub(crate) fn gateway(options: &[&str]) -> Self {
        Self::start("gateway", &["--port", "0", "--webhook-port", "0"], options)
    }

    /// An Ollama on a free port.
    pub(crate) fn ollama() -> Self {
        Self::start("ollama", &["--port", "0"], &[])
    }

    /// An Ollama on this port, which must be free.
    pub(crate) fn ollama_on(port: u16) -> Self {
        Self::start("ollama", &[], &["--port", &port.to_string()])
    }

    /// A LINE endpoint on a free port.
    pub(crate) fn line() -> Self {
        Self::start("line", &["--port", "0"], &[])
    }

    /// A LINE endpoint on this port, which must be free.
    pub(crate) fn line_on(port: u16) -> Self {
        Self::start("line", &["--port", "0"], &["--port", &port.to_string()])
    }

    /// A mail server on a free port.
    pub(crate) fn smtp(options: &[&str]) -> Self {
        Self::start("smtp", &["--port", "0"], options)
    }

    /// A server for webhooks on a free port.
    pub(crate) fn hook() -> Self {
        Self::start("hook", &["--port", "0"], &[])
    }

    /// What a mail server or a server for webhooks has received, oldest first.
    pub(crate) fn received(&self) -> Vec<serde_json::Value> {
        self.record().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for message number `count`, and gives all so far.
    #[track_caller]
    pub(crate) fn wait_for_messages(&self, limit: Duration, count: usize) -> Vec<serde_json::Value> {
        let enough = || Some(self.received()).filter(|received| received.len() >= count);
        wait_until(limit, &format!("{count} messages have come"), enough)
    }

    /// A moltworker on a free port, whose backup is fresh.
    pub(crate) fn moltworker() -> Self {
        Self::start("moltworker", &["--port", "0"], &[])
    }

    /// A tailscaled with its commands, all in its control directory, and the edge of Funnel on a free port.
    pub(crate) fn tailscaled() -> Self {
        Self::start("tailscaled", &[], &[])
    }

    /// All that a stand-in was asked, a line each.
    pub(crate) fn record(&self) -> String {
        fs::read_to_string(self.record_file()).unwrap_or_default()
    }

    /// `http://ADDRESS` of the main server, followed by `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The main server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The gateway's webhook, which may be on the main server, or the resolver beside tailscaled.
    pub(crate) fn webhook_address(&self) -> SocketAddr {
        *self.addresses.last().unwrap()
    }

    /// Switches the control file `name` on, from the next request.
    pub(crate) fn steer(&self, name: &str, content: &str) {
        // Renamed into place, so that no request reads half of it.
        let new = self.home.path().join("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.control_dir().join(name)).unwrap();
    }

    /// Switches the control file `name` off.
    pub(crate) fn unsteer(&self, name: &str) {
        fs::remove_file(self.control_dir().join(name)).unwrap();
    }

    /// All pushes so far, oldest first.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        let text = fs::read_to_string(self.record_file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for the push number `count`, and gives all so far.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, limit: Duration, count: usize) -> Vec<Recorded> {
        let enough = || Some(self.requests()).filter(|requests| requests.len() >= count);
        wait_until(limit, &format!("LINE has received {count} pushes"), enough)
    }

    fn start(kind: &str, defaults: &[&str], options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let control = home.path().join("control");
        fs::create_dir(&control).unwrap();
        let mut command = Command::new(stand_in_binary());
        command.arg(kind).args(without_overridden(defaults, options)).args(options);
        command.arg("--until-eof").arg("--control").arg(&control);
        if matches!(kind, "line" | "moltworker" | "smtp" | "hook") {
            command.arg("--record").arg(home.path().join("record"));
        }
        let command = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        let addresses =
            ready.strip_prefix("listening on ").unwrap_or_else(|| panic!("{kind} said {ready:?}"));
        let addresses = addresses.split_whitespace().map(|address| address.parse().unwrap()).collect();
        Self { child, addresses, home }
    }

    /// Where its control files lie.
    pub(crate) fn control_dir(&self) -> PathBuf {
        self.home.path().join("control")
    }

    fn record_file(&self) -> PathBuf {
        self.home.path().join("record")
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        killpg(group, Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}

/// The defaults whose name does not appear among the options.
fn without_overridden<'a>(defaults: &[&'a str], options: &[&str]) -> Vec<&'a str> {
    defaults.chunks(2).filter(|pair| !options.contains(&pair[0])).flatten().copied().collect()
}
