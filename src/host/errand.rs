//! Actions that take longer than a pass may be held up. They go on beside all passes, whatever becomes of the
//! configuration meanwhile, and end with the program. What becomes of them goes to the log at once and to the history
//! with the next pass; the probes judge.

use super::chronicle;
use crate::action::Action;
use crate::action::tools::Tools;
use crate::recovery::decide::Attempt;
use crate::recovery::evidence::Name;
use crate::recovery::record::Outcome;
use crate::recovery::time::Age;
use futures_util::FutureExt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinHandle};

/// What is under way: at most one errand for each action.
#[derive(Debug, Default)]
pub(super) struct Errands {
    begun: RefCell<BTreeMap<Name, Errand>>,
}

#[derive(Debug)]
struct Errand {
    since: Instant,
    /// The attempt that asked for it; none when it is a matter of ours.
    attempt: Option<Attempt>,
    task: JoinHandle<Outcome>,
}

/// An errand of an attempt that is over.
#[derive(Debug)]
pub(super) struct Ended {
    /// Who asked for it.
    pub(super) attempt: Attempt,
    /// What became of it.
    pub(super) outcome: Outcome,
}

impl Ended {
    /// None for a matter of ours, and for one that panicked: the probes show what it left.
    fn of(attempt: Option<Attempt>, end: Result<Outcome, JoinError>) -> Option<Self> {
        attempt.zip(end.ok()).map(|(attempt, outcome)| Self { attempt, outcome })
    }
}

impl Errands {
    /// How long an action has been under way, if it is.
    pub(super) fn under_way(&self, action: &Name) -> Option<Duration> {
        let errands = self.begun.borrow();
        let errand = errands.get(action).filter(|errand| !errand.task.is_finished())?;
        Some(errand.since.elapsed())
    }

    /// Sends it off, for an attempt or for none.
    pub(super) fn begin(&self, action: &Action, attempt: Option<&Attempt>, tools: Tools) -> Outcome {
        let (name, longest) = (action.name.clone(), action.timeout());
        let (action, attempt) = (action.clone(), attempt.cloned());
        let (since, asker) = (Instant::now(), attempt.clone());
        let task = tokio::spawn(async move {
            let outcome = action.perform(&tools).await;
            chronicle::errand(&action.name, asker.as_ref(), &outcome, since.elapsed());
            outcome
        });
        self.begun.borrow_mut().insert(name, Errand { since, attempt, task });
        let longest = Age(longest);
        Outcome::Running(format!("asked; it may take up to {longest}, and the probes tell whether it helped"))
    }

    /// Those of attempts that have ended since this was asked last.
    pub(super) fn ended(&self) -> Vec<Ended> {
        let mut ended = Vec::new();
        self.begun.borrow_mut().retain(|_, errand| {
            let end = (&mut errand.task).now_or_never();
            let goes_on = end.is_none();
            ended.extend(end.and_then(|end| Ended::of(errand.attempt.take(), end)));
            goes_on
        });
        ended
    }

    /// Waits for those that are under way, all together no longer than this.
    pub(super) async fn finish(&self, limit: Duration) -> Vec<Ended> {
        let deadline = tokio::time::Instant::now() + limit;
        let mut ended = Vec::new();
        for (name, errand) in self.begun.take() {
            match tokio::time::timeout_at(deadline, errand.task).await {
                Ok(end) => ended.extend(Ended::of(errand.attempt, end)),
                Err(_) => chronicle::errand_left(&name, errand.since.elapsed()),
            }
        }
        ended
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
