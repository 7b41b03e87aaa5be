//! Just enough HTTP/1.1: one request per connection, then close. It reads what well-behaved clients send,
//! and must not grow into a server.

use anyhow::{Context, Result};
use nix::sys::socket::{Backlog, listen};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Longest head and longest body that are read; a client of ours that sends more is broken.
const MAX_HEAD: u64 = 64 * 1024;
const MAX_BODY: u64 = 4 * 1024 * 1024;
/// How long a silent client, or a client left hanging, keeps its thread.
const PATIENCE: Duration = Duration::from_secs(600);

/// Connections that may wait to be accepted. With the usual 128, whoever asks a thousand times at once waits a second
/// for the kernel's next try.
const BACKLOG: Backlog = Backlog::MAXCONN;

/// One request.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path without the query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What becomes of a request.
pub(crate) enum Answer {
    /// An ordinary reply.
    Reply(Reply),
    /// The connection is closed without a byte.
    Close,
    /// Nothing is said until the client gives up.
    Hang,
}

/// A reply; the length and `Connection: close` are added.
pub(crate) struct Reply {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "application/json", headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { content_type: "text/plain; charset=utf-8", ..Self::json(status, body) }
    }

    /// What Go's router says of a path that it does not know.
    pub(crate) fn not_found() -> Self {
        Self::text(404, "404 page not found\n")
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason_phrase(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let (kind, length) = (self.content_type, self.body.len());
        head + &format!("Content-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    }
}

/// Listens on 127.0.0.1; see [`serve_at`].
pub(crate) fn serve(port: u16, handler: impl Handler) -> Result<SocketAddr> {
    serve_at("127.0.0.1", port, handler)
}

/// What answers requests.
pub(crate) trait Handler: Fn(&Request) -> Answer + Send + Sync + 'static {}

impl<H: Fn(&Request) -> Answer + Send + Sync + 'static> Handler for H {}

/// Listens on this address and serves for ever, in threads: one that accepts, and one per connection. Gives the
/// address, which port 0 leaves to the kernel.
pub(crate) fn serve_at(address: &str, port: u16, handler: impl Handler) -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((address, port)).with_context(|| format!("listen tcp {address}:{port}"))?;
    listen(&listener, BACKLOG)?;
    let address = listener.local_addr()?;
    let accept = move || {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    accept_for_ever(accept, handler);
    Ok(address)
}

/// The same on a unix socket, for everybody on this machine.
pub(crate) fn serve_on_socket(path: &Path, handler: impl Handler) -> Result<()> {
    let listener = UnixListener::bind(path).with_context(|| format!("listen {}", path.display()))?;
    let accept = move || {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    accept_for_ever(accept, handler);
    Ok(())
}

fn accept_for_ever<S>(accept: impl Fn() -> io::Result<S> + Send + 'static, handler: impl Handler)
where
    S: Send + 'static,
    for<'a> &'a S: Read + Write,
{
    let handler = Arc::new(handler);
    thread::spawn(move || {
        loop {
            let handler = Arc::clone(&handler);
            match accept() {
                // A client that breaks off is its own affair.
                Ok(stream) => drop(thread::spawn(move || drop(converse(&stream, &*handler)))),
                // Out of descriptors: wait for some connection to end.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    });
}

fn converse<S>(stream: &S, handler: &dyn Fn(&Request) -> Answer) -> io::Result<()>
where
    for<'a> &'a S: Read + Write,
{
    let mut reader = BufReader::new(stream);
    let request = read_request(&mut reader)?;
    match handler(&request) {
        Answer::Close => Ok(()),
        Answer::Hang => io::copy(&mut reader, &mut io::sink()).map(drop),
        Answer::Reply(reply) => {
            let body = if request.method == "HEAD" { "" } else { &reply.body };
            let mut writer = stream;
            writer.write_all((reply.head() + body).as_bytes())
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Request> {
    let mut head = reader.by_ref().take(MAX_HEAD);
    let first = read_line(&mut head)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::Error::other("not a request line"));
    };
    let path = target.split('?').next().unwrap_or(target);
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: String::new(),
    };
    while let Some((name, value)) = read_line(&mut head)?.split_once(':') {
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    reader.take(MAX_BODY.min(length)).read_to_string(&mut request.body)?;
    Ok(request)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
