//! What systemd's facts about a unit mean for recovery. The facts come in as plain values; nothing here
//! talks to a bus.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// `LoadState` of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Its file was read.
    Loaded,
    /// No such unit.
    NotFound,
    /// A person masked it.
    Masked,
    /// Its file cannot be used; the text is systemd's reason.
    Bad(String),
}

/// `ActiveState` of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Active {
    /// Running.
    Active,
    /// Running and re-reading its configuration.
    Reloading,
    /// Not running, and it did not fail.
    Inactive,
    /// Not running, because it failed.
    Failed,
    /// Starting, or waiting for an automatic restart.
    Activating,
    /// Stopping.
    Deactivating,
}

/// One reading of a unit. Times are ages at the moment of reading (from `CLOCK_MONOTONIC`), so that no
/// other clock is mixed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFacts {
    /// `LoadState`, with `LoadError`.
    pub load: Load,
    /// `ActiveState`.
    pub active: Active,
    /// `SubState`, such as `running`, `dead`, `auto-restart`.
    pub sub: String,
    /// `Result` of the service, such as `success`, `exit-code`, `start-limit-hit`.
    pub result: String,
    /// `UnitFileState`, such as `enabled`, `disabled`, `static`.
    pub file_state: String,
    /// `NRestarts`: automatic restarts since the last manual start.
    pub restarts: u32,
    /// `InvocationID` in hex; changes at every start; empty before the first.
    pub invocation: Arc<str>,
    /// `MainPID`, 0 when there is none.
    pub main_pid: u32,
    /// The kind of the job under way, such as `restart`; none when systemd is not working on it.
    pub job: Option<String>,
    /// Age of `InactiveExitTimestampMonotonic`.
    pub left_inactive_ago: Option<Duration>,
    /// Age of `ActiveEnterTimestampMonotonic`.
    pub became_active_ago: Option<Duration>,
    /// Age of `ActiveExitTimestampMonotonic`.
    pub left_active_ago: Option<Duration>,
    /// Age of `ExecMainStartTimestampMonotonic`.
    pub main_started_ago: Option<Duration>,
    /// Age of `ExecMainExitTimestampMonotonic`; none while the main process runs.
    pub main_exited_ago: Option<Duration>,
}

/// What the facts mean for recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its main process runs.
    Running,
    /// systemd is at work on it (`auto-restart`, `start`, a queued job…): we wait.
    Busy(String),
    /// Dead and nobody is doing anything about it; the text says how it died.
    Dead(String),
    /// A person stopped or masked it, or never started it: left alone.
    Off(String),
    /// Only a person can help: no such unit, or a unit file that cannot be used.
    Unusable(String),
}

/// Why a masked unit is left alone. It cannot be started before the mask is off.
pub const MASKED: &str = "a person masked it";

impl UnitFacts {
    /// Reads the facts. The order of the rules matters: a job under way outranks the state it starts from.
    pub fn standing(&self) -> Standing {
        match &self.load {
            Load::NotFound => return Standing::Unusable(
                "systemd knows no such unit; is it installed, and is its name in the configuration right?"
                    .to_owned(),
            ),
            Load::Bad(why) => return Standing::Unusable(format!("its unit file cannot be used: {why}")),
            Load::Masked => return Standing::Off(MASKED.to_owned()),
            Load::Loaded => {}
        }
        if let Some(job) = &self.job {
            return Standing::Busy(format!("a {job} job is under way"));
        }
        match self.active {
            Active::Active | Active::Reloading => Standing::Running,
            Active::Activating if self.sub == "auto-restart" => {
                Standing::Busy(format!("systemd restarts it by itself ({} so far)", self.restarts))
            }
            Active::Activating => Standing::Busy(format!("it is starting ({})", self.sub)),
            Active::Deactivating => Standing::Busy(format!("it is stopping ({})", self.sub)),
            Active::Failed => Standing::Dead(format!("it failed ({})", self.result)),
            Active::Inactive => self.inactive(),
        }
    }

    /// Not running and not failed: on purpose, or by an exit that systemd takes for a clean one?
    ///
    /// A stop job leaves `active` first and ends the process then; a process that exits by itself is
    /// gone before the unit leaves `active`. So the two timestamps, 0.1 to 2 ms apart, tell a person's stop
    /// from an exit, with no memory of ours. (All cases were tried on systemd 252.)
    fn inactive(&self) -> Standing {
        let Some(left_inactive) = self.left_inactive_ago else {
            return self.never_started();
        };
        let was_active = self.became_active_ago.is_some_and(|ago| ago <= left_inactive);
        let left_before_exit = self.left_active_ago > self.main_exited_ago;
        if self.result != "success" {
            return Standing::Off("a person stopped it while it waited for an automatic restart".to_owned());
        }
        if !was_active {
            return Standing::Off("a person stopped it while it was starting".to_owned());
        }
        match self.main_exited_ago {
            Some(_) if left_before_exit => Standing::Off("a person stopped it".to_owned()),
            Some(_) | None => Standing::Dead("its main process ended by itself".to_owned()),
        }
    }

    fn never_started(&self) -> Standing {
        if self.file_state == "enabled" {
            return Standing::Dead("it is enabled but was not started since boot".to_owned());
        }
        // systemd forgets a stopped unit that nothing refers to, so this may also have been stopped.
        Standing::Off("it was not started since boot, or was stopped, and it is not enabled".to_owned())
    }

    /// For how long it has not been running; none when it runs, or never ran since boot.
    pub fn stopped_ago(&self) -> Option<Duration> {
        match self.active {
            Active::Inactive | Active::Failed => self.left_active_ago,
            Active::Active | Active::Reloading | Active::Activating | Active::Deactivating => None,
        }
    }

    /// Age of the current run, counted from the start of its main process (or from leaving `inactive`
    /// when the process is yet to come), so that a loop of restarts cannot renew its own allowance
    /// without a new process.
    pub fn run_age(&self) -> Option<Duration> {
        self.main_started_ago.or(self.left_inactive_ago)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn running() -> UnitFacts {
        let s = Duration::from_secs;
        UnitFacts {
            load: Load::Loaded,
            active: Active::Active,
            sub: "running".to_owned(),
            result: "success".to_owned(),
            file_state: "enabled".to_owned(),
            restarts: 0,
            invocation: "a1".into(),
            main_pid: 42,
            job: None,
            left_inactive_ago: Some(s(3600)),
            became_active_ago: Some(s(3600)),
            left_active_ago: None,
            main_started_ago: Some(s(3600)),
            main_exited_ago: None,
        }
    }

    pub(crate) fn failed() -> UnitFacts {
        UnitFacts {
            active: Active::Failed,
            sub: "failed".to_owned(),
            result: "signal".to_owned(),
            main_pid: 0,
            left_active_ago: Some(Duration::from_secs(1)),
            main_exited_ago: Some(Duration::from_secs(1)),
            ..running()
        }
    }

    fn inactive(left_active_ms: u64, exited_ms: u64) -> UnitFacts {
        UnitFacts {
            active: Active::Inactive,
            sub: "dead".to_owned(),
            main_pid: 0,
            left_active_ago: Some(Duration::from_millis(left_active_ms)),
            main_exited_ago: Some(Duration::from_millis(exited_ms)),
            ..running()
        }
    }

    #[test]
    fn a_stop_is_told_from_an_exit_by_the_order_of_two_timestamps() {
        assert!(matches!(inactive(5_010, 5_000).standing(), Standing::Off(_)), "stop: active was left first");
        assert!(matches!(inactive(5_000, 5_000).standing(), Standing::Dead(_)), "exit 0 by itself");
        assert!(matches!(inactive(5_000, 5_001).standing(), Standing::Dead(_)), "exit 0 by itself");
        let waiting = UnitFacts { result: "exit-code".to_owned(), ..inactive(5_000, 5_001) };
        assert!(matches!(waiting.standing(), Standing::Off(_)), "stopped between automatic restarts");
        let starting = UnitFacts { became_active_ago: None, left_active_ago: None, ..inactive(0, 5_000) };
        assert!(matches!(starting.standing(), Standing::Off(_)), "stopped before it was active");
        let again =
            UnitFacts { became_active_ago: Some(Duration::from_secs(9_999)), ..inactive(5_000, 5_001) };
        assert!(matches!(again.standing(), Standing::Off(_)), "the same, after an earlier run");
    }

    #[test]
    fn a_unit_never_started_is_dead_only_when_enabled() {
        let never = |file_state: &str| UnitFacts {
            active: Active::Inactive,
            file_state: file_state.to_owned(),
            left_inactive_ago: None,
            became_active_ago: None,
            main_started_ago: None,
            ..running()
        };
        assert!(matches!(never("enabled").standing(), Standing::Dead(_)));
        assert!(matches!(never("disabled").standing(), Standing::Off(_)));
    }

    #[test]
    fn what_systemd_restarts_by_itself_is_told_from_a_start() {
        let activating = |sub: &str| UnitFacts {
            active: Active::Activating,
            sub: sub.to_owned(),
            restarts: 4,
            ..running()
        };
        let said = |sub| activating(sub).standing();
        assert_eq!(
            said("auto-restart"),
            Standing::Busy("systemd restarts it by itself (4 so far)".to_owned())
        );
        assert_eq!(said("start-pre"), Standing::Busy("it is starting (start-pre)".to_owned()));
    }

    #[test]
    fn a_job_outranks_the_state_it_starts_from() {
        let restarting = UnitFacts { job: Some("restart".to_owned()), ..failed() };
        assert!(matches!(restarting.standing(), Standing::Busy(_)));
        assert!(matches!(failed().standing(), Standing::Dead(_)));
        let masked = UnitFacts { load: Load::Masked, ..failed() };
        assert!(matches!(masked.standing(), Standing::Off(_)));
        let missing = UnitFacts { load: Load::NotFound, ..failed() };
        assert!(matches!(missing.standing(), Standing::Unusable(_)));
    }
}
