//! The kinds of actions side by side: what each is read from, takes, hides and touches. What a kind does is in its own
//! file.

use super::all::All;
use super::allow::Allow;
use super::backup::Keep;
use super::check_port::CheckPort;
use super::files::{Files, Hand};
use super::funnel::PublishFunnel;
use super::http::Http;
use super::kill_listener::KillListener;
use super::restart_system_unit::RestartSystemUnit;
use super::restart_unit::RestartUnit;
use super::run::Run;
use super::signal_unit::SignalUnit;
use super::tools::Tools;
use super::vacuum::Vacuum;
use super::{Action, PASS_WAITS, TIMEOUT};
use crate::probe::Check;
use crate::recovery::record::Outcome;
use crate::section::Section;
use crate::systemd::Bus;
use crate::values::{Secret, UnitName};
use std::time::Duration;

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
    /// Does something to files.
    Files(Files),
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

impl Do {
    pub(super) fn read(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        section.kind_knowing(
            "do",
            allow,
            &[
                ("restart-unit", |section, _| RestartUnit::read(section).map(Self::RestartUnit)),
                ("run", |section, _| Run::read(section).map(Self::Run)),
                ("http", |section, _| Http::read(section).map(Self::Http)),
                ("publish-funnel", |section, _| PublishFunnel::read(section).map(Self::PublishFunnel)),
                ("clean", |section, allow| Files::clean(section, allow).map(Self::Files)),
                ("rotate", |section, allow| Files::rotate(section, allow).map(Self::Files)),
                ("create-dirs", |section, allow| Files::create_dirs(section, allow).map(Self::Files)),
                ("permissions", |section, allow| Files::permissions(section, allow).map(Self::Files)),
                ("restore-json", |section, allow| Files::restore_json(section, allow).map(Self::Files)),
                ("restart-system-unit", |section, _| {
                    RestartSystemUnit::read(section).map(Self::RestartSystemUnit)
                }),
                ("signal-unit", |section, _| SignalUnit::read(section).map(Self::SignalUnit)),
                ("kill-listener", |section, _| KillListener::read(section).map(Self::KillListener)),
                ("check-port", |section, _| CheckPort::read(section).map(Self::CheckPort)),
                ("vacuum", |section, _| Vacuum::read(section).map(Self::Vacuum)),
            ],
        )
    }

    pub(super) async fn perform(&self, tools: &Tools) -> Outcome {
        match self {
            Self::RestartUnit(restart) => restart.perform(&tools.bus).await,
            Self::Run(run) => run.perform().await,
            Self::Http(http) => http.perform(&tools.clients).await,
            Self::PublishFunnel(funnel) => funnel.perform(&tools.clients, &tools.state).await,
            Self::Files(files) => files.perform(tools, Hand::Real).await,
            Self::RestartSystemUnit(restart) => restart.perform(&Bus::system()).await,
            Self::SignalUnit(signal) => signal.perform(&tools.bus).await,
            Self::KillListener(kill) => kill.perform().await,
            Self::CheckPort(check) => check.perform().await,
            Self::Vacuum(vacuum) => vacuum.perform().await,
            Self::All(all) => all.perform(tools).await,
        }
    }

    /// What it would come to. Nothing is changed.
    pub(super) async fn rehearse(&self, tools: &Tools) -> Outcome {
        let would = match self {
            Self::RestartUnit(restart) => format!("restarted {}", restart.unit),
            Self::Run(run) => format!("run {}", run.argv.join(" ")),
            Self::Http(http) => format!("sent its {} request", http.call.method),
            Self::PublishFunnel(funnel) => format!("published port {}", funnel.wanted.port),
            Self::Files(files) => return files.perform(tools, Hand::Still).await,
            Self::RestartSystemUnit(restart) => format!("restarted {} of the system", restart.unit),
            Self::SignalUnit(signal) => format!("signalled {}", signal.unit),
            Self::KillListener(kill) => format!("ended who listens on port {}", kill.port),
            Self::CheckPort(check) => return check.perform().await,
            Self::Vacuum(_) => "cleaned up the databases".to_owned(),
            Self::All(all) => return all.rehearse(tools).await,
        };
        Outcome::Done(would)
    }

    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::RestartUnit(restart) => restart.timeout,
            Self::Run(run) => run.timeout,
            Self::Http(http) => http.timeout,
            Self::PublishFunnel(funnel) => funnel.timeout(),
            Self::Files(files) => files.timeout,
            Self::RestartSystemUnit(restart) => restart.timeout(),
            Self::SignalUnit(signal) => signal.timeout(),
            Self::KillListener(kill) => kill.timeout(),
            Self::CheckPort(check) => check.timeout(),
            Self::Vacuum(vacuum) => vacuum.timeout,
            Self::All(all) => all.timeout(),
        }
    }

    pub(super) fn is_errand(&self, longest: Duration) -> bool {
        match self {
            // How these end is worth waiting for, and they are over soon or not at all; unless they are backed up.
            Self::RestartUnit(_) | Self::Run(_) | Self::RestartSystemUnit(_) => longest > *TIMEOUT.end(),
            Self::SignalUnit(_) | Self::KillListener(_) | Self::CheckPort(_) => longest > *TIMEOUT.end(),
            Self::Http(_) | Self::PublishFunnel(_) | Self::Files(_) | Self::Vacuum(_) => longest > PASS_WAITS,
            Self::All(all) => longest > *TIMEOUT.end() || all.steps.iter().any(Action::is_errand),
        }
    }

    /// What it may spoil of files, and so what a backup keeps.
    pub(super) fn spoils(&self) -> Keep {
        match self {
            Self::Files(files) => files.spoils(),
            Self::All(all) => {
                all.steps.iter().map(|step| step.act.spoils()).reduce(Keep::and).unwrap_or(Keep::Contents)
            }
            Self::RestartUnit(_) | Self::Run(_) | Self::Http(_) | Self::PublishFunnel(_) => Keep::Contents,
            Self::RestartSystemUnit(_) | Self::SignalUnit(_) => Keep::Contents,
            Self::KillListener(_) | Self::CheckPort(_) | Self::Vacuum(_) => Keep::Contents,
        }
    }

    /// What is asked before it is done.
    pub(super) fn asks(&self) -> Option<&Check> {
        match self {
            Self::Http(http) => http.only_if.as_ref(),
            Self::RestartUnit(_) | Self::Run(_) | Self::PublishFunnel(_) | Self::Files(_) => None,
            Self::RestartSystemUnit(_) | Self::SignalUnit(_) | Self::KillListener(_) => None,
            // Each step is asked for when its turn has come.
            Self::CheckPort(_) | Self::Vacuum(_) | Self::All(_) => None,
        }
    }

    pub(super) fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Http(http) => {
                let asked = http.only_if.iter().flat_map(Check::secrets);
                http.call.secrets().into_iter().chain(asked).collect()
            }
            Self::Vacuum(vacuum) => vacuum.secrets(),
            Self::All(all) => all.steps.iter().flat_map(Action::secrets).collect(),
            Self::RestartUnit(_) | Self::Run(_) | Self::PublishFunnel(_) | Self::Files(_) => Vec::new(),
            Self::RestartSystemUnit(_) | Self::SignalUnit(_) => Vec::new(),
            Self::KillListener(_) | Self::CheckPort(_) => Vec::new(),
        }
    }

    pub(super) fn steps(&self) -> Option<&[Action]> {
        match self {
            Self::All(all) => Some(&all.steps),
            Self::RestartUnit(_) | Self::Run(_) | Self::Http(_) | Self::PublishFunnel(_) => None,
            Self::RestartSystemUnit(_) | Self::SignalUnit(_) | Self::KillListener(_) => None,
            Self::CheckPort(_) | Self::Vacuum(_) | Self::Files(_) => None,
        }
    }

    pub(super) fn own_unit(&self) -> Option<&UnitName> {
        match self {
            Self::RestartUnit(restart) => Some(&restart.unit),
            Self::SignalUnit(signal) => Some(&signal.unit),
            Self::RestartSystemUnit(_) | Self::Run(_) | Self::Http(_) | Self::PublishFunnel(_) => None,
            Self::KillListener(_) | Self::CheckPort(_) | Self::Vacuum(_) => None,
            Self::All(_) | Self::Files(_) => None,
        }
    }

    pub(super) fn system_unit(&self) -> Option<&UnitName> {
        match self {
            Self::RestartSystemUnit(restart) => Some(&restart.unit),
            Self::RestartUnit(_) | Self::Run(_) | Self::Http(_) | Self::PublishFunnel(_) => None,
            Self::SignalUnit(_) | Self::KillListener(_) | Self::CheckPort(_) => None,
            Self::Vacuum(_) | Self::All(_) | Self::Files(_) => None,
        }
    }
}
