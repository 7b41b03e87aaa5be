//! Asks tailscaled: over its LocalAPI on a unix socket and, where that cannot be, through the `tailscale`
//! command. It knows the questions, not what to think of the answers.

use super::{Node, ServeConfig};
use crate::exec::{self, Command, End};
use crate::probe::clients::Clients;
use crate::probe::http::exchange::{Request, send_over};
use crate::probe::http::span;
use crate::recovery::evidence::Reading;
use crate::section::{Section, names_a_secret, parse};
use crate::values::one_line;
use reqwest::{Client, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian's unit and the official packages put the socket.
const SOCKET: &str = "/var/run/tailscale/tailscaled.sock";
/// The only host name that tailscaled does not refuse with 403.
const LOCAL_API: &str = "http://local-tailscaled.sock/localapi/v0/";
/// Bytes read of an answer. A node without its peers has some KiB; capabilities may add some more.
const BODY_CAP: usize = 256 * 1024;
/// Characters quoted of what somebody else said.
const QUOTE_CHARS: usize = 160;
/// How every version of the command begins its word for "the daemon cannot be reached".
const UNREACHABLE: &str = "failed to connect to local";

/// How to reach tailscaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Its socket.
    pub socket: PathBuf,
    /// The `tailscale` command.
    pub program: String,
}

/// Why tailscaled told nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It does not run.
    Down,
    /// It could not be asked, or was not understood.
    Unclear(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => {
                f.write_str("tailscaled does not run: start it with `sudo systemctl start tailscaled`")
            }
            Self::Unclear(why) => f.write_str(why),
        }
    }
}

impl From<Silence> for Reading {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Down => Self::Fail(silence.to_string()),
            Silence::Unclear(why) => Self::Unknown(why),
        }
    }
}

/// One question in both its forms.
struct Question {
    path: &'static str,
    arguments: &'static [&'static str],
}

const NODE: Question =
    Question { path: "status?peers=false", arguments: &["status", "--json", "--peers=false"] };
const SERVE: Question = Question { path: "serve-config", arguments: &["funnel", "status", "--json"] };

/// Why the socket told nothing.
enum Closed {
    /// Nobody answers there.
    Silent(String),
    /// It is not for us.
    Forbidden(String),
    /// There is somebody, and asking in another way would lead to the same.
    Trouble(String),
}

impl Daemon {
    /// Reads `socket` and `program`.
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            socket: section.or("socket", PathBuf::from(SOCKET), parse::absolute),
            program: section.or("program", "tailscale".to_owned(), parse::filled),
        }
    }

    /// How the node is.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn node(&self, clients: &Clients, limit: Duration) -> Result<Node, Silence> {
        self.within(limit, self.ask(clients, &NODE, limit)).await
    }

    /// What it serves.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn serve_config(&self, clients: &Clients, limit: Duration) -> Result<ServeConfig, Silence> {
        self.within(limit, self.ask(clients, &SERVE, limit)).await
    }

    /// What it serves, every word of it, to be kept.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn serve_document(&self, clients: &Clients, limit: Duration) -> Result<Value, Silence> {
        self.within(limit, self.ask(clients, &SERVE, limit)).await
    }

    /// `tailscale ARGUMENTS…` for this daemon. It inherits no secret of ours.
    pub fn command(&self, arguments: &[impl AsRef<str>], deadline: Duration) -> Command {
        // Only a socket that was chosen is passed on: a packaged command may know another default than ours.
        let socket =
            (self.socket != Path::new(SOCKET)).then(|| format!("--socket={}", self.socket.display()));
        let argv = [self.program.clone()].into_iter().chain(socket);
        let argv = argv.chain(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let hide_env = names.filter(|name| names_a_secret(name)).collect();
        Command { hide_env, ..Command::new(argv, deadline) }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        asked: impl Future<Output = Result<T, Silence>>,
    ) -> Result<T, Silence> {
        let late = || Err(Silence::Unclear(format!("tailscaled gave no answer within {}", span(limit))));
        tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| late())
    }

    async fn ask<T>(&self, clients: &Clients, question: &Question, limit: Duration) -> Result<T, Silence>
    where
        T: DeserializeOwned + Default,
    {
        let answer = match clients.for_socket(&self.socket).map_err(Silence::Unclear) {
            Ok(client) => over_socket(&client, question.path).await,
            Err(silence) => return Err(silence),
        };
        let body = match answer {
            Ok(body) => body,
            Err(Closed::Trouble(why)) => return Err(Silence::Unclear(why)),
            Err(closed) => self.by_command(question.arguments, closed, limit).await?,
        };
        // A daemon that has nothing to tell says `null`.
        serde_json::from_slice::<Option<T>>(&body)
            .map(Option::unwrap_or_default)
            .map_err(|error| Silence::Unclear(format!("tailscaled's answer is not understood: {error}")))
    }

    async fn by_command(
        &self,
        arguments: &[&str],
        closed: Closed,
        limit: Duration,
    ) -> Result<Vec<u8>, Silence> {
        let finished = exec::run(&self.command(arguments, limit)).await;
        let unreachable = finished.stderr.contains(UNREACHABLE);
        match (finished.end.clone(), closed) {
            (End::Exited { code: 0 }, _) => Ok(finished.stdout.into_bytes()),
            (End::Exited { .. }, Closed::Silent(_)) if unreachable => Err(Silence::Down),
            (_, Closed::Silent(why) | Closed::Forbidden(why) | Closed::Trouble(why)) => {
                Err(Silence::Unclear(format!("{why}, and {}: {}", self.program, finished.summary())))
            }
        }
    }
}

async fn over_socket(client: &Client, path: &str) -> Result<Vec<u8>, Closed> {
    let url = Url::parse(LOCAL_API).and_then(|base| base.join(path));
    let request = Request::get(url.map_err(|error| Closed::Trouble(error.to_string()))?);
    let answer = send_over(client, &request, BODY_CAP).await;
    let answer =
        answer.map_err(|fault| Closed::Silent(format!("tailscaled's socket: {}", fault.reason())))?;
    match answer.status {
        200 if answer.cut => {
            Err(Closed::Trouble(format!("tailscaled's answer is longer than {BODY_CAP} bytes")))
        }
        200 => Ok(answer.body),
        403 => Err(Closed::Forbidden("tailscaled's socket gives no permission (403)".to_owned())),
        status => {
            let said = one_line(&String::from_utf8_lossy(&answer.body), QUOTE_CHARS);
            Err(Closed::Trouble(format!("tailscaled answers {status}: {said}")))
        }
    }
}

#[cfg(test)]
mod tests;
