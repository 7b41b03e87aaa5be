//! Questions that are asked of a target, one file per kind. A probe answers; it never judges health, and
//! never acts.

pub mod checks;
pub mod clients;
pub mod http;
pub mod port;
pub mod reach;
pub mod reference;
pub mod sock_diag;
pub mod tailscale;

use crate::recovery::evidence::{Blame, Name, Reading};
use crate::section::Section;
use crate::values::UnitName;
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
    /// Whether the node is well within its tailnet.
    Tailscale(tailscale::Tailscale),
    /// Whether a port is published through Funnel, by tailscaled's configuration.
    Funnel(tailscale::Funnel),
    /// Whether the internet comes in.
    Reach(reach::Reach),
}

impl Check {
    /// Reads `check.KIND = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        section.kind(
            "check",
            &[
                ("http", |section| http::Http::read(section).map(Self::Http)),
                ("port", |section| port::Port::read(section).map(Self::Port)),
                ("tailscale", |section| tailscale::Tailscale::read(section).map(Self::Tailscale)),
                ("funnel", |section| tailscale::Funnel::read(section).map(Self::Funnel)),
                ("reach", |section| reach::Reach::read(section).map(Self::Reach)),
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
            Self::Tailscale(tailscale) => (tailscale.ask(clients).await, Vec::new()),
            Self::Funnel(funnel) => (funnel.ask(clients).await, Vec::new()),
            Self::Reach(reach) => (reach.ask(clients).await, Vec::new()),
        }
    }

    /// The word for the kind, as in `check.http`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Port(_) => "port",
            Self::Tailscale(_) => "tailscale",
            Self::Funnel(_) => "funnel",
            Self::Reach(_) => "reach",
        }
    }

    /// The longest that the answer may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Http(http) => http.timeout,
            Self::Port(port) => port.timeout,
            Self::Tailscale(tailscale) => tailscale.timeout,
            Self::Funnel(funnel) => funnel.timeout,
            Self::Reach(reach) => reach.timeout,
        }
    }

    /// Whether the answer comes over the internet.
    pub fn is_external(&self) -> bool {
        match self {
            Self::Http(http) => clients::is_external(&http.url),
            Self::Reach(reach) => clients::is_external(&reach.public.url),
            Self::Port(_) | Self::Tailscale(_) | Self::Funnel(_) => false,
        }
    }

    /// The targets that an answer may blame.
    pub fn blamed(&self) -> Vec<&Name> {
        match self {
            Self::Http(http) => http.blame.iter().map(|rule| &rule.target).collect(),
            Self::Port(_) | Self::Tailscale(_) | Self::Funnel(_) | Self::Reach(_) => Vec::new(),
        }
    }
}
