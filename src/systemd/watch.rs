//! Tells when a unit changes state, within a millisecond or two. It says only *that* something changed; how a
//! unit is must be read with [`Bus::facts`].

use super::{Bus, CALL_DEADLINE, PROPERTIES, SYSTEMD, Trouble, listen, manager, next, unit_path, within};
use crate::values::UnitName;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;
use zbus::message::Message;
use zbus::{Connection, MessageStream, OwnedObjectPath};

/// The first pause before connecting again. A bus that is restarted needs about a second.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause; polling goes on meanwhile, so that all that is lost is being quick.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// From now on changes are told; those before were missed, so read all units again.
    Watching,
    /// Something about this unit changed.
    Changed(UnitName),
    /// The bus cannot be heard any more, for this reason. Told once per loss.
    Lost(String),
}

impl Bus {
    /// Watches `units` until the receiving end of `events` is dropped, through any number of deaths of the
    /// bus. A full channel loses changes, as its reader has enough to do anyway, but never a loss or a return.
    pub async fn watch(&self, units: &[UnitName], events: &Sender<BusEvent>) {
        tokio::select! {
            never = self.watch_forever(units, events) => match never {},
            () = events.closed() => {}
        }
    }

    async fn watch_forever(&self, units: &[UnitName], events: &Sender<BusEvent>) -> Infallible {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            let trouble = match within(CALL_DEADLINE, self.begin_watch(units)).await {
                Ok(watch) => {
                    (pause, told) = (FIRST_PAUSE, false);
                    watch.report(events).await
                }
                Err(trouble) => trouble,
            };
            if !told {
                // The receiver is gone only when `watch` is about to end anyway.
                let _ = events.send(BusEvent::Lost(trouble.to_string())).await;
                told = true;
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// A connection of its own keeps the flow of signals away from the calls, and ends all match rules with it.
    async fn begin_watch(&self, units: &[UnitName]) -> Result<Watch, Trouble> {
        let link = self.connect().await?;
        let news = MessageStream::from(&link);
        let mut paths = Vec::with_capacity(units.len());
        for unit in units {
            keep_loaded(&link, unit).await?;
            let path = unit_path(&link, unit).await?;
            listen(&link, &changes_of(&path)).await?;
            paths.push((path, unit.clone()));
        }
        // A manager that was re-executed may come back without remembering who had subscribed.
        listen(&link, &format!("type='signal',member='NameOwnerChanged',arg0='{SYSTEMD}'")).await?;
        manager(&link, "Subscribe", &()).await?;
        Ok(Watch { _link: link, news, paths })
    }
}

/// systemd forgets a unit that is stopped, did not fail and is wanted by nobody, and all its stamps with it:
/// then a person's stop could not be told from a clean exit. A reference held by our connection prevents it.
async fn keep_loaded(link: &Connection, unit: &UnitName) -> Result<(), Trouble> {
    match manager(link, "RefUnit", &unit.as_str()).await {
        // A unit that does not exist has nothing to forget.
        Ok(_) | Err(Trouble::Refused(_)) => Ok(()),
        Err(trouble @ Trouble::Unreachable(_)) => Err(trouble),
    }
}

/// Signals of this one object only, so that a busy desktop session never wakes us. systemd sends one for the
/// unit and one for the service; the unit's is enough.
fn changes_of(path: &OwnedObjectPath) -> String {
    format!(
        "type='signal',sender='{SYSTEMD}',interface='{PROPERTIES}',member='PropertiesChanged',path='{path}',arg0='org.freedesktop.systemd1.Unit'"
    )
}

struct Watch {
    /// Dropping the last handle closes the connection.
    _link: Connection,
    news: MessageStream,
    paths: Vec<(OwnedObjectPath, UnitName)>,
}

impl Watch {
    /// Reports until the connection ends, and says why it did.
    async fn report(mut self, events: &Sender<BusEvent>) -> Trouble {
        let _ = events.send(BusEvent::Watching).await;
        loop {
            let message = match next(&mut self.news).await {
                Ok(message) => message,
                Err(trouble) => return trouble,
            };
            if message.header().member().is_some_and(|member| member == "NameOwnerChanged") {
                return Trouble::Unreachable("systemd left or entered the bus".to_owned());
            }
            if let Some(unit) = self.unit_of(&message) {
                let _ = events.try_send(BusEvent::Changed(unit.clone()));
            }
        }
    }

    fn unit_of(&self, message: &Message) -> Option<&UnitName> {
        let header = message.header();
        let path = header.path()?;
        self.paths.iter().find(|(known, _)| **known == *path).map(|(_, unit)| unit)
    }
}
