//! Every limit to the second: on the last one before it nothing happens, on its own it does.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::decide::{Decision, decide};
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::{self, Asker, Hold, Question};
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::record::{Outcome, record};
use picoclaw_watchdog::recovery::state::{Phase, Spent, State};
use picoclaw_watchdog::recovery::time::{Now, Timestamp};
use picoclaw_watchdog::recovery::unit::{Active, UnitFacts};
use picoclaw_watchdog::recovery::verdict::Ruling;
use picoclaw_watchdog::recovery::window::Window;

pub(crate) const RESTART: [&str; 1] = ["restart"];

/// One target whose attempts show at once whether they helped.
pub(crate) fn quick() -> Policy {
    let mut policy = bare(&[("restart", 9)]);
    policy.targets[0].settle = secs(1);
    policy
}

fn ruling(decision: &Decision) -> &Ruling {
    &decision.verdicts[0].ruling
}

#[test]
fn a_window_frees_on_the_second() {
    let mut policy = quick();
    policy.targets[0].window = Window { attempts: 2, per: secs(600) };
    policy.targets[0].half_open = vec![secs(1)];
    let mut bench = Bench::new(policy);
    assert_eq!(done(&bench.pass(0, health(fail("a")))), RESTART);
    let start = bench.clock();
    assert_eq!(done(&bench.pass(1, health(fail("b")))), RESTART);
    let spent = bench.pass(1, health(fail("c")));
    // A single try was due a second later, but there is no room for it before the window frees.
    let until = start.after(secs(600));
    let action = name("restart");
    assert_eq!(held(&spent, 0), &Hold::HalfOpen { until, spent: Spent::Window, action });
    let window = Window { attempts: 2, per: secs(600) };
    assert_eq!(held(&bench.pass(597, health(fail("c"))), 0), &Hold::WindowSpent { window, until });
    assert_eq!(done(&bench.pass(1, health(fail("c")))), RESTART);
}

#[test]
fn an_unsaved_state_allows_the_next_attempt_when_the_window_of_one_is_over() {
    let unsaved = |text| Evidence { unsaved: Some("disk full".to_owned()), ..health(fail(text)) };
    let mut bench = Bench::new(quick());
    assert_eq!(done(&bench.pass(0, unsaved("a"))), RESTART);
    let until = bench.clock().after(secs(600));
    assert_eq!(held(&bench.pass(599, unsaved("b")), 0), &Hold::NotDurable { until });
    assert_eq!(done(&bench.pass(1, unsaved("b"))), RESTART);
}

/// Asked with attempts that nobody has pruned: it must not rely on that to the second.
#[test]
fn the_gate_itself_opens_on_the_second() {
    let mut policy = quick();
    policy.targets[0].window = Window { attempts: 1, per: secs(600) };
    let mut state = State::default();
    let made = Timestamp(10_000_000);
    state.targets.entry(name("gateway")).or_default().attempts = vec![made];
    for durable in [true, false] {
        let target = &policy.targets[0];
        let rung = &target.ladder[0];
        let ask = |now| {
            let asker = Asker::Person;
            gate::ask(&Question { policy: &policy, state: &state, target, asker, rung, durable, now })
        };
        assert!(matches!(ask(made.after(secs(599))), Err(Hold::WindowSpent { .. })));
        assert_eq!(ask(made.after(secs(600))), Ok(()));
    }
}

#[test]
fn settling_and_the_wait_between_attempts_end_on_the_second() {
    let mut policy = quick();
    policy.targets[0].backoff = vec![secs(0), secs(10)];
    policy.targets[0].settle = secs(5);
    let mut bench = Bench::new(policy);
    assert_eq!(done(&bench.pass(0, health(fail("a")))), RESTART);
    let until = bench.clock().after(secs(10));
    let action = name("restart");
    assert_eq!(*ruling(&bench.pass(4, health(fail("b")))), Ruling::Verifying { action, age: secs(4) });
    assert_eq!(held(&bench.pass(1, health(fail("b"))), 0), &Hold::Backoff { until });
    assert_eq!(held(&bench.pass(4, health(fail("b"))), 0), &Hold::Backoff { until });
    let decision = bench.pass(1, health(fail("b")));
    assert_eq!((decision.attempts[0].id, decision.attempts[0].number), (2, (2, 10)));
}

#[test]
fn an_action_that_takes_long_is_verified_from_its_end() {
    let mut policy = quick();
    policy.targets[0].settle = secs(60);
    let mut bench = Bench::new(policy);
    let at = |s: u64| Now { at: bench.clock().after(secs(s)), ..bench.now() };
    for outcome in [Outcome::Done("slowly".to_owned()), Outcome::Running("still".to_owned())] {
        let decision = decide(&bench.policy, bench.state.clone(), &health(fail("a")), at(0));
        let mut state = decision.state;
        record(&bench.policy, &mut state, &decision.attempts[0], &outcome, at(40));
        let Phase::Settling { since, until, .. } = state.targets[&name("gateway")].phase else { panic!() };
        assert_eq!((since, until), (at(40).at, at(100).at));
    }
    let decision = bench.pass_with(0, health(fail("a")), &Outcome::Failed("no such unit".to_owned()));
    assert_eq!(decision.attempts.len(), 1);
    let gateway = bench.target("gateway");
    assert!(matches!(gateway.phase, Phase::Failing { .. }));
    assert_eq!(gateway.incident.as_ref().unwrap().tried, ["restart (failed: no such unit)"]);
    assert_eq!(gateway.probes[&name("health")].fails, 0, "what was seen before says nothing now");
}

#[test]
fn the_start_allowance_ends_on_the_second_and_only_for_what_runs() {
    let mut policy = policy();
    policy.targets[0].probes[0].fail_after = 1;
    let mut bench = Bench::new(policy.clone());
    let decision = bench.pass(0, with_unit(running("a", 179), fail("refused")));
    let until = bench.clock().after(secs(1));
    assert_eq!(held(&decision, 0), &Hold::StillStarting { age: secs(179), allowance: secs(180), until });
    assert_eq!(decision.quick.unwrap().at, bench.clock().after(secs(2)), "it is asked meanwhile");
    assert_eq!(done(&bench.pass(1, with_unit(running("a", 180), fail("refused")))), ["restart-gateway"]);

    let mut bench = Bench::new(policy);
    let failed = UnitFacts { active: Active::Failed, ..running("a", 5) };
    assert_eq!(done(&bench.pass(0, with_unit(failed, fail("refused")))), ["restart-gateway"]);
}

#[test]
fn an_attempt_that_shows_itself_dead_or_is_busy_is_not_judged_by_the_clock() {
    let mut policy = policy();
    policy.targets[0].probes[0].fail_after = 1;
    policy.targets[0].backoff = vec![secs(0)];
    let failed = || with_unit(UnitFacts { active: Active::Failed, ..running("a", 5) }, fail("refused"));
    let job = |facts: UnitFacts| UnitFacts { job: Some("restart".to_owned()), ..facts };
    let mut bench = Bench::new(policy.clone());
    assert_eq!(done(&bench.pass(0, failed())), ["restart-gateway"]);
    assert_eq!(done(&bench.pass(2, failed())), ["restart-gateway"], "dead again, long before it settles");

    let mut bench = Bench::new(policy);
    assert_eq!(done(&bench.pass(0, failed())), ["restart-gateway"]);
    let decision = bench.pass(400, with_unit(job(running("b", 300)), fail("refused")));
    assert!(matches!(ruling(&decision), Ruling::Verifying { .. }), "{:?}", ruling(&decision));
}

#[test]
fn the_ladder_starts_at_its_foot_again_when_it_was_well_for_long_enough() {
    let mut bench = Bench::new(quick());
    let _ = bench.pass(0, health(fail("a")));
    let _ = bench.pass(1, health(pass()));
    assert_eq!(bench.target("gateway").phase, Phase::Healthy);
    let _ = bench.pass(599, health(pass()));
    assert_eq!(bench.target("gateway").climbed, 1);
    let _ = bench.pass(1, health(pass()));
    assert_eq!(bench.target("gateway").climbed, 0);
}

#[test]
fn a_repair_is_proven_by_so_many_passes_and_not_one_less() {
    let mut policy = quick();
    policy.targets[0].stable_passes = 3;
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, health(fail("a")));
    for passes in 1..3 {
        let decision = bench.pass(2, health(pass()));
        assert_eq!(*ruling(&decision), Ruling::Recovering { passes, of: 3 });
        assert_eq!(decision.quick.unwrap().at, bench.clock().after(secs(2)));
    }
    let decision = bench.pass(2, health(pass()));
    assert_eq!(*ruling(&decision), Ruling::Fine);
    let closed = &decision.closed[0];
    assert_eq!(
        (closed.incident, closed.lasted, closed.how.as_str()),
        (1, secs(6), "was repaired by restart")
    );
    assert_eq!(bench.target("gateway").heals.len(), 1);
}

#[test]
fn what_ends_without_a_repair_recovered_by_itself() {
    let mut bench = Bench::new(bare(&[]));
    assert_eq!(held(&bench.pass(0, health(fail("a"))), 0), &Hold::NoLadder);
    let decision = bench.pass(2, health(pass()));
    assert_eq!(decision.closed[0].how, "recovered by itself");
    assert!(bench.target("gateway").heals.is_empty());
}

#[test]
fn a_rung_is_left_after_its_tries_and_not_before() {
    let mut policy = bare(&[("restart", 2), ("reinstall", 1), ("reboot", 1)]);
    policy.targets[0].settle = secs(1);
    let mut bench = Bench::new(policy);
    // Each attempt changes something, so that none is futile.
    for (fault, action) in [("a", "restart"), ("b", "restart"), ("c", "reinstall"), ("d", "reboot")] {
        assert_eq!(done(&bench.pass(1, health(fail(fault)))), [action]);
    }
    let spent = bench.pass(1, health(fail("e")));
    assert!(matches!(held(&spent, 0), Hold::HalfOpen { spent: Spent::Ladder, .. }));
}

/// The gateway and a second target, whose rungs disturb as given.
pub(crate) fn two(disruptive: [bool; 2]) -> Bench {
    let mut policy = quick();
    let other = TargetPolicy { name: name("other"), ..policy.targets[0].clone() };
    policy.targets.push(other);
    for (target, disruptive) in policy.targets.iter_mut().zip(disruptive) {
        target.ladder[0].disruptive = disruptive;
    }
    Bench::new(policy)
}

pub(crate) fn both(first: Reading, second: Reading) -> Evidence {
    let mut evidence = health(first);
    evidence.probes.extend(of("other", "health", second).probes);
    evidence
}

#[test]
fn one_disruptive_action_at_a_time() {
    let mut bench = two([true, true]);
    let decision = bench.pass(0, both(fail("a"), fail("a")));
    assert_eq!((decision.attempts.len(), held(&decision, 1)), (1, &Hold::OneAtATime(name("gateway"))));
    let decision = bench.pass(1, both(pass(), fail("a")));
    assert_eq!(decision.attempts[0].target, name("other"), "the first is proven");
    for mild in [[false, true], [true, false], [false, false]] {
        assert_eq!(two(mild).pass(0, both(fail("a"), fail("a"))).attempts.len(), 2, "{mild:?}");
    }
}

#[test]
fn every_hold_says_itself_and_when_it_ends() {
    let until = Timestamp(7);
    let action = name("restart");
    let (age, allowance) = (secs(5), secs(180));
    let paused = |reason: &str| Hold::Paused { until, reason: reason.to_owned() };
    let open = |spent| Hold::HalfOpen { until, spent, action: action.clone() };
    let ends = [
        (paused(""), "paused by a person"),
        (paused("new disk"), "paused by a person (new disk)"),
        (Hold::FirstLook { until }, "only looking at first, after a boot or a sleep"),
        (Hold::StillStarting { age, allowance, until }, "it is still starting (5 s of 3 min allowed)"),
        (Hold::Backoff { until }, "waiting between attempts"),
        (Hold::Cooldown { until }, "cooling down after the last repair"),
        (open(Spent::Window), "the limit is reached; single tries at growing gaps"),
        (open(Spent::Ladder), "every remedy was tried; single tries at growing gaps"),
        (open(Spent::Futile), "restart was tried and changed nothing; single tries at growing gaps"),
        (
            Hold::WindowSpent { window: Window { attempts: 3, per: secs(600) }, until },
            "the restart window is spent (3 per 10 min)",
        ),
        (Hold::NotDurable { until }, "the state cannot be saved: one attempt per window, and it was made"),
        (Hold::NotItsTurn { until }, "it comes next: others are being repaired in this pass"),
    ];
    for (hold, text) in ends {
        assert_eq!((hold.to_string().as_str(), hold.until()), (text, Some(until)));
    }
    let lasts = [
        (Hold::Offline { since: until }, "we are offline, so nothing is known of it"),
        (Hold::Unusable("x".to_owned()), "only a person can help: x"),
        (Hold::OnPurpose("x".to_owned()), "left alone: x"),
        (Hold::Blind("x".to_owned()), "the service manager cannot be asked: x"),
        (Hold::Busy("x".to_owned()), "systemd is at work on it: x"),
        (Hold::Upstream(name("gateway")), "gateway, which it depends on, is failing"),
        (Hold::OneAtATime(name("other")), "other is being repaired: one disruptive action at a time"),
        (Hold::NoLadder, "nothing is configured that could repair it"),
    ];
    for (hold, text) in lasts {
        assert_eq!((hold.to_string().as_str(), hold.until()), (text, None));
    }
}

/// A state that was edited by hand, or written by a program with a fault: found by fuzzing.
#[test]
fn counters_at_their_end_stay_there() {
    let mut policy = quick();
    policy.targets[0].stable_passes = 2;
    policy.targets[0].half_open = vec![secs(1)];
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, health(fail("a")));
    bench.state.attempts = u64::MAX;
    bench.state.incidents = u64::MAX;
    let gateway = bench.state.targets.get_mut(&name("gateway")).unwrap();
    gateway.streak = u32::MAX;
    gateway.climbed = u32::MAX - 1;
    let incident = gateway.incident.as_mut().unwrap();
    incident.failed = u32::MAX;
    incident.half_open = Some(u32::MAX);
    let probe = gateway.probes.get_mut(&name("health")).unwrap();
    (probe.fails, probe.passes) = (u32::MAX, u32::MAX);
    for second in 0..20 {
        let _ = bench.pass(60, health(if second % 4 < 3 { fail("a") } else { pass() }));
    }
    for _ in 0..3 {
        let _ = bench.pass(60, health(pass()));
    }
    let _ = bench.pass(60, health(fail("b")));
    assert_eq!((bench.state.attempts, bench.state.incidents), (u64::MAX, u64::MAX));
    assert_eq!(bench.target("gateway").climbed, u32::MAX);
}

#[test]
fn a_single_rung_that_did_not_help_is_told_although_it_failed_only_once() {
    let mut bench = Bench::new(bare(&[("restart", 1)]));
    let decision = bench.pass(0, health(fail("refused")));
    assert_eq!(done(&decision), ["restart"]);
    let _ = bench.pass(61, health(fail("refused")));
    assert_eq!(bench.keys(), ["gateway_restart_failed"], "there is nothing else to wait for");
}

#[test]
fn the_moment_that_is_promised_is_the_one_of_the_next_try() {
    let mut policy = bare(&[("tidy", 2)]);
    policy.targets[0].window = Window { attempts: 2, per: secs(3600) };
    let mut bench = Bench::new(policy);
    let (mut promised, mut tried) = (Vec::new(), Vec::new());
    for _ in 0..90 {
        let decision = bench.pass(60, health(fail("refused")));
        if let Ruling::Held(Hold::HalfOpen { until, .. }) = decision.verdicts[0].ruling {
            promised.push((bench.clock(), until));
        }
        tried.extend((!done(&decision).is_empty()).then(|| bench.clock()));
    }
    assert_eq!(tried.len(), 4);
    let next = |at| tried.iter().find(|tried| **tried > at).copied();
    for (at, until) in promised {
        assert!(next(at).is_none_or(|next| next == until), "{until:?} was promised at {at:?}: {tried:?}");
    }
}
