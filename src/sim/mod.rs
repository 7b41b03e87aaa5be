//! The other world: a virtual clock, a modelled gateway and a modelled channel, a disk in memory, and a
//! fuse that kills the watchdog at any step. It runs the same [`crate::cycle`] as the daemon, and must
//! never import the host, a probe or an action.

pub mod model;
pub mod replay;

use crate::cycle::{self, Report, Scope, World};
use crate::recovery::decide::{Answer, Attempt};
use crate::recovery::evidence::{Evidence, Kick, Receipt, UnitReport};
use crate::recovery::outbox::Letter;
use crate::recovery::policy::Policy;
use crate::recovery::record::Outcome;
use crate::recovery::state::State;
use crate::recovery::time::{Now, Timestamp};
use model::{Channel, Gateway};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long the modelled channel takes to answer.
const CHANNEL_LATENCY: Duration = Duration::from_millis(100);

/// A simulated world around one policy.
#[derive(Debug)]
pub struct Sim {
    /// The policy under test.
    pub policy: Policy,
    /// The modelled gateway; every target of the policy is this one.
    pub gateway: Gateway,
    /// The modelled LINE.
    pub channel: Channel,
    /// What is on disk; only a save changes it.
    pub disk: Option<State>,
    /// Whether saving works.
    pub disk_works: bool,
    /// Steps (saves, sends, actions) until the watchdog is killed.
    pub fuse: Option<u64>,
    /// When attempts were carried out.
    pub performed: Vec<Timestamp>,
    /// Kicks that the next pass finds.
    pub kicks: Vec<Kick>,
    /// What kicks were answered.
    pub answers: Vec<String>,
    /// How far the wall clock is off, in seconds.
    pub wall_error: i64,
    now_ms: u64,
    entropy: u128,
    state: State,
    receipts: Vec<Receipt>,
    dead: bool,
    unsaved: Option<String>,
    last_full: Option<Timestamp>,
}

impl Sim {
    /// A world in which everything is well.
    pub fn new(policy: Policy, gateway: Gateway) -> Self {
        Self {
            policy,
            gateway,
            channel: Channel::default(),
            disk: None,
            disk_works: true,
            fuse: None,
            performed: Vec::new(),
            kicks: Vec::new(),
            answers: Vec::new(),
            wall_error: 0,
            now_ms: 10_000_000,
            entropy: 1,
            state: State::default(),
            receipts: Vec::new(),
            dead: false,
            unsaved: None,
            last_full: None,
        }
    }

    /// The state as the watchdog holds it.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The virtual present.
    pub fn clock(&self) -> Timestamp {
        Timestamp(self.now_ms)
    }

    /// Lets time pass until `seconds` from now, running every pass that falls due. Returns the reports.
    pub fn run_for(&mut self, seconds: u64) -> Vec<Report> {
        let end = self.now_ms + seconds * 1000;
        let mut reports: Vec<Report> = Vec::new();
        let mut next = (self.clock(), Scope::Everything);
        while next.0.0 <= end {
            self.now_ms = self.now_ms.max(next.0.0);
            next = match self.pass(&next.1) {
                Some(report) => {
                    let last_full = self.last_full.unwrap_or(self.clock());
                    let next = cycle::next_pass(&self.policy, last_full, &report);
                    reports.push(report);
                    next
                }
                // Killed: systemd starts it again five seconds later.
                None => (self.clock().after(Duration::from_secs(5)), Scope::Everything),
            };
            next = self.interrupted(self.answered(next));
        }
        self.now_ms = end;
        reports
    }

    /// The channel's answer arrives a moment after the send and wakes the watchdog.
    fn answered(&self, next: (Timestamp, Scope)) -> (Timestamp, Scope) {
        let at = self.clock().after(CHANNEL_LATENCY);
        if self.receipts.is_empty() || next.0 <= at { next } else { (at, Scope::Targets(BTreeSet::new())) }
    }

    /// Something happens to the unit before the next pass: the bus says so at once.
    fn interrupted(&mut self, next: (Timestamp, Scope)) -> (Timestamp, Scope) {
        match self.gateway.next_change(self.clock()) {
            Some(at) if at < next.0 => {
                (at, Scope::Units(self.policy.targets.iter().map(|target| target.name.clone()).collect()))
            }
            Some(_) | None => next,
        }
    }

    /// One pass; none when the fuse killed the watchdog in it, after which it starts again from disk.
    pub fn pass(&mut self, scope: &Scope) -> Option<Report> {
        if *scope == Scope::Everything {
            self.last_full = Some(self.clock());
        }
        let policy = self.policy.clone();
        let mut state = std::mem::take(&mut self.state);
        let report = ready(cycle::run(&policy, &mut state, self, scope));
        if self.dead || report.is_none() {
            self.dead = false;
            self.last_full = None;
            self.state = self.disk.clone().unwrap_or_default();
            return None;
        }
        self.state = state;
        report
    }

    /// One step towards the end of the fuse; true when the watchdog is dead at this point.
    fn burn(&mut self) -> bool {
        match &mut self.fuse {
            Some(0) => {
                self.fuse = None;
                self.dead = true;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.dead
    }
}

/// Polls a future that never waits: simulated worlds answer at once.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl World for Sim {
    fn now(&mut self) -> Now {
        self.entropy = self.entropy.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let wall = (1_770_000_000 + self.now_ms / 1000).saturating_add_signed(self.wall_error);
        Now { at: self.clock(), wall, entropy: self.entropy }
    }

    async fn observe(&mut self, scope: &Scope) -> Evidence {
        let now = self.clock();
        self.gateway.advance(now);
        let mut evidence = Evidence { unsaved: self.unsaved.clone(), ..Evidence::default() };
        for target in &self.policy.targets {
            let (probes, unit) = match scope {
                Scope::Everything => (true, true),
                Scope::Targets(names) => (names.contains(&target.name), names.contains(&target.name)),
                Scope::Units(names) => (false, names.contains(&target.name)),
            };
            if unit && target.unit.is_some() {
                let facts = self.gateway.facts(now);
                evidence.units.push(UnitReport { target: target.name.clone(), facts });
            }
            if probes {
                evidence
                    .probes
                    .extend(target.probes.iter().map(|p| self.gateway.probe(&target.name, &p.name, now)));
            }
        }
        evidence.receipts = std::mem::take(&mut self.receipts);
        evidence.kicks = std::mem::take(&mut self.kicks);
        evidence
    }

    fn compose(&mut self, letters: &[&Letter]) -> String {
        letters.iter().map(|letter| letter.text.as_str()).collect::<Vec<_>>().join("\n---\n")
    }

    fn save(&mut self, state: &State) -> Result<(), String> {
        if self.burn() {
            return Ok(());
        }
        let result = if self.disk_works { Ok(()) } else { Err("No space left on device".to_owned()) };
        self.unsaved = result.clone().err();
        if result.is_ok() {
            self.disk = Some(state.clone());
        }
        // Killed right after the save, before anything else happens.
        self.burn();
        result
    }

    async fn perform(&mut self, attempt: &Attempt) -> Outcome {
        if self.dead {
            return Outcome::Failed("killed".to_owned());
        }
        self.performed.push(self.clock());
        let outcome = self.gateway.restart(self.clock());
        self.burn();
        let _ = attempt;
        outcome
    }

    fn send(&mut self, letter: &Letter) {
        if self.dead {
            return;
        }
        let delivery = self.channel.push(letter);
        if !self.burn() {
            self.receipts.push(Receipt { alert: letter.id, delivery });
        }
    }

    fn answer(&mut self, answer: &Answer, outcome: Option<&Outcome>) {
        let outcome = outcome.map(|outcome| format!(": {}", outcome.detail())).unwrap_or_default();
        self.answers.push(format!("{}{outcome}", answer.text));
    }
}
