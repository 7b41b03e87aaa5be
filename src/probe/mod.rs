//! Questions that are asked of a target, one file per kind.

pub mod http;
pub mod port;

use crate::recovery::evidence::Name;
use crate::section::Section;
use std::time::Duration;

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
pub enum Check {
    /// A request over HTTP.
    Http(http::Http),
    /// Whether something listens on a port of this machine.
    Port(port::Port),
}

impl Check {
    /// Reads `check.KIND = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        section.kind(
            "check",
            &[
                ("http", |section| http::Http::read(section).map(Self::Http)),
                ("port", |section| port::Port::read(section).map(Self::Port)),
            ],
        )
    }

    /// The word for the kind, as in `check.http`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Port(_) => "port",
        }
    }

    /// The longest that the answer may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Http(http) => http.timeout,
            Self::Port(port) => port.timeout,
        }
    }

    /// The targets that an answer may blame.
    pub fn blamed(&self) -> Vec<&Name> {
        match self {
            Self::Http(http) => http.blame.iter().map(|(_, target)| target).collect(),
            Self::Port(_) => Vec::new(),
        }
    }
}
