//! Ports on which nobody listens, for tests. To bind one and let go of it is not enough: the next test may get it, and a
//! child that another test starts at that moment has a copy of every socket until it becomes its program.

use nix::sys::socket::{Shutdown, shutdown};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use tokio::net::TcpSocket;

/// An address that is taken for as long as the tests run, and where nobody ever listens.
pub(crate) fn nobody() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

/// Ends the listening for good, whoever has a copy of the socket.
pub(crate) fn close(listener: TcpListener) {
    shutdown(listener.as_raw_fd(), Shutdown::Both).unwrap();
}
