//! Reads a PostgreSQL probe from the configuration.

use super::{APPLICATION, Ask, Knock, Login, Postgres};
use crate::probe::wire::Place;
use crate::section::{Section, parse};
use crate::values::Secret;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// PostgreSQL's own.
const PORT: u16 = 5432;
/// The predecessor's. Loopback answers in milliseconds, unless the machine swaps.
const TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// Both exist wherever nobody has removed them, so that nothing is written to the server's log.
const USUAL: &str = "postgres";
const QUERY: &str = "SELECT 1";

impl Postgres {
    /// Reads `check.postgres = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let ask = match section.has("url") {
            true => login(section).map(|login| Ask::Answers(Box::new(login))),
            false => Some(Ask::Accepts(knock(section))),
        };
        let timeout = section.or("timeout", TIMEOUT, parse::span(TIMEOUTS));
        Some(Self { ask: ask?, timeout })
    }
}

fn knock(section: &mut Section<'_>) -> Knock {
    if section.has("query") {
        let hint = "add url = \"${A_VARIABLE}\", or leave the query out";
        section.error(&section.spot("query"), "nobody is logged in who could ask it", hint);
    }
    Knock {
        place: Place::read(section, PORT),
        user: section.or("user", USUAL.to_owned(), word),
        database: section.or("database", USUAL.to_owned(), word),
    }
}

fn login(section: &mut Section<'_>) -> Option<Login> {
    for key in ["host", "port", "socket", "user", "database"] {
        if section.has(key) {
            section.error(&section.spot(key), "the url has its own", "leave it out, or the url");
        }
    }
    let url = section.secret("url");
    let query = section.or("query", QUERY.to_owned(), parse::filled);
    let config = match config(url.expose()) {
        Ok(config) => config,
        Err((what, hint)) => {
            section.error(&section.spot("url"), what, hint);
            return None;
        }
    };
    let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
    let login = Login { url, password: Secret::new(password), config, query };
    if login.is_external() {
        let hint = "ask a server of this network, or leave the url out";
        section.error(&section.spot("url"), "it would be spoken to over the internet in the clear", hint);
    }
    Some(login)
}

/// What the URL says. It holds a password, so that no part of it is repeated.
fn config(url: &str) -> Result<Config, (&'static str, &'static str)> {
    const SHAPE: &str =
        "write something like \"postgres://user:password@127.0.0.1:5432/database\", from a variable";
    let mut config: Config = url.parse().map_err(|_| ("this is no URL of PostgreSQL", SHAPE))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(("it has no host", SHAPE));
    }
    if matches!(config.get_ssl_mode(), SslMode::Require) {
        return Err(("TLS is not spoken to PostgreSQL", "write sslmode=disable, or leave the url out"));
    }
    config.application_name(APPLICATION);
    Ok(config)
}

/// A text that ends where it seems to.
fn word(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.len() <= 63 && !text.contains('\0');
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("{text:?} is no name; write one as PostgreSQL has it"))
}
