//! What can be done about a target, one file per kind.

pub mod funnel;
pub mod restart_unit;
pub mod run;

use crate::recovery::evidence::Name;
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use crate::systemd::Bus;
use funnel::PublishFunnel;
use restart_unit::RestartUnit;
use run::Run;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What an action may take. One that hangs holds up every other repair, hence the upper bound.
pub(crate) const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(120);

/// One thing that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its name.
    pub name: Name,
    /// Whether it interrupts service: at most one such action is under way at a time.
    pub disruptive: bool,
    /// What is done.
    pub act: Do,
}

/// What is done, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Restarts a unit of systemd.
    RestartUnit(RestartUnit),
    /// Runs a program.
    Run(Run),
    /// Publishes a port through Tailscale Funnel.
    PublishFunnel(PublishFunnel),
}

impl Action {
    /// Reads `[action.NAME]`; the name is none when it is not a good one.
    pub fn read(name: Option<Name>, section: &mut Section<'_>) -> Option<Self> {
        // What is not known to be harmless interrupts service.
        let disruptive = section.or("disruptive", true, parse::flag);
        let act = Do::read(section);
        Some(Self { name: name?, disruptive, act: act? })
    }
}

impl Action {
    /// Carries it out, within its timeout.
    pub async fn perform(&self, bus: &Bus) -> Outcome {
        match &self.act {
            Do::RestartUnit(restart) => restart.perform(bus).await,
            Do::Run(run) => run.perform().await,
            Do::PublishFunnel(funnel) => funnel.perform().await,
        }
    }

    /// The longest that it may take.
    pub fn timeout(&self) -> Duration {
        match &self.act {
            Do::RestartUnit(restart) => restart.timeout,
            Do::Run(run) => run.timeout,
            Do::PublishFunnel(funnel) => funnel.timeout(),
        }
    }
}

impl Do {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        section.kind(
            "do",
            &[
                ("restart-unit", |section| RestartUnit::read(section).map(Self::RestartUnit)),
                ("run", |section| Run::read(section).map(Self::Run)),
                ("publish-funnel", |section| PublishFunnel::read(section).map(Self::PublishFunnel)),
            ],
        )
    }
}
