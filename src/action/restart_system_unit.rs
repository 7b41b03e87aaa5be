//! Restarts a unit of the system: over the system bus where we are root or polkit allows it, else with `sudo -n
//! systemctl`. What either of them says of its success is not believed: how the unit is afterwards counts. One that
//! hangs may never stop, for systemd waits as long as its unit says: an hour for Debian's PostgreSQL, for ever for its
//! Redis. Only where the configuration says so is it killed.

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
/// What a kill takes more: killing, ordering anew, and one more look.
const BESIDE_A_KILL: Duration = Duration::from_secs(3 * CALL_DEADLINE.as_secs());

/// What systemctl is told: a failure is forgiven, the unit restarted, all its processes killed.
const FORGIVE: [&str; 1] = ["reset-failed"];
const RESTART: [&str; 1] = ["restart"];
const KILL: [&str; 2] = ["kill", "--signal=KILL"];

/// A unit of the system to restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartSystemUnit {
    /// The unit; one that `[allow] units` lists.
    pub unit: UnitName,
    /// The longest that systemd's job may take.
    pub timeout: Duration,
    /// After how much of it a unit that is still stopping is killed; none leaves that to systemd.
    pub kill_after: Option<Duration>,
}

impl RestartSystemUnit {
    /// Reads `do.restart-system-unit = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let unit = section.need("unit", UnitName::parse);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(super::TIMEOUT));
        let kill_after = section.opt("kill_after", parse::span(super::TIMEOUT));
        if kill_after.is_some_and(|after| after >= timeout) {
            let hint = "write a longer timeout, so that it has time to start after it was killed";
            section.error(&section.spot("kill_after"), "the timeout is over by then", hint);
        }
        Some(Self { unit: unit?, timeout, kill_after })
    }

    /// The longest that all of it may take.
    pub fn timeout(&self) -> Duration {
        self.timeout + BESIDE + self.kill_after.map_or(Duration::ZERO, |_| BESIDE_A_KILL)
    }

    /// Every command that it may run as root.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let kill = self.kill_after.map(|_| self.command(&KILL));
        [self.command(&FORGIVE), self.command(&RESTART)].into_iter().chain(kill).collect()
    }

    fn command(&self, order: &[&str]) -> Vec<String> {
        ["systemctl"].iter().chain(order).chain(&[self.unit.as_str()]).map(ToString::to_string).collect()
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
        let patience = self.kill_after.unwrap_or(self.timeout);
        let said = self.order(bus, failed, patience).await?;
        let after = self.look(bus).await?;
        if self.kill_after.is_none() || after.active != Active::Deactivating {
            return Ok(self.judge(&before, &after, &said));
        }
        self.kill(bus).await?;
        // The job that was ordered before goes on, and this waits for it.
        let said = self.order(bus, false, self.timeout - patience).await?;
        let killed = format!("; it did not stop within {} and was killed", parse::written(patience));
        Ok(with(self.judge(&before, &self.look(bus).await?, &said), &killed))
    }

    /// Has it restarted, and waits so long for the job. Gives what was said of a failure.
    async fn order(&self, bus: &Bus, failed: bool, patience: Duration) -> Result<String, String> {
        match bus.restart(&self.unit, patience).await {
            JobEnd::Done | JobEnd::StillRunning => Ok(String::new()),
            JobEnd::Failed { reason } => Ok(format!("the job ended with {reason}")),
            JobEnd::Unreachable { reason } => Err(format!("systemd cannot be asked: {reason}")),
            JobEnd::Refused { reason } if Uid::effective().is_root() => Err(reason),
            JobEnd::Refused { reason } => self
                .with_sudo(failed, patience)
                .await
                .map_err(|why| format!("we may not restart it: the system bus says {reason:?}, and {why}")),
        }
    }

    /// Kills all its processes. Should it have stopped just now and be starting, it is started once more.
    async fn kill(&self, bus: &Bus) -> Result<(), String> {
        let Err(refused) = bus.kill(&self.unit).await else { return Ok(()) };
        let killed = match Uid::effective().is_root() {
            true => Err(refused),
            false => sudo::run(&self.command(&KILL), CALL_DEADLINE, &self.commands())
                .await
                .map(|ended| said(&ended)),
        };
        match killed {
            Ok(said) if said.is_empty() => Ok(()),
            Ok(why) | Err(why) => Err(format!("it does not stop, and cannot be killed: {why}")),
        }
    }

    async fn look(&self, bus: &Bus) -> Result<UnitFacts, String> {
        bus.facts(&self.unit).await.map_err(|why| format!("systemd cannot be asked: {why}"))
    }

    /// Gives what systemctl said of a failure.
    async fn with_sudo(&self, failed: bool, patience: Duration) -> Result<String, String> {
        let commands = self.commands();
        if failed {
            sudo::run(&self.command(&FORGIVE), CALL_DEADLINE, &commands).await?;
        }
        Ok(said(&sudo::run(&self.command(&RESTART), patience, &commands).await?))
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

/// An outcome, with this said of it.
fn with(outcome: Outcome, more: &str) -> Outcome {
    match outcome {
        Outcome::Done(text) => Outcome::Done(text + more),
        Outcome::Running(text) => Outcome::Running(text + more),
        Outcome::Failed(text) => Outcome::Failed(text + more),
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
        let action = RestartSystemUnit {
            unit: UnitName::parse("x").unwrap(),
            timeout: DEFAULT_TIMEOUT,
            kill_after: None,
        };
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
        let action = RestartSystemUnit {
            unit: UnitName::parse("x").unwrap(),
            timeout: DEFAULT_TIMEOUT,
            kill_after: None,
        };
        let outcome = action.perform(&Bus::at("unix:path=/no/such/bus")).await;
        assert!(outcome.detail().starts_with("x.service: systemd cannot be asked: no bus at"), "{outcome:?}");
    }
}
