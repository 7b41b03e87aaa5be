//! A login and one query, over an unencrypted connection: for a server of this machine or its network.

use super::judge;
use crate::probe::clients::is_external_host;
use crate::probe::http::error::{Fault, fault};
use crate::recovery::evidence::Reading;
use crate::values::{Secret, one_line};
use futures_util::{StreamExt, future};
use std::pin::pin;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, Error, NoTls};

/// Characters quoted of an error of the library.
const SAID_CHARS: usize = 160;

/// Who logs in where, and what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The URL, which holds the password.
    pub url: Secret,
    /// The password alone; empty when there is none.
    pub password: Secret,
    /// What the URL says.
    pub config: Config,
    /// The query.
    pub query: String,
}

impl Login {
    /// Asks once.
    pub(super) async fn ask(&self) -> Result<Reading, Fault> {
        let answered = async {
            let (client, connection) = self.config.connect(NoTls).await?;
            // The connection ends when the client is gone, after a word of goodbye.
            let (answer, ended) = future::join(self.query(client), connection).await;
            // What ended the connection explains why the query had no answer.
            ended.and(answer)
        };
        match answered.await {
            Ok(()) => Ok(Reading::Pass("accepting connections, and answers a query".to_owned())),
            Err(error) => refused(&error),
        }
    }

    /// The first row is answer enough; what more there is, is not kept.
    async fn query(&self, client: Client) -> Result<(), Error> {
        let mut rows = pin!(client.simple_query_raw(&self.query).await?);
        while let Some(row) = rows.next().await {
            row?;
        }
        Ok(())
    }

    pub(super) fn is_external(&self) -> bool {
        self.config.get_hosts().iter().any(|host| match host {
            Host::Tcp(name) => is_external_host(name),
            Host::Unix(_) => false,
        })
    }
}

/// What it means that there was no answer.
fn refused(error: &Error) -> Result<Reading, Fault> {
    if let Some(refusal) = error.as_db_error() {
        return Ok(judge::of_us(refusal.code().code(), refusal.message()));
    }
    if error.is_closed() {
        return Err(Fault::Theirs("it closed the connection without an answer".to_owned()));
    }
    let said = one_line(&error.to_string(), SAID_CHARS);
    let cause = std::error::Error::source(error).map(|cause| one_line(&cause.to_string(), SAID_CHARS));
    let whole = cause.map_or_else(|| said.clone(), |cause| format!("{said}: {cause}"));
    match said.as_str() {
        // A password that is missing or too weak, or a kind of login that is not spoken.
        "invalid configuration" | "authentication error" | "error performing TLS handshake" => {
            Err(Fault::Unclear(whole))
        }
        "error parsing response from server" | "unexpected message from server" => {
            Err(Fault::Theirs("what answers there is not PostgreSQL".to_owned()))
        }
        _ => Err(fault(error)),
    }
}
