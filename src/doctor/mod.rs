//! What of this host keeps the watchdog from doing its work, and the command that mends it. A list of
//! independent checks, asked side by side; each asks first and judges then, in functions of their own.
//!
//! Nothing here may change anything: no setting, no unit, no file, and nothing is sent to anybody.

mod ask;
mod backup;
mod capabilities;
mod clock;
mod configuration;
mod email;
mod line;
mod logs;
pub mod owner;
mod places;
pub mod privileges;
mod rights;
mod roots;
mod servers;
mod session;
mod tailnet;
mod units;
mod webhook;

use crate::config::{Config, Sources, as_called};
use crate::probe::clients::Clients;
use crate::section::Problem;
use crate::values::mask;
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

/// Longer than any check needs that has deadlines of its own; a person at a terminal waits.
const CHECK_DEADLINE: Duration = Duration::from_secs(30);

/// How bad it is, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// It could not be found out.
    Unknown,
    /// It works, but not in every case.
    Warn,
    /// It keeps the watchdog from its work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// What was looked at, in one word: `linger`, `gateway`, `line`.
    pub about: String,
    /// What was found, in words.
    pub what: String,
    /// The command that mends it, or what a person has to do; none when there is nothing to mend.
    pub fix: Option<String>,
}

impl Finding {
    fn ok(about: &str, what: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, about: about.to_owned(), what: what.into(), fix: None }
    }

    fn unknown(about: &str, what: impl Into<String>) -> Self {
        Self { grade: Grade::Unknown, ..Self::ok(about, what) }
    }

    fn warn(about: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Warn, fix: Some(fix.into()), ..Self::ok(about, what) }
    }

    fn fail(about: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Fail, ..Self::warn(about, what, fix) }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// Looks at everything. Without a usable configuration, only at what needs none.
pub async fn examine(sources: &Sources, problems: &[Problem], config: Option<&Config>) -> Vec<Finding> {
    let (user, uid) = ask::user();
    let manager = config.map(|config| config.manager).unwrap_or_default();
    let (linger, bus, own, time, works, foreign) = tokio::join!(
        within("linger", async { session::linger(manager, &user) }),
        within("bus", session::bus(manager, uid)),
        within("watchdog", units::watchdog(manager)),
        within("clock", clock::check()),
        async {
            match config {
                Some(config) => configured(config, &user, uid).await,
                None => Vec::new(),
            }
        },
        within("watchdog", async { owner::check(manager).await.into_iter().collect() }),
    );
    let settings = configuration::check(sources, problems, config);
    let off = config.filter(|config| !config.enabled).map(|_| configuration::off(manager));
    let places = config.map(|config| places::check(&config.paths)).unwrap_or_default();
    let mut findings =
        [settings, linger, bus, off.map_or(own, |off| vec![off]), foreign, works, time, places].concat();
    // Programs and services may repeat what they were told.
    let secrets = config.map_or(&[][..], |config| &config.secrets);
    for text in
        findings.iter_mut().flat_map(|finding| [Some(&mut finding.what), finding.fix.as_mut()]).flatten()
    {
        *text = as_called(&mask(text, secrets), sources.flag.as_deref());
    }
    findings
}

/// Looks at all that the configuration speaks of, in the order in which it is told.
async fn configured(config: &Config, user: &str, uid: u32) -> Vec<Finding> {
    let clients = Clients::new();
    let checks = [
        within("units", units::watched(config)).boxed_local(),
        within("rights", rights::check(config, user)).boxed_local(),
        within("roots", async { roots::check(config, user) }).boxed_local(),
        within("tailscale", tailnet::check(config, &clients)).boxed_local(),
        within("backup", backup::check(config, &clients)).boxed_local(),
        within("logs", logs::check(config, user, uid)).boxed_local(),
        within("servers", servers::check(config, &clients)).boxed_local(),
        within("line", line::check(config, &clients)).boxed_local(),
        within("email", email::check(config)).boxed_local(),
        within("webhook", webhook::check(config)).boxed_local(),
    ];
    join_all(checks).await.concat()
}

/// Each check has deadlines of its own; this one is for our own mistakes.
async fn within(about: &str, check: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    let late = |_| vec![Finding::unknown(about, "the check did not end in time")];
    timeout(CHECK_DEADLINE, check).await.unwrap_or_else(late)
}

/// The worst of all.
pub fn overall(findings: &[Finding]) -> Grade {
    findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok)
}
