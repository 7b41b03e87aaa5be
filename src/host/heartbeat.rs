//! What systemd hears from us: ready, how things are, that we are alive, that we stop. Where no systemd
//! listens, nothing is said. It must never be called from anywhere but the loop itself.

use sd_notify::{NotifyState, notify};
use std::time::Duration;

/// The longest status line worth showing.
const STATUS_CHARS: usize = 400;

/// The voice towards systemd.
#[derive(Debug)]
pub struct Heartbeat {
    ready: bool,
}

impl Heartbeat {
    /// Tells systemd how long a silence means that we hang: whatever the unit says, a pace of `interval` and
    /// passes of at most `pass_max` must fit into it twice.
    pub fn new(interval: Duration, pass_max: Duration) -> Self {
        if let Some(configured) = sd_notify::watchdog_enabled() {
            let needed = (interval + pass_max) * 2;
            let micros = u32::try_from(needed.max(configured).as_micros()).unwrap_or(u32::MAX);
            say(&[NotifyState::WatchdogUsec(micros)]);
        }
        Self { ready: false }
    }

    /// A pass is complete; the first one makes us ready.
    pub fn beat(&mut self, status: &str) {
        let status = crate::values::one_line(status, STATUS_CHARS);
        let mut states = vec![NotifyState::Status(&status), NotifyState::Watchdog];
        if !self.ready {
            states.push(NotifyState::Ready);
            self.ready = true;
        }
        say(&states);
    }

    /// The configuration is being read again; [`Self::beat`] ends it.
    pub fn reloading(&mut self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            say(&[NotifyState::Reloading, now]);
            self.ready = false;
        }
    }

    /// We stop.
    pub fn stopping(&self) {
        say(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    // systemd notices by itself when it hears nothing; there is nobody else to tell.
    let _ = notify(states);
}
