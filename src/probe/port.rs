//! Whether something listens on a port of this machine.

use crate::section::{Section, parse};
use std::time::Duration;

/// Loopback answers in microseconds; the rest is for a machine that swaps.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// A port of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The port; never 0.
    pub port: u16,
    /// The longest that connecting may take.
    pub timeout: Duration,
}

impl Port {
    /// Reads `check.port = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let port = section.need("port", parse::within(1..=u16::MAX));
        let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(bounds));
        Some(Self { port: port?, timeout })
    }
}
