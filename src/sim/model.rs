//! Models of the outside: a gateway run as a unit, and a push channel. They only answer; they decide
//! nothing about recovery.

use crate::recovery::evidence::{Blame, Delivery, Name, ProbeReport, Reading};
use crate::recovery::outbox::Letter;
use crate::recovery::record::Outcome;
use crate::recovery::time::Timestamp;
use crate::recovery::unit::{Active, Load, UnitFacts};
use std::collections::BTreeSet;
use std::time::Duration;

/// What the gateway's process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// Runs, and answers once its start is over.
    Runs,
    /// Runs, accepts, and never answers.
    Hangs,
    /// Is gone, and its unit has failed.
    Failed,
    /// Was stopped by a person.
    Stopped,
}

/// A gateway under systemd.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// How long it takes from start to listening.
    pub start_takes: Duration,
    /// Whether a start ends in an exit at once.
    pub exits_at_once: bool,
    /// Whether `systemctl restart` itself fails.
    pub restart_fails: bool,
    /// Whether Ollama is down, which the gateway's `ready` and Ollama's own `models` show.
    pub ollama_down: bool,
    /// Whether the bus answers.
    pub bus_answers: bool,
    /// What the process does now.
    pub process: Process,
    /// What will happen to it, and when.
    pub plan: Vec<(Timestamp, Process)>,
    started: Timestamp,
    run: u64,
}

impl Gateway {
    /// One that has been running for an hour at `now`.
    pub fn running(now: Timestamp) -> Self {
        Self {
            start_takes: Duration::ZERO,
            exits_at_once: false,
            restart_fails: false,
            ollama_down: false,
            bus_answers: true,
            process: Process::Runs,
            plan: Vec::new(),
            started: now.before(Duration::from_secs(3600)),
            run: 1,
        }
    }

    /// When something next happens to its unit by itself.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.plan.iter().map(|(at, _)| *at).filter(|at| *at > now).min()
    }

    /// Carries out the plan up to `now`.
    pub fn advance(&mut self, now: Timestamp) {
        self.plan.sort();
        while let Some((at, process)) = self.plan.first().copied().filter(|(at, _)| *at <= now) {
            self.plan.remove(0);
            if process == Process::Runs && self.process != Process::Runs {
                self.start(at);
            }
            self.process = process;
        }
    }

    fn start(&mut self, now: Timestamp) {
        self.run += 1;
        self.started = now;
        self.process = if self.exits_at_once { Process::Failed } else { Process::Runs };
    }

    /// `systemctl restart`.
    pub fn restart(&mut self, now: Timestamp) -> Outcome {
        if self.restart_fails {
            return Outcome::Failed("the job failed".to_owned());
        }
        self.start(now);
        Outcome::Done("restarted".to_owned())
    }

    /// What systemd says of the unit.
    ///
    /// # Errors
    /// Why there is no answer, when the bus is gone.
    pub fn facts(&self, now: Timestamp) -> Result<UnitFacts, String> {
        if !self.bus_answers {
            return Err("the bus does not answer".to_owned());
        }
        let age = now.since(self.started);
        let ended = age / 2;
        let (active, left_active, exited) = match self.process {
            Process::Runs | Process::Hangs => (Active::Active, None, None),
            Process::Failed => (Active::Failed, Some(ended), Some(ended)),
            Process::Stopped => (Active::Inactive, Some(ended + Duration::from_millis(5)), Some(ended)),
        };
        Ok(UnitFacts {
            load: Load::Loaded,
            active,
            sub: String::new(),
            result: if self.process == Process::Stopped { "success" } else { "exit-code" }.to_owned(),
            file_state: "enabled".to_owned(),
            restarts: 0,
            invocation: format!("run{}", self.run),
            main_pid: 1,
            job: None,
            left_inactive_ago: Some(age),
            became_active_ago: Some(age),
            left_active_ago: left_active,
            main_started_ago: Some(age),
            main_exited_ago: exited,
        })
    }

    fn answers(&self, now: Timestamp) -> bool {
        self.process == Process::Runs && now.since(self.started) >= self.start_takes
    }

    /// What a probe of it reads.
    pub fn probe(&self, target: &Name, probe: &Name, now: Timestamp) -> ProbeReport {
        let mut blames = Vec::new();
        let reading = match probe.as_str() {
            "models" if self.ollama_down => Reading::Fail("connection refused".to_owned()),
            "models" => Reading::Pass("200".to_owned()),
            "ready" if self.answers(now) && self.ollama_down => {
                let at_fault =
                    Name::parse("ollama").map(|target| Blame { target, reason: "unreachable".to_owned() });
                blames.extend(at_fault);
                Reading::Pass("503, but only blamed checks fail".to_owned())
            }
            _ if self.answers(now) => Reading::Pass("200".to_owned()),
            _ if self.process == Process::Hangs => Reading::Fail("no answer".to_owned()),
            _ => Reading::Fail("connection refused".to_owned()),
        };
        ProbeReport { target: target.clone(), probe: probe.clone(), reading, blames }
    }
}

/// How the channel treats a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// Accepts.
    #[default]
    Fine,
    /// Does not answer, and has not taken it.
    Unreachable,
    /// Takes it, but the answer is lost.
    AnswerLost,
    /// The month's quota is spent.
    OverQuota,
}

/// A push channel that honours retry keys.
#[derive(Clone, Debug, Default)]
pub struct Channel {
    /// How it behaves now.
    pub mood: Mood,
    /// What it accepted, each key once: what a person sees.
    pub accepted: Vec<String>,
    /// Requests made.
    pub requests: u64,
    keys: BTreeSet<String>,
}

impl Channel {
    /// Answers one push.
    pub fn push(&mut self, letter: &Letter) -> Delivery {
        self.requests += 1;
        match self.mood {
            Mood::Unreachable => return Delivery::Retry("timeout".to_owned()),
            Mood::OverQuota => return Delivery::QuotaSpent("monthly limit".to_owned()),
            Mood::Fine | Mood::AnswerLost => {}
        }
        if self.keys.insert(letter.retry_key.clone()) {
            self.accepted.push(letter.body.clone().unwrap_or_default());
        }
        match self.mood {
            Mood::AnswerLost => Delivery::Retry("the answer was lost".to_owned()),
            Mood::Fine | Mood::Unreachable | Mood::OverQuota => {
                Delivery::Accepted { request_id: format!("r{}", self.requests) }
            }
        }
    }
}
