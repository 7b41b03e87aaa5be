//! What systemd's facts about a unit mean for recovery. The facts come in as plain values; nothing here
//! talks to a bus.

use serde::{Deserialize, Serialize};
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
    pub invocation: String,
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
