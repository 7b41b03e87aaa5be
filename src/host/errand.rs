//! Actions that take longer than a pass may be held up. They go on beside all passes, whatever becomes of the
//! configuration meanwhile, and end with the program. What becomes of them goes to the log; the probes judge.

use super::chronicle;
use crate::action::Action;
use crate::action::tools::Tools;
use crate::recovery::evidence::{LateFailure, Name};
use crate::recovery::record::Outcome;
use crate::recovery::time::Age;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// What is under way: at most one errand for each action.
#[derive(Debug, Default)]
pub(super) struct Errands {
    under_way: RefCell<BTreeMap<Name, Errand>>,
    /// Those that have failed since the last pass; no more than there are actions.
    failed: Arc<Mutex<Vec<LateFailure>>>,
}

#[derive(Debug)]
struct Errand {
    since: Instant,
    task: JoinHandle<()>,
}

impl Errands {
    /// How long an action has been under way, if it is.
    pub(super) fn under_way(&self, action: &Name) -> Option<Duration> {
        let errands = self.under_way.borrow();
        let errand = errands.get(action).filter(|errand| !errand.task.is_finished())?;
        Some(errand.since.elapsed())
    }

    /// Sends it off, for a target or for none.
    pub(super) fn begin(&self, action: &Action, target: Option<&Name>, tools: Tools) -> Outcome {
        let (name, longest) = (action.name.clone(), action.timeout());
        let (action, target) = (action.clone(), target.cloned());
        let (since, failed) = (Instant::now(), Arc::clone(&self.failed));
        let task = tokio::spawn(async move {
            let outcome = action.perform(&tools).await;
            chronicle::errand(&action.name, &outcome, since.elapsed());
            if let (Outcome::Failed(why), Some(target)) = (outcome, target) {
                let failure = LateFailure { target, action: action.name, why };
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            }
        });
        self.under_way.borrow_mut().insert(name, Errand { since, task });
        let longest = Age(longest);
        Outcome::Running(format!("asked; it may take up to {longest}, and the probes tell whether it helped"))
    }

    /// Those that have failed since this was asked last.
    pub(super) fn failures(&self) -> Vec<LateFailure> {
        std::mem::take(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for those that are under way, all together no longer than this.
    pub(super) async fn finish(&self, limit: Duration) {
        let errands = self.under_way.take();
        let deadline = tokio::time::Instant::now() + limit;
        for (name, errand) in errands {
            if tokio::time::timeout_at(deadline, errand.task).await.is_err() {
                chronicle::errand_left(&name, errand.since.elapsed());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Do;
    use crate::action::run::Run;
    use crate::probe::clients::Clients;
    use crate::systemd::Bus;
    use std::sync::Arc;

    fn action(program: &str) -> Action {
        let argv = vec![program.to_owned(), "600".to_owned()];
        let act = Do::Run(Run { argv, timeout: Duration::from_secs(420) });
        let name = Name::parse("back-up-now").unwrap();
        Action { name, disruptive: false, dry_run: false, backup: None, act }
    }

    fn tools() -> Tools {
        Tools {
            bus: Bus::user(),
            clients: Arc::new(Clients::new()),
            state: "/nonexistent".into(),
            scan: Arc::default(),
        }
    }

    #[tokio::test]
    async fn an_errand_is_begun_and_known_until_it_ends() {
        let errands = Errands::default();
        let (long, short) = (action("sleep"), action("true"));
        let Outcome::Running(told) = errands.begin(&long, None, tools()) else { panic!() };
        assert!(told.starts_with("asked; it may take up to 7 min"), "{told}");
        assert!(errands.under_way(&long.name).is_some());
        errands.begin(&short, None, tools());
        errands.finish(Duration::from_secs(20)).await;
        assert_eq!(errands.under_way(&short.name), None);
    }

    #[tokio::test]
    async fn the_end_of_the_program_does_not_wait_for_ever() {
        let errands = Errands::default();
        errands.begin(&action("sleep"), None, tools());
        let began = Instant::now();
        errands.finish(Duration::from_millis(50)).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
