//! Runs a program. There is no shell in between: each argument arrives as it is written.

use crate::section::{Section, parse};
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
}
