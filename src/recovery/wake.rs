//! When to look again before the next cycle, and at what.

use super::decide::{Pass, Quick};
use super::evidence::Name;
use super::gate::{self, Hold};
use super::health;
use super::policy::TargetPolicy;
use super::rest;
use super::state::TargetState;
use super::time::Timestamp;
use super::verdict::{Ruling, Verdict};

impl Pass<'_> {
    /// The early pass that the verdicts and the outbox call for, if any.
    pub(super) fn quick(&self, verdicts: &[Verdict]) -> Option<Quick> {
        let wake = |verdict: &Verdict| match &verdict.ruling {
            Ruling::Suspect(_)
            | Ruling::Recovering { .. }
            | Ruling::Verifying { .. }
            | Ruling::Act { .. }
            | Ruling::Held(Hold::StillStarting { .. }) => Some(self.soon(&verdict.target)),
            // It was judged before what it depends on, which has recovered in this very pass.
            Ruling::Held(Hold::Upstream(cause)) => {
                let over = !gate::in_trouble(self.policy, &self.state, cause);
                over.then(|| self.soon(&verdict.target))
            }
            Ruling::Held(hold) => hold.until().map(|until| until.max(self.now.at)),
            Ruling::Unsure(_) => self.is_unsettled(&verdict.target).then(|| self.soon(&verdict.target)),
            Ruling::Fine | Ruling::LeftAlone(_) => None,
        };
        let wakes: Vec<(Timestamp, &Name)> =
            verdicts.iter().filter_map(|v| Some((wake(v)?, &v.target))).collect();
        let first_target = wakes.iter().map(|(at, _)| *at).min();
        let letters = self.policy.alerts.open().filter_map(|channel| self.state.outbox.wake_at(channel));
        let at = first_target.into_iter().chain(letters).min()?;
        // Those due within half a re-probe share the pass.
        let shared = at.after(self.policy.reprobe / 2);
        let targets =
            wakes.iter().filter(|(due, _)| *due <= shared).map(|(_, name)| (*name).clone()).collect();
        Some(Quick { at, targets })
    }

    /// When a target is asked again that is being watched closely.
    fn soon(&self, name: &Name) -> Timestamp {
        let found = self.policy.target(name).zip(self.state.targets.get(name));
        found.map_or(self.now.at.after(self.policy.reprobe), |(policy, target)| {
            rest::next_question(policy, target, self.again(policy, target))
        })
    }

    /// Counts from when it failed, so that the passes over others do not put it off. What is overdue, because one
    /// of them took long, joins the next; at once would be without an end where it cannot be asked.
    fn again(&self, policy: &TargetPolicy, target: &TargetState) -> Timestamp {
        let now = self.now.at;
        let latest = now.after(policy.reprobe);
        let again = health::failed_at(policy, target).map_or(latest, |at| at.after(policy.reprobe));
        let overdue = now.after(self.policy.reprobe);
        if again > now { again.min(latest) } else { overdue.min(latest) }
    }

    fn is_unsettled(&self, name: &Name) -> bool {
        let found = self.policy.target(name).zip(self.state.targets.get(name));
        found.is_some_and(|(policy, target)| health::suspicion(policy, target).is_some())
    }
}
