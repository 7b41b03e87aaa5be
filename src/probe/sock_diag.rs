//! Asks the kernel which sockets listen on a port, over netlink: `NETLINK_SOCK_DIAG`, see sock_diag(7). The
//! messages are built and read as bytes; nothing is retried and nothing blocks.

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// `1 << TCP_LISTEN`: sockets in all other states are left out by the kernel.
const LISTENING: u32 = 1 << 10;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST`, alone for one socket, and with `NLM_F_DUMP` for all.
const ONE: u16 = 0x001;
const ALL: u16 = 0x001 | 0x300;
/// `TCP_LISTEN`, and where `inet_diag_msg` holds the state.
const LISTEN: u8 = 10;
const STATE_AT: usize = 1;
/// Length of a netlink header, and of `inet_diag_req_v2` after it.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Where `inet_diag_msg` holds the owner's uid and the socket's inode.
const UID_AT: usize = 64;
const INODE_AT: usize = 68;
/// Answers read to one question. One is usual; a port with more listeners than fit in so many is none of ours.
const MAX_ANSWERS: usize = 16;

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its inode, under which `/proc/PID/fd` shows it.
    pub inode: u32,
    /// The user who opened it.
    pub uid: u32,
}

/// A socket towards the kernel that stays open from one pass to the next.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<Option<OwnedFd>>);

impl Line {
    /// The socket that answers on `127.0.0.1:port`, however it is bound. One lookup costs the kernel a few
    /// microseconds, a walk over all listeners twenty times that; and this is the usual case.
    pub(super) fn on_loopback(&self, port: u16) -> io::Result<Option<Listener>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kernel = kept.take().map_or_else(open, Ok)?;
        let found = on_loopback(&kernel, port)?;
        // Not after an error: what it may still say would be taken for the answer to the next question.
        *kept = Some(kernel);
        Ok(found)
    }
}

fn on_loopback(kernel: &OwnedFd, port: u16) -> io::Result<Option<Listener>> {
    let mut question = request(AF_INET, port, ONE);
    question[HEADER + 12..HEADER + 16].copy_from_slice(&[127, 0, 0, 1]);
    // `INET_DIAG_NOCOOKIE`: any socket there will do.
    question[HEADER + 48..].fill(0xff);
    send(kernel, &question)?;
    let mut found = Vec::new();
    match receive(kernel, port, &mut found) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(_) => Ok(found.pop()),
    }
}

/// The sockets that listen on `port`, IPv4 first. `RestrictAddressFamilies=` without `AF_NETLINK` refuses this.
pub(super) fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    let kernel = open()?;
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        send(&kernel, &request(family, port, ALL))?;
        let mut answers = 0;
        while answers < MAX_ANSWERS && receive(&kernel, port, &mut found)? == Dump::GoesOn {
            answers += 1;
        }
    }
    Ok(found)
}

fn open() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkSockDiag)?)
}

fn send(kernel: &OwnedFd, question: &[u8]) -> io::Result<()> {
    sendto(kernel.as_raw_fd(), question, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    Ok(())
}

/// The kernel has answered before `sendto` returns, so there is nothing to wait for.
fn receive(kernel: &OwnedFd, port: u16, found: &mut Vec<Listener>) -> io::Result<Dump> {
    let mut buffer = [0; 8192];
    let length = recv(kernel.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    read(&buffer[..length], port, found)
}

fn request(family: u8, port: u16, how_many: u16) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[0..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&how_many.to_ne_bytes());
    bytes[HEADER] = family;
    bytes[HEADER + 1] = IPPROTO_TCP;
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&LISTENING.to_ne_bytes());
    bytes[HEADER + 8..HEADER + 10].copy_from_slice(&port.to_be_bytes());
    bytes
}

#[derive(Debug, PartialEq, Eq)]
enum Dump {
    GoesOn,
    Over,
}

/// Reads one datagram, which holds any number of messages, each padded to four bytes.
fn read(mut bytes: &[u8], port: u16, found: &mut Vec<Listener>) -> io::Result<Dump> {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        let message = bytes.get(HEADER..length).ok_or_else(|| garbled("a message is cut short"))?;
        match kind {
            NLMSG_DONE => return Ok(Dump::Over),
            NLMSG_ERROR => return Err(refusal(message)),
            _ => found.extend(listener(message, port)),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Dump::GoesOn)
}

/// The kernel filters by port and state; we look again, because an old one that did not would report strangers.
fn listener(message: &[u8], port: u16) -> Option<Listener> {
    let local_port = u16::from_be(u16_at(message, 4)?);
    let listener = Listener { uid: u32_at(message, UID_AT)?, inode: u32_at(message, INODE_AT)? };
    (local_port == port && message[STATE_AT] == LISTEN).then_some(listener)
}

fn refusal(message: &[u8]) -> io::Error {
    match u32_at(message, 0).map(|code| code as i32) {
        Some(code @ ..0) => io::Error::from_raw_os_error(code.saturating_neg()),
        Some(_) | None => garbled("an error without a code"),
    }
}

fn garbled(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("netlink: {what}"))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(body);
        bytes
    }

    fn socket_body(port: u16, inode: u32) -> Vec<u8> {
        let mut body = vec![0; 72];
        body[STATE_AT] = LISTEN;
        body[4..6].copy_from_slice(&port.to_be_bytes());
        body[INODE_AT..].copy_from_slice(&inode.to_ne_bytes());
        body
    }

    #[test]
    fn a_datagram_may_hold_many_sockets_and_the_end() {
        let parts =
            [(20, socket_body(80, 7)), (20, socket_body(81, 8)), (20, socket_body(80, 9)), (3, vec![0; 4])];
        let bytes: Vec<u8> = parts.iter().flat_map(|(kind, body)| message(*kind, body)).collect();
        let mut found = Vec::new();
        assert_eq!(read(&bytes, 80, &mut found).unwrap(), Dump::Over);
        assert_eq!(found.iter().map(|listener| listener.inode).collect::<Vec<_>>(), [7, 9]);
    }

    #[test]
    fn one_lookup_finds_what_answers_on_loopback() {
        let line = Line::default();
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let server = std::net::TcpListener::bind(address).unwrap();
            let port = server.local_addr().unwrap().port();
            let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let found = line.on_loopback(port).unwrap();
            assert_eq!(found, listeners(port).unwrap().first().copied(), "{address}");
            assert!(found.is_some());
            // The connection stays, and is not taken for a listener.
            crate::probe::nobody::close(server);
            assert_eq!(line.on_loopback(port).unwrap(), None, "{address}");
            drop(client);
        }
    }

    #[test]
    fn a_refusal_and_garbage_are_errors() {
        let mut found = Vec::new();
        let refused = read(&message(NLMSG_ERROR, &(-2_i32).to_ne_bytes()), 80, &mut found).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(2));
        for bad in
            [message(NLMSG_ERROR, &[]), vec![0; 16], vec![255; 40], message(20, &[0; 72])[..30].to_vec()]
        {
            assert!(read(&bad, 80, &mut found).is_err(), "{bad:?}");
        }
        assert_eq!(read(&[], 80, &mut found).unwrap(), Dump::GoesOn);
        assert_eq!(
            read(&message(20, &[1, 2, 3]), 80, &mut found).unwrap(),
            Dump::GoesOn,
            "too short to be a socket"
        );
        assert!(found.is_empty());
    }
}
