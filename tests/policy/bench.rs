//! A bench for single passes over evidence written by hand.
#![allow(clippy::panic, clippy::unwrap_used)] // Helpers of tests may fail like tests.

use crate::core::*;
use picoclaw_watchdog::recovery::decide::{Decision, decide};
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::record::{Outcome, record};
use picoclaw_watchdog::recovery::state::{State, TargetState};
use picoclaw_watchdog::recovery::time::Now;
use picoclaw_watchdog::recovery::unit::{Active, Load, UnitFacts};
use picoclaw_watchdog::recovery::verdict::Ruling;
use picoclaw_watchdog::recovery::window::Window;

/// A bench on which one pass after the other is made of evidence written by hand.
pub(crate) struct Bench {
    pub(crate) policy: Policy,
    pub(crate) state: State,
    now_ms: u64,
}

impl Bench {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, state: State::default(), now_ms: 10_000_000 }
    }

    /// Lets time pass, then runs a pass in which every attempt is carried out.
    pub(crate) fn pass(&mut self, after_s: u64, evidence: Evidence) -> Decision {
        self.pass_with(after_s, evidence, &Outcome::Done("done".to_owned()))
    }

    pub(crate) fn pass_with(&mut self, after_s: u64, evidence: Evidence, outcome: &Outcome) -> Decision {
        self.now_ms += after_s * 1000;
        let decision = decide(&self.policy, self.state.clone(), &evidence, self.now());
        self.state = decision.state.clone();
        let now = self.now();
        for attempt in &decision.attempts {
            record(&self.policy, &mut self.state, attempt, outcome, now);
        }
        decision
    }

    /// The watchdog is started again, from what a file gives back.
    pub(crate) fn restart(&mut self) {
        let text = serde_json::to_string(&self.state).unwrap();
        self.state = serde_json::from_str(&text).unwrap();
    }

    pub(crate) fn now(&self) -> Now {
        Now { at: self.clock(), wall: self.now_ms / 1000, entropy: u128::from(self.now_ms) << 64 }
    }

    pub(crate) fn clock(&self) -> picoclaw_watchdog::recovery::time::Timestamp {
        picoclaw_watchdog::recovery::time::Timestamp(self.now_ms)
    }

    pub(crate) fn target(&self, target: &str) -> &TargetState {
        &self.state.targets[&name(target)]
    }

    pub(crate) fn keys(&self) -> Vec<&str> {
        self.state.outbox.letters.iter().map(|letter| letter.key.as_str()).collect()
    }
}

/// A policy of one target without a unit, whose one probe fails at once, and whose rungs are given.
pub(crate) fn bare(rungs: &[(&str, u32)]) -> Policy {
    let mut policy = policy();
    let target = &mut policy.targets[0];
    target.unit = None;
    target.probes[0].fail_after = 1;
    target.stable_passes = 1;
    target.backoff = vec![secs(0)];
    target.window = Window { attempts: 10, per: secs(600) };
    target.ladder = rungs
        .iter()
        .map(|(action, tries)| Rung { action: name(action), tries: *tries, disruptive: true })
        .collect();
    policy
}

pub(crate) fn health(reading: Reading) -> Evidence {
    of("gateway", "health", reading)
}

pub(crate) fn of(target: &str, probe: &str, reading: Reading) -> Evidence {
    let report =
        ProbeReport { target: name(target), probe: name(probe), reading, blames: Vec::new(), excused: None };
    Evidence { probes: vec![report], ..Evidence::default() }
}

pub(crate) fn pass() -> Reading {
    Reading::Pass("200".to_owned())
}

pub(crate) fn fail(text: &str) -> Reading {
    Reading::Fail(text.to_owned())
}

pub(crate) fn held(decision: &Decision, index: usize) -> &Hold {
    let ruling = &decision.verdicts[index].ruling;
    let Ruling::Held(hold) = ruling else { panic!("not held: {ruling:?}") };
    hold
}

pub(crate) fn done(decision: &Decision) -> Vec<&str> {
    decision.attempts.iter().map(|attempt| attempt.action.as_str()).collect()
}

/// What systemd says of a run of this age.
pub(crate) fn running(run: &str, age_s: u64) -> UnitFacts {
    let age = Some(secs(age_s));
    UnitFacts {
        load: Load::Loaded,
        active: Active::Active,
        sub: "running".to_owned(),
        result: "success".to_owned(),
        file_state: "enabled".to_owned(),
        restarts: 0,
        invocation: run.into(),
        main_pid: 1,
        job: None,
        left_inactive_ago: age,
        became_active_ago: age,
        left_active_ago: None,
        main_started_ago: age,
        main_exited_ago: None,
    }
}

pub(crate) fn with_unit(facts: UnitFacts, reading: Reading) -> Evidence {
    let units = vec![UnitReport { target: name("gateway"), facts: Ok(facts) }];
    Evidence { units, ..health(reading) }
}
