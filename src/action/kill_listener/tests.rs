//! Real processes that listen on real ports; python plays the server.

use super::*;
use crate::values::UnitName;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A server of its own, which is gone with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// `before` runs before the port is open, `after` once it is.
    fn start(before: &str, after: &str) -> Self {
        let script = format!(
            "import os,signal,socket,sys,time\n{before}\ns=socket.create_server(('127.0.0.1',0))\n\
             print(s.getsockname()[1],flush=True)\n{after}\ntime.sleep(600)\n"
        );
        let mut child = Command::new("python3").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn ours(port: u16) -> KillListener {
    let user = sockets(port).await.unwrap()[0].user.clone();
    KillListener { port, rightful: Rightful::User(user), grace: Duration::from_secs(30) }
}

#[tokio::test]
async fn a_listener_ends_and_the_port_is_free() {
    let mut server = Server::start("", "");
    let (action, began) = (ours(server.port).await, Instant::now());
    let Outcome::Done(told) = action.perform().await else { panic!() };
    assert!(told.starts_with(&format!("port {} was freed: python", server.port)), "{told}");
    assert!(told.ends_with("ended by SIGTERM"), "{told}");
    assert!(server.has_ended() && began.elapsed() < Duration::from_secs(20));
    let again = action.perform().await;
    assert!(matches!(&again, Outcome::Done(told) if told.contains("nothing to do")), "{again:?}");
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed() {
    let mut server = Server::start("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "");
    let action = KillListener { grace: Duration::from_millis(200), ..ours(server.port).await };
    let Outcome::Done(told) = action.perform().await else { panic!() };
    assert!(told.ends_with("ended by SIGKILL, for SIGTERM did not help"), "{told}");
    assert!(server.has_ended());
}

#[tokio::test]
async fn one_that_has_stopped_listening_may_finish_its_work() {
    // On a busy machine even what closes its socket at once may need longer than the first grace.
    for grace in [2, 20].map(Duration::from_secs) {
        // The handler is there before the port is told, so that no signal comes too early for it.
        let mut server = Server::start("signal.signal(signal.SIGTERM, lambda *_: s.close())", "");
        let action = KillListener { grace, ..ours(server.port).await };
        assert!(matches!(action.perform().await, Outcome::Done(_)));
        if !server.has_ended() {
            return;
        }
    }
    panic!("it was ended although it had stopped listening");
}

#[tokio::test]
async fn workers_that_share_the_socket_end_with_it() {
    let mut server = Server::start("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "os.fork()");
    let action = KillListener { grace: Duration::ZERO, ..ours(server.port).await };
    let done = async {
        // The child may not be there yet; the port is free only without both.
        while sockets(server.port).await.unwrap()[0].holders.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        action.perform().await
    };
    let outcome = tokio::time::timeout(Duration::from_secs(10), done).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert!(server.has_ended());
}

#[tokio::test]
async fn strangers_are_left_alone() {
    let mut server = Server::start("", "");
    let port = server.port;
    let grace = Duration::from_secs(1);
    let strangers =
        [Rightful::User("no-such-user".to_owned()), Rightful::Unit(UnitName::parse("x").unwrap())];
    for rightful in strangers {
        let not_by = format!("not by {rightful}. Nothing was ended");
        let Outcome::Failed(told) = (KillListener { port, rightful, grace }).perform().await else {
            panic!()
        };
        assert!(told.ends_with(&not_by), "{told}");
    }
    assert!(!server.has_ended());
}

#[tokio::test]
async fn neither_we_nor_a_client_is_ever_hit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let Outcome::Failed(told) = ours(port).await.perform().await else { panic!() };
    assert!(told.contains("never ended"), "{told}");
    // Now the server listens, and we are its client.
    let mut server = Server::start("", "");
    let _client = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    assert!(matches!(ours(server.port).await.perform().await, Outcome::Done(_)));
    assert!(server.has_ended());
}

#[tokio::test]
async fn a_number_that_was_given_to_somebody_else_is_not_hit() {
    let server = Server::start("", "");
    let found = sockets(server.port).await.unwrap();
    let action = ours(server.port).await;
    // As if the listener had ended after the look, and its number were another process's now.
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let taken = Holder { pid: other.id(), ..found[0].holders[0].clone() };
    let hold = action.take_hold(&taken, found[0].inode, &[]).unwrap();
    assert!(hold.is_none());
    // As if it were nobody's.
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(action.take_hold(&taken, found[0].inode, &[]).unwrap().is_none());
}

#[tokio::test]
async fn a_process_that_ended_after_we_took_hold_is_simply_gone() {
    let mut server = Server::start("", "");
    let action = ours(server.port).await;
    let found = sockets(server.port).await.unwrap();
    let held = action.condemn(&found).unwrap();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert_eq!(action.end(&held, Signal::TERM, Duration::from_secs(5)).await, Ok(()));
}

#[test]
fn who_started_us_is_spared() {
    let spared = spared();
    let parent = std::os::unix::process::parent_id();
    assert!(spared.contains(&std::process::id()) && spared.contains(&parent) && spared.contains(&1));
}
