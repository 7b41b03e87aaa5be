//! A child that lives as long as we listen to it, such as `journalctl -f`. It is the one child without a
//! deadline; it is ended, with its family, when its stream is dropped. Nothing here waits for it.

use super::{Command, End, Family, OUTPUT_CAP, ended, spawn};
use crate::values::one_line;
use std::io;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;

/// A running child and what it writes.
#[derive(Debug)]
pub struct Stream {
    // Dropped first, while the leader still keeps the group's number taken.
    _family: Family,
    child: Child,
    stdout: Receiver,
    stderr: Receiver,
}

impl Stream {
    /// Starts a program with its arguments. Its input is `/dev/null`. Needs a tokio runtime.
    ///
    /// # Errors
    /// Why it could not be started, in words.
    pub fn start(argv: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, String> {
        let mut child = spawn(&Command::new(argv, Duration::MAX))?;
        let family = Family::led_by(&child);
        let pipes = child.stdout.take().zip(child.stderr.take());
        let (stdout, stderr) = pipes.ok_or("its output is missing")?;
        let listen =
            |fd: io::Result<_>| fd.and_then(Receiver::from_owned_fd).map_err(|error| error.to_string());
        let (stdout, stderr) = (listen(stdout.into_owned_fd())?, listen(stderr.into_owned_fd())?);
        Ok(Self { _family: family, child, stdout, stderr })
    }

    /// Reads what it has written, without waiting; 0 at its end.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is nothing now; otherwise what the system says.
    pub fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        self.stdout.try_read(room)
    }

    /// Waits until there is something to read, or it ended. May be dropped at any time.
    pub async fn readable(&self) {
        if self.stdout.readable().await.is_err() {
            // Only a runtime that shuts down says so.
            std::future::pending().await
        }
    }

    /// The last thing it complained about since it was last asked, fit for one line.
    pub fn complaint(&self) -> Option<String> {
        /// Enough for a sentence.
        const QUOTE_CHARS: usize = 200;
        let mut room = vec![0; OUTPUT_CAP];
        let count = self.stderr.try_read(&mut room).ok()?;
        let text = String::from_utf8_lossy(&room[..count]);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(one_line(last, QUOTE_CHARS))
    }

    /// How it ended, if it has.
    pub fn end(&mut self) -> Option<End> {
        self.child.try_wait().transpose().map(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_secs(20);

    async fn next(stream: &Stream) -> String {
        let mut room = [0; 100];
        loop {
            timeout(LONG, stream.readable()).await.unwrap();
            match stream.read(&mut room) {
                Ok(count) => return String::from_utf8(room[..count].to_vec()).unwrap(),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    #[tokio::test]
    async fn it_is_heard_while_it_lives_and_gone_when_dropped() {
        let script = "sleep 1000 & echo $!; echo 'no rights' >&2; wait";
        let mut stream = Stream::start(["/bin/sh", "-c", script]).unwrap();
        let grandchild = next(&stream).await.trim().to_owned();
        assert_eq!(stream.end(), None);
        let complained = async {
            loop {
                match stream.complaint() {
                    Some(words) => return words,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        assert_eq!(timeout(LONG, complained).await.unwrap(), "no rights");
        drop(stream);
        let gone = async {
            while std::path::Path::new(&format!("/proc/{grandchild}")).exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, gone).await.unwrap();
    }

    #[tokio::test]
    async fn its_end_is_told() {
        let mut stream = Stream::start(["/bin/sh", "-c", "echo bye; exit 3"]).unwrap();
        assert_eq!(next(&stream).await, "bye\n");
        assert_eq!(next(&stream).await, "");
        let ended = async {
            loop {
                match stream.end() {
                    Some(end) => return end,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        assert_eq!(timeout(LONG, ended).await.unwrap(), End::Exited { code: 3 });
        assert_eq!(Stream::start(["no-such-tool"]).unwrap_err(), "no-such-tool: not found");
    }
}
