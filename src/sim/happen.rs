//! What the script has for a moment, and what follows from it in the world. The watchdog learns of it only by
//! looking.

use super::channel::Mood;
use super::fault::{Act, Deed, Event};
use super::service::{Process, Service};
use super::story::What;
use super::{RESTART_SEC, Scripted, Sim};
use crate::cycle::Scope;
use crate::recovery::evidence::{Fresh, Kick, KickRefusal, KickWish};
use std::time::Duration;

/// How long a machine is off or asleep, unless the scenario says how long.
const AWAY: Duration = Duration::from_secs(60);
/// How long the watchdog hangs until systemd brings it back: `WatchdogSec` of its unit.
const UNHEARD: Duration = Duration::from_secs(180);

impl Sim {
    fn services_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.things.iter_mut().filter_map(|thing| thing.service.as_mut())
    }

    /// Carries out what the script and systemd have for this moment.
    pub(super) fn happen(&mut self) {
        let now = self.now;
        while let Some(entry) = self.script.first_entry().filter(|entry| entry.key().0 <= now) {
            let scripted = entry.remove();
            self.story.at(now);
            match scripted {
                Scripted::Begins(event) => self.begin(event),
                Scripted::Ends(act) => self.end(&act),
            }
        }
        self.services_mut().for_each(|service| service.advance(now));
        self.look_at_the_truth();
    }

    fn begin(&mut self, event: Event) {
        if let Some(every) = event.every {
            self.schedule(self.now.after(every), Scripted::Begins(event.clone()));
        }
        self.story.tell(What::World, event.act.to_string());
        let lasts = event.lasts.or_else(|| by_default(&event.act));
        self.act(&event.act, lasts.unwrap_or_default());
        if let Some(lasts) = lasts {
            self.schedule(self.now.after(lasts), Scripted::Ends(event.act));
        }
    }

    fn act(&mut self, act: &Act, lasts: Duration) {
        let now = self.now;
        match act {
            Act::Target(name, fault) => {
                self.things.iter_mut().filter(|t| t.name == *name).for_each(|t| t.suffer(fault, now))
            }
            Act::Well(name) => self.things.iter_mut().filter(|t| t.name == *name).for_each(|t| t.mend(now)),
            Act::Line(mood) => self.channel.mood = *mood,
            Act::NetworkDown => self.online = false,
            Act::BusGone => self.bus_answers = false,
            Act::DiskFull => self.disk_works = false,
            Act::Clock(by) => self.wall_error += by,
            Act::Off => self.power_off(lasts),
            Act::Asleep => {
                self.away_until = Some(now.after(lasts));
                self.services_mut().for_each(|service| service.sleep(lasts));
            }
            Act::Killed(Some(steps)) => self.fuse = Some(*steps),
            // What only memory holds, because the disk refuses it, a kill would lose; nothing can keep that.
            Act::Killed(None) if self.unsaved.is_none() && self.away_until.is_none() => {
                self.restart_from_disk(now.after(RESTART_SEC));
            }
            // As with a kill.
            Act::Hung if self.unsaved.is_none() && self.away_until.is_none() => {
                self.restart_from_disk(now.after(lasts));
            }
            Act::Killed(None) | Act::Hung => {}
            Act::Person(deed) => self.person(deed),
        }
    }

    fn end(&mut self, act: &Act) {
        let now = self.now;
        match act {
            Act::Target(name, fault) => {
                self.things.iter_mut().filter(|t| t.name == *name).for_each(|t| t.recover(fault, now));
                self.story.tell(What::World, format!("{name}: that is over ({fault})"));
            }
            Act::Line(_) => {
                self.channel.mood = Mood::Fine;
                self.ledger.line_is_back(now);
                self.story.tell(What::World, "LINE works again");
            }
            Act::NetworkDown => {
                self.online = true;
                self.ledger.line_is_back(now);
                self.story.tell(What::World, "the internet is back");
            }
            Act::BusGone => {
                self.bus_answers = true;
                self.seen.clear();
                self.story.tell(What::World, "the user bus is back");
            }
            Act::DiskFull => {
                self.disk_works = true;
                self.story.tell(What::World, "the disk has room again");
            }
            Act::Clock(by) => {
                self.wall_error -= by;
                self.story.tell(What::World, "the wall clock is right again");
            }
            Act::Off => self.boot(),
            Act::Asleep => {
                self.fresh = Some(Fresh::Resume);
                self.due = (now, Scope::Everything);
                self.story.tell(What::World, "the machine wakes");
            }
            Act::Hung => self.story.tell(What::World, "systemd brings the watchdog back"),
            Act::Well(_) | Act::Killed(_) | Act::Person(_) => {}
        }
    }

    fn power_off(&mut self, lasts: Duration) {
        let now = self.now;
        for service in self.services_mut() {
            if service.is_running() {
                service.end(Process::Ended, now);
            }
        }
        self.story.forget();
        // As with a kill: what only memory holds is kept.
        match self.unsaved {
            None => self.restart_from_disk(now.after(lasts)),
            Some(_) => self.away_until = Some(now.after(lasts)),
        }
    }

    /// Everything that is enabled is started. The timeline goes on from where it was saved.
    fn boot(&mut self) {
        let now = self.now;
        self.story.tell(What::World, "the machine has booted");
        for thing in self.things.iter_mut().filter(|thing| thing.service.is_some()) {
            // What cannot be started stays down.
            let _ = thing.restart(now);
        }
        self.lag += now.since(self.saved_at);
        self.saved_at = now;
        self.fresh = Some(Fresh::Boot);
    }

    fn person(&mut self, deed: &Deed) {
        let now = self.now;
        let target = match deed {
            Deed::Stops(name) | Deed::Starts(name) | Deed::Masks(name) => self.thing_mut(name),
            Deed::Kicks(_) | Deed::Forges(_) | Deed::Orders(_) => None,
        };
        match (deed, target) {
            (Deed::Stops(_), Some(thing)) => thing.stop(now),
            (Deed::Starts(_), Some(thing)) => thing.start_by_hand(now),
            (Deed::Masks(_), Some(thing)) => thing.mask(now),
            (Deed::Stops(_) | Deed::Starts(_) | Deed::Masks(_), None) => {}
            (Deed::Kicks(action), _) => self.find(self.kick(action)),
            (Deed::Forges(action), _) => self.find(kick(action, Err(KickRefusal::Forged))),
            (Deed::Orders(order), _) => {
                self.orders.push(order.clone());
                self.due = (now, Scope::Everything);
            }
        }
    }

    /// The watchdog notices a kick at once.
    fn find(&mut self, kick: Kick) {
        self.kicks.push(kick);
        self.due = (self.now, Scope::Everything);
    }

    fn kick(&self, action: &str) -> Kick {
        let wish = match self.wishes.as_ref() {
            None => Err(KickRefusal::Disabled),
            Some(wishes) => {
                wishes.get(action).cloned().ok_or_else(|| KickRefusal::Invalid("unknown action".to_owned()))
            }
        };
        kick(action, wish)
    }
}

fn kick(action: &str, wish: Result<KickWish, KickRefusal>) -> Kick {
    Kick { action: action.to_owned(), source: "line:U1".to_owned(), wish }
}

/// How long something lasts that has a length of its own.
fn by_default(act: &Act) -> Option<Duration> {
    match act {
        Act::Off | Act::Asleep => Some(AWAY),
        Act::Hung => Some(UNHEARD),
        Act::Target(..) | Act::Well(_) | Act::Line(_) | Act::NetworkDown | Act::BusGone | Act::DiskFull => {
            None
        }
        Act::Clock(_) | Act::Killed(_) | Act::Person(_) => None,
    }
}
