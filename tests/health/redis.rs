//! Redis, in all the ways in which it answers.

use crate::common::wait_until;
use crate::server::{Place, SOON, Server, program_or_skip};
use crate::{ask, fails, knows_nothing, passes};
use nix::sys::signal::Signal;
use picoclaw_watchdog::recovery::evidence::Reading;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

struct Redis {
    place: Place,
    program: PathBuf,
}

impl Redis {
    fn make_or_skip() -> Option<Self> {
        Some(Self { program: program_or_skip("redis-server")?, place: Place::new() })
    }

    /// Starts it with these settings, and waits until it answers anything at all.
    #[track_caller]
    fn start(&self, settings: &[&str]) -> Server {
        let port = self.place.port.to_string();
        let mut command = self.place.command(&self.program);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--unixsocket", "redis.sock", "--dir", "."]);
        let server = self.place.start(command.args(settings));
        let connected = || TcpStream::connect(("127.0.0.1", self.place.port)).ok();
        wait_until(SOON, "Redis listens", connected);
        server
    }

    fn ask(&self, more: &str) -> Reading {
        ask(&format!("redis = {{ port = {}, timeout = \"20s\"{more} }}", self.place.port))
    }

    /// Waits until it answers in these words.
    #[track_caller]
    fn says(&self, words: &str) -> Reading {
        let said = || Some(self.ask("")).filter(|reading| reading.detail().contains(words));
        wait_until(SOON, words, said)
    }

    /// A connection on which this was sent.
    fn send(&self, line: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.place.port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        stream
    }

    /// A connection that was let in: an earlier one may not be gone yet, where only one is allowed.
    fn hold(&self) -> TcpStream {
        let let_in = || {
            let (mut stream, mut answer) = (self.send("PING"), [0; 5]);
            stream.read_exact(&mut answer).ok().filter(|()| answer == *b"+PONG").map(|()| stream)
        };
        wait_until(SOON, "it lets us in", let_in)
    }

    /// Sends a command, and waits for its answer.
    fn run(&self, line: &str) -> String {
        let mut answer = [0; 512];
        let length = self.send(line).read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

const NO_SAVE: [&str; 2] = ["--save", ""];

#[test]
fn a_password_is_told_apart_from_a_server_that_is_down() {
    let Some(redis) = Redis::make_or_skip() else { return };
    let server = redis.start(&["--save", "", "--requirepass", "correct-horse"]);
    knows_nothing(redis.ask(""), "it answers, but wants a password");
    let wrong = redis.ask(", password = \"wrong-horse\"");
    assert!(!wrong.detail().contains("wrong-horse"), "{wrong:?}");
    knows_nothing(wrong, "it answers, but refuses the password: WRONGPASS");
    passes(redis.ask(", password = \"correct-horse\""), "PONG");
    server.stop(Signal::SIGTERM);
    fails(redis.ask(""), "connection refused");

    let server = redis.start(&NO_SAVE);
    passes(redis.ask(""), "PONG");
    passes(redis.ask(", password = \"not-wanted\""), "PONG");
    let socket = redis.place.path().join("redis.sock");
    passes(ask(&format!("redis = {{ socket = \"{}\" }}", socket.display())), "PONG");
    redis.run("ACL SETUSER asker on >pass-word -@all");
    knows_nothing(redis.ask(", user = \"asker\", password = \"pass-word\""), "not to us: NOPERM");
    redis.run("ACL SETUSER asker +ping");
    passes(redis.ask(", user = \"asker\", password = \"pass-word\""), "PONG");
    server.stop(Signal::SIGTERM);
    fails(ask(&format!("redis = {{ socket = \"{}\" }}", socket.display())), "there is no socket /");
}

#[test]
fn a_hung_server_is_a_failure_and_one_killed_meanwhile_too() {
    let Some(redis) = Redis::make_or_skip() else { return };
    let server = redis.start(&NO_SAVE);
    redis.says("PONG");
    server.signal(Signal::SIGSTOP);
    fails(
        ask(&format!("redis = {{ port = {}, timeout = \"2s\" }}", redis.place.port)),
        "no answer within 2 s",
    );
    server.signal(Signal::SIGCONT);
    redis.says("PONG");
    server.signal(Signal::SIGSTOP);
    let killed = server.kill_after(Duration::from_millis(300));
    let reading = ask(&format!("redis = {{ port = {}, timeout = \"30s\" }}", redis.place.port));
    assert!(matches!(&reading, Reading::Fail(why) if !why.contains("no answer within")), "{reading:?}");
    killed.join().unwrap();
}

#[test]
fn whatever_keeps_it_from_serving_is_named() {
    let Some(redis) = Redis::make_or_skip() else { return };
    let server = redis.start(&["--save", "", "--maxclients", "1", "--busy-reply-threshold", "100"]);
    let held = redis.hold();
    fails(redis.says("max number of clients"), "it refuses: ERR max number of clients reached");
    drop(held);
    redis.says("PONG");
    redis.run("CONFIG SET maxclients 10");
    let _held = redis.send("EVAL \"while true do end\" 0");
    fails(redis.says("a script keeps it busy"), "`redis-cli SCRIPT KILL` ends it");
    redis.run("SCRIPT KILL");
    redis.says("PONG");
    drop(server);

    let server =
        redis.start(&["--save", "", "--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no"]);
    fails(redis.says("without its master"), "a replica without its master: MASTERDOWN");
    drop(server);
}

#[test]
fn loading_is_waited_for_and_a_disk_that_cannot_be_written_is_told() {
    let Some(redis) = Redis::make_or_skip() else { return };
    let server = redis.start(&["--save", "3600 1", "--enable-debug-command", "yes"]);
    redis.says("PONG");
    redis.run("DEBUG POPULATE 20000");
    assert_eq!(redis.run("SAVE"), "+OK\r\n");
    // As when the disk is full: nothing can be written there any more.
    fs::set_permissions(redis.place.path(), fs::Permissions::from_mode(0o555)).unwrap();
    redis.run("BGSAVE");
    fails(redis.says("MISCONF"), "a restart would make it worse: it takes no changes");
    fs::set_permissions(redis.place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    drop(server);

    let slow = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let _server = redis.start(&slow);
    knows_nothing(redis.says("loading"), "it is still loading its data; a restart would make it begin anew");
}
