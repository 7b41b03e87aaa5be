//! How things are where nothing is watched: a view like any other, so that no command says anything else.

use super::{AlertsView, Grade, SCHEMA, View};
use crate::config::SWITCHED_OFF;
use crate::recovery::outbox::Outbox;
use crate::recovery::policy::Policy;

impl View {
    /// How things are while everything is switched off: nobody knows, which is not healthy.
    pub fn switched_off(policy: &Policy, at: u64) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at,
            pid: std::process::id(),
            interval_s: policy.cadence.longest().as_secs(),
            overall: Grade::Degraded,
            targets: Vec::new(),
            alerts: AlertsView::new(&Outbox::default(), &policy.alerts.usable()),
            paused: Vec::new(),
            resident: false,
            unsaved: None,
            off: Some(SWITCHED_OFF.to_owned()),
        }
    }
}
