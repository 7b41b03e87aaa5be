//! Restarts a unit of systemd.

use crate::recovery::record::Outcome;
use crate::recovery::unit::Active;
use crate::section::{Section, parse};
use crate::systemd::{Bus, JobEnd};
use crate::values::UnitName;
use std::time::Duration;

/// A start or stop that takes longer goes on in systemd while we look after the rest; the gate waits for it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

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

    /// Restarts it. A unit that failed is forgiven first, because systemd's own start limit counts our starts
    /// too and would refuse this one.
    pub async fn perform(&self, bus: &Bus) -> Outcome {
        let failed = bus.facts(&self.unit).await.is_ok_and(|facts| facts.active == Active::Failed);
        if failed && let Err(why) = bus.reset_failed(&self.unit).await {
            return Outcome::Failed(format!("reset-failed {}: {why}", self.unit));
        }
        match bus.restart(&self.unit, self.timeout).await {
            JobEnd::Done => Outcome::Done(format!("{} restarted", self.unit)),
            JobEnd::StillRunning => Outcome::Running(format!("systemd is still restarting {}", self.unit)),
            JobEnd::Refused { reason } | JobEnd::Failed { reason } => {
                Outcome::Failed(format!("restarting {}: {reason}", self.unit))
            }
            JobEnd::Unreachable { reason } => Outcome::Failed(format!("systemd cannot be asked: {reason}")),
        }
    }
}
