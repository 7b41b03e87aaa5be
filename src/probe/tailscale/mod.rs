//! Tailscale as its daemon on this machine tells it: is the node connected, may it use Funnel, and what is
//! published. It only reads: nothing here may change what is served, or ask anybody but this machine.

mod daemon;
mod funnel;
mod node;
mod serve;
#[cfg(test)]
mod tests;

pub use daemon::{Daemon, Silence};
pub use funnel::Funnel;
pub use node::Node;
pub use serve::{Gap, Publication, ServeConfig};

use super::clients::Clients;
use crate::recovery::evidence::Reading;
use crate::section::{Section, parse};
use serde::{Deserialize, Deserializer};
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

/// The port on which the internet reaches a Funnel, unless configured otherwise.
pub(crate) const PUBLIC_PORT: u16 = 443;
/// tailscaled answers in milliseconds; the rest is for a machine that swaps, and for the command.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// What a probe of this machine may take.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// A fortnight, so that a person who is away for a week can still do it in time.
const DEFAULT_WARN: Duration = Duration::from_secs(14 * 86_400);

/// A probe of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tailscale {
    /// Whom to ask.
    pub daemon: Daemon,
    /// What about.
    pub ask: Ask,
    /// The longest that the answer may take.
    pub timeout: Duration,
}

/// What a probe of the node wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether it is connected and may publish on this port.
    Node {
        /// The public port.
        port: u16,
    },
    /// Whether its key lasts for longer than this.
    Expiry {
        /// How long ahead a person is told.
        warn: Duration,
    },
}

impl Tailscale {
    /// Reads `check.tailscale = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let daemon = Daemon::read(section);
        let timeout = timeout(section);
        let about_the_key = section.or("ask", false, |text| match text {
            "node" => Ok(false),
            "expiry" => Ok(true),
            _ => Err(format!("{text:?} is nothing that can be asked; write node or expiry")),
        });
        let ask = match about_the_key {
            true => Ask::Expiry { warn: section.or("warn", DEFAULT_WARN, parse::span(WARN)) },
            false => Ask::Node { port: section.or("port", PUBLIC_PORT, parse::within(1..=u16::MAX)) },
        };
        Some(Self { daemon, ask, timeout })
    }

    /// The probe's answer.
    pub async fn ask(&self, clients: &Clients) -> Reading {
        let node = match self.daemon.node(clients, self.timeout).await {
            Ok(node) => node,
            Err(silence) => return silence.into(),
        };
        match self.ask {
            Ask::Node { port } => node.judge(port),
            Ask::Expiry { warn } => node.judge_key(SystemTime::now(), warn),
        }
    }
}

/// What a warning may be ahead of its event; a key lasts half a year by default.
pub(super) const WARN: RangeInclusive<Duration> =
    Duration::from_secs(3600)..=Duration::from_secs(180 * 86_400);

/// Reads the `timeout` of a probe of this machine.
fn timeout(section: &mut Section<'_>) -> Duration {
    section.or("timeout", DEFAULT_TIMEOUT, parse::span(TIMEOUT))
}

/// Go writes `null` for what is empty, wherever it likes.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
