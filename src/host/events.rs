//! What can end the wait between two passes: time, a unit that changed, a kick or an order, an answer of the
//! channel, a signal. It only waits; the loop decides what follows.

use super::Host;
use super::alarm::Alarm;
use super::chronicle;
use super::doorbell::Doorbell;
use super::inbox;
use super::logs::News;
use crate::cycle::Scope;
use crate::recovery::evidence::Name;
use crate::systemd::BusEvent;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Changes that wait for the loop; more of them say nothing new.
const CHANGES_MAX: usize = 64;

/// What ended the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Run a pass over this.
    Pass(Scope),
    /// Read the configuration again.
    Reload,
    /// Stop.
    Stop,
}

/// The sources of events.
#[derive(Debug)]
pub struct Events {
    changes: mpsc::Receiver<BusEvent>,
    /// A change that was noticed during a pass, and waits for its end.
    noticed: Option<BusEvent>,
    kicks: Doorbell,
    orders: Doorbell,
    hangup: Signal,
    stop: Stop,
    alarm: Alarm,
}

/// What may happen during a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// Somebody wants us to stop.
    Stop,
    /// A unit changed.
    Change,
}

/// The signals that end us.
#[derive(Debug)]
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Waits for one of them.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Events {
    /// Begins to listen: to the units of the configuration, to the kick file, to the inbox, to signals.
    ///
    /// # Errors
    /// When signals cannot be received, or no time.
    pub fn listen(host: &Host) -> io::Result<Self> {
        let stop =
            Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Self {
            changes: watch_units(host),
            noticed: None,
            kicks: Doorbell::on_file(&host.config.kick.file),
            orders: Doorbell::on_directory(&inbox::place(&host.config.paths.state)),
            hangup: signal(SignalKind::hangup())?,
            stop,
            alarm: Alarm::new()?,
        })
    }

    /// Listens to another configuration from now on.
    pub fn follow(&mut self, host: &Host) {
        self.changes = watch_units(host);
        self.kicks = Doorbell::on_file(&host.config.kick.file);
    }

    /// Waits for what cannot wait for the end of a pass. What it takes from the bus is the next event.
    pub async fn meanwhile(&mut self) -> Meanwhile {
        loop {
            tokio::select! {
                biased;
                () = self.stop.asked() => return Meanwhile::Stop,
                Some(event) = self.changes.recv(), if !matches!(self.noticed, Some(BusEvent::Changed(_))) => {
                    let changed = matches!(event, BusEvent::Changed(_));
                    // The others are about all units, so whatever follows them is known by them.
                    self.noticed.get_or_insert(event);
                    if changed {
                        return Meanwhile::Change;
                    }
                }
            }
        }
    }

    /// Waits for the next event, at most for `wait`, after which `due` is due.
    pub async fn next(&mut self, host: &mut Host, wait: Duration, due: Scope) -> Event {
        if let Err(error) = self.alarm.set(wait) {
            chronicle::trouble("clock", &error.to_string());
        }
        loop {
            let change = match self.noticed.take() {
                Some(noticed) => Some(noticed),
                None => tokio::select! {
                    biased;
                    () = self.stop.asked() => return Event::Stop,
                    _ = self.hangup.recv() => return Event::Reload,
                    change = self.changes.recv() => change,
                    () = self.kicks.rung() => return Event::Pass(Scope::Everything),
                    () = self.orders.rung() => return Event::Pass(Scope::Everything),
                    news = host.news() => match news {
                        News::Answer => return Event::Pass(Scope::Targets(BTreeSet::new())),
                        News::Lines => match host.read_logs() {
                            touched if touched.is_empty() => continue,
                            touched => return Event::Pass(Scope::Targets(touched)),
                        },
                    },
                    Ok(()) = self.alarm.rung() => return Event::Pass(due),
                },
            };
            let touched = self.touched(host, change);
            if !touched.is_empty() {
                return Event::Pass(Scope::Units(touched));
            }
        }
    }

    /// The targets whose units changed. A burst is one event.
    fn touched(&mut self, host: &Host, first: Option<BusEvent>) -> BTreeSet<Name> {
        let mut touched = BTreeSet::new();
        let mut next = first;
        while let Some(event) = next {
            match event {
                BusEvent::Changed(unit) => {
                    let of_unit = host.config.units.iter().filter(|(_, name)| *name == unit);
                    touched.extend(of_unit.map(|(target, _)| target.clone()));
                }
                BusEvent::Watching => {
                    touched.extend(host.config.units.iter().map(|(target, _)| target.clone()))
                }
                BusEvent::Lost(why) => {
                    chronicle::trouble("bus", &format!("changes are noticed by polling only: {why}"));
                    touched.extend(host.config.units.iter().map(|(target, _)| target.clone()));
                }
            }
            next = self.changes.try_recv().ok();
        }
        touched
    }
}

/// A task of its own listens to the bus; it ends when the receiver is dropped.
fn watch_units(host: &Host) -> mpsc::Receiver<BusEvent> {
    let (sender, receiver) = mpsc::channel(CHANGES_MAX);
    let units: Vec<_> = host.config.units.iter().map(|(_, unit)| unit.clone()).collect();
    if units.is_empty() {
        // The sender is kept, so that an empty channel waits instead of ending.
        tokio::spawn(async move { sender.closed().await });
        return receiver;
    }
    let bus = host.bus.clone();
    tokio::spawn(async move { bus.watch(&units, &sender).await });
    receiver
}
