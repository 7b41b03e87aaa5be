//! One pass, written once: the daemon, `once` and every simulated world run this. The order is the point:
//! save, then act. It decides nothing and does nothing by itself.

use crate::recovery::cadence::Fulls;
use crate::recovery::decide::{Answer, Attempt, Closed, Quick, decide};
use crate::recovery::evidence::{Evidence, Name, Resting};
use crate::recovery::gate::Hold;
use crate::recovery::outbox::Letter;
use crate::recovery::policy::Policy;
use crate::recovery::record::{Outcome, record};
use crate::recovery::rest;
use crate::recovery::state::State;
use crate::recovery::time::{Now, Timestamp};
use crate::recovery::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a pass looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every probe of every target.
    Everything,
    /// Every probe of these targets.
    Targets(BTreeSet<Name>),
    /// Only the units of these targets: something happened to them, and it must be answered at once,
    /// without waiting for any slow probe.
    Units(BTreeSet<Name>),
}

/// A state that has not changed is saved again so rarely, for the sake of its clock: of the time before a boot only
/// what was saved counts, and a pause must not last for days on a machine that is off each night. At most so much is
/// lost when the power is.
pub const ANCHOR_EVERY: Duration = Duration::from_secs(3600);

/// The seam between the decisions and the world; the host implements it, and so does the simulation.
#[allow(async_fn_in_trait, reason = "both implementations are ours, and neither crosses a thread")]
pub trait World {
    /// The present.
    fn now(&mut self) -> Now;
    /// Asks the probes in scope but those that rest, all side by side, and gathers kicks, receipts and trouble of
    /// our own.
    async fn observe(&mut self, scope: &Scope, resting: &Resting) -> Evidence;
    /// The exact bytes of one push that holds these letters, all to one channel; fixed once, before its first try.
    fn compose(&mut self, letters: &[&Letter]) -> String;
    /// Makes the state durable; one that has not changed only once in [`ANCHOR_EVERY`].
    ///
    /// # Errors
    /// Why it could not.
    fn save(&mut self, state: &State) -> Result<(), String>;
    /// Carries out an attempt, within a bound of its own.
    async fn perform(&mut self, attempt: &Attempt) -> Outcome;
    /// Starts to send the push that this letter leads; the receipt comes back as evidence of a later pass.
    fn send(&mut self, letter: &Letter);
    /// Tells the asker of a kick what became of it.
    fn answer(&mut self, answer: &Answer, outcome: Option<&Outcome>);
}

/// What a pass came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it began.
    pub began: Timestamp,
    /// When it was judged: all answers were there.
    pub now: Now,
    /// One verdict per target.
    pub verdicts: Vec<Verdict>,
    /// What was done, and what became of it.
    pub done: Vec<(Attempt, Outcome)>,
    /// Incidents that ended.
    pub closed: Vec<Closed>,
    /// When to look again before the next cycle.
    pub quick: Option<Quick>,
}

/// Runs one pass.
pub async fn run<W: World>(policy: &Policy, state: &mut State, world: &mut W, scope: &Scope) -> Report {
    let began = world.now().at;
    let resting = rest::resting(policy, state, began);
    let evidence = world.observe(scope, &resting).await;
    let now = world.now();
    let mut decision = decide(policy, std::mem::take(state), &evidence, now);
    decision.letters.iter().for_each(|push| seal(&mut decision.state, *push, world));
    *state = decision.state;
    let durable = world.save(state).is_ok();
    for letter in decision.letters.iter().filter_map(|id| state.outbox.letter(*id)) {
        world.send(letter);
    }
    let mut done = Vec::new();
    for attempt in decision.attempts {
        let outcome = if durable || attempt.number.0 == 1 {
            world.perform(&attempt).await
        } else {
            Outcome::Failed("not done: the state could not be saved".to_owned())
        };
        record(policy, state, &attempt, &outcome, world.now());
        done.push((attempt, outcome));
    }
    if !done.is_empty() {
        // A failure is known to the world, which brings it back as evidence.
        let _ = world.save(state);
    }
    for answer in &decision.answers {
        let outcome = done.iter().find(|(attempt, _)| Some(attempt.id) == answer.attempt).map(|(_, o)| o);
        world.answer(answer, outcome);
    }
    let quick = match &evidence.unsaved {
        Some(_) if durable => Some(catch_up(&decision.verdicts, now)),
        Some(_) | None => decision.quick,
    };
    Report { began, now, verdicts: decision.verdicts, done, closed: decision.closed, quick }
}

/// After the first good save nothing has to wait any more for the state to be durable, and people may hear of it.
fn catch_up(verdicts: &[Verdict], now: Now) -> Quick {
    let waited = |verdict: &&Verdict| matches!(verdict.ruling.hold(), Some(Hold::NotDurable { .. }));
    Quick {
        at: now.at,
        targets: verdicts.iter().filter(waited).map(|verdict| verdict.target.clone()).collect(),
    }
}

/// When to look next, and at what. Full cycles keep their own pace; a quick pass only comes in between.
pub fn next_pass(policy: &Policy, fulls: Fulls, report: &Report) -> (Timestamp, Scope) {
    let full = policy.cadence.next_full(fulls);
    match &report.quick {
        Some(quick) if quick.at < full => (quick.at, Scope::Targets(quick.targets.clone())),
        Some(_) | None => (full, Scope::Everything),
    }
}

/// Fixes the bytes of a push before its first try, so that every retry is identical.
fn seal<W: World>(state: &mut State, push: u64, world: &mut W) {
    let letters = state.outbox.push(push);
    if letters.first().is_none_or(|first| first.body.is_some()) {
        return;
    }
    let body = world.compose(&letters);
    state.outbox.letters_mut(|letter| letter.id == push).for_each(|first| first.body = Some(body.clone()));
}
