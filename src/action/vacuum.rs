//! Cleans up the databases of a PostgreSQL server, with its own `vacuumdb`. The password goes into the environment
//! of that program, for arguments can be seen by everybody.

use crate::exec::{self, Command, End};
use crate::recovery::record::Outcome;
use crate::section::{Section, names_a_secret, parse};
use crate::values::Secret;
use reqwest::Url;
use std::ops::RangeInclusive;
use std::time::Duration;

/// As long as the predecessor waited.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// Beyond an hour it is no repair any more.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// Seconds that it may wait for the server to take its connection; one that hangs would wait for ever.
const CONNECT_SECONDS: &str = "10";

/// A server whose databases are cleaned up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacuum {
    /// What tells PostgreSQL's programs where the server is and who we are; empty for their own defaults.
    pub env: Vec<(String, Secret)>,
    /// Only this database; all of them when there is none.
    pub database: Option<String>,
    /// The longest that it may take.
    pub timeout: Duration,
}

impl Vacuum {
    /// Reads `do.vacuum = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let url = section.secret("url");
        let env = match environment(&url) {
            Ok(env) => Some(env),
            Err(what) => {
                let hint = "write something like \"postgresql://user:${PGPASSWORD}@127.0.0.1:5432/\"";
                section.error(&section.spot("url"), what, hint);
                None
            }
        };
        let database = section.opt("database", parse::filled);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(TIMEOUT));
        Some(Self { env: env?, database, timeout })
    }

    fn argv(&self) -> Vec<String> {
        let which = self.database.as_ref().map_or("--all".to_owned(), |name| format!("--dbname={name}"));
        // Without a terminal it could only hang on a question for a password.
        ["vacuumdb".to_owned(), which, "--analyze".to_owned(), "--no-password".to_owned()].to_vec()
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.env.iter().filter(|(name, _)| names_a_secret(name)).map(|(_, value)| value).collect()
    }

    /// Runs it. What it printed last is quoted.
    pub async fn perform(&self) -> Outcome {
        let own = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let hide_env = own.filter(|name| names_a_secret(name) && name != "PGPASSWORD").collect();
        let connect = ("PGCONNECT_TIMEOUT".to_owned(), Secret::new(CONNECT_SECONDS));
        let env = [connect].into_iter().chain(self.env.iter().cloned()).collect();
        let finished = exec::run(&Command { hide_env, env, ..Command::new(self.argv(), self.timeout) }).await;
        match &finished.end {
            End::Exited { code: 0 } => Outcome::Done("the databases were cleaned up".to_owned()),
            End::CouldNotStart { reason } if reason.ends_with("not found") => {
                Outcome::Failed(format!("{reason}; install Debian's package postgresql-client"))
            }
            End::Exited { .. } | End::Signalled { .. } | End::TimedOut { .. } | End::CouldNotStart { .. } => {
                Outcome::Failed(format!("vacuumdb: {}", finished.summary()))
            }
        }
    }
}

/// The variables that say the same to PostgreSQL's programs as a URL does.
fn environment(url: &Secret) -> Result<Vec<(String, Secret)>, &'static str> {
    if url.is_empty() {
        return Ok(Vec::new());
    }
    // The parser's own reasons are few, and none of them says more than that.
    let url = Url::parse(url.expose()).map_err(|_| "this is no URL")?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err("this is no URL of PostgreSQL");
    }
    let text =
        |part: &str| decoded(part).filter(|part| !part.contains('\0')).ok_or("its %-signs make no sense");
    let port = url.port().map(|port| port.to_string());
    let mode = url.query_pairs().find(|(name, _)| name == "sslmode").map(|(_, mode)| mode.into_owned());
    let parts = [
        ("PGHOST", Some(text(url.host_str().unwrap_or_default())?)),
        ("PGPORT", port),
        ("PGUSER", Some(text(url.username())?)),
        ("PGPASSWORD", Some(text(url.password().unwrap_or_default())?)),
        ("PGSSLMODE", mode),
    ];
    let given = |(name, value): (&str, Option<String>)| {
        value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), Secret::new(value)))
    };
    Ok(parts.into_iter().filter_map(given).collect())
}

/// A part of a URL as it is meant.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(more.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &more[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vacuum(env: Vec<(String, Secret)>) -> Vacuum {
        Vacuum { env, database: None, timeout: Duration::from_secs(20) }
    }

    fn read(url: &str) -> Result<Vec<(String, String)>, &'static str> {
        let shown = |(name, value): (String, Secret)| (name, value.expose().to_owned());
        environment(&Secret::new(url)).map(|env| env.into_iter().map(shown).collect())
    }

    #[test]
    fn a_url_becomes_variables_and_no_argument() {
        let env = read("postgresql://me:p%40ss@db.example:6432/app?sslmode=require").unwrap();
        let env: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            env,
            ["PGHOST=db.example", "PGPORT=6432", "PGUSER=me", "PGPASSWORD=p@ss", "PGSSLMODE=require"]
        );
        assert_eq!(read(""), Ok(Vec::new()));
        assert_eq!(vacuum(Vec::new()).argv(), ["vacuumdb", "--all", "--analyze", "--no-password"]);
        let one = Vacuum { database: Some("-x".to_owned()), ..vacuum(Vec::new()) };
        assert_eq!(one.argv()[1], "--dbname=-x", "a name is never an option");
    }

    #[test]
    fn what_is_no_url_of_postgresql_is_refused_without_repeating_it() {
        for bad in ["http://x/", "x", "postgresql://a:%zz@x/", "postgresql://a:%4@x/", "postgresql://%00@x/"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_said_and_the_password_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let url = Secret::new(format!("postgresql://me:hunter22@127.0.0.1:{port}/"));
        let Outcome::Failed(told) = vacuum(environment(&url).unwrap()).perform().await else { panic!() };
        assert!(told.starts_with("vacuumdb: "), "{told}");
        assert!(!told.contains("hunter22"), "{told}");
    }
}
