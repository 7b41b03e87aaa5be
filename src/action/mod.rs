//! What can be done about a target, one file per kind.

pub mod allow;
pub mod backup;
pub mod files;
pub mod funnel;
pub mod http;
pub mod restart_unit;
pub mod run;
pub mod tools;

use crate::probe::Check;
use crate::probe::clients::Clients;
use crate::recovery::evidence::Name;
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use crate::values::Secret;
use allow::Allow;
use backup::Backup;
use files::{Files, Hand};
use funnel::PublishFunnel;
use http::Http;
use restart_unit::RestartUnit;
use run::Run;
use std::ops::RangeInclusive;
use std::time::Duration;
use tools::Tools;

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
    /// Whether it only says what it would do.
    pub dry_run: bool,
    /// What is kept before it is done; when that cannot be kept, it is not done.
    pub backup: Option<Backup>,
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
    /// Does something to files.
    Files(Files),
}

impl Action {
    /// Reads `[action.NAME]`; the name is none when it is not a good one.
    pub fn read(name: Option<Name>, section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        // What is not known to be harmless interrupts service.
        let disruptive = section.or("disruptive", true, parse::flag);
        let dry_run = section.or("dry_run", false, parse::flag) || allow.dry_run;
        let backup = section.table("backup", |section| Backup::read(section, allow));
        let act = Do::read(section, allow);
        Some(Self { name: name?, disruptive, dry_run, backup, act: act? })
    }
}

impl Action {
    /// Whether it may be carried out now.
    ///
    /// # Errors
    /// Why not.
    pub async fn allowed(&self, clients: &Clients) -> Result<(), String> {
        match &self.act {
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) | Do::Files(_) => Ok(()),
            Do::Http(http) => http.allowed(clients).await,
        }
    }

    /// Carries it out, within its timeout, or says what that would have been.
    pub async fn perform(&self, tools: &Tools) -> Outcome {
        if self.dry_run {
            return rehearsed(self.act.rehearse(tools).await);
        }
        let Some(backup) = &self.backup else { return self.act.perform(tools).await };
        match backup.make(&self.name, &tools.state).await {
            Ok(kept) => told_after(self.act.perform(tools).await, &kept),
            Err(why) => Outcome::Failed(format!("not done, for its backup could not be made: {why}")),
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match &self.act {
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) | Do::Files(_) => Vec::new(),
            Do::Http(http) => {
                let asked = http.only_if.iter().flat_map(Check::secrets);
                http.call.secrets().into_iter().chain(asked).collect()
            }
        }
    }

    /// The longest that it may take, its backup included.
    pub fn timeout(&self) -> Duration {
        self.act.timeout() + self.backup.as_ref().map_or(Duration::ZERO, |_| backup::TIMEOUT)
    }

    /// Whether it may take longer than a pass waits, so that it has to go on beside it.
    pub fn is_errand(&self) -> bool {
        match &self.act {
            // How these end is worth waiting for, and they are over soon or not at all.
            Do::RestartUnit(_) | Do::Run(_) => self.timeout() > *TIMEOUT.end(),
            Do::Http(_) | Do::PublishFunnel(_) | Do::Files(_) => self.timeout() > PASS_WAITS,
        }
    }

    /// The longest that a pass waits for it.
    pub fn holds_up(&self) -> Duration {
        let itself = if self.is_errand() { Duration::ZERO } else { self.timeout() };
        match &self.act {
            Do::RestartUnit(_) | Do::Run(_) | Do::PublishFunnel(_) | Do::Files(_) => itself,
            Do::Http(http) => itself + http.only_if.as_ref().map_or(Duration::ZERO, Check::timeout),
        }
    }
}

impl Do {
    fn read(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
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
            ],
        )
    }

    async fn perform(&self, tools: &Tools) -> Outcome {
        match self {
            Self::RestartUnit(restart) => restart.perform(&tools.bus).await,
            Self::Run(run) => run.perform().await,
            Self::Http(http) => http.perform(&tools.clients).await,
            Self::PublishFunnel(funnel) => funnel.perform(&tools.clients).await,
            Self::Files(files) => files.perform(tools, Hand::Real).await,
        }
    }

    /// What it would come to. Nothing is changed.
    async fn rehearse(&self, tools: &Tools) -> Outcome {
        let would = match self {
            Self::RestartUnit(restart) => format!("restarted {}", restart.unit),
            Self::Run(run) => format!("run {}", run.argv.join(" ")),
            Self::Http(http) => format!("sent its {} request", http.call.method),
            Self::PublishFunnel(funnel) => format!("published port {}", funnel.wanted.port),
            Self::Files(files) => return files.perform(tools, Hand::Still).await,
        };
        Outcome::Done(would)
    }

    fn timeout(&self) -> Duration {
        match self {
            Self::RestartUnit(restart) => restart.timeout,
            Self::Run(run) => run.timeout,
            Self::Http(http) => http.timeout,
            Self::PublishFunnel(funnel) => funnel.timeout(),
            Self::Files(files) => files.timeout,
        }
    }
}

fn rehearsed(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Done(would) | Outcome::Running(would) => {
            Outcome::Done(format!("dry run, so nothing was changed; it would have {would}"))
        }
        Outcome::Failed(why) => Outcome::Failed(format!("dry run, and it would have failed: {why}")),
    }
}

/// Where the backup is must be known above all when the repair has failed.
fn told_after(outcome: Outcome, kept: &str) -> Outcome {
    let with = |text: String| format!("{text}; before: {kept}");
    match outcome {
        Outcome::Done(text) => Outcome::Done(with(text)),
        Outcome::Running(text) => Outcome::Running(with(text)),
        Outcome::Failed(text) => Outcome::Failed(with(text)),
    }
}

#[cfg(test)]
mod tests;
