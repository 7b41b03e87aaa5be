//! Whose turn it is in this pass. Attempts are made one after the other, and systemd waits for the end of a pass, so
//! together they take no longer than the longest of them may alone; what does not fit comes next, at once. Whether an
//! attempt is allowed at all is the gate's question.

use super::decide::Pass;
use super::evidence::KickWish;
use super::gate::{Asker, Hold};
use super::health::{self, Health};
use super::ladder;
use super::policy::{Rung, Severity, TargetPolicy};
use super::state::{Phase, TargetState};
use super::time::Timestamp;
use std::cmp::Reverse;
use std::time::Duration;

impl Pass<'_> {
    /// Whether an attempt that the gate allows is begun in this pass. The first one always fits.
    ///
    /// # Errors
    /// The hold, when it is the turn of others.
    pub(super) fn turn(&self, policy: &TargetPolicy, rung: &Rung) -> Result<(), Hold> {
        let before: Duration = self.ahead(policy, rung).chain(self.asked_for(policy)).sum();
        self.fits(rung, before)
    }

    /// Whether there is time for this attempt after those that were begun, and after so much more.
    ///
    /// # Errors
    /// The hold, when there is not.
    pub(super) fn fits(&self, rung: &Rung, before: Duration) -> Result<(), Hold> {
        let begun: Duration = self.attempts.iter().map(|attempt| self.policy.takes(&attempt.action)).sum();
        let needed = begun + before + self.policy.takes(&rung.action);
        if needed <= self.policy.longest() { Ok(()) } else { Err(Hold::NotItsTurn { until: self.now.at }) }
    }

    /// How long those take that are judged later in this pass, want to act, and come first.
    fn ahead(&self, policy: &TargetPolicy, rung: &Rung) -> impl Iterator<Item = Duration> {
        let mine = self.rank(policy, rung);
        let others = self.policy.targets.iter().skip_while(|other| other.name != policy.name).skip(1);
        let wanted = others.filter_map(|other| Some((other, self.wanted(other)?)));
        wanted
            .filter(move |(other, rung)| self.rank(other, rung) < mine)
            .map(|(_, rung)| self.policy.takes(&rung.action))
    }

    /// A person who asks comes first, whatever they ask for.
    fn asked_for(&self, policy: &TargetPolicy) -> impl Iterator<Item = Duration> {
        let wishes = self.evidence.kicks.iter().filter_map(|kick| match &kick.wish {
            Ok(KickWish::Recover(name)) if *name != policy.name => self.policy.target(name)?.ladder.first(),
            Ok(KickWish::Recover(_) | KickWish::Check(_)) | Err(_) => None,
        });
        wishes.map(|rung| self.policy.takes(&rung.action))
    }

    /// Who comes first: the one that has waited longest for an attempt, so that nobody waits for ever; among those that
    /// had none lately the one that matters most, and what only an interruption can help.
    fn rank(&self, policy: &TargetPolicy, rung: &Rung) -> (Timestamp, Reverse<Severity>, Reverse<bool>) {
        let last = self.state.targets.get(&policy.name).and_then(last_attempt);
        (last.unwrap_or_default(), Reverse(policy.severity), Reverse(rung.disruptive))
    }

    /// What a target that is not judged yet will want to do in this pass, as far as it can be told.
    fn wanted(&self, policy: &TargetPolicy) -> Option<Rung> {
        let mut target = self.state.targets.get(&policy.name)?.clone();
        let Health::Unhealthy(why) = health::assess(policy, &target) else { return None };
        if matches!(target.phase, Phase::Settling { .. }) {
            return None;
        }
        let rung = ladder::next_rung(policy, &mut target, &why).ok()?;
        self.ask(policy, rung, Asker::Policy).ok().map(|()| rung.clone())
    }
}

fn last_attempt(target: &TargetState) -> Option<Timestamp> {
    target.attempts.last().copied().max(target.carried_out)
}
