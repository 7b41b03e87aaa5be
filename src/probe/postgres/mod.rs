//! Does PostgreSQL take connections? Without a URL as `pg_isready` asks: the first words of a connection, nobody
//! logs in. With one, somebody does, and asks `SELECT 1`.
//!
//! Told apart are a server that is down, one that hangs, one that refuses everybody, one that is still starting, and
//! one that only refuses us. Nothing here may write to a database, or print a password.

mod judge;
mod knock;
mod login;
mod read;
#[cfg(test)]
mod tests;

pub use knock::Knock;
pub use login::Login;

use super::http::error::Fault;
use super::http::span;
use crate::recovery::evidence::Reading;
use crate::values::Secret;
use std::time::Duration;
use tokio::time::timeout;

/// How this program calls itself in `pg_stat_activity` and in the server's log.
const APPLICATION: &str = "picoclaw-watchdog";

/// A probe of one PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// What is asked.
    pub ask: Ask,
    /// The bound of the whole question.
    pub timeout: Duration,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether it takes connections.
    Accepts(Knock),
    /// Whether it answers a query.
    Answers(Box<Login>),
}

impl Postgres {
    /// Asks once.
    pub async fn ask(&self) -> Reading {
        let asked = async {
            match &self.ask {
                Ask::Accepts(knock) => knock.ask().await,
                Ask::Answers(login) => login.ask().await,
            }
        };
        match timeout(self.timeout, asked).await {
            Ok(Ok(reading)) => reading,
            Ok(Err(Fault::Theirs(how))) => Reading::Fail(how),
            Ok(Err(Fault::Unclear(why))) => Reading::Unknown(why),
            Err(_) => Reading::Fail(format!("no answer within {}", span(self.timeout))),
        }
    }

    /// Whether the answer comes over the internet.
    pub fn is_external(&self) -> bool {
        match &self.ask {
            Ask::Accepts(knock) => knock.place.is_external(),
            Ask::Answers(login) => login.is_external(),
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match &self.ask {
            Ask::Accepts(_) => Vec::new(),
            Ask::Answers(login) => vec![&login.url, &login.password],
        }
    }
}
