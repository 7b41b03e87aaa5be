//! Is a TCP port listening, and does the right unit hold it?
//!
//! The kernel is asked over netlink (`sock_diag`), which costs microseconds and leaves no trace on the server;
//! connecting is the fall-back. Nothing here may send a byte to the service.

use super::sock_diag::{self, Line, Listener};
use crate::recovery::evidence::Reading;
use crate::section::{Section, parse};
use crate::systemd::belongs;
use crate::values::{UnitName, one_line};
use nix::unistd::getuid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Processes looked through for the owner of a socket; more than any small machine runs.
const MAX_PROCESSES: usize = 8192;
/// Open files looked through of one process: the usual limit of a service.
const MAX_FILES: usize = 65_536;
/// Open files of the main process that are looked at by their numbers, without reading their directory: what
/// a server opens early, such as the sockets that it listens on, has low ones.
const FIRST_FILES: std::ops::Range<u32> = 3..16;

/// A probe of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The TCP port; any local address counts, IPv4 or IPv6.
    pub port: u16,
    /// How long connecting may take, when the kernel cannot be asked.
    pub timeout: Duration,
}

/// What is known of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Somebody listens. The list is empty when connecting was the only way to find out.
    Listening(Vec<Listener>),
    /// Nobody listens.
    Closed,
    /// It could not be found out.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// The process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: u32,
    /// Its name as the kernel knows it, at most 15 bytes.
    pub name: String,
}

/// Who ought to hold the port.
#[derive(Clone, Copy, Debug)]
pub struct Rightful<'a> {
    /// The unit.
    pub unit: &'a UnitName,
    /// The unit's main process, looked at first; 0 when there is none.
    pub main_pid: u32,
}

impl Rightful<'_> {
    /// As whom the unit runs: as its main process does, or else as we do, like all units of our manager.
    fn user(&self) -> u32 {
        user_of(self.main_pid).unwrap_or_else(|| getuid().as_raw())
    }

    /// systemd has just named the main process, so only others are looked up.
    fn owns(&self, pid: u32) -> bool {
        pid == self.main_pid || belongs(pid, self.unit) == Some(true)
    }
}

/// What passes keep of ports: to find out who holds one costs four times what it costs to find that it listens. It
/// holds one entry per port that was ever asked for.
#[derive(Debug, Default)]
pub struct Ports {
    line: Line,
    passed: Mutex<BTreeMap<u16, Passed>>,
}

/// A socket of which it is known that the unit holds it. As long as it listens and the main process is the same, so
/// does that.
#[derive(Clone, Debug)]
struct Passed {
    listener: Listener,
    main_pid: u32,
    text: String,
}

impl Ports {
    fn known(&self, port: u16, listener: Listener, main_pid: u32) -> Option<Reading> {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &&Passed| one.listener == listener && one.main_pid == main_pid && main_pid != 0;
        passed.get(&port).filter(same).map(|one| Reading::Pass(one.text.clone()))
    }

    fn remember(&self, port: u16, listener: Listener, main_pid: u32, reading: &Reading) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        match reading {
            Reading::Pass(text) => passed.insert(port, Passed { listener, main_pid, text: text.clone() }),
            Reading::Fail(_) | Reading::Unknown(_) => passed.remove(&port),
        };
    }
}

/// Loopback answers in microseconds; the rest is for a machine that swaps.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

impl Port {
    /// Reads `check.port = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let port = section.need("port", parse::within(1..=u16::MAX));
        let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(bounds));
        Some(Self { port: port?, timeout })
    }

    /// Whether the port listens. The sockets are not touched.
    pub async fn check(&self) -> PortState {
        match sock_diag::listeners(self.port) {
            Ok(listeners) if listeners.is_empty() => PortState::Closed,
            Ok(listeners) => PortState::Listening(listeners),
            Err(_) => self.connect().await,
        }
    }

    /// The probe's answer. With `rightful`, a port that is held by a process outside that unit is a failure.
    pub async fn ask(&self, ports: &Ports, rightful: Option<Rightful<'_>>) -> Reading {
        // The usual case is answered by one cheap look; everything else is looked at thoroughly.
        if let Ok(Some(listener)) = ports.line.on_loopback(self.port) {
            let reading = self.ask_of(ports, listener, rightful);
            if let Reading::Pass(_) = reading {
                return reading;
            }
        }
        match (self.check().await, rightful) {
            (PortState::Closed, _) => Reading::Fail(format!("nothing listens on port {}", self.port)),
            (PortState::Unknown { reason }, _) => Reading::Unknown(reason),
            (PortState::Listening(_), None) => Reading::Pass("listening".to_owned()),
            (PortState::Listening(listeners), Some(rightful)) => self.judge(&listeners, rightful),
        }
    }

    fn ask_of(&self, ports: &Ports, listener: Listener, rightful: Option<Rightful<'_>>) -> Reading {
        let Some(rightful) = rightful else { return Reading::Pass("listening".to_owned()) };
        ports.known(self.port, listener, rightful.main_pid).unwrap_or_else(|| {
            let reading = self.judge(&[listener], rightful);
            ports.remember(self.port, listener, rightful.main_pid, &reading);
            reading
        })
    }

    /// Several listeners may share a port on different addresses; one of the unit's is enough.
    fn judge(&self, listeners: &[Listener], rightful: Rightful<'_>) -> Reading {
        let mut stranger = None;
        for listener in listeners {
            match owner(listener.inode, rightful.main_pid) {
                Some(owner) if rightful.owns(owner.pid) => {
                    return Reading::Pass(format!("listening (pid {} {})", owner.pid, owner.name));
                }
                Some(owner) => stranger = Some(format!("{} (pid {})", owner.name, owner.pid)),
                // A socket of somebody else cannot be its own.
                None if listener.uid != rightful.user() => {
                    stranger = stranger.or(Some(format!("a process of uid {}", listener.uid)));
                }
                None => {}
            }
        }
        match stranger {
            Some(who) => {
                Reading::Fail(format!("port {} is held by {who}, not by {}", self.port, rightful.unit))
            }
            None => Reading::Pass("listening, but who listens cannot be seen".to_owned()),
        }
    }

    async fn connect(&self) -> PortState {
        let mut state = PortState::Closed;
        for host in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            match timeout(self.timeout, TcpStream::connect((host, self.port))).await {
                Ok(Ok(_)) => return PortState::Listening(Vec::new()),
                // Without IPv6 on this machine nothing can listen there.
                Ok(Err(error)) if is_no(error.kind()) => {}
                Ok(Err(error)) => state = PortState::Unknown { reason: format!("cannot connect: {error}") },
                // Its queue of connections is full: somebody listens, but has stopped accepting.
                Err(_) => return PortState::Listening(Vec::new()),
            }
        }
        state
    }
}

fn is_no(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
}

/// The process that holds the socket `inode`, `first` being looked at before all others. None when it cannot
/// be seen, as with the processes of other users.
pub fn owner(inode: u32, first: u32) -> Option<Owner> {
    let target = format!("socket:[{inode}]");
    let main = Some(first).filter(|pid| *pid != 0 && (holds_early(*pid, &target) || holds(*pid, &target)));
    let pid = main.or_else(|| search(&target))?;
    Some(Owner { pid, name: name_of(pid).unwrap_or_default() })
}

fn name_of(pid: u32) -> Option<String> {
    let mut name = [0; 16];
    let length = File::open(format!("/proc/{pid}/comm")).ok()?.read(&mut name).ok()?;
    Some(one_line(&String::from_utf8_lossy(&name[..length]), 15))
}

/// Every process that holds the socket `inode`, as a server and its workers do. Those of other users cannot be
/// seen without rights.
pub fn owners(inode: u32) -> Vec<Owner> {
    let target = format!("socket:[{inode}]");
    let named = |pid| Owner { pid, name: name_of(pid).unwrap_or_default() };
    processes().filter(|pid| holds(*pid, &target)).map(named).collect()
}

/// Whether the process `pid` holds the socket `inode` now.
pub fn owns(pid: u32, inode: u32) -> bool {
    holds(pid, &format!("socket:[{inode}]"))
}

/// The user as whom a process acts now: the effective one of four. Everybody can see that.
pub fn user_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

fn search(target: &str) -> Option<u32> {
    processes().find(|pid| holds(*pid, target))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten().take(MAX_PROCESSES);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn holds_early(pid: u32, target: &str) -> bool {
    FIRST_FILES.map(|file| format!("/proc/{pid}/fd/{file}")).any(|link| leads_to(link, target))
}

fn holds(pid: u32, target: &str) -> bool {
    let mut files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().take(MAX_FILES);
    files.any(|file| leads_to(file.path(), target))
}

fn leads_to(link: impl AsRef<Path>, target: &str) -> bool {
    fs::read_link(link).is_ok_and(|to| to == Path::new(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::nobody::close;
    use std::net::TcpListener;

    fn probe(port: u16) -> Port {
        Port { port, timeout: Duration::from_secs(2) }
    }

    fn listener(address: &str) -> (TcpListener, u16) {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    fn unit(name: &str) -> UnitName {
        UnitName::parse(name).unwrap()
    }

    #[tokio::test]
    async fn every_local_address_counts() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let (open, port) = listener(address);
            let PortState::Listening(found) = probe(port).check().await else { panic!("{address}") };
            assert_eq!(found.len(), 1, "{address}");
            assert_eq!(found[0].uid, getuid().as_raw());
            assert_eq!(owner(found[0].inode, 0).unwrap().pid, std::process::id());
            close(open);
            assert_eq!(probe(port).check().await, PortState::Closed, "{address}");
        }
    }

    #[test]
    fn the_main_process_is_known_by_any_of_its_files() {
        // The last of so many has a number beyond those that are looked at first.
        let open: Vec<_> = (0..FIRST_FILES.end).map(|_| listener("127.0.0.1:0")).collect();
        for (_, port) in &open {
            let found = Line::default().on_loopback(*port).unwrap().unwrap();
            let target = format!("socket:[{}]", found.inode);
            assert!(holds(std::process::id(), &target));
            assert_eq!(owner(found.inode, std::process::id()).unwrap().pid, std::process::id());
        }
        assert!(!holds_early(std::process::id(), "socket:[0]"));
    }

    #[tokio::test]
    async fn a_client_on_the_port_is_not_a_listener() {
        let (open, port) = listener("127.0.0.1:0");
        let client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (server, _) = open.accept().unwrap();
        close(open);
        assert_eq!(probe(port).check().await, PortState::Closed);
        drop((client, server));
    }

    #[tokio::test]
    async fn asking_leaves_no_trace_but_connecting_would() {
        let (open, port) = listener("127.0.0.1:0");
        open.set_nonblocking(true).unwrap();
        assert!(matches!(probe(port).check().await, PortState::Listening(_)));
        assert_eq!(open.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(probe(port).connect().await, PortState::Listening(Vec::new()));
        assert!(open.accept().is_ok());
    }

    #[tokio::test]
    async fn connecting_finds_ipv6_and_nobody() {
        let (open, port) = listener("[::1]:0");
        assert_eq!(probe(port).connect().await, PortState::Listening(Vec::new()));
        close(open);
        assert_eq!(probe(port).connect().await, PortState::Closed);
    }

    #[tokio::test]
    async fn a_port_in_strange_hands_names_them() {
        let (_open, port) = listener("127.0.0.1:0");
        let gateway = unit("picoclaw-gateway.service");
        let reading =
            probe(port).ask(&Ports::default(), Some(Rightful { unit: &gateway, main_pid: 0 })).await;
        let Reading::Fail(text) = reading else { panic!("{reading:?}") };
        assert!(text.starts_with(&format!("port {port} is held by ")), "{text}");
        let me = format!("(pid {}), not by picoclaw-gateway.service", std::process::id());
        assert!(text.ends_with(&me), "{text}");
    }

    #[tokio::test]
    async fn who_holds_a_port_is_remembered_as_long_as_socket_and_process_are_the_same() {
        let (open, port) = listener("127.0.0.1:0");
        let (gateway, ports) = (unit("picoclaw-gateway.service"), Ports::default());
        let me = std::process::id();
        let probe = probe(port);
        let ask = |main_pid| probe.ask(&ports, Some(Rightful { unit: &gateway, main_pid }));
        let Reading::Pass(text) = ask(me).await else { panic!("our own port") };
        let remembered = || ports.passed.lock().unwrap().get(&port).cloned();
        assert_eq!(remembered().unwrap().text, text);
        // To show that it is asked for: what is remembered is told, and only for that process.
        ports.passed.lock().unwrap().get_mut(&port).unwrap().text = "as before".to_owned();
        assert_eq!(ask(me).await, Reading::Pass("as before".to_owned()));
        assert!(matches!(ask(0).await, Reading::Fail(_)), "no main process, and held by a stranger");
        assert!(remembered().is_none());
        assert_eq!(ask(me).await, Reading::Pass(text.clone()));
        // Another socket on the same port.
        ports.passed.lock().unwrap().get_mut(&port).unwrap().listener.inode = 0;
        assert_eq!(ask(me).await, Reading::Pass(text));
        close(open);
        assert!(matches!(ask(me).await, Reading::Fail(_)));
    }

    #[test]
    fn another_user_s_socket_is_not_ours_and_an_unseen_one_of_ours_passes() {
        let gateway = unit("picoclaw-gateway.service");
        let rightful = Rightful { unit: &gateway, main_pid: 0 };
        // No socket has inode 0, so its owner is never found.
        let theirs = probe(1).judge(&[Listener { inode: 0, uid: getuid().as_raw() + 1 }], rightful);
        assert!(matches!(&theirs, Reading::Fail(text) if text.contains("a process of uid")), "{theirs:?}");
        // PID 1 runs as root, and so may all that it holds.
        let init = Rightful { main_pid: 1, ..rightful };
        let roots = probe(1).judge(&[Listener { inode: 0, uid: 0 }], init);
        assert_eq!(roots, Reading::Pass("listening, but who listens cannot be seen".to_owned()));
        let unseen = probe(1).judge(&[Listener { inode: 0, uid: getuid().as_raw() }], rightful);
        assert_eq!(unseen, Reading::Pass("listening, but who listens cannot be seen".to_owned()));
    }

    #[tokio::test]
    async fn without_a_rightful_owner_listening_is_enough() {
        let (open, port) = listener("127.0.0.1:0");
        assert_eq!(probe(port).ask(&Ports::default(), None).await, Reading::Pass("listening".to_owned()));
        close(open);
        assert_eq!(
            probe(port).ask(&Ports::default(), None).await,
            Reading::Fail(format!("nothing listens on port {port}"))
        );
    }
}
