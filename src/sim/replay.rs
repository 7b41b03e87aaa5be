//! A world that plays a recorded time again under another policy, through the same [`crate::cycle`]. What
//! was seen stays as it was, so after the first action that differs it shows what the past showed, not what
//! would have come: nothing here guesses.

use super::ready;
use crate::cycle::{self, Report, Scope, World};
use crate::recovery::cadence::Fulls;
use crate::recovery::decide::{Answer, Attempt};
use crate::recovery::evidence::{Delivery, Evidence, Name, ProbeReport, Receipt, Resting, UnitReport};
use crate::recovery::outbox::Letter;
use crate::recovery::policy::{Policy, TargetPolicy};
use crate::recovery::record::Outcome;
use crate::recovery::state::State;
use crate::recovery::time::{Now, Timestamp};
use crate::recovery::unit::UnitFacts;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A pass is noted when its answers are there, which is later than it was due by the slowest probe. So much
/// later it still counts as the pass that was due.
const LATE: Duration = Duration::from_secs(20);

/// A time that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// Where it begins: on the timeline, and in Unix seconds.
    pub from: (Timestamp, u64),
    /// Where it ends.
    pub to: Timestamp,
    /// What was remembered at its beginning.
    pub state: State,
    /// The passes that saw something new, in their order.
    pub passes: Vec<RecordedPass>,
    /// What was done, and what became of it.
    pub attempts: Vec<RecordedAttempt>,
}

/// A pass that saw something new, or that was not a full one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedPass {
    /// When.
    pub at: Timestamp,
    /// The same as Unix seconds.
    pub wall: u64,
    /// What it looked at.
    pub scope: Scope,
    /// Of probes and units what was new; all of the rest.
    pub seen: Evidence,
}

/// An attempt that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// When.
    pub at: Timestamp,
    /// The target.
    pub target: Name,
    /// What was done.
    pub action: Name,
    /// What became of it.
    pub outcome: Outcome,
}

/// Something that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The same as Unix seconds.
    pub wall: u64,
    /// What.
    pub what: What,
    /// Why, or how, in words.
    pub why: String,
}

/// What was decided, by which two runs are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// An action on a target.
    Act(Name, Name),
    /// A letter of this kind under this key was written.
    Tell(String, Word),
    /// An incident of this target ended.
    End(Name),
}

/// The kind of a letter, as a word that sorts.
pub type Word = &'static str;

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// What was decided, in its order.
    pub events: Vec<Event>,
    /// Passes made.
    pub passes: u64,
    /// Probes of the policy of which the recording knows nothing: `target/probe`.
    pub unknown: BTreeSet<String>,
}

/// Plays a recording under a policy.
pub fn replay(policy: &Policy, recording: &Recording) -> Replayed {
    let mut player = Player::new(policy, recording);
    let mut state = recording.state.clone();
    let mut replayed = Replayed::default();
    let mut due = (recording.from.0, Scope::Everything);
    let mut fulls = Fulls { count: 0, began: recording.from.0, ended: recording.from.0 };
    let mut waiting = recording.passes.iter().peekable();
    loop {
        let late = LATE.min(policy.cadence.shortest() / 2);
        let recorded = waiting.next_if(|pass| pass.at <= due.0.after(late));
        let scope = match recorded {
            Some(pass) => player.take(pass),
            None if due.0 > recording.to => break,
            None => player.wait_until(due),
        };
        let written = state.outbox.written;
        let Some(report) = ready(cycle::run(policy, &mut state, &mut player, &scope)) else { break };
        if scope == Scope::Everything {
            fulls.add(report.began, report.now.at);
        }
        due = cycle::next_pass(policy, fulls, &report);
        replayed.passes += 1;
        replayed.events.extend(events(&report, &state, written));
    }
    replayed.unknown = player.unknown;
    replayed
}

fn events(report: &Report, state: &State, written: u64) -> Vec<Event> {
    let event =
        |what, why: &str| Event { at: report.now.at, wall: report.now.wall, what, why: why.to_owned() };
    let done = report
        .done
        .iter()
        .map(|(attempt, _)| event(What::Act(attempt.target.clone(), attempt.action.clone()), &attempt.why));
    let told = state.outbox.letters.iter().filter(|letter| letter.id > written).map(|letter| {
        event(
            What::Tell(letter.key.clone(), letter.kind.word()),
            letter.text.lines().next().unwrap_or_default(),
        )
    });
    let ended = report.closed.iter().map(|closed| event(What::End(closed.target.clone()), &closed.how));
    done.chain(told).chain(ended).collect()
}

struct Player<'a> {
    policy: &'a Policy,
    recording: &'a Recording,
    now: Timestamp,
    /// What every probe and unit said last, and when.
    probes: BTreeMap<(Name, Name), ProbeReport>,
    units: BTreeMap<Name, (Timestamp, UnitReport)>,
    /// What belongs to the pass being played, or stays until the next one.
    rest: Evidence,
    receipts: Vec<Receipt>,
    unknown: BTreeSet<String>,
}

impl<'a> Player<'a> {
    fn new(policy: &'a Policy, recording: &'a Recording) -> Self {
        Self {
            policy,
            recording,
            now: recording.from.0,
            probes: BTreeMap::new(),
            units: BTreeMap::new(),
            rest: Evidence::default(),
            receipts: Vec::new(),
            unknown: BTreeSet::new(),
        }
    }

    /// Goes to a recorded pass.
    fn take(&mut self, pass: &RecordedPass) -> Scope {
        self.now = self.now.max(pass.at);
        for report in &pass.seen.probes {
            self.probes.insert((report.target.clone(), report.probe.clone()), report.clone());
        }
        for report in &pass.seen.units {
            self.units.insert(report.target.clone(), (pass.at, report.clone()));
        }
        self.rest =
            Evidence { probes: Vec::new(), units: Vec::new(), receipts: Vec::new(), ..pass.seen.clone() };
        pass.scope.clone()
    }

    /// Goes to a pass of which nothing was recorded, because nothing new was seen.
    fn wait_until(&mut self, (at, scope): (Timestamp, Scope)) -> Scope {
        // Time goes on even where a pass is due at once.
        self.now = at.max(self.now.after(Duration::from_millis(1)));
        scope
    }

    fn unit(&self, target: &TargetPolicy) -> Option<UnitReport> {
        let (at, report) = self.units.get(&target.name).filter(|_| target.unit.is_some())?;
        let age = self.now.since(*at);
        let facts = report.facts.as_ref().map(|facts| aged(facts, age)).map_err(Clone::clone);
        Some(UnitReport { target: target.name.clone(), facts })
    }

    fn answers(&mut self, target: &TargetPolicy, resting: &Resting) -> Vec<ProbeReport> {
        let mut answers = Vec::new();
        for probe in target.probes.iter().filter(|probe| !resting.has(&target.name, &probe.name)) {
            match self.probes.get(&(target.name.clone(), probe.name.clone())) {
                Some(report) => answers.push(report.clone()),
                None => drop(self.unknown.insert(format!("{}/{}", target.name, probe.name))),
            }
        }
        answers
    }
}

/// The same facts, read so much later.
fn aged(facts: &UnitFacts, by: Duration) -> UnitFacts {
    let later = |age: Option<Duration>| age.map(|age| age + by);
    UnitFacts {
        left_inactive_ago: later(facts.left_inactive_ago),
        became_active_ago: later(facts.became_active_ago),
        left_active_ago: later(facts.left_active_ago),
        main_started_ago: later(facts.main_started_ago),
        main_exited_ago: later(facts.main_exited_ago),
        ..facts.clone()
    }
}

impl World for Player<'_> {
    fn now(&mut self) -> Now {
        let (from, wall) = self.recording.from;
        let wall = wall + self.now.since(from).as_secs();
        Now { at: self.now, wall, entropy: u128::from(self.now.0) }
    }

    async fn observe(&mut self, scope: &Scope, resting: &Resting) -> Evidence {
        // Requests and a new boot are of one pass; what is wrong stays until a pass says otherwise.
        let once = std::mem::take(&mut self.rest.kicks);
        let orders = std::mem::take(&mut self.rest.orders);
        let fresh = self.rest.fresh.take();
        let mut evidence = Evidence { kicks: once, orders, fresh, ..self.rest.clone() };
        evidence.receipts = std::mem::take(&mut self.receipts);
        for target in &self.policy.targets {
            let (probes, unit) = match scope {
                Scope::Everything => (true, true),
                Scope::Targets(names) => (names.contains(&target.name), names.contains(&target.name)),
                Scope::Units(names) => (false, names.contains(&target.name)),
            };
            evidence.units.extend(self.unit(target).filter(|_| unit));
            if probes {
                evidence.probes.extend(self.answers(target, resting));
            }
        }
        evidence
    }

    fn compose(&mut self, letters: &[&Letter]) -> String {
        letters.iter().map(|letter| letter.text.as_str()).collect()
    }

    fn save(&mut self, _: &State) -> Result<(), String> {
        Ok(())
    }

    /// What became of the like at about this time; where nothing like it was done, it is taken to have worked.
    async fn perform(&mut self, attempt: &Attempt) -> Outcome {
        let near = |at: Timestamp| at.since(self.now).max(self.now.since(at)) <= LATE;
        let alike =
            self.recording.attempts.iter().find(|known| {
                known.target == attempt.target && known.action == attempt.action && near(known.at)
            });
        alike.map_or_else(|| Outcome::Done("taken to have worked".to_owned()), |known| known.outcome.clone())
    }

    /// The channel is taken to accept what it is given.
    fn send(&mut self, letter: &Letter) {
        let delivery = Delivery::Accepted { request_id: "replay".to_owned() };
        self.receipts.push(Receipt { alert: letter.id, delivery });
    }

    fn answer(&mut self, _: &Answer, _: Option<&Outcome>) {}
}
