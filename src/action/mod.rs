//! What can be done about a target, one file per kind.

pub mod all;
pub mod allow;
pub mod backup;
pub mod check_port;
pub mod files;
pub mod funnel;
pub mod http;
pub mod kill_listener;
mod kinds;
pub mod listener;
pub mod restart_system_unit;
pub mod restart_unit;
pub mod run;
pub mod signal_unit;
pub mod sudo;
pub mod tools;
pub mod vacuum;

pub use kinds::Do;

use crate::probe::Check;
use crate::probe::clients::Clients;
use crate::recovery::evidence::{Name, Reading};
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use crate::values::{Secret, UnitName};
use allow::Allow;
use backup::Backup;
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

impl Action {
    /// Reads `[action.NAME]`; the name is none when it is not a good one. A sequence is not read here, for it
    /// consists of others.
    pub fn read(name: Option<Name>, section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        // What is not known to be harmless interrupts service.
        let disruptive = section.or("disruptive", true, parse::flag);
        let (dry_run, backup) = Self::read_care(section, allow);
        let act = Do::read(section, allow);
        Some(Self { name: name?, disruptive, dry_run, backup, act: act? })
    }

    /// What every action may say of itself: whether it is only rehearsed, and what is kept before it is done.
    pub fn read_care(section: &mut Section<'_>, allow: &Allow) -> (bool, Option<Backup>) {
        let dry_run = section.or("dry_run", false, parse::flag) || allow.dry_run;
        (dry_run, section.table("backup", |section| Backup::read(section, allow)))
    }

    /// Whether it may be carried out now.
    ///
    /// # Errors
    /// Why not.
    pub async fn allowed(&self, clients: &Clients) -> Result<(), String> {
        let Some(condition) = self.act.asks() else { return Ok(()) };
        match condition.ask(clients, None).await.reading {
            Reading::Pass(_) => Ok(()),
            Reading::Fail(why) | Reading::Unknown(why) => Err(why),
        }
    }

    /// Carries it out, within its timeout, or says what that would have been.
    pub async fn perform(&self, tools: &Tools) -> Outcome {
        if self.dry_run {
            return rehearsed(self.act.rehearse(tools).await);
        }
        let Some(backup) = &self.backup else { return self.act.perform(tools).await };
        match backup.make(&self.name, &tools.state, self.act.spoils()).await {
            Ok(kept) => told_after(self.act.perform(tools).await, &kept),
            Err(why) => Outcome::Failed(format!("not done, for its backup could not be made: {why}")),
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.act.secrets()
    }

    /// The longest that it may take, its backup included.
    pub fn timeout(&self) -> Duration {
        self.act.timeout() + self.backup.as_ref().map_or(Duration::ZERO, |_| backup::TIMEOUT)
    }

    /// Whether it may take longer than a pass waits, so that it has to go on beside it.
    pub fn is_errand(&self) -> bool {
        self.act.is_errand(self.timeout())
    }

    /// The longest that a pass waits for it.
    pub fn holds_up(&self) -> Duration {
        let itself = if self.is_errand() { Duration::ZERO } else { self.timeout() };
        itself + self.asking()
    }

    /// The longest that asking takes whether it may be carried out.
    fn asking(&self) -> Duration {
        self.act.asks().map_or(Duration::ZERO, Check::timeout)
    }

    /// What it consists of: its steps when it is a sequence, else itself.
    pub fn steps(&self) -> &[Self] {
        self.act.steps().unwrap_or(std::slice::from_ref(self))
    }

    /// What has to be done now and then so that this can help when it is needed; none for most.
    pub fn keeper(&self) -> Option<Self> {
        let Do::Files(files) = &self.act else { return None };
        let name = Name::parse(&format!("keep-{}", self.name)).unwrap_or(self.name.clone());
        Some(Self {
            name,
            disruptive: false,
            backup: None,
            act: Do::Files(files.keeper()?),
            dry_run: self.dry_run,
        })
    }

    /// The unit that it changes of the manager whose units are watched, if it does.
    pub fn own_unit(&self) -> Option<&UnitName> {
        self.act.own_unit()
    }

    /// The unit of the system that it changes, if it does.
    pub fn system_unit(&self) -> Option<&UnitName> {
        self.act.system_unit()
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
