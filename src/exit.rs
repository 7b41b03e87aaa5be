//! Exit codes: what scripts, systemd and people at a prompt may rely on. The README prints this table.

use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well, or what was asked for was done.
    Ok,
    /// Something is not as it should be, but nothing critical is down: suspect, unknown, not ready, being verified; or
    /// something that a scenario expects does not hold; or `doctor` warns; or `logtest` finds nothing.
    Degraded,
    /// A critical target is down, or `doctor` has found what must be mended.
    Critical,
    /// The command line cannot be understood (`EX_USAGE`).
    Usage,
    /// There is no running watchdog, or it did not answer (`EX_UNAVAILABLE`).
    Unavailable,
    /// Something failed on our side: a file, a socket (`EX_SOFTWARE`).
    Failed,
    /// Another instance holds the lock; try again later (`EX_TEMPFAIL`).
    Held,
    /// The request was refused: wrong token, budget spent, nothing to do (`EX_NOPERM`).
    Refused,
    /// The configuration is wrong (`EX_CONFIG`); systemd does not restart on it.
    Config,
}

impl Exit {
    /// The number, from `sysexits.h` where it has one.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Degraded => 1,
            Self::Critical => 2,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Failed => 70,
            Self::Held => 75,
            Self::Refused => 77,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
