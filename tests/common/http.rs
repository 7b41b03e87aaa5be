//! The plainest HTTP client there is, so that a test sees every byte and shares nothing with the watchdog's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a stand-in may be silent; it answers in milliseconds unless it is steered to hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends the text as it is, and gives all that comes back until the other side closes.
#[track_caller]
pub(crate) fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The code that answers a request without a body.
#[track_caller]
pub(crate) fn status(address: SocketAddr, method: &str, path: &str) -> u16 {
    let answer = exchange(address, &format!("{method} {path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
