//! What can be done about a target, one file per kind.

pub mod all;
pub mod check_port;
pub mod funnel;
pub mod http;
pub mod kill_listener;
mod listener;
pub mod restart_system_unit;
pub mod restart_unit;
pub mod run;
pub mod signal_unit;
pub mod sudo;
pub mod vacuum;

use crate::probe::Check;
use crate::probe::clients::Clients;
use crate::recovery::evidence::Name;
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use crate::systemd::Bus;
use crate::values::{Secret, UnitName};
use all::All;
use check_port::CheckPort;
use funnel::PublishFunnel;
use http::Http;
use kill_listener::KillListener;
use restart_system_unit::RestartSystemUnit;
use restart_unit::RestartUnit;
use run::Run;
use signal_unit::SignalUnit;
use std::ops::RangeInclusive;
use std::time::Duration;
use vacuum::Vacuum;

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
    /// Restarts a unit of the system.
    RestartSystemUnit(RestartSystemUnit),
    /// Signals the main process of a unit.
    SignalUnit(SignalUnit),
    /// Ends who listens on a port.
    KillListener(KillListener),
    /// Says who listens on a port.
    CheckPort(CheckPort),
    /// Cleans up databases.
    Vacuum(Vacuum),
    /// Does several things.
    All(All),
}

impl Action {
    /// Reads `[action.NAME]`; the name is none when it is not a good one. A sequence is not read here, for it
    /// consists of others.
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
            Do::Http(http) => http.allowed(clients).await,
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) => Ok(()),
            Do::RestartSystemUnit(_) | Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) => Ok(()),
            // Each step is asked for when its turn has come.
            Do::Vacuum(_) | Do::All(_) => Ok(()),
        }
    }

    /// Carries it out, within its timeout.
    pub async fn perform(&self, bus: &Bus, clients: &Clients) -> Outcome {
        match &self.act {
            Do::RestartUnit(restart) => restart.perform(bus).await,
            Do::Run(run) => run.perform().await,
            Do::Http(http) => http.perform(clients).await,
            Do::PublishFunnel(funnel) => funnel.perform(clients).await,
            Do::RestartSystemUnit(restart) => restart.perform(&Bus::system()).await,
            Do::SignalUnit(signal) => signal.perform(bus).await,
            Do::KillListener(kill) => kill.perform().await,
            Do::CheckPort(check) => check.perform().await,
            Do::Vacuum(vacuum) => vacuum.perform().await,
            Do::All(all) => all.perform(bus, clients).await,
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match &self.act {
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) => Vec::new(),
            Do::RestartSystemUnit(_) | Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) => {
                Vec::new()
            }
            Do::Http(http) => {
                let asked = http.only_if.iter().flat_map(Check::secrets);
                http.call.secrets().into_iter().chain(asked).collect()
            }
            Do::Vacuum(vacuum) => vacuum.secrets(),
            Do::All(all) => all.steps.iter().flat_map(Action::secrets).collect(),
        }
    }

    /// The longest that it may take.
    pub fn timeout(&self) -> Duration {
        match &self.act {
            Do::RestartUnit(restart) => restart.timeout,
            Do::Run(run) => run.timeout,
            Do::Http(http) => http.timeout,
            Do::PublishFunnel(funnel) => funnel.timeout(),
            Do::RestartSystemUnit(restart) => restart.timeout(),
            Do::SignalUnit(signal) => signal.timeout(),
            Do::KillListener(kill) => kill.timeout(),
            Do::CheckPort(check) => check.timeout(),
            Do::Vacuum(vacuum) => vacuum.timeout,
            Do::All(all) => all.timeout(),
        }
    }

    /// Whether it may take longer than a pass waits, so that it has to go on beside it.
    pub fn is_errand(&self) -> bool {
        match &self.act {
            // How these end is worth waiting for, and they are over soon or not at all.
            Do::RestartUnit(_) | Do::Run(_) | Do::RestartSystemUnit(_) => false,
            Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) => false,
            Do::Http(_) | Do::PublishFunnel(_) | Do::Vacuum(_) => self.timeout() > PASS_WAITS,
            Do::All(all) => self.timeout() > *TIMEOUT.end() || all.steps.iter().any(Self::is_errand),
        }
    }

    /// The longest that a pass waits for it.
    pub fn holds_up(&self) -> Duration {
        let itself = if self.is_errand() { Duration::ZERO } else { self.timeout() };
        itself + self.asking()
    }

    /// The longest that asking takes whether it may be carried out.
    fn asking(&self) -> Duration {
        match &self.act {
            Do::Http(http) => http.only_if.as_ref().map_or(Duration::ZERO, Check::timeout),
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) => Duration::ZERO,
            Do::RestartSystemUnit(_) | Do::SignalUnit(_) | Do::KillListener(_) => Duration::ZERO,
            Do::CheckPort(_) | Do::Vacuum(_) | Do::All(_) => Duration::ZERO,
        }
    }

    /// What it consists of: its steps when it is a sequence, else itself.
    pub fn steps(&self) -> &[Self] {
        match &self.act {
            Do::All(all) => &all.steps,
            Do::RestartUnit(_) | Do::Run(_) | Do::Http(_) | Do::PublishFunnel(_) => {
                std::slice::from_ref(self)
            }
            Do::RestartSystemUnit(_) | Do::SignalUnit(_) | Do::KillListener(_) => std::slice::from_ref(self),
            Do::CheckPort(_) | Do::Vacuum(_) => std::slice::from_ref(self),
        }
    }

    /// The unit that it changes of the manager whose units are watched, if it does.
    pub fn own_unit(&self) -> Option<&UnitName> {
        match &self.act {
            Do::RestartUnit(restart) => Some(&restart.unit),
            Do::SignalUnit(signal) => Some(&signal.unit),
            Do::RestartSystemUnit(_) | Do::Run(_) | Do::Http(_) | Do::PublishFunnel(_) => None,
            Do::KillListener(_) | Do::CheckPort(_) | Do::Vacuum(_) | Do::All(_) => None,
        }
    }

    /// The unit of the system that it changes, if it does.
    pub fn system_unit(&self) -> Option<&UnitName> {
        match &self.act {
            Do::RestartSystemUnit(restart) => Some(&restart.unit),
            Do::RestartUnit(_) | Do::Run(_) | Do::Http(_) | Do::PublishFunnel(_) => None,
            Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) | Do::Vacuum(_) | Do::All(_) => None,
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
                ("restart-system-unit", |section| {
                    RestartSystemUnit::read(section).map(Self::RestartSystemUnit)
                }),
                ("signal-unit", |section| SignalUnit::read(section).map(Self::SignalUnit)),
                ("kill-listener", |section| KillListener::read(section).map(Self::KillListener)),
                ("check-port", |section| CheckPort::read(section).map(Self::CheckPort)),
                ("vacuum", |section| Vacuum::read(section).map(Self::Vacuum)),
            ],
        )
    }
}
