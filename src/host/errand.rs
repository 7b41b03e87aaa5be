//! Actions that take longer than a pass may be held up. They go on beside all passes, whatever becomes of the
//! configuration meanwhile, and end with the program. What becomes of them goes to the log; the probes judge.

use super::chronicle;
use crate::action::Action;
use crate::probe::clients::Clients;
use crate::recovery::evidence::Name;
use crate::recovery::record::Outcome;
use crate::recovery::time::Age;
use crate::systemd::Bus;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// What is under way: at most one errand for each action.
#[derive(Debug, Default)]
pub(super) struct Errands(RefCell<BTreeMap<Name, Errand>>);

#[derive(Debug)]
struct Errand {
    since: Instant,
    task: JoinHandle<()>,
}

impl Errands {
    /// How long an action has been under way, if it is.
    pub(super) fn under_way(&self, action: &Name) -> Option<Duration> {
        let errands = self.0.borrow();
        let errand = errands.get(action).filter(|errand| !errand.task.is_finished())?;
        Some(errand.since.elapsed())
    }

    /// Sends it off.
    pub(super) fn begin(&self, action: &Action, bus: &Bus, clients: &Arc<Clients>) -> Outcome {
        let (name, longest) = (action.name.clone(), action.timeout());
        let (action, bus, clients) = (action.clone(), bus.clone(), Arc::clone(clients));
        let since = Instant::now();
        let task = tokio::spawn(async move {
            let outcome = action.perform(&bus, &clients).await;
            chronicle::errand(&action.name, &outcome, since.elapsed());
        });
        self.0.borrow_mut().insert(name, Errand { since, task });
        let longest = Age(longest);
        Outcome::Running(format!("asked; it may take up to {longest}, and the probes tell whether it helped"))
    }

    /// Waits for those that are under way, all together no longer than this.
    pub(super) async fn finish(&self, limit: Duration) {
        let errands = self.0.take();
        let deadline = tokio::time::Instant::now() + limit;
        for (name, errand) in errands {
            if tokio::time::timeout_at(deadline, errand.task).await.is_err() {
                chronicle::errand_left(&name, errand.since.elapsed());
            }
        }
    }
}
