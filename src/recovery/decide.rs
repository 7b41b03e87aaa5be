//! One decision per pass: fold the evidence, step every target's machine, ask the gate, raise alerts. It
//! returns a new state and the effects as values; it performs nothing.

use super::alert;
use super::digest;
use super::evidence::{Evidence, Name};
use super::gate::{self, Asker, Hold, Question};
use super::health::{self, Health};
use super::incident::{self, fail_attempt};
use super::ladder;
use super::leftover;
use super::offline;
use super::pause;
use super::policy::{Policy, Rung, TargetPolicy};
use super::record::record_late;
use super::state::{Phase, Spent, State, TargetState};
use super::text::End;
use super::time::{Now, Timestamp};
use super::verdict::{Ruling, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What follows from one pass. The state must be saved before the attempts are performed or the letters are
/// sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an unread decision acts on nothing"]
pub struct Decision {
    /// The new state, attempts and tries already charged.
    pub state: State,
    /// What to do, in order.
    pub attempts: Vec<Attempt>,
    /// The pushes to send, one for each channel at most, by the number of their first letters.
    pub letters: Vec<u64>,
    /// Answers to kicks.
    pub answers: Vec<Answer>,
    /// Incidents that ended.
    pub closed: Vec<Closed>,
    /// One verdict per target.
    pub verdicts: Vec<Verdict>,
    /// When some targets want to be asked again before the next cycle.
    pub quick: Option<Quick>,
}

/// One use of an action. No choice is left in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, unique for the life of the state.
    pub id: u64,
    /// The target.
    pub target: Name,
    /// What to do.
    pub action: Name,
    /// Which attempt of the window this is, and how many are allowed.
    pub number: (usize, u32),
    /// Why, in words.
    pub why: String,
}

/// An incident that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The target.
    pub target: Name,
    /// The incident's number.
    pub incident: u64,
    /// How long it lasted.
    pub lasted: Duration,
    /// How it ended, as in "was repaired by restart-gateway".
    pub how: String,
}

/// The answer to a kick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The action asked for.
    pub action: String,
    /// Who asked.
    pub source: String,
    /// The attempt that it led to.
    pub attempt: Option<u64>,
    /// What was decided, in words.
    pub text: String,
}

/// An early pass over some targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quick {
    /// When.
    pub at: Timestamp,
    /// Which targets to ask; none when only letters are due.
    pub targets: BTreeSet<Name>,
}

/// Decides.
pub fn decide(policy: &Policy, state: State, evidence: &Evidence, now: Now) -> Decision {
    let mut pass = Pass { policy, state, evidence, now, attempts: Vec::new(), closed: Vec::new() };
    if let Some(scan) = &evidence.scan {
        pass.state.scan = Arc::clone(scan);
    }
    leftover::prune(policy, &mut pass.state, now);
    pass.look_around();
    let believed = offline::discount(policy, &mut pass.state, evidence);
    let troubled = gate::troubled(policy, &pass.state);
    health::fold(policy, &mut pass.state, &believed, now);
    pass.doubt_what_was_seen_beside(&troubled);
    alert::receive(&policy.alerts, &mut pass.state, evidence, now);
    record_late(policy, &mut pass.state, &evidence.late, now);
    let mut rulings = BTreeMap::new();
    for target in &policy.targets {
        rulings.insert(target.name.clone(), pass.judge(target));
    }
    let answers = evidence.kicks.iter().map(|kick| pass.answer(kick, &mut rulings)).collect();
    digest::tally(policy, &mut pass.state, &pass.closed, &pass.attempts, now);
    alert::raise(policy, &mut pass.state, &rulings, evidence, now);
    let outbox = &mut pass.state.outbox;
    let letters = policy.alerts.open().filter_map(|channel| outbox.charge(channel, now)).collect();
    pass.finish(rulings, letters, answers)
}

/// The work of one pass.
pub(super) struct Pass<'a> {
    pub(super) policy: &'a Policy,
    pub(super) state: State,
    pub(super) evidence: &'a Evidence,
    pub(super) now: Now,
    pub(super) attempts: Vec<Attempt>,
    closed: Vec<Closed>,
}

impl Pass<'_> {
    /// What concerns more than one target: a new boot, the owner's orders, our own connection.
    fn look_around(&mut self) {
        if self.evidence.fresh.is_some() {
            self.state.observe_until = self.now.at.after(self.policy.hold_off);
            self.state.targets.values_mut().for_each(health::forget_readings);
        }
        pause::obey(self.policy, &mut self.state, &self.evidence.orders, self.now);
        let alerts = &self.policy.alerts;
        for (what, pause) in pause::expire(&mut self.state, self.now) {
            alert::pause_over(alerts, &mut self.state.outbox, &what, &pause, self.now);
        }
        if let Some(ended) = offline::judge(self.policy, &mut self.state, self.evidence, self.now) {
            alert::back_online(alerts, &mut self.state.outbox, &ended, self.now);
        }
    }

    /// Steps one target's machine: phase × health, total.
    fn judge(&mut self, policy: &TargetPolicy) -> Ruling {
        let Some(entry) = self.state.targets.get_mut(&policy.name) else { return Ruling::Fine };
        let mut target = std::mem::take(entry);
        let health = health::assess(policy, &target);
        let wants = match (&target.phase, &health) {
            (_, Health::Off(why)) => {
                let why = why.clone();
                self.close(policy, &mut target, &End::LeftAlone(why.clone()));
                Err(Ruling::LeftAlone(why))
            }
            (Phase::Healthy, Health::Healthy) => Err(self.rest(policy, &mut target)),
            (Phase::Settling { since, action, .. }, Health::Unknown(_)) if !self.is_over(policy, &target) => {
                Err(self.verifying(*since, action))
            }
            (
                Phase::Healthy | Phase::Failing { .. } | Phase::Settling { .. } | Phase::Exhausted { .. },
                Health::Unknown(why),
            ) => Err(Ruling::Unsure(why.clone())),
            (Phase::Failing { .. } | Phase::Settling { .. } | Phase::Exhausted { .. }, Health::Healthy) => {
                Err(self.recover(policy, &mut target))
            }
            (Phase::Settling { since, action, .. }, Health::Unhealthy(_))
                if !self.is_over(policy, &target) =>
            {
                Err(self.verifying(*since, action))
            }
            (Phase::Settling { .. }, Health::Unhealthy(why)) => {
                let (note, ids) = (format!("did not help: {why}"), &mut self.state.incidents);
                fail_attempt(policy, &mut target, ids, &note, Some(why), self.now.at);
                Ok(why.clone())
            }
            (Phase::Healthy, Health::Unhealthy(why)) => {
                let why = why.clone();
                let since = health::failing_since(policy, &target).unwrap_or(self.now.at);
                incident::open(&mut target, &mut self.state.incidents, &why, since);
                target.phase = Phase::Failing { since: self.now.at };
                Ok(why)
            }
            (Phase::Failing { .. } | Phase::Exhausted { .. }, Health::Unhealthy(why)) => {
                let why = why.clone();
                incident::rearm(policy, &mut target, &why, self.now.at);
                Ok(why)
            }
        };
        incident::note_holder(policy, &mut target);
        if let Some(entry) = self.state.targets.get_mut(&policy.name) {
            *entry = target;
        }
        match wants {
            Err(ruling) => ruling,
            Ok(why) => self.propose(policy, &why),
        }
    }

    /// Healthy and left in peace; after long enough the ladder starts at its foot again.
    fn rest(&self, policy: &TargetPolicy, target: &mut TargetState) -> Ruling {
        let stable = target.healthy_since.is_some_and(|at| self.now.at.since(at) >= policy.stable_for);
        if stable {
            target.climbed = 0;
        }
        health::suspicion(policy, target).map_or(Ruling::Fine, Ruling::Suspect)
    }

    fn verifying(&self, since: Timestamp, action: &Name) -> Ruling {
        Ruling::Verifying { action: action.clone(), age: self.now.at.since(since) }
    }

    /// One healthy pass proves little; enough of them in a row close the incident.
    fn recover(&mut self, policy: &TargetPolicy, target: &mut TargetState) -> Ruling {
        if target.streak < policy.stable_passes {
            return Ruling::Recovering { passes: target.streak, of: policy.stable_passes };
        }
        let end = match &target.phase {
            Phase::Settling { action, .. } => End::RepairedBy(action.clone()),
            Phase::Healthy | Phase::Failing { .. } | Phase::Exhausted { .. } => End::ByItself,
        };
        if matches!(end, End::RepairedBy(_)) {
            target.healed(self.now.at);
        }
        self.close(policy, target, &end);
        Ruling::Fine
    }

    fn close(&mut self, policy: &TargetPolicy, target: &mut TargetState, end: &End) {
        if let Some(incident) = target.incident.take() {
            let outbox = &mut self.state.outbox;
            alert::close(&self.policy.alerts, outbox, Some(&policy.name), &incident, end, self.now);
            self.closed.push(Closed {
                target: policy.name.clone(),
                incident: incident.id,
                lasted: self.now.at.since(incident.since),
                how: end.to_string(),
            });
            self.doubt_dependents(&policy.name, |_, _| true);
        }
        target.phase = Phase::Healthy;
    }

    /// What was in trouble and is not, although nobody took it for a fault, may have troubled others for as long: what
    /// fails of them, and was not asked again since, is.
    fn doubt_what_was_seen_beside(&mut self, troubled: &[&Name]) {
        let is_over = |name: &&&Name| !gate::in_trouble(self.policy, &self.state, name);
        let over: Vec<_> = troubled.iter().filter(is_over).collect();
        let asked: BTreeSet<_> = self.evidence.probes.iter().map(|report| &report.target).collect();
        for upstream in over {
            self.doubt_dependents(upstream, |of, target| {
                health::is_suspect(of, target) && !asked.contains(&of.name)
            });
        }
    }

    /// What was seen of others while this one failed may have been its fault: they are asked anew.
    fn doubt_dependents(&mut self, upstream: &Name, whom: impl Fn(&TargetPolicy, &TargetState) -> bool) {
        for policy in self.policy.targets.iter().filter(|policy| policy.depends_on.contains(upstream)) {
            if let Some(target) = self.state.targets.get_mut(&policy.name)
                && whom(policy, target)
            {
                health::forget_readings(target);
            }
        }
    }

    fn is_over(&self, policy: &TargetPolicy, target: &TargetState) -> bool {
        gate::is_over(policy, target, self.now.at)
    }

    /// Takes the next rung to the gate.
    fn propose(&mut self, policy: &TargetPolicy, why: &str) -> Ruling {
        // What nothing could repair, or not now, belongs into the summary of a pause all the same.
        pause::note(&mut self.state, &policy.name, why);
        let target = self.state.targets.entry(policy.name.clone()).or_default();
        let exhausted = matches!(target.phase, Phase::Exhausted { .. });
        let rung = match ladder::next_rung(policy, target, why) {
            Ok(rung) => rung,
            Err(ladder::Nothing::Configured) => return Ruling::Held(Hold::NoLadder),
            Err(ladder::Nothing::Left(spent)) => return self.exhaust(policy, spent, why),
        };
        match self.ask(policy, rung, Asker::Policy).and_then(|()| self.turn(policy, rung)) {
            Ok(()) => self.attempt(policy, rung, why.to_owned()),
            Err(Hold::WindowSpent { .. }) if !exhausted => self.exhaust(policy, Spent::Window, why),
            Err(hold) => Ruling::Held(hold),
        }
    }

    pub(super) fn ask(&self, policy: &TargetPolicy, rung: &Rung, asker: Asker) -> Result<(), Hold> {
        gate::ask(&Question {
            policy: self.policy,
            state: &self.state,
            target: policy,
            asker,
            rung,
            durable: self.evidence.unsaved.is_none(),
            now: self.now.at,
        })
    }

    /// Nothing is left but single tries; the next pass takes the first of them to the gate. Where every rung was
    /// tried within the window, the limit is what people know.
    fn exhaust(&mut self, policy: &TargetPolicy, spent: Spent, why: &str) -> Ruling {
        let target = self.state.targets.entry(policy.name.clone()).or_default();
        let room = policy.window.free_at(&target.attempts);
        let window_is_spent = self.now.at < room;
        let spent = if spent == Spent::Ladder && window_is_spent { Spent::Window } else { spent };
        incident::exhaust(policy, target, 0, spent, Some(why), self.now.at);
        let until = self.now.at.after(policy.half_open_gap(0)).max(room);
        let top = policy.ladder.last().map(|rung| rung.action.clone());
        top.map_or(Ruling::Held(Hold::NoLadder), |action| {
            Ruling::Held(Hold::HalfOpen { until, spent, action })
        })
    }

    /// Charges an attempt. It is performed only after this state was saved.
    pub(super) fn attempt(&mut self, policy: &TargetPolicy, rung: &Rung, why: String) -> Ruling {
        let now = self.now.at;
        self.state.attempts = self.state.attempts.saturating_add(1);
        let target = self.state.targets.entry(policy.name.clone()).or_default();
        ladder::remember_the_fault(policy, target);
        target.attempts.push(now);
        target.climbed = target.climbed.saturating_add(1);
        target.crashes = 0;
        health::forget_readings(target);
        target.phase =
            Phase::Settling { since: now, until: now.after(policy.settle), action: rung.action.clone() };
        let number = target.attempts.len();
        self.attempts.push(Attempt {
            id: self.state.attempts,
            target: policy.name.clone(),
            action: rung.action.clone(),
            number: (number, policy.window.attempts),
            why,
        });
        Ruling::Act { action: rung.action.clone(), number }
    }

    fn finish(
        mut self,
        mut rulings: BTreeMap<Name, Ruling>,
        letters: Vec<u64>,
        answers: Vec<Answer>,
    ) -> Decision {
        let mut verdicts = Vec::new();
        for policy in &self.policy.targets {
            let target = self.state.targets.entry(policy.name.clone()).or_default();
            let health = health::assess(policy, target);
            let ruling = rulings.remove(&policy.name).unwrap_or(Ruling::Fine);
            verdicts.push(Verdict::new(policy, target, health, ruling, self.now.at));
        }
        let quick = self.quick(&verdicts);
        Decision {
            state: self.state,
            attempts: self.attempts,
            letters,
            answers,
            closed: self.closed,
            verdicts,
            quick,
        }
    }
}
