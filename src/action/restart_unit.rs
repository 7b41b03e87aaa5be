//! Restarts a unit of systemd.

use crate::section::{Section, parse};
use crate::values::UnitName;
use std::time::Duration;

/// systemd kills a service that does not stop after 90 s (`DefaultTimeoutStopSec`); 10 s more to see it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(100);

/// A unit to restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartUnit {
    /// The unit.
    pub unit: UnitName,
    /// The longest that systemd's job may take.
    pub timeout: Duration,
}

impl RestartUnit {
    /// Reads `do.restart-unit = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let unit = section.need("unit", UnitName::parse);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(super::TIMEOUT));
        Some(Self { unit: unit?, timeout })
    }
}
