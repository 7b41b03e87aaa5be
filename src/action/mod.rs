//! What can be done about a target, one file per kind.

pub mod funnel;
pub mod http;
pub mod restart_unit;
pub mod run;

use crate::probe::Check;
use crate::probe::clients::Clients;
use crate::recovery::evidence::Name;
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use crate::systemd::Bus;
use crate::values::Secret;
use funnel::PublishFunnel;
use http::Http;
use restart_unit::RestartUnit;
use run::Run;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What an action may take while the pass waits for it. One that hangs holds up every other repair, hence the
/// upper bound.
pub(crate) const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(120);

/// How long a pass waits for what is done over there. What may take longer goes on beside the passes.
const PASS_WAITS: Duration = Duration::from_secs(30);

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
#[allow(clippy::large_enum_variant, reason = "there are a handful of them, made once")]
pub enum Do {
    /// Restarts a unit of systemd.
    RestartUnit(RestartUnit),
    /// Runs a program.
    Run(Run),
    /// Asks a service over HTTP.
    Http(Http),
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
    /// Whether it may be carried out now.
    ///
    /// # Errors
    /// Why not.
    pub async fn allowed(&self, clients: &Clients) -> Result<(), String> {
        match &self.act {
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) => Ok(()),
            Do::Http(http) => http.allowed(clients).await,
        }
    }

    /// Carries it out, within its timeout.
    pub async fn perform(&self, bus: &Bus, clients: &Clients) -> Outcome {
        match &self.act {
            Do::RestartUnit(restart) => restart.perform(bus).await,
            Do::Run(run) => run.perform().await,
            Do::Http(http) => http.perform(clients).await,
            Do::PublishFunnel(funnel) => funnel.perform(clients).await,
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match &self.act {
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) => Vec::new(),
            Do::Http(http) => {
                let asked = http.only_if.iter().flat_map(Check::secrets);
                http.call.secrets().into_iter().chain(asked).collect()
            }
        }
    }

    /// The longest that it may take.
    pub fn timeout(&self) -> Duration {
        match &self.act {
            Do::RestartUnit(restart) => restart.timeout,
            Do::Run(run) => run.timeout,
            Do::Http(http) => http.timeout,
            Do::PublishFunnel(funnel) => funnel.timeout(),
        }
    }

    /// Whether it may take longer than a pass waits, so that it has to go on beside it.
    pub fn is_errand(&self) -> bool {
        match &self.act {
            // How these end is worth waiting for, and they are over soon or not at all.
            Do::RestartUnit(_) | Do::Run(_) => false,
            Do::Http(_) | Do::PublishFunnel(_) => self.timeout() > PASS_WAITS,
        }
    }

    /// The longest that a pass waits for it.
    pub fn holds_up(&self) -> Duration {
        let itself = if self.is_errand() { Duration::ZERO } else { self.timeout() };
        match &self.act {
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) => itself,
            Do::Http(http) => itself + http.only_if.as_ref().map_or(Duration::ZERO, Check::timeout),
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
                ("http", |section| Http::read(section).map(Self::Http)),
                ("publish-funnel", |section| PublishFunnel::read(section).map(Self::PublishFunnel)),
            ],
        )
    }
}
