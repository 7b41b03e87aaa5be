//! A port for a server that comes later: whoever asks meanwhile is refused, and nobody else is given it.

use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// Bound, but never listened on; a server that sets SO_REUSEADDR, as all do, can still have it.
#[derive(Debug)]
pub(crate) struct KeptPort(TcpSocket);

impl KeptPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}
