//! Questions that are asked of a target, one file per kind. A probe answers; it never judges health, and
//! never acts.

mod api;
pub mod checks;
pub mod clients;
pub mod http;
pub mod line_webhook;
pub mod ollama;
pub mod port;
pub mod reference;
pub mod sock_diag;

use crate::recovery::evidence::{Blame, Name, Reading};
use crate::section::Section;
use crate::values::{Secret, UnitName};
use clients::Clients;
use std::time::Duration;

/// The unit of a target, as far as a probe needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// Its main process, 0 when there is none.
    pub main_pid: u32,
}

/// One question, and whose health it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The target.
    pub target: Name,
    /// The probe's name within the target.
    pub name: Name,
    /// What is asked.
    pub check: Check,
}

/// What is asked, by kind.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there are a handful of them, made once")]
pub enum Check {
    /// A request over HTTP.
    Http(http::Http),
    /// Whether something listens on a port of this machine.
    Port(port::Port),
    /// Ollama and its models.
    Ollama(ollama::Ollama),
    /// The webhook as LINE sees it.
    LineWebhook(line_webhook::LineWebhook),
}

impl Check {
    /// Reads `check.KIND = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        section.kind(
            "check",
            &[
                ("http", |section| http::Http::read(section).map(Self::Http)),
                ("port", |section| port::Port::read(section).map(Self::Port)),
                ("ollama", |section| ollama::Ollama::read(section).map(Self::Ollama)),
                ("line-webhook", |section| line_webhook::LineWebhook::read(section).map(Self::LineWebhook)),
            ],
        )
    }

    /// Asks. Beside the answer come faults of other targets that it names.
    pub async fn ask(&self, clients: &Clients, unit: Option<&Unit>) -> (Reading, Vec<Blame>) {
        match self {
            Self::Http(http) => http.check(clients).await,
            Self::Port(port) => {
                let rightful = unit.map(|unit| port::Rightful { unit: &unit.name, main_pid: unit.main_pid });
                (port.ask(rightful).await, Vec::new())
            }
            Self::Ollama(ollama) => (ollama.check(clients).await, Vec::new()),
            Self::LineWebhook(webhook) => (webhook.check(clients).await, Vec::new()),
        }
    }

    /// The word for the kind, as in `check.http`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Port(_) => "port",
            Self::Ollama(_) => "ollama",
            Self::LineWebhook(_) => "line-webhook",
        }
    }

    /// The longest that the answer may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Http(http) => http.timeout,
            Self::Port(port) => port.timeout,
            Self::Ollama(ollama) => ollama.timeout,
            Self::LineWebhook(webhook) => webhook.timeout,
        }
    }

    /// Whether the answer comes over the internet.
    pub fn is_external(&self) -> bool {
        match self {
            Self::Http(http) => clients::is_external(&http.url),
            Self::Port(_) => false,
            Self::Ollama(ollama) => clients::is_external(&ollama.base),
            Self::LineWebhook(webhook) => webhook.is_external(),
        }
    }

    /// The targets that an answer may blame.
    pub fn blamed(&self) -> Vec<&Name> {
        match self {
            Self::Http(http) => http.blame.iter().map(|rule| &rule.target).collect(),
            Self::Port(_) | Self::Ollama(_) | Self::LineWebhook(_) => Vec::new(),
        }
    }

    /// The least time between two questions, for those that cost somebody something.
    pub fn needs_every(&self) -> Option<Duration> {
        match self {
            Self::Http(_) | Self::Port(_) => None,
            Self::Ollama(ollama) => ollama.needs_every(),
            Self::LineWebhook(webhook) => webhook.needs_every(),
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Http(_) | Self::Port(_) | Self::Ollama(_) => Vec::new(),
            Self::LineWebhook(webhook) => vec![&webhook.token],
        }
    }
}
