//! The other world: a virtual clock, modelled services and a modelled LINE, a disk in memory, and a fuse that
//! kills the watchdog at any step. It runs the same [`crate::cycle`] as the daemon, over any policy, and must
//! never import the host, a probe or an action.
//!
//! `blueprint` what it is built for · `scenario` what happens in it · `run` tells one and judges it.

pub mod blueprint;
pub mod channel;
pub mod expect;
pub mod fault;
mod happen;
pub mod ledger;
pub mod random;
mod read;
pub mod replay;
pub mod run;
pub mod scenario;
pub mod service;
pub mod story;
pub mod thing;
mod world;
pub mod worst;

use crate::cycle::{self, Report, Scope};
use crate::recovery::cadence::Fulls;
use crate::recovery::evidence::{Fresh, Kick, KickWish, Name, Order, Receipt};
use crate::recovery::policy::Policy;
use crate::recovery::state::State;
use crate::recovery::time::Timestamp;
use blueprint::{Asks, Blueprint, Question, Remedy};
use channel::Channel;
use fault::{Act, Event};
use ledger::{Ledger, Totals};
use service::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use story::{Story, What};
use thing::Thing;

/// Where the timeline begins: long after zero, so that what was before can be told.
pub const BEGIN: Timestamp = Timestamp(10_000_000);
/// systemd starts the watchdog again so long after it was killed; the unit says so.
const RESTART_SEC: Duration = Duration::from_secs(5);

/// A simulated world around one policy.
#[derive(Clone, Debug)]
pub struct Sim {
    /// The targets as they really are, in the order of the policy.
    pub things: Vec<Thing>,
    /// The modelled LINE.
    pub channel: Channel,
    /// All other channels that were ever written to. They accept, until somebody changes their mood.
    pub others: BTreeMap<Name, Channel>,
    /// What is on disk; only a save changes it.
    pub disk: Option<State>,
    /// Steps (saves, sends, actions) until the watchdog is killed.
    pub fuse: Option<u64>,
    /// Steps made.
    pub steps: u64,
    /// When attempts were charged, and on what.
    pub performed: Vec<(Timestamp, Name)>,
    /// Kicks that the next pass finds.
    pub kicks: Vec<Kick>,
    /// Orders that the next pass finds.
    pub orders: Vec<Order>,
    /// What kicks were answered.
    pub answers: Vec<String>,
    /// What was told.
    pub story: Story,
    /// Whether the bus answers.
    pub bus_answers: bool,
    /// Whether saving works.
    pub disk_works: bool,
    /// Whether there is an internet.
    pub online: bool,
    /// How far the wall clock is off, in seconds.
    pub wall_error: i64,
    policy: Rc<Policy>,
    questions: Rc<[Question]>,
    remedies: Rc<BTreeMap<Name, Remedy>>,
    wishes: Rc<Option<BTreeMap<String, KickWish>>>,
    ledger: Ledger,
    script: BTreeMap<(Timestamp, u64), Scripted>,
    scripted: u64,
    now: Timestamp,
    /// What the timeline has lost at boots: it counts no time that it has not seen.
    lag: Duration,
    entropy: u128,
    state: State,
    receipts: Vec<(Timestamp, Receipt)>,
    /// The version of each service that the watchdog has seen.
    seen: BTreeMap<Name, u64>,
    due: (Timestamp, Scope),
    away_until: Option<Timestamp>,
    fresh: Option<Fresh>,
    fulls: Fulls,
    charged_at: Timestamp,
    saved_at: Timestamp,
    unsaved: Option<String>,
    dead: bool,
    quota_asked: Option<(Timestamp, u64)>,
}

/// An event at its moment.
#[derive(Clone, Debug)]
enum Scripted {
    Begins(Event),
    Ends(Act),
}

impl Sim {
    /// A world in which everything is well.
    pub fn new(blueprint: Blueprint, seed: u64) -> Self {
        let things = blueprint.policy.targets.iter().map(|target| Thing::well(target, BEGIN)).collect();
        Self {
            things,
            channel: Channel::default(),
            others: BTreeMap::new(),
            disk: None,
            fuse: None,
            steps: 0,
            performed: Vec::new(),
            kicks: Vec::new(),
            orders: Vec::new(),
            answers: Vec::new(),
            story: Story::new(BEGIN),
            bus_answers: true,
            disk_works: true,
            online: true,
            wall_error: 0,
            policy: Rc::new(blueprint.policy),
            questions: blueprint.questions.into(),
            remedies: Rc::new(blueprint.remedies),
            wishes: Rc::new(blueprint.kicks),
            ledger: Ledger::default(),
            script: BTreeMap::new(),
            scripted: 0,
            now: BEGIN,
            lag: Duration::ZERO,
            entropy: u128::from(seed) | 1,
            state: State::default(),
            receipts: Vec::new(),
            seen: BTreeMap::new(),
            due: (BEGIN, Scope::Everything),
            away_until: None,
            fresh: None,
            fulls: Fulls::default(),
            charged_at: BEGIN,
            saved_at: BEGIN,
            unsaved: None,
            dead: false,
            quota_asked: None,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy, to be changed as by a reload.
    pub fn policy_mut(&mut self) -> &mut Policy {
        self.due = (self.now, Scope::Everything);
        Rc::make_mut(&mut self.policy)
    }

    /// The state as the watchdog holds it.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The virtual present, by a clock that nobody touches.
    pub fn clock(&self) -> Timestamp {
        self.now
    }

    /// The numbers so far.
    pub fn totals(&self) -> Totals {
        let incidents = self.state.targets.values().filter(|target| target.incident.is_some()).count();
        let accepted = self.channels().flat_map(|channel| &channel.accepted);
        self.ledger.close(accepted, incidents as u64, self.now)
    }

    /// All channels as they really are, LINE first.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        std::iter::once(&self.channel).chain(self.others.values())
    }

    /// One target as it really is.
    pub fn thing_mut(&mut self, name: &Name) -> Option<&mut Thing> {
        self.things.iter_mut().find(|thing| thing.name == *name)
    }

    /// Puts an event into the script.
    pub fn plan(&mut self, event: Event) {
        let at = BEGIN.after(event.at);
        self.schedule(at, Scripted::Begins(event));
    }

    fn schedule(&mut self, at: Timestamp, scripted: Scripted) {
        self.scripted += 1;
        self.script.insert((at, self.scripted), scripted);
    }

    /// Lets `seconds` pass.
    pub fn run_for(&mut self, seconds: u64) -> Vec<Report> {
        let mut reports = Vec::new();
        let end = self.now.after(Duration::from_secs(seconds));
        self.run_until(end, |_, report| reports.push(report.clone()));
        reports
    }

    /// Lets time pass until `end`, with every pass that falls due. Whoever looks on is called after each.
    pub fn run_until(&mut self, end: Timestamp, mut look: impl FnMut(&Self, &Report)) {
        loop {
            let wake = self.next_wake();
            if wake > end {
                break;
            }
            self.now = self.now.max(wake);
            self.happen();
            if let Some(scope) = self.scope_due()
                && let Some(report) = self.pass(&scope)
            {
                look(self, &report);
            }
        }
        self.now = self.now.max(end);
    }

    /// When anything next happens.
    fn next_wake(&self) -> Timestamp {
        let scripted = self.script.first_key_value().map(|((at, _), _)| *at);
        let services = self.services().filter_map(Service::next_change);
        let watchdog = match self.away_until {
            Some(until) => until,
            None if self.was_touched() => self.now,
            None => self.receipts.iter().map(|(at, _)| *at).min().map_or(self.due.0, |at| at.min(self.due.0)),
        };
        services.chain(scripted).fold(watchdog, Timestamp::min)
    }

    fn services(&self) -> impl Iterator<Item = &Service> {
        self.things.iter().filter_map(|thing| thing.service.as_ref())
    }

    /// What the watchdog wakes for now, if it does.
    fn scope_due(&mut self) -> Option<Scope> {
        if self.away_until.is_some_and(|until| self.now < until) {
            return None;
        }
        if self.away_until.take().is_some() || self.due.0 <= self.now {
            return Some(self.due.1.clone());
        }
        if self.was_touched() {
            return Some(Scope::Units(self.touched().map(|(name, _)| name.clone()).collect()));
        }
        let answered = self.receipts.iter().any(|(at, _)| *at <= self.now);
        answered.then(|| Scope::Targets(BTreeSet::new()))
    }

    /// The services of which the bus has news.
    fn touched(&self) -> impl Iterator<Item = (&Name, u64)> {
        let versions =
            self.things.iter().filter_map(|thing| Some((&thing.name, thing.service.as_ref()?.version)));
        versions.filter(|(name, version)| {
            self.bus_answers && self.fulls.count > 0 && self.seen.get(*name) != Some(version)
        })
    }

    fn was_touched(&self) -> bool {
        self.touched().next().is_some()
    }

    /// One pass; none when the fuse killed the watchdog in it.
    pub fn pass(&mut self, scope: &Scope) -> Option<Report> {
        self.story.at(self.now);
        self.look_at_the_truth();
        let policy = Rc::clone(&self.policy);
        let mut state = std::mem::take(&mut self.state);
        let report = ready(cycle::run(&policy, &mut state, self, scope));
        if std::mem::take(&mut self.dead) {
            self.die();
            return None;
        }
        self.state = state;
        let report = report?;
        if *scope == Scope::Everything {
            self.fulls.add(report.began, report.now.at);
        }
        let (at, next) = cycle::next_pass(&policy, self.fulls, &report);
        self.due = (at.after(self.lag), next);
        self.look_at_the_truth();
        self.ledger.pass(&report.verdicts, *scope == Scope::Everything, self.now);
        let lines = self.story.lines.len();
        self.story.pass(&report);
        (lines..self.story.lines.len()).for_each(|_| self.ledger.log_line());
        Some(report)
    }

    /// The books are kept by how things really are.
    fn look_at_the_truth(&mut self) {
        for index in 0..self.things.len() {
            let down = !self.serves(&self.things[index]) && !self.things[index].is_off();
            self.ledger.truth(&self.things[index].name, down, self.now);
        }
    }

    /// Whether a target really serves those who use it.
    fn serves(&self, thing: &Thing) -> bool {
        thing.serves(self.now)
            && !self.tries_patience(thing)
            && (self.online || !thing.external)
            && !self.is_let_down(thing)
    }

    /// Whether it fails because something that it depends on does. What is of this machine still answers for
    /// itself while only the internet is gone.
    fn is_let_down(&self, thing: &Thing) -> bool {
        let cut_off = |other: &Thing| other.external && !self.online && !thing.external;
        let mut needed = self.things.iter().filter(|other| thing.depends_on.contains(&other.name));
        thing.needs_upstream && needed.any(|other| !cut_off(other) && !self.serves(other))
    }

    /// Whether its answers take longer than anybody waits.
    fn tries_patience(&self, thing: &Thing) -> bool {
        let asked = |question: &&Question| question.target == thing.name && !question.is_readiness;
        let services = |question: &&Question| matches!(question.asks, Asks::Service(_));
        thing.slow().is_some_and(|takes| {
            self.questions.iter().filter(asked).filter(services).any(|question| takes > question.timeout)
        })
    }

    /// The watchdog ends; systemd starts it again from what is on disk.
    fn die(&mut self) {
        self.story.forget();
        self.story.tell(What::World, "the watchdog is killed");
        self.restart_from_disk(self.now.after(RESTART_SEC));
    }

    fn restart_from_disk(&mut self, at: Timestamp) {
        self.state = self.disk.as_ref().map(read_again).unwrap_or_default();
        self.receipts.clear();
        self.fulls = Fulls::default();
        self.away_until = Some(at);
        self.due = (at, Scope::Everything);
    }
}

/// A state as a file would give it back: what is not saved is gone.
fn read_again(saved: &State) -> State {
    let read = serde_json::to_string(saved).and_then(|text| serde_json::from_str(&text));
    debug_assert!(read.is_ok(), "{read:?}");
    read.unwrap_or_default()
}

/// Polls a future that never waits: simulated worlds answer at once.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
