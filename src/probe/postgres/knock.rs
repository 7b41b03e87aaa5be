//! The first words of a connection, as `pg_isready` says them. Whoever is asked for a password then knows that
//! connections are taken, and goes.

use super::{APPLICATION, judge};
use crate::probe::http::error::Fault;
use crate::probe::wire::{Place, Stream, broke};
use crate::recovery::evidence::Reading;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Version 3.0 of the protocol, which every server since 2003 speaks.
const VERSION: u32 = 0x0003_0000;
/// An error has some hundred bytes; what is longer is no PostgreSQL.
const MESSAGE_CAP: usize = 16 * 1024;
/// Messages that may come before the one that counts: notices, and the version it would rather speak.
const MAX_MESSAGES: usize = 16;
/// Bytes that are listened to on leaving: what a server says of its settings has two kilobytes.
const FAREWELL_CAP: u64 = 64 * 1024;

/// A question that needs no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Where.
    pub place: Place,
    /// Who is said to want in. The server's log tells of those whom it does not know.
    pub user: String,
    /// Where they are said to want to.
    pub database: String,
}

/// A message of the server.
struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Knock {
    /// Asks once.
    pub(super) async fn ask(&self) -> Result<Reading, Fault> {
        let mut stream = self.place.connect().await?;
        stream.write_all(&self.startup()).await.map_err(broke)?;
        for _ in 0..MAX_MESSAGES {
            let message = Message::read(&mut stream).await.map_err(broke)?;
            match message.map(|message| (message.kind, message)) {
                Some((b'R', message)) => {
                    message.leave(&mut stream).await;
                    return Ok(accepts());
                }
                Some((b'E', refusal)) => return Ok(refusal.judge()),
                Some((b'N' | b'v', _)) => {}
                Some(_) | None => break,
            }
        }
        Ok(Reading::Fail("what answers there is not PostgreSQL".to_owned()))
    }

    fn startup(&self) -> Vec<u8> {
        let words = ["user", &self.user, "database", &self.database, "application_name", APPLICATION, ""];
        let body = [&VERSION.to_be_bytes()[..], words.join("\0").as_bytes(), b"\0"].concat();
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        [&length.to_be_bytes()[..], &body].concat()
    }
}

fn accepts() -> Reading {
    Reading::Pass("accepting connections".to_owned())
}

impl Message {
    /// Reads one; none when it cannot be one.
    async fn read(stream: &mut (impl Stream + ?Sized)) -> std::io::Result<Option<Self>> {
        let kind = stream.read_u8().await?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).wrapping_sub(4);
        if rest <= MESSAGE_CAP {
            let mut body = vec![0; rest];
            stream.read_exact(&mut body).await?;
            return Ok(Some(Self { kind, body }));
        }
        if kind != b'E' {
            return Ok(None);
        }
        // A server that cannot even start a process for us says so in the form of old: a bare text, sent at once.
        let mut body = length.to_vec();
        stream.take(MESSAGE_CAP as u64).read_buf(&mut body).await?;
        Ok(Some(Self { kind, body }))
    }

    /// A refusal of us alone is a proof that others are taken.
    fn judge(&self) -> Reading {
        let whole = String::from_utf8_lossy(&self.body);
        let message = self.field(b'M').unwrap_or(whole.trim_end_matches('\0').to_owned());
        judge::of_everybody(&self.field(b'C').unwrap_or_default(), &message).unwrap_or_else(accepts)
    }

    /// A field of an error: each is a letter and a text that ends with a zero.
    fn field(&self, wanted: u8) -> Option<String> {
        let mut fields = self.body.split(|byte| *byte == 0);
        let text = fields.find_map(|field| field.strip_prefix(&[wanted]))?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// Goes as a client should, so that the server's log holds nothing of it. Who was let in says goodbye, and
    /// hears the server out: a connection that is closed before would look broken.
    async fn leave(&self, stream: &mut (impl Stream + ?Sized)) {
        const LET_IN: [u8; 4] = [0; 4];
        const GOODBYE: [u8; 5] = [b'X', 0, 0, 0, 4];
        if self.body.starts_with(&LET_IN) && stream.write_all(&GOODBYE).await.is_ok() {
            // It has proven all that was asked; how it ends is no matter.
            let _ = tokio::io::copy(&mut stream.take(FAREWELL_CAP), &mut tokio::io::sink()).await;
        }
    }
}
