//! A service under systemd, as the watchdog can see it: its process, its unit, and what systemd does by
//! itself. It decides nothing about recovery.

use crate::recovery::time::Timestamp;
use crate::recovery::unit::{Active, Load, UnitFacts};
use std::sync::Arc;
use std::time::Duration;

/// systemd's own limit: so many starts in so much time, and it starts it no more by itself.
const START_LIMIT: (usize, Duration) = (5, Duration::from_secs(10));
/// A stop leaves `active` a little before the process ends; an exit does not. systemd's order, see
/// `recovery::unit`.
const STOP_TAKES: Duration = Duration::from_millis(5);

/// What the process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Runs, and answers once its start is over.
    Runs,
    /// Runs, accepts, and never answers.
    Hangs,
    /// Is gone, and its unit has failed.
    Failed,
    /// Is gone, and systemd takes that for a clean end.
    Ended,
    /// Was stopped by a person.
    Stopped,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its unit.
    pub unit: String,
    /// What its process does now.
    pub process: Process,
    /// How long it takes from its start until it listens.
    pub start_takes: Duration,
    /// Whether every start ends in an exit at once.
    pub exits_at_once: bool,
    /// Whether systemd knows the unit, and may start it.
    pub load: Load,
    /// How long systemd waits before it starts it again by itself; none when it does not.
    pub restarts_after: Option<Duration>,
    /// Grows with every change that the bus would tell of.
    pub version: u64,
    started: Timestamp,
    ended: Timestamp,
    runs: u64,
    run: Arc<str>,
    by_itself: u32,
    starts: Vec<Timestamp>,
}

impl Service {
    /// One that has been running for an hour at `now`.
    pub fn running(unit: &str, now: Timestamp) -> Self {
        Self {
            unit: unit.to_owned(),
            process: Process::Runs,
            start_takes: Duration::ZERO,
            exits_at_once: false,
            load: Load::Loaded,
            restarts_after: None,
            version: 1,
            started: now.before(Duration::from_secs(3600)),
            ended: now,
            runs: 1,
            run: "run1".into(),
            by_itself: 0,
            starts: Vec::new(),
        }
    }

    /// Whether a process runs, answering or not.
    pub fn is_running(&self) -> bool {
        matches!(self.process, Process::Runs | Process::Hangs)
    }

    /// Whether it has started and works.
    pub fn answers(&self, now: Timestamp) -> bool {
        self.process == Process::Runs && now.since(self.started) >= self.start_takes
    }

    /// Whether it does not run because a person wants it so.
    pub fn is_off(&self) -> bool {
        self.process == Process::Stopped || self.load == Load::Masked
    }

    /// Starts a new run.
    pub fn start(&mut self, now: Timestamp) {
        self.version += 1;
        self.runs += 1;
        self.run = format!("run{}", self.runs).into();
        self.started = now;
        self.process = Process::Runs;
        if self.exits_at_once {
            self.end(Process::Failed, now);
        }
    }

    /// Its process comes to this.
    pub fn end(&mut self, process: Process, now: Timestamp) {
        self.version += 1;
        self.ended = now;
        self.process = process;
    }

    /// It hangs from now on, which systemd does not see.
    pub fn hang(&mut self) {
        if self.process == Process::Runs {
            self.process = Process::Hangs;
        }
    }

    /// It is asked to restart: by a person, or by the watchdog.
    pub fn restart(&mut self, now: Timestamp) {
        self.by_itself = 0;
        self.starts.clear();
        self.start(now);
    }

    /// When systemd next starts it by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        let gone = matches!(self.process, Process::Failed | Process::Ended);
        let waits = self.restarts_after.filter(|_| gone && self.load == Load::Loaded && !self.at_limit());
        waits.map(|wait| self.ended.after(wait))
    }

    /// Carries out what systemd does by itself up to `now`.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(at) = self.next_change().filter(|at| *at <= now) {
            self.starts.retain(|start| at.since(*start) < START_LIMIT.1);
            self.starts.push(at);
            self.by_itself += 1;
            self.start(at);
        }
    }

    fn at_limit(&self) -> bool {
        let recent = self.starts.iter().filter(|start| self.ended.since(**start) < START_LIMIT.1);
        recent.count() >= START_LIMIT.0
    }

    /// The machine slept: systemd's clock stood still meanwhile.
    pub fn sleep(&mut self, span: Duration) {
        self.started = self.started.after(span);
        self.ended = self.ended.after(span);
    }

    /// What systemd says of it.
    pub fn facts(&self, now: Timestamp) -> UnitFacts {
        let (age, gone) = (now.since(self.started), now.since(self.ended));
        let running = self.is_running();
        let exited = (!running).then_some(gone);
        UnitFacts {
            load: self.load.clone(),
            active: self.active(),
            sub: if self.next_change().is_some() { "auto-restart" } else { "" }.to_owned(),
            result: self.result().to_owned(),
            file_state: "enabled".to_owned(),
            restarts: self.by_itself,
            invocation: Arc::clone(&self.run),
            main_pid: u32::from(running),
            job: None,
            left_inactive_ago: Some(age),
            became_active_ago: Some(age),
            left_active_ago: match self.process {
                Process::Stopped => exited.map(|ago| ago + STOP_TAKES),
                Process::Runs | Process::Hangs | Process::Failed | Process::Ended => exited,
            },
            main_started_ago: Some(age),
            main_exited_ago: exited,
        }
    }

    fn active(&self) -> Active {
        match self.process {
            Process::Runs | Process::Hangs => Active::Active,
            Process::Failed | Process::Ended if self.next_change().is_some() => Active::Activating,
            Process::Failed => Active::Failed,
            Process::Ended | Process::Stopped => Active::Inactive,
        }
    }

    fn result(&self) -> &'static str {
        match self.process {
            Process::Failed if self.restarts_after.is_some() && self.at_limit() => "start-limit-hit",
            Process::Failed => "exit-code",
            Process::Runs | Process::Hangs | Process::Ended | Process::Stopped => "success",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::unit::Standing;

    const NOW: Timestamp = Timestamp(10_000_000);

    fn later(seconds: u64) -> Timestamp {
        NOW.after(Duration::from_secs(seconds))
    }

    #[test]
    fn the_core_reads_its_facts_as_those_of_systemd() {
        let mut service = Service::running("g.service", NOW);
        assert_eq!(service.facts(NOW).standing(), Standing::Running);
        for (process, word) in [
            (Process::Failed, "it failed"),
            (Process::Ended, "ended by itself"),
            (Process::Stopped, "a person"),
        ] {
            service.end(process, NOW);
            let said = format!("{:?}", service.facts(later(7)).standing());
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_start_takes_its_time() {
        let mut service = Service::running("g.service", NOW);
        service.start_takes = Duration::from_secs(142);
        service.restart(NOW);
        assert!(!service.answers(later(141)) && service.answers(later(142)));
        service.sleep(Duration::from_secs(10));
        assert!(!service.answers(later(142)), "a sleep is no part of a start");
    }

    #[test]
    fn systemd_starts_it_again_until_its_limit() {
        let mut service = Service::running("g.service", NOW);
        service.restarts_after = Some(Duration::from_secs(1));
        service.end(Process::Failed, NOW);
        assert!(matches!(service.facts(NOW).standing(), Standing::Busy(_)));
        service.advance(later(1));
        assert!(service.answers(later(1)));
        service.exits_at_once = true;
        service.end(Process::Failed, later(2));
        service.advance(later(60));
        assert_eq!(
            service.facts(later(60)).standing(),
            Standing::Dead("it failed (start-limit-hit)".to_owned())
        );
        service.exits_at_once = false;
        service.restart(later(61));
        assert!(service.answers(later(61)), "a restart by hand forgives");
    }
}
