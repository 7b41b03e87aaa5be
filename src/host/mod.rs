//! The real world around the core: probes, actions, files, clock, bus and LINE, behind the one seam
//! [`World`]. It carries out what was decided and decides nothing itself.

mod alarm;
pub mod bundle;
pub mod channel;
pub mod checkup;
pub mod chronicle;
pub mod clock;
pub mod doorbell;
mod errand;
pub mod events;
pub mod files;
pub mod heartbeat;
pub mod history;
pub mod inbox;
pub mod kicks;
pub mod legacy;
pub mod letters;
pub mod lifesign;
pub mod lock;
pub mod log;
pub mod logs;
mod measured;
pub mod memory;
pub mod observe;
pub mod publish;
pub mod quota;
mod repair;
pub mod room;
pub mod store;
pub mod unsaved;
pub mod view;

use crate::config::{Config, as_called};
use crate::cycle::{Report, Scope, World};
use crate::logscan::scanner::Scanner;
use crate::probe::clients::Clients;
use crate::recovery::decide::{Answer, Attempt};
use crate::recovery::evidence::{Evidence, Fresh, Name, Reading, Resting, SelfTrouble};
use crate::recovery::outbox::Letter;
use crate::recovery::record::Outcome;
use crate::recovery::scan::ScanMark;
use crate::recovery::state::State;
use crate::recovery::time::{Now, Timestamp};
use crate::recovery::unit::UnitFacts;
use crate::systemd::Bus;
use channel::Channel;
use clock::Clock;
use errand::Errands;
use history::History;
use inbox::Inbox;
use jiff::tz::TimeZone;
use kicks::ReceivedKick;
use log::{OpsLog, parse_zone};
use measured::Measured;
use memory::{Memory, Start};
use observe::Hurry;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// The real world.
#[derive(Debug)]
pub struct Host {
    /// The configuration in force.
    pub config: Rc<Config>,
    /// The user manager.
    pub bus: Bus,
    clients: Arc<Clients>,
    clock: Clock,
    memory: Memory,
    /// Trouble of our own, by alert key, as long as it is present.
    troubles: BTreeMap<String, String>,
    /// The trouble found at start, and when its consequences are over.
    start_trouble: Option<(String, Timestamp)>,
    channel: Channel,
    errands: Errands,
    /// When whole versions of files are kept the next time.
    keep_again: Option<Timestamp>,
    /// What is read of logs; none where no rule is about any.
    scanner: Option<Scanner>,
    /// How far the saved state says that logs were read.
    scanned: Arc<ScanMark>,
    kick: Option<ReceivedKick>,
    /// Where orders are left; none for those who only look.
    inbox: Option<Inbox>,
    /// What every target's probes saw last, and what systemd said of its unit, for the bundle.
    seen: BTreeMap<(Name, Name), Reading>,
    units: BTreeMap<Name, Result<UnitFacts, String>>,
    measured: Measured,
    history: Option<History>,
    log: Option<Arc<Mutex<OpsLog>>>,
    mirror_works: bool,
    hurry: Hurry,
    /// Whether the last full pass was cut short; the next one is not, so that whoever answers slowly is heard.
    hurried: bool,
    /// Whether a reference point failed when they were asked last.
    cut_off: bool,
    /// Whether this boot has had no pass yet.
    booted: bool,
    mode: Mode,
}

/// What this instance may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Everything: it holds the lock.
    Acts,
    /// Only look.
    Looks,
}

impl Host {
    /// Opens the memory and wires everything. Returns the state to go on from.
    ///
    /// # Errors
    /// What keeps the program from working at all.
    pub fn open(config: Rc<Config>) -> Result<(Self, State), String> {
        let opened = Memory::open(&config.paths.state, &config.policy);
        let (mut host, state) = Self::wire(config, opened, Mode::Acts)?;
        host.inbox = Some(Inbox::open(&host.config.paths.state));
        Ok((host, state))
    }

    fn wire(
        config: Rc<Config>,
        (memory, start): (Memory, Start),
        mode: Mode,
    ) -> Result<(Self, State), String> {
        let mut host = Self {
            bus: observe::bus(config.manager),
            clients: Arc::new(Clients::new()),
            clock: start.clock,
            memory,
            mode,
            troubles: BTreeMap::new(),
            start_trouble: None,
            channel: Channel::new(start.state.outbox.quota.as_ref().map(|quota| quota.at)),
            errands: Errands::default(),
            keep_again: None,
            scanner: None,
            scanned: Arc::clone(&start.state.scan),
            kick: None,
            inbox: None,
            seen: BTreeMap::new(),
            units: BTreeMap::new(),
            measured: Measured::default(),
            history: None,
            log: None,
            mirror_works: true,
            hurry: Hurry::new(),
            hurried: false,
            cut_off: false,
            booted: start.booted,
            config,
        };
        if let Some(SelfTrouble { key, text }) = start.trouble {
            let longest = host.config.policy.targets.iter().map(|target| target.window.per).max();
            let over = host.clock.now().at.after(longest.unwrap_or_default());
            host.set_trouble(&key, Some(text));
            host.start_trouble = Some((key, over));
        }
        host.open_logs(&start.state.scan);
        Ok((host, start.state))
    }

    /// A world for those who only look: nothing on disk changes, and requests of people stay where they are.
    ///
    /// # Errors
    /// What keeps the program from working at all.
    pub fn look(config: Rc<Config>) -> Result<(Self, State), String> {
        let opened = Memory::peek(&config.paths.state, &config.policy);
        Self::wire(config, opened, Mode::Looks)
    }

    /// Goes on under another configuration.
    pub fn adopt(&mut self, config: Rc<Config>) {
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).set_secrets(config.secrets.clone());
        }
        if let Some(history) = &mut self.history {
            history.set_secrets(&config.secrets);
        }
        let mark = self.scanner.as_ref().map(|scanner| scanner.mark().clone()).unwrap_or_default();
        let changed = self.config.scan != config.scan;
        self.config = config;
        if changed {
            self.open_logs(&mark);
        }
    }

    /// Records from now on: from a start of its own, or, for a run of one cycle, where the last one left off.
    pub fn keep_history(&mut self, state: &State, resumed: bool) {
        let (directory, secrets) = (&self.config.paths.state, &self.config.secrets);
        let begin = if resumed { History::resume } else { History::begin };
        self.history = Some(begin(directory, state, secrets, self.clock.now()));
    }

    /// Records what a pass came to.
    pub fn record(&mut self, state: &State, report: &Report) {
        self.history.iter_mut().for_each(|history| history.pass(state, report));
    }

    /// The log whose trouble is ours to tell.
    pub fn set_log(&mut self, log: Arc<Mutex<OpsLog>>) {
        self.log = Some(log);
    }

    /// Writes the predecessor's files, for those who read them. Trouble with them is said once.
    pub fn mirror(&mut self, state: &State, now: Now) {
        let result = self.memory.mirror(&self.config.policy, state, now);
        if result.is_err() && self.mirror_works {
            chronicle::trouble("mirror", &result.clone().err().unwrap_or_default());
        }
        self.mirror_works = result.is_ok();
    }

    /// Says that a trouble of our own is present, or (`None`) that it is over.
    pub fn set_trouble(&mut self, key: &str, text: Option<String>) {
        match text {
            Some(text) => drop(self.troubles.insert(key.to_owned(), text)),
            None => drop(self.troubles.remove(key)),
        }
    }

    /// Whether a channel has yet to answer.
    pub fn awaits_answers(&self) -> bool {
        self.channel.is_busy()
    }

    /// The HTTP clients, for whoever else has something to send.
    pub fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// We stop: what is remembered shall know how long we ran.
    pub fn stop(&mut self) {
        self.memory.stop(&self.clock);
    }

    /// Whether the last save failed, and why.
    pub fn unsaved(&self) -> Option<&str> {
        self.memory.unsaved.as_deref()
    }

    /// What was wrong with the state at the start, in words.
    pub fn start_trouble(&self) -> Option<&str> {
        let (key, _) = self.start_trouble.as_ref()?;
        self.troubles.get(key).map(String::as_str)
    }

    /// A pass begins. What comes back may end its waiting, unless that has just happened to the one before.
    pub fn begin_pass(&mut self) -> Hurry {
        self.hurry = Hurry::new();
        if self.hurried { Hurry::new() } else { self.hurry.clone() }
    }

    /// Whether the machine was booted or woken since the last pass.
    fn fresh(&mut self) -> Option<Fresh> {
        let booted = std::mem::take(&mut self.booted).then_some(Fresh::Boot);
        let woken = self.clock.slept().then_some(Fresh::Resume);
        booted.or(woken)
    }

    /// A log that cannot be written is told on the channel, for nobody would read it in the log. What was
    /// wrong with the state at start is over when every window has passed.
    fn check_troubles(&mut self) {
        if let Some(log) = &self.log {
            let trouble = log.lock().unwrap_or_else(PoisonError::into_inner).trouble();
            self.set_trouble("log_not_written", trouble);
        }
        self.set_trouble("alerts_log_not_written", self.channel.file_trouble());
        let now = self.clock.now().at;
        if let Some((key, _)) = self.start_trouble.take_if(|(_, over)| now >= *over) {
            self.set_trouble(&key, None);
        }
    }
}

impl World for Host {
    fn now(&mut self) -> Now {
        self.clock.now()
    }

    async fn observe(&mut self, scope: &Scope, resting: &Resting) -> Evidence {
        let config = Rc::clone(&self.config);
        let kicks = (self.mode == Mode::Acts && self.kick.is_none()).then(|| self.read_kick()).flatten();
        // Orders are no hurry: the doorbell asks for a full pass, and so does the interval.
        let inbox = self.inbox.as_mut().filter(|_| *scope == Scope::Everything);
        let orders = inbox.map(|inbox| inbox.take(clock::wall())).unwrap_or_default();
        self.check_troubles();
        if self.mode == Mode::Acts && *scope == Scope::Everything {
            self.keep_good_versions();
        }
        // A person who asks wants an answer about now, whatever this pass was for.
        let scope = if kicks.is_some() { &Scope::Everything } else { scope };
        let units = observe::units(&self.bus, &config, scope).await;
        self.units.extend(units.iter().map(|report| (report.target.clone(), report.facts.clone())));
        let looked_at = (scope, resting);
        let (answers, asked) =
            observe::probes_and_references(&self.clients, &config, &units, looked_at, &self.hurry).await;
        self.hurried = if *scope == Scope::Everything { answers.cut } else { self.hurried };
        let mut probes = answers.reports;
        let scan = self.scan(scope);
        probes.extend(self.found_in_logs(scope, resting));
        self.measured.take(&probes, answers.figures);
        // What a service says of itself may hold a token of ours; from here on it is stored and sent.
        probes.iter_mut().for_each(|report| observe::mask_report(report, &config.secrets));
        let seen = probes
            .iter()
            .map(|report| ((report.target.clone(), report.probe.clone()), report.reading.clone()));
        self.seen.extend(seen);
        let references = self.references(asked, &probes, scope).await;
        let line = self.config.line.line().ok().filter(|_| self.mode == Mode::Acts);
        let receipts = self.channel.receipts();
        let quota = self.channel.quota(self.clock.now().at, line, &self.clients);
        let trouble = |(key, text): (&String, &String)| SelfTrouble { key: key.clone(), text: text.clone() };
        let evidence = Evidence {
            probes,
            units,
            kicks: kicks.into_iter().collect(),
            orders,
            late: self.late_failures(),
            receipts,
            troubles: self.troubles.iter().map(trouble).collect(),
            unsaved: self.memory.unsaved.clone(),
            references,
            fresh: self.fresh(),
            scan,
            quota,
        };
        self.history.iter_mut().for_each(|history| history.saw(scope, &evidence, self.clock.now()));
        evidence
    }

    fn compose(&mut self, letters: &[&Letter]) -> String {
        let way = letters.first().and_then(|letter| self.config.ways.get(&letter.channel));
        let zone = || parse_zone(&self.config.log.timezone).unwrap_or(TimeZone::UTC);
        way.map(|way| way.compose(letters, &zone())).unwrap_or_default()
    }

    fn save(&mut self, state: &State) -> Result<(), String> {
        self.history.iter_mut().for_each(|history| history.offered(state));
        self.memory.save(state, &self.clock)?;
        self.scanned = Arc::clone(&state.scan);
        // What the state has absorbed need not be found again.
        self.inbox.iter_mut().for_each(Inbox::absorbed);
        Ok(())
    }

    async fn perform(&mut self, attempt: &Attempt) -> Outcome {
        chronicle::attempt(attempt);
        if let Some(history) = &mut self.history {
            history.attempt(&self.config.policy, attempt, self.clock.now());
        }
        let outcome = match self.carry_out(attempt).await {
            // It may name the command that shows which rights are missing.
            Outcome::Failed(why) => Outcome::Failed(as_called(&why, self.config.flag.as_deref())),
            outcome @ (Outcome::Done(_) | Outcome::Running(_)) => outcome,
        };
        self.history.iter_mut().for_each(|history| history.outcome(attempt, &outcome, self.clock.now()));
        outcome
    }

    fn send(&mut self, letter: &Letter) {
        if let Some(way) = self.config.ways.get(&letter.channel) {
            self.channel.send(way.clone(), letter, &self.clients);
        }
    }

    fn answer(&mut self, answer: &Answer, outcome: Option<&Outcome>) {
        self.answer_kick(answer, outcome);
    }
}
