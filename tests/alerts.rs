//! Stories of what people are told, in virtual time: one message per cause, one push per burst, and a quota of
//! which the last part is for faults.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

mod core;

use core::*;
use picoclaw_watchdog::recovery::decide::decide;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::outbox::{Fate, Kind, Letter};
use picoclaw_watchdog::recovery::policy::{Language, Policy, TargetPolicy};
use picoclaw_watchdog::recovery::state::{EVERYTHING, Pause, State};
use picoclaw_watchdog::recovery::time::{Now, Timestamp};
use picoclaw_watchdog::sim::Sim;
use picoclaw_watchdog::sim::blueprint::Blueprint;
use picoclaw_watchdog::sim::channel::Mood;
use picoclaw_watchdog::sim::fault::{Cure, Fault, Repair, Wrong};
use std::sync::Arc;

fn letters<'a>(sim: &'a Sim, key: &'a str) -> Vec<&'a Letter> {
    sim.state().outbox.letters.iter().map(Arc::as_ref).filter(|letter| letter.key == key).collect()
}

/// The gateway, and two that depend on it, one through the other.
fn chain() -> Policy {
    let mut policy = policy();
    for (of, on) in [("funnel", "gateway"), ("shop", "funnel")] {
        let depends_on = vec![name(on)];
        policy.targets.push(TargetPolicy { name: name(of), unit: None, depends_on, ..gateway_policy() });
    }
    policy
}

#[test]
fn one_cause_is_one_message_that_names_all_who_suffer() {
    let mut sim = Sim::new(Blueprint::of_policy(chain()), 1);
    thing(&mut sim).suffer(&Fault::Crashed, START);
    thing(&mut sim).repair = Repair::Fails("the job failed".to_owned());
    sim.run_for(8 * 3600);
    let all = &sim.state().outbox.letters;
    assert!(all.iter().all(|letter| letter.target == Some(name("gateway"))), "{all:#?}");
    let fault = letters(&sim, "gateway_restart_failed")[0];
    assert!(fault.kind == Kind::Fault && fault.text.contains("repairs do not help"), "{}", fault.text);
    let reminder = all.iter().find(|letter| letter.kind == Kind::Reminder).unwrap();
    assert!(reminder.text.contains("funnel, shop"), "{}", reminder.text);
}

fn all(sim: &mut Sim, down: bool) {
    let fault = Fault::Down { answers: Wrong::Status(500), cured_by: Cure::Nothing };
    let now = sim.clock();
    for thing in &mut sim.things {
        if down { thing.suffer(&fault, now) } else { thing.recover(&fault, now) }
    }
}

#[test]
fn a_burst_is_two_pushes_and_not_six() {
    let mut policy = policy();
    policy.targets.clear();
    for of in ["a", "b", "c", "d", "e", "f"] {
        let mut target = TargetPolicy { name: name(of), unit: None, ladder: Vec::new(), ..gateway_policy() };
        target.keys.failing = format!("{of}_down");
        policy.targets.push(target);
    }
    let mut sim = Sim::new(Blueprint::of_policy(policy), 1);
    sim.run_for(300);
    all(&mut sim, true);
    sim.run_for(70);
    assert_eq!(sim.channel.accepted.len(), 2, "five and one: {:#?}", sim.channel.accepted);
    all(&mut sim, false);
    sim.run_for(180);
    assert_eq!(sim.channel.accepted.len(), 4, "{:#?}", sim.channel.accepted);
}

#[test]
fn the_first_word_comes_within_thirty_seconds_of_the_channels_return() {
    for wait in (0..30).step_by(3) {
        let mut sim = world_with(&[(90, Happens::Crash)]);
        service(&mut sim).exits_at_once = true;
        sim.channel.mood = Mood::Unreachable;
        sim.run_for(2400 + wait);
        sim.channel.mood = Mood::Fine;
        sim.run_for(30);
        assert!(!sim.channel.accepted.is_empty(), "{wait}");
        assert!(received(&sim)[0].contains("repairs do not help"), "{wait}: the fault first");
    }
}

#[test]
fn a_fault_and_its_end_that_both_waited_go_together() {
    let mut core = Core::new();
    core.policy.targets[0].ladder.clear();
    core.policy.targets[0].stable_passes = 1;
    core.evidence.orders = vec![Order::TestAlert { channel: None }];
    core.reads(true).pass(1);
    core.pass(1);
    assert!(matches!(core.letter("test").fate, Fate::Accepted { .. }));
    for pass in [false, false, false, true] {
        core.reads(pass).pass(2);
    }
    assert_eq!(core.state.outbox.letters.len(), 3, "both wait for the minute to end");
    core.pass(60);
    core.pass(1);
    core.pass(1);
    let [_, fault, end] = &core.state.outbox.letters[..] else { panic!("{:#?}", core.state.outbox) };
    assert!(matches!(fault.fate, Fate::Accepted { .. }) && matches!(end.fate, Fate::Accepted { .. }));
    assert_eq!((fault.push, end.push), (Some(fault.id), Some(fault.id)));
}

#[test]
fn who_is_paused_is_not_spoken_of() {
    let mut sim = world_with(&[(90, Happens::Stop)]);
    sim.run_for(10);
    let mut state = sim.state().clone();
    let pause = Pause {
        since: sim.clock(),
        until: sim.clock().after(secs(3600)),
        reason: String::new(),
        missed: [].into(),
    };
    state.pauses.insert(EVERYTHING.to_owned(), pause);
    sim.disk = Some(state);
    sim.fuse = Some(0);
    sim.run_for(3500);
    assert_eq!(sim.state().outbox.letters, [], "not while it lasts");
    sim.run_for(300);
    assert_eq!(letters(&sim, "gateway_left_alone").len(), 1);
}

/// A core that is fed by hand: what it is told each minute, and a channel that takes everything at once.
struct Core {
    policy: Policy,
    state: State,
    now: Now,
    evidence: Evidence,
}

impl Core {
    fn new() -> Self {
        let mut policy = policy();
        policy.targets[0].unit = None;
        let now = Now { at: START, wall: 1_770_000_000, entropy: 7 };
        Self { policy, state: State::default(), now, evidence: Evidence::default() }
    }

    fn reads(&mut self, pass: bool) -> &mut Self {
        let reading =
            if pass { Reading::Pass("200".into()) } else { Reading::Fail("connection refused".into()) };
        let report = ProbeReport {
            target: name("gateway"),
            probe: name("health"),
            reading,
            blames: Vec::new(),
            excused: None,
        };
        self.evidence.probes = vec![report];
        self
    }

    fn quota(&mut self, used: u64) -> &mut Self {
        self.evidence.quota = Some(QuotaReading { limit: Some(200), used });
        self
    }

    fn pass(&mut self, seconds: u64) {
        let decision = decide(&self.policy, self.state.clone(), &self.evidence, self.now);
        self.state = decision.state.clone();
        let probes = std::mem::take(&mut self.evidence).probes;
        let receipt = |alert| Receipt { alert, delivery: Delivery::Accepted { request_id: "r".to_owned() } };
        let receipts = decision.letters.into_iter().map(receipt).collect();
        self.evidence = Evidence { probes, receipts, ..Evidence::default() };
        self.now.at = self.now.at.after(secs(seconds));
        self.now.entropy = self.now.entropy.wrapping_mul(0x2545_f491_4f6c_dd1d);
    }

    fn pass_for(&mut self, seconds: u64) {
        for _ in 0..seconds / 60 {
            self.pass(60);
        }
    }

    fn letter(&self, key: &str) -> &Letter {
        let found = self.state.outbox.letters.iter().rfind(|letter| letter.key == key);
        found.unwrap_or_else(|| panic!("{key}: {:#?}", self.state.outbox.letters))
    }
}

#[test]
fn a_reserve_is_never_touched_by_reminders_and_a_fault_may_use_it() {
    let mut core = Core::new();
    core.policy.targets[0].ladder.clear();
    core.reads(true).quota(170).pass(60);
    core.reads(false).pass_for(3 * 86_400);
    let outbox = &core.state.outbox;
    let sent: Vec<Kind> = outbox
        .letters
        .iter()
        .filter(|letter| matches!(letter.fate, Fate::Accepted { .. }))
        .map(|letter| letter.kind)
        .collect();
    assert_eq!(sent, [Kind::Fault], "{:#?}", outbox.letters);
    let reminders = outbox.letters.iter().filter(|letter| letter.kind == Kind::Reminder).count();
    assert!((3..=6).contains(&reminders), "they keep their pace: {reminders}");
    assert!(matches!(core.letter("line_quota").fate, Fate::Superseded { .. }), "the log says it at least");
    core.reads(true).pass_for(600);
    assert_eq!(core.letter("health_consecutive").kind, Kind::Recovery);
    assert!(matches!(core.letter("health_consecutive").fate, Fate::Accepted { .. }));
    assert_eq!(core.state.outbox.quota.as_ref().unwrap().used, 172);
}

#[test]
fn a_quota_that_runs_out_is_said_once_a_month() {
    let mut core = Core::new();
    core.reads(true).quota(158).pass(60);
    assert_eq!(core.state.outbox.letters.len(), 0);
    core.quota(159).pass(60);
    core.pass_for(86_400);
    assert!(matches!(core.letter("line_quota").fate, Fate::Accepted { .. }));
    core.quota(165).pass_for(3600);
    assert_eq!(core.state.outbox.letters.len(), 1);
    core.quota(0).pass_for(3600);
    core.quota(159).pass_for(3600);
    assert_eq!(core.state.outbox.letters.len(), 2, "the next month");
}

#[test]
fn a_test_is_sent_or_refused_with_its_reason() {
    let mut core = Core::new();
    let ask = |core: &mut Core| {
        core.evidence.orders = vec![Order::TestAlert { channel: None }];
        core.pass(60);
        core.pass(60);
        core.letter("test").fate.clone()
    };
    assert!(matches!(ask(&mut core), Fate::Accepted { .. }));
    core.quota(42);
    assert!(matches!(ask(&mut core), Fate::Accepted { .. }));
    assert!(core.letter("test").text.contains("1 of the 158 left of 200"), "{}", core.letter("test").text);
    core.quota(160);
    assert!(matches!(ask(&mut core), Fate::Refused { reason, .. } if reason.contains("kept for faults")));
    core.policy.alerts.channels[0].on = Err("switched off".to_owned());
    assert!(matches!(ask(&mut core), Fate::Refused { reason, .. } if reason.contains("switched off")));
}

#[test]
fn without_reminders_a_fault_is_told_once_however_long_it_lasts() {
    let mut core = Core::new();
    core.policy.alerts.reminders.clear();
    core.reads(true).pass(60);
    core.reads(false).pass_for(3 * 86_400);
    let keys: Vec<&str> = core.state.outbox.letters.iter().map(|letter| letter.key.as_str()).collect();
    assert_eq!(keys, ["gateway_restart_failed"]);
}

#[test]
fn many_repairs_that_all_helped_are_worth_a_word_a_day() {
    let mut core = Core::new();
    core.reads(true).pass(60);
    let heal = |core: &mut Core, times: u64| {
        let at: Vec<Timestamp> = (0..times).map(|n| core.now.at.before(secs(n))).collect();
        core.state.targets.get_mut(&name("gateway")).unwrap().heals = at;
    };
    heal(&mut core, 4);
    core.pass(60);
    assert_eq!(core.state.outbox.letters.len(), 0);
    heal(&mut core, 5);
    core.pass_for(86_000);
    assert_eq!(core.state.outbox.letters.len(), 1);
    assert!(core.letter("gateway_healed_often").text.contains("repaired 5 times within 1 d"));
    core.pass_for(600);
    heal(&mut core, 6);
    core.pass(60);
    assert_eq!(core.state.outbox.letters.len(), 2, "and again the next day");
    let raised = core.letter("gateway_healed_often").raised;
    let rest = raised.after(secs(86_400)).since(core.now.at);
    core.pass(rest.as_secs() - 1);
    heal(&mut core, 6);
    core.pass(1);
    assert_eq!(core.state.outbox.letters.len(), 2, "a second before the day is over");
    heal(&mut core, 6);
    core.pass(0);
    assert_eq!(core.state.outbox.letters.len(), 3);
    core.evidence.orders = vec![Order::TestAlert { channel: None }];
    core.pass(60);
    heal(&mut core, 6);
    core.pass(60);
    let said = core.state.outbox.letters.iter().filter(|letter| letter.key == "gateway_healed_often").count();
    assert_eq!(said, 3, "letters about other things do not count");
}

#[test]
fn the_digest_comes_once_a_week_with_the_figures_of_that_week() {
    let mut core = Core::new();
    core.policy.alerts.digest = true;
    core.policy.targets[0].ladder.clear();
    core.reads(true).pass_for(86_400);
    core.reads(false).pass_for(3600);
    core.reads(true).quota(9).pass_for(5 * 86_400);
    assert!(core.state.outbox.letters.iter().all(|letter| letter.kind != Kind::Digest));
    core.pass_for(86_400);
    let digest = core.letter("digest").clone();
    // Down from the first failing reading, confirmed by the third, over with the third good one.
    assert!(
        digest.text.contains(
            "\ngateway: up 99.38 %, 1 incident, seen after 2 min (worst 2 min), over after 1 h 2 min"
        ),
        "{}",
        digest.text
    );
    assert!(digest.text.ends_with("Messages: 10 of 200 used this month"), "{}", digest.text);
    core.pass_for(7 * 86_400);
    assert!(core.letter("digest").id > digest.id);
    assert!(core.letter("digest").text.contains("\ngateway: up 100 %, no incident\n"));
}

/// Incidents that the week has seen begin.
fn begun(core: &Core) -> u64 {
    core.state.stats.targets.get(&name("gateway")).map_or(0, |sums| sums.detect.count)
}

#[test]
fn an_incident_belongs_to_the_week_in_which_it_was_seen_first() {
    let mut core = Core::new();
    core.policy.targets[0].ladder.clear();
    core.reads(false).pass_for(600);
    assert_eq!(begun(&core), 1);
    // As after an update from a release that kept no sums: what is open is not news.
    core.state.stats = Default::default();
    core.pass(60);
    assert_eq!(begun(&core), 0);
    core.pass(7 * 86_400);
    core.pass(60);
    assert_eq!(begun(&core), 0, "nor is it in the week after");
    core.reads(true).pass_for(600);
    core.reads(false).pass_for(600);
    assert_eq!(begun(&core), 1);
}

#[test]
fn a_week_ends_when_seven_days_are_over_and_not_before() {
    let mut core = Core::new();
    core.reads(true).pass(7 * 86_400 - 1);
    let since = core.state.stats.since;
    core.pass(1);
    assert_eq!(core.state.stats.since, since);
    core.pass(0);
    assert_eq!(core.state.stats.since, core.now.at);
}

#[test]
fn without_a_digest_the_week_still_turns_and_nobody_is_told() {
    let mut core = Core::new();
    core.reads(true).pass_for(8 * 86_400);
    assert_eq!(core.state.outbox.letters, []);
    assert!(core.now.at.since(core.state.stats.since) < secs(2 * 86_400));
}

#[test]
fn the_language_is_the_one_that_was_chosen() {
    let mut core = Core::new();
    core.policy.alerts.language = Language::Ja;
    core.policy.targets[0].ladder.clear();
    core.reads(false).pass_for(600);
    let text = &core.letter("health_consecutive").text;
    assert!(text.starts_with("[WATCHDOG] gateway: 停止しています。"), "{text}");
    assert!(text.contains("connection refused"), "what was seen stays as it was: {text}");
}

#[test]
fn a_state_of_the_version_before_still_loads() {
    let mut core = Core::new();
    core.reads(false).pass_for(600);
    let mut document = serde_json::to_value(&core.state).unwrap();
    document.as_object_mut().unwrap().remove("stats");
    document["outbox"].as_object_mut().unwrap().remove("quota");
    for letter in document["outbox"]["letters"].as_array_mut().unwrap() {
        letter.as_object_mut().unwrap().remove("push");
    }
    let state: State = serde_json::from_value(document).unwrap();
    assert_eq!(state.outbox.letters.len(), core.state.outbox.letters.len());
}
