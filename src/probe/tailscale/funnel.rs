//! Whether our port is published as it should be, by tailscaled's own configuration. Whether the internet
//! really comes in is another question, which only asking from outside can answer.

use super::{Daemon, PUBLIC_PORT, Publication, ServeConfig, timeout};
use crate::probe::clients::Clients;
use crate::recovery::evidence::Reading;
use crate::section::{Section, parse};
use std::time::Duration;

/// Where the gateway of the first generations takes LINE's webhook.
const WEBHOOK_PORT: u16 = 18791;

/// A probe of what is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funnel {
    /// Whom to ask.
    pub daemon: Daemon,
    /// What should be published.
    pub wanted: Publication,
    /// The longest that the answer may take.
    pub timeout: Duration,
}

impl Publication {
    /// Reads `port` and `public_port`.
    pub fn read(section: &mut Section<'_>) -> Self {
        let port = || parse::within(1..=u16::MAX);
        Self {
            port: section.or("port", WEBHOOK_PORT, port()),
            public_port: section.or("public_port", PUBLIC_PORT, port()),
        }
    }
}

impl Funnel {
    /// Reads `check.funnel = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let (daemon, wanted) = (Daemon::read(section), Publication::read(section));
        Some(Self { daemon, wanted, timeout: timeout(section) })
    }

    /// The probe's answer.
    pub async fn ask(&self, clients: &Clients) -> Reading {
        match self.daemon.serve_config(clients, self.timeout).await {
            Ok(config) => self.judge(&config),
            Err(silence) => silence.into(),
        }
    }

    fn judge(&self, config: &ServeConfig) -> Reading {
        match config.published(self.wanted) {
            Ok(at) => Reading::Pass(format!("port {} is published as {at}", self.wanted.port)),
            Err(gap) => Reading::Fail(gap.told(self.wanted)),
        }
    }
}
