//! Runs a program. There is no shell in between: each argument arrives as it is written.

use crate::exec::{self, Command, End};
use crate::recovery::record::Outcome;
use crate::section::{Section, names_a_secret, parse};
use std::time::Duration;

/// Enough for a tool that talks to a local daemon.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
    /// The longest that it may run before its process group is killed.
    pub timeout: Duration,
}

impl Run {
    /// Reads `do.run = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        if !section.has("argv") {
            let hint = "write argv = [\"program\", \"argument\", …]";
            section.error(&section.here(), "argv is missing", hint);
        }
        let argv = section.list("argv", parse::text);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(super::TIMEOUT));
        let argv = argv?;
        if argv.first().is_none_or(String::is_empty) {
            section.error(
                &section.spot("argv"),
                "no program is named",
                "write argv = [\"program\", \"argument\", …]",
            );
        }
        if argv.iter().any(|argument| argument.contains('\0')) {
            section.error(&section.spot("argv"), "a NUL cannot be passed to a program", "leave it out");
        }
        if section.is_secret("argv") {
            section.error(
                &section.spot("argv"),
                "arguments can be seen by everybody on this machine",
                "leave the secret out",
            );
        }
        Some(Self { argv, timeout })
    }

    /// Runs it. What it printed last is quoted; whether it helped, only the probes can say.
    pub async fn perform(&self) -> Outcome {
        let secrets = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let hide_env = secrets.filter(|name| names_a_secret(name)).collect();
        let command = Command { hide_env, ..Command::new(&self.argv, self.timeout) };
        let finished = exec::run(&command).await;
        match finished.end {
            End::Exited { code: 0 } => Outcome::Done(finished.summary()),
            End::Exited { .. } | End::Signalled { .. } | End::TimedOut { .. } | End::CouldNotStart { .. } => {
                Outcome::Failed(format!("{}: {}", self.argv[0], finished.summary()))
            }
        }
    }
}
