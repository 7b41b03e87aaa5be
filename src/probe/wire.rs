//! A connection of its own to a server of this machine or another that does not speak HTTP: over TCP, or over a
//! unix socket. It knows no protocol.

use super::clients::is_external_host;
use super::http::error::{Fault, fault};
use crate::section::{Section, parse};
use std::io;
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Where a server that is asked without a word about it is looked for.
const LOOPBACK: &str = "127.0.0.1";

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A TCP port.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Socket(PathBuf),
}

/// Either connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Place {
    /// Reads `host` and `port`, or `socket`.
    pub(super) fn read(section: &mut Section<'_>, usual_port: u16) -> Self {
        let host = section.or("host", LOOPBACK.to_owned(), host);
        let port = section.or("port", usual_port, parse::within(1..=u16::MAX));
        let Some(socket) = section.opt("socket", parse::absolute) else { return Self::Tcp { host, port } };
        for key in ["host", "port"] {
            if section.has(key) {
                section.error(&section.spot(key), "the socket has no such thing", "leave it out, or socket");
            }
        }
        Self::Socket(socket)
    }

    /// Connects. There is no deadline here; the whole question has one.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, Fault> {
        match self {
            Self::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                Ok(Box::new(stream.map_err(|error| fault(&error))?))
            }
            Self::Socket(path) => {
                let stream = UnixStream::connect(path).await;
                Ok(Box::new(stream.map_err(|error| self.closed(&error))?))
            }
        }
    }

    /// Whether the answer comes over the internet.
    pub(super) fn is_external(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => is_external_host(host),
            Self::Socket(_) => false,
        }
    }

    fn closed(&self, error: &io::Error) -> Fault {
        let Self::Socket(path) = self else { return fault(error) };
        let path = path.display();
        if error.kind() == io::ErrorKind::NotFound {
            return Fault::Theirs(format!("there is no socket {path}"));
        }
        if error.kind() == io::ErrorKind::PermissionDenied {
            let hint = "add this user to the group of the socket, or ask over TCP";
            return Fault::Unclear(format!("no permission for {path}: {hint}"));
        }
        fault(error)
    }
}

/// A name or an address: no URL, and nothing with a port.
fn host(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || ".-:_".contains(c);
    let wrong =
        || format!("{text:?} is not the name or address of a host; write something like \"127.0.0.1\"");
    Some(text.to_owned()).filter(|host| !host.is_empty() && host.chars().all(good)).ok_or_else(wrong)
}

/// A connection that broke: one that was closed is told in words that say so.
pub(super) fn broke(error: io::Error) -> Fault {
    if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) {
        return Fault::Theirs("it closed the connection without an answer".to_owned());
    }
    fault(&error)
}
