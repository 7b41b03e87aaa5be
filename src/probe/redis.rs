//! Does Redis answer a PING? That a port is open proves nothing: Redis answers while it loads its data, while a
//! script holds it, while it cannot save, and to those who may not ask, each time in other words.

use super::http::error::Fault;
use super::http::span;
use super::object::MISCONFIGURED;
use super::wire::{Place, broke};
use crate::recovery::evidence::{LEAVE_UP, Reading};
use crate::section::{Section, parse};
use crate::values::{Secret, one_line};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Redis's own.
const PORT: u16 = 6379;
/// The predecessor's. Loopback answers in microseconds, unless a slow command is under way.
const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// Bytes read of its answers: each is one line, and the longest that we know has 200.
const ANSWER_CAP: usize = 4096;
/// Characters quoted of what it says.
const SAID_CHARS: usize = 160;

/// A probe of one Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Where it is.
    pub place: Place,
    /// Who asks; none is its default user.
    pub user: Option<String>,
    /// The password; empty when it wants none.
    pub password: Secret,
    /// The bound of the whole question.
    pub timeout: Duration,
}

impl Redis {
    /// Reads `check.redis = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let place = Place::read(section, PORT);
        let user = section.opt("user", parse::filled);
        let password = section.secret("password");
        if user.is_some() && password.is_empty() {
            let hint = "add password = \"${A_VARIABLE}\", or leave the user out";
            section.error(&section.spot("user"), "a user without a password cannot log in", hint);
        }
        let timeout = section.or("timeout", TIMEOUT, parse::span(TIMEOUTS));
        Some(Self { place, user, password, timeout })
    }

    /// Asks once.
    pub async fn ask(&self) -> Reading {
        match timeout(self.timeout, self.exchange()).await {
            Ok(Ok(reading)) => reading,
            Ok(Err(Fault::Theirs(how))) => Reading::Fail(how),
            Ok(Err(Fault::Unclear(why))) => Reading::Unknown(why),
            Err(_) => Reading::Fail(format!("no answer within {}", span(self.timeout))),
        }
    }

    async fn exchange(&self) -> Result<Reading, Fault> {
        let mut stream = self.place.connect().await?;
        stream.write_all(&self.question()).await.map_err(broke)?;
        let wanted = 1 + usize::from(!self.password.is_empty());
        let mut said = Vec::new();
        // One that refuses everybody says so once, and closes the connection.
        while lines(&said).count() < wanted {
            let room = ANSWER_CAP - said.len();
            match (&mut stream).take(room as u64).read_buf(&mut said).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) if lines(&said).next().is_some() => break,
                Err(error) => return Err(broke(error)),
            }
        }
        let text = |line: &[u8]| one_line(&String::from_utf8_lossy(line), SAID_CHARS);
        let mut said: Vec<String> = lines(&said).take(wanted).map(text).collect();
        let answer = said.pop().ok_or_else(|| broke(std::io::ErrorKind::UnexpectedEof.into()))?;
        Ok(judge(&answer, said.first().map(String::as_str)))
    }

    /// Who we are, if that is wanted, and PING, in one go.
    fn question(&self) -> Vec<u8> {
        let mut login = vec!["AUTH"];
        login.extend(self.user.as_deref());
        login.push(self.password.expose());
        let login = if self.password.is_empty() { Vec::new() } else { command(&login) };
        [login, command(&["PING"])].concat()
    }
}

/// A command as Redis takes it, whatever bytes its words are made of.
fn command(words: &[&str]) -> Vec<u8> {
    let word = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    format!("*{}\r\n{}", words.len(), words.iter().map(word).collect::<String>()).into_bytes()
}

/// The complete lines of what came so far.
fn lines(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    said.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// What its answer to PING means, and the one to our login before it.
fn judge(answer: &str, login: Option<&str>) -> Reading {
    let Some(error) = answer.strip_prefix('-') else {
        return match answer {
            "+PONG" => Reading::Pass("PONG".to_owned()),
            _ => Reading::Fail("what answers there is not Redis".to_owned()),
        };
    };
    let ours = |what: String| Reading::Unknown(format!("{MISCONFIGURED}{what}"));
    match error.split(' ').next().unwrap_or_default() {
        "NOAUTH" => match login {
            Some(refusal) => {
                ours(format!("it answers, but refuses the password: {}", &refusal[1.min(refusal.len())..]))
            }
            None => ours("it answers, but wants a password: set password".to_owned()),
        },
        "NOPERM" | "DENIED" | "WRONGPASS" => ours(format!("it answers, but not to us: {error}")),
        "LOADING" => {
            Reading::Unknown("it is still loading its data; a restart would make it begin anew".to_owned())
        }
        "BUSY" => Reading::Fail(format!("a script keeps it busy, `redis-cli SCRIPT KILL` ends it: {error}")),
        // It would refuse to stop as long as it cannot save, and whoever kills it loses what it has not saved.
        "MISCONF" => Reading::Fail(format!(
            "{LEAVE_UP}it takes no changes, for it cannot save its data; make room on its disk or let it write there, \
             its log says which: {error}"
        )),
        "MASTERDOWN" => Reading::Fail(format!("a replica without its master: {error}")),
        _ if error.contains("max number of clients") => Reading::Fail(format!(
            "it refuses: {error}; `redis-cli CLIENT LIST` shows who holds them, maxclients is how many there may be"
        )),
        _ => Reading::Fail(format!("it refuses: {error}")),
    }
}

#[cfg(test)]
mod tests;
