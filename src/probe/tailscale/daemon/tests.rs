//! A real socket that answers as tailscaled does, or misbehaves, and scripts in the place of the command.

use super::super::tests::{fails, status};
use super::*;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);

/// A tailscaled of ours; its command is a script beside the socket.
struct Fake(TempDir);

impl Fake {
    fn new() -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        fake.command("echo 'it must not be asked' >&2; exit 9");
        fake
    }

    /// Answers every request with this, if it came as tailscaled wants it.
    fn answer(self, status: u16, body: &str) -> Self {
        let (listener, body) = (UnixListener::bind(self.socket()).unwrap(), body.to_owned());
        thread::spawn(move || {
            for mut visitor in listener.incoming().flatten() {
                let head = head_of(&mut visitor).to_ascii_lowercase();
                let welcome =
                    head.contains("\r\nhost: local-tailscaled.sock\r\n") && !head.contains("\r\norigin:");
                let status = if welcome { status } else { 403 };
                drop(write!(visitor, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
            }
        });
        self
    }

    /// Written by another process: a child that this one starts meanwhile could hold the file open, and what is
    /// being written cannot be run.
    fn command(&self, script: &str) {
        let mut install = Command::new("install");
        install.args(["-m755", "/dev/stdin"]).arg(self.0.path().join("tailscale")).stdin(Stdio::piped());
        let mut installing = install.spawn().unwrap();
        write!(installing.stdin.take().unwrap(), "#!/bin/sh\n{script}\n").unwrap();
        assert!(installing.wait().unwrap().success());
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("tailscaled.sock")
    }

    fn daemon(&self) -> Daemon {
        let program = self.0.path().join("tailscale").display().to_string();
        Daemon { socket: self.socket(), program }
    }

    async fn node(&self) -> Result<Node, Silence> {
        self.daemon().node(&Clients::new(), LONG).await
    }

    async fn unclear(&self) -> String {
        match self.node().await {
            Err(Silence::Unclear(why)) => why,
            other @ (Ok(_) | Err(Silence::Down)) => panic!("{other:?}"),
        }
    }
}

fn head_of(visitor: &mut UnixStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && visitor.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

const NO_DAEMON: &str = "echo \"failed to connect to local tailscaled; it doesn't appear to be running \
                         (sudo systemctl start tailscaled ?)\" >&2; exit 1";

#[tokio::test]
async fn the_socket_is_asked_and_no_process_is_started() {
    let fake = Fake::new().answer(200, &status().to_string());
    assert!(matches!(fake.node().await.unwrap().judge(443), Reading::Pass(_)));
    let nothing = Fake::new().answer(200, "null\n");
    let config = nothing.daemon().serve_config(&Clients::new(), LONG).await.unwrap();
    assert_eq!(config, ServeConfig::default());
}

#[tokio::test]
async fn without_a_socket_the_command_is_asked_and_may_say_that_there_is_no_daemon() {
    let fake = Fake::new();
    fake.command(&format!("[ \"$2 $3\" = 'status --json' ] && echo '{}'", status()));
    assert!(matches!(fake.node().await.unwrap().judge(443), Reading::Pass(_)));
    fake.command(NO_DAEMON);
    assert_eq!(fake.node().await, Err(Silence::Down));
    assert!(fails(Silence::Down.into()).contains("sudo systemctl start tailscaled"));
    drop(UnixListener::bind(fake.socket()).unwrap());
    assert_eq!(fake.node().await, Err(Silence::Down), "a socket that nobody listens on any more");
}

#[tokio::test]
async fn no_permission_is_not_down() {
    let fake = Fake::new().answer(403, "status access denied\n");
    fake.command("echo '{\"BackendState\":\"Stopped\"}'");
    assert!(fails(fake.node().await.unwrap().judge(443)).starts_with("tailscale is switched off"));
    fake.command("echo 'Access denied: status access denied' >&2; exit 1");
    let why = fake.unclear().await;
    assert!(why.contains("(403)") && why.contains("exit code 1: Access denied"), "{why}");
    // It may look at another socket than we do; ours has somebody behind it.
    fake.command(NO_DAEMON);
    assert!(fake.unclear().await.contains("(403)"));
}

#[tokio::test]
async fn a_daemon_in_trouble_is_unknown() {
    let silent = Fake::new();
    let listener = UnixListener::bind(silent.socket()).unwrap();
    let why = silent.daemon().node(&Clients::new(), Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(why.to_string(), "tailscaled gave no answer within 200 ms");
    drop(listener);
    let told = Fake::new().answer(500, "{\"error\":\"boom\"}").unclear().await;
    assert_eq!(told, "tailscaled answers 500: {\"error\":\"boom\"}");
    let told = Fake::new().answer(200, "<html>").unclear().await;
    assert!(told.starts_with("tailscaled's answer is not understood"), "{told}");
    let long = format!("\"{}\"", "x".repeat(300_000));
    assert!(Fake::new().answer(200, &long).unclear().await.ends_with("longer than 262144 bytes"));
    let no_command = Daemon { program: "no-such-tailscale".to_owned(), ..Fake::new().daemon() };
    let why = no_command.node(&Clients::new(), LONG).await.unwrap_err().to_string();
    assert!(why.ends_with("and no-such-tailscale: could not start: no-such-tailscale: not found"), "{why}");
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_the_probe() {
    let fake = Fake::new();
    fake.command("exec sleep 60");
    let started = Instant::now();
    let why = fake.daemon().node(&Clients::new(), Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(why.to_string(), "tailscaled gave no answer within 300 ms");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn only_a_socket_that_was_chosen_is_passed_on() {
    let daemon = Daemon { socket: SOCKET.into(), program: "tailscale".to_owned() };
    assert_eq!(daemon.command(&["status"], LONG).argv, ["tailscale", "status"]);
    let chosen = Daemon { socket: "/a/b".into(), ..daemon };
    assert_eq!(chosen.command(&["status"], LONG).argv, ["tailscale", "--socket=/a/b", "status"]);
}
