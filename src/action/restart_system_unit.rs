//! Restarts a unit of the system: over the system bus where we are root or polkit allows it, else with `sudo -n
//! systemctl`. What either of them says of its success is not believed: how the unit is afterwards counts.

use super::sudo;
use crate::exec::{End, Finished};
use crate::recovery::record::Outcome;
use crate::recovery::unit::{Active, Load, UnitFacts};
use crate::section::{Section, parse};
use crate::systemd::{Bus, CALL_DEADLINE, JobEnd};
use crate::values::UnitName;
use nix::unistd::Uid;
use std::time::Duration;

/// As long as the predecessor waited: a database writes its memory to the disk first.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// What comes beside the job: two looks, forgiving and ordering over the bus, and ending a command by force.
const BESIDE: Duration = Duration::from_secs(4 * CALL_DEADLINE.as_secs() + 2);

/// A unit of the system to restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartSystemUnit {
    /// The unit; one that `[allow] units` lists.
    pub unit: UnitName,
    /// The longest that systemd's job may take.
    pub timeout: Duration,
}

impl RestartSystemUnit {
    /// Reads `do.restart-system-unit = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let unit = section.need("unit", UnitName::parse);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(super::TIMEOUT));
        Some(Self { unit: unit?, timeout })
    }

    /// The longest that all of it may take.
    pub fn timeout(&self) -> Duration {
        self.timeout + BESIDE
    }

    /// Every command that it may run as root.
    pub fn commands(&self) -> [Vec<String>; 2] {
        ["reset-failed", "restart"]
            .map(|verb| ["systemctl", verb, self.unit.as_str()].map(str::to_owned).to_vec())
    }

    /// Restarts it, and looks whether it runs.
    pub async fn perform(&self, bus: &Bus) -> Outcome {
        self.restart(bus).await.unwrap_or_else(|why| Outcome::Failed(format!("{}: {why}", self.unit)))
    }

    async fn restart(&self, bus: &Bus) -> Result<Outcome, String> {
        let before = self.look(bus).await?;
        match &before.load {
            Load::Loaded => {}
            Load::NotFound => return Err("the system has no such unit".to_owned()),
            Load::Masked => return Err("a person masked it; systemctl unmask lets it start again".to_owned()),
            Load::Bad(why) => return Err(format!("systemd cannot use its file: {why}")),
        }
        // systemd's own start limit counts our starts too, and would refuse this one.
        let failed = before.active == Active::Failed;
        if failed {
            // Who may not do this may not restart it either, and is told so then.
            let _ = bus.reset_failed(&self.unit).await;
        }
        let said = match bus.restart(&self.unit, self.timeout).await {
            JobEnd::Done | JobEnd::StillRunning => String::new(),
            JobEnd::Failed { reason } => format!("the job ended with {reason}"),
            JobEnd::Unreachable { reason } => return Err(format!("systemd cannot be asked: {reason}")),
            JobEnd::Refused { reason } if Uid::effective().is_root() => return Err(reason),
            JobEnd::Refused { reason } => self
                .with_sudo(failed)
                .await
                .map_err(|why| format!("we may not restart it: the system bus says {reason:?}, and {why}"))?,
        };
        Ok(self.judge(&before, &self.look(bus).await?, &said))
    }

    async fn look(&self, bus: &Bus) -> Result<UnitFacts, String> {
        bus.facts(&self.unit).await.map_err(|why| format!("systemd cannot be asked: {why}"))
    }

    /// Gives what systemctl said of a failure.
    async fn with_sudo(&self, failed: bool) -> Result<String, String> {
        let commands = self.commands();
        let [forgive, restart] = &commands;
        if failed {
            sudo::run(forgive, CALL_DEADLINE, &commands).await?;
        }
        Ok(said(&sudo::run(restart, self.timeout, &commands).await?))
    }

    fn judge(&self, before: &UnitFacts, after: &UnitFacts, said: &str) -> Outcome {
        let unit = &self.unit;
        let anew = after.invocation != before.invocation;
        let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
        match after.active {
            Active::Activating | Active::Deactivating => {
                Outcome::Running(format!("systemd is still restarting {unit}"))
            }
            Active::Active | Active::Reloading if anew => {
                Outcome::Done(format!("{unit} restarted, it is active"))
            }
            Active::Active | Active::Reloading => {
                Outcome::Failed(format!("{unit} was not restarted: it runs as before{said}"))
            }
            Active::Inactive if anew && after.result == "success" => {
                Outcome::Done(format!("{unit} ran, and has ended without an error"))
            }
            Active::Inactive | Active::Failed => Outcome::Failed(format!(
                "{unit} did not come up: {}{said}; journalctl -u {unit} says why",
                after.result
            )),
        }
    }
}

/// The first line of systemctl's has the reason; the last one only says where to read more.
fn said(finished: &Finished) -> String {
    match &finished.end {
        End::Exited { code: 0 } | End::TimedOut { .. } => String::new(),
        End::Exited { .. } | End::Signalled { .. } | End::CouldNotStart { .. } => {
            let first = finished.stderr.lines().find(|line| !line.trim().is_empty());
            first.map_or_else(|| finished.end.to_string(), |line| crate::values::one_line(line, 200))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(active: Active, invocation: &str, result: &str) -> UnitFacts {
        UnitFacts {
            load: Load::Loaded,
            active,
            sub: String::new(),
            result: result.to_owned(),
            file_state: String::new(),
            restarts: 0,
            invocation: invocation.into(),
            main_pid: 0,
            job: None,
            left_inactive_ago: None,
            became_active_ago: None,
            left_active_ago: None,
            main_started_ago: None,
            main_exited_ago: None,
        }
    }

    fn judged(active: Active, invocation: &str, result: &str) -> Outcome {
        let action = RestartSystemUnit { unit: UnitName::parse("x").unwrap(), timeout: DEFAULT_TIMEOUT };
        action.judge(
            &facts(Active::Failed, "a", "exit-code"),
            &facts(active, invocation, result),
            "it said so",
        )
    }

    #[test]
    fn only_a_new_run_is_a_restart() {
        assert!(matches!(judged(Active::Active, "b", "success"), Outcome::Done(_)));
        let same = judged(Active::Active, "a", "success");
        assert_eq!(same.detail(), "x.service was not restarted: it runs as before (it said so)");
        assert!(matches!(judged(Active::Inactive, "b", "success"), Outcome::Done(_)));
        assert!(matches!(judged(Active::Inactive, "a", "success"), Outcome::Failed(_)));
        assert!(matches!(judged(Active::Activating, "b", "success"), Outcome::Running(_)));
        let Outcome::Failed(why) = judged(Active::Failed, "b", "exit-code") else { panic!() };
        assert_eq!(
            why,
            "x.service did not come up: exit-code (it said so); journalctl -u x.service says why"
        );
    }

    #[test]
    fn the_reason_of_systemctl_is_its_first_line() {
        let finished = |code, stderr: &str| Finished {
            end: End::Exited { code },
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        assert_eq!(said(&finished(1, "\nJob for x failed.\nSee journalctl\n")), "Job for x failed.");
        assert_eq!(said(&finished(4, "")), "exit code 4");
        assert_eq!(said(&finished(0, "a warning")), "");
    }

    #[tokio::test]
    async fn without_a_bus_it_says_so() {
        let action = RestartSystemUnit { unit: UnitName::parse("x").unwrap(), timeout: DEFAULT_TIMEOUT };
        let outcome = action.perform(&Bus::at("unix:path=/no/such/bus")).await;
        assert!(outcome.detail().starts_with("x.service: systemd cannot be asked: no bus at"), "{outcome:?}");
    }
}
