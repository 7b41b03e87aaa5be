//! When it looks again before the next cycle, at what; what a pause remembers; and how much is remembered.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::cadence::Cadence;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::pause::covering;
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::starts;
use picoclaw_watchdog::recovery::state::{EVERYTHING, Incident, State, TargetState, pattern};
use picoclaw_watchdog::recovery::time::Timestamp;
use picoclaw_watchdog::recovery::verdict::Ruling;
use std::collections::BTreeSet;
use std::time::Duration;

/// Two targets of one probe each, without anything that could repair them.
fn two() -> Policy {
    let mut policy = bare(&[]);
    let other = TargetPolicy { name: name("other"), ..policy.targets[0].clone() };
    policy.targets.push(other);
    policy
}

fn both(first: Reading, second: Reading) -> Evidence {
    let mut evidence = health(first);
    evidence.probes.extend(of("other", "health", second).probes);
    evidence
}

#[test]
fn a_healthy_pass_waits_for_the_next_cycle_and_a_suspect_is_asked_alone() {
    let mut policy = two();
    policy.targets[1].probes[0].fail_after = 2;
    let mut bench = Bench::new(policy);
    assert_eq!(bench.pass(0, both(pass(), pass())).quick, None);
    let quick = bench.pass(60, both(pass(), fail("a"))).quick.unwrap();
    assert_eq!(quick.at, bench.clock().after(secs(2)));
    assert_eq!(quick.targets, [name("other")].into());
    let unknown = || Reading::Unknown("?".to_owned());
    assert_eq!(
        bench.pass(60, both(unknown(), unknown())).quick.unwrap().targets,
        [name("other")].into(),
        "only who had begun to fail is asked again"
    );
}

#[test]
fn what_is_not_known_is_asked_again_soon_only_while_it_is_proving_itself() {
    let mut policy = bare(&[]);
    policy.targets[0].probes[0].pass_after = 2;
    let mut bench = Bench::new(policy.clone());
    assert_eq!(bench.pass(0, health(Reading::Unknown("401".to_owned()))).quick, None);
    let mut bench = Bench::new(policy);
    let decision = bench.pass(0, health(pass()));
    assert!(matches!(decision.verdicts[0].ruling, Ruling::Unsure(_)));
    assert_eq!(decision.quick.unwrap().at, bench.clock().after(secs(2)));
}

#[test]
fn those_due_within_half_a_reprobe_share_the_pass() {
    for (apart_ms, shared) in [(0, true), (1000, true), (1001, false)] {
        let mut policy = two();
        for target in &mut policy.targets {
            target.ladder = vec![Rung { action: name("restart"), tries: 9, disruptive: false }];
            target.backoff = vec![secs(0), secs(30)];
            target.settle = secs(1);
        }
        policy.targets[1].backoff[1] += Duration::from_millis(apart_ms);
        let mut bench = Bench::new(policy);
        let _ = bench.pass(0, both(fail("a"), fail("a")));
        let quick = bench.pass(10, both(fail("b"), fail("b"))).quick.unwrap();
        assert_eq!(quick.at, bench.clock().after(secs(20)));
        assert_eq!(quick.targets.len(), if shared { 2 } else { 1 }, "{apart_ms} ms");
    }
}

#[test]
fn passes_over_others_do_not_put_off_who_has_a_pace_of_its_own() {
    let mut policy = two();
    policy.targets[1].reprobe = secs(10);
    policy.targets.iter_mut().for_each(|target| target.probes[0].fail_after = 9);
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(fail("a"), fail("b")));
    let due = bench.clock().after(secs(10));
    for _ in 0..3 {
        let quick = bench.pass(2, health(fail("a"))).quick.unwrap();
        assert_eq!((quick.at, quick.targets), (bench.clock().after(secs(2)), [name("gateway")].into()));
    }
    let quick = bench.pass(2, health(fail("a"))).quick.unwrap();
    assert_eq!((quick.at, quick.targets.len()), (due, 2), "ten seconds after it was asked itself");
    let quick = bench.pass(14, health(fail("a"))).quick.unwrap();
    assert_eq!((quick.at, quick.targets.len()), (bench.clock().after(secs(2)), 2), "overdue");
}

fn paused(target: Option<&str>, span: u64) -> Order {
    Order::Pause { target: target.map(name), span: secs(span), reason: String::new() }
}

#[test]
fn the_pause_that_ends_last_is_the_one_that_holds() {
    for (all, one) in [(600, 7200), (7200, 600)] {
        let mut bench = Bench::new(bare(&[]));
        let orders = vec![paused(None, all), paused(Some("gateway"), one)];
        let _ = bench.pass(0, Evidence { orders, ..health(pass()) });
        let until = covering(&bench.state, &name("gateway")).unwrap().until;
        assert_eq!(until, bench.clock().after(secs(7200)));
        assert_eq!(covering(&bench.state, &name("other")).unwrap().until, bench.clock().after(secs(all)));
    }
}

#[test]
fn a_pause_remembers_ten_things_once_each_and_its_successor_too() {
    let mut bench = Bench::new(bare(&[("restart", 3)]));
    let _ = bench.pass(0, Evidence { orders: vec![paused(None, 7200)], ..health(pass()) });
    for fault in 0..15 {
        for _ in 0..2 {
            let _ = bench.pass(2, health(fail(&format!("fault {fault}"))));
        }
    }
    assert_eq!(bench.state.pauses[EVERYTHING].missed.len(), 10);
    assert!(bench.state.pauses[EVERYTHING].missed.contains("gateway: health: fault 9"));
    let _ = bench.pass(2, Evidence { orders: vec![paused(None, 60)], ..health(pass()) });
    assert_eq!(bench.state.pauses[EVERYTHING].missed.len(), 10, "a longer pause forgets nothing");
    let _ = bench.pass(59, health(pass()));
    assert_eq!(bench.state.pauses.len(), 1);
    let _ = bench.pass(1, health(pass()));
    assert!(bench.state.pauses.is_empty(), "over on the second");
}

#[test]
fn a_run_teaches_when_it_is_seen_within_ninety_seconds() {
    for (age, learned) in [(90, 1), (91, 0)] {
        let mut bench = Bench::new(policy());
        let _ = bench.pass(0, with_unit(running("first", 400), pass()));
        for later in 0..3 {
            let _ = bench.pass(2, with_unit(running("second", age + 2 * later), pass()));
        }
        assert_eq!(bench.target("gateway").starts.len(), learned, "{age} s");
    }
}

#[test]
fn the_slowest_start_of_few_counts_and_the_slowest_of_twenty_does_not() {
    let bench = Bench::new(policy());
    let allowance = |starts: Vec<u64>| {
        let target = TargetState { starts, ..TargetState::default() };
        starts::allowance(&bench.policy.targets[0], &target)
    };
    assert_eq!(allowance(vec![100_000; 4]), secs(180), "too few to learn from");
    assert_eq!(allowance(vec![100_000; 5]), secs(150));
    let slow = |fast: usize| [vec![100_000; fast], vec![200_000]].concat();
    assert_eq!((allowance(slow(18)), allowance(slow(19))), (secs(300), secs(150)));
}

#[test]
fn a_fault_is_known_again_by_its_words_and_not_by_its_numbers() {
    assert_eq!(pattern("health: 503 after 1200 ms; unit: dead"), "health: # after # ms");
    let mut incident = Incident::open(1, Timestamp(1), "a");
    let restart = name("restart");
    incident.pattern = pattern("refused after 7 ms");
    assert!(incident.looks_as_before("unit: dead; refused after 81 ms"), "others have joined it");
    assert!(!incident.looks_as_before("timeout"));
    incident.count_failed(&restart, Some("refused after 8 ms"));
    assert!(!incident.is_futile(&restart, "refused after 9 ms"), "once is not futile");
    incident.count_failed(&restart, None);
    assert!(incident.is_futile(&restart, "refused after 9 ms"), "what was not carried out changed nothing");
    assert!(
        !incident.is_futile(&restart, "timeout") && !incident.is_futile(&name("other"), "refused after 9 ms")
    );
    incident.count_failed(&restart, Some("timeout"));
    assert!(!incident.is_futile(&restart, "refused after 9 ms"), "it changed something");
    assert_eq!(incident.failed, 3);
}

#[test]
fn an_incident_lists_the_last_twenty_attempts() {
    let mut incident = Incident::open(1, Timestamp(1), "a");
    for attempt in 0..25 {
        incident.note(attempt.to_string());
    }
    assert_eq!(
        (incident.tried.len(), incident.tried[0].as_str(), incident.tried[19].as_str()),
        (20, "5", "24")
    );
}

#[test]
fn a_lost_record_spends_every_budget() {
    let policy = two();
    let state = State::assume_spent(&policy, Timestamp(5));
    let spent = |target: &str| state.targets[&name(target)].attempts.clone();
    assert_eq!((spent("gateway"), spent("other")), (vec![Timestamp(5); 10], vec![Timestamp(5); 10]));
    assert_eq!(state.kicks, [Timestamp(5); 2]);
}

#[test]
fn ids_count_on_and_every_incident_has_its_own() {
    let mut bench = Bench::new(two());
    let _ = bench.pass(0, both(fail("a"), fail("a")));
    let id = |bench: &Bench, target: &str| bench.target(target).incident.as_ref().unwrap().id;
    assert_eq!((id(&bench, "gateway"), id(&bench, "other")), (1, 2));
    let _ = bench.pass(2, both(pass(), fail("a")));
    let _ = bench.pass(2, both(fail("a"), fail("a")));
    assert_eq!((id(&bench, "gateway"), id(&bench, "other")), (3, 2));
}

#[test]
fn bursts_have_their_gaps_and_rests_in_a_whole_world() {
    let mut sim = world();
    sim.policy_mut().cadence = Cadence::bursts(15, secs(2), secs(300));
    let at: Vec<u64> = sim.run_for(3_600).iter().map(|report| report.now.at.0 / 1000).collect();
    let waits: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let rests = waits.iter().filter(|wait| **wait == 300).count();
    // Ten and a bit: 14 gaps and a rest take 328 s.
    assert_eq!((at.len(), rests), (165, 10), "{waits:?}");
    assert!(waits.iter().all(|wait| [2, 300].contains(wait)), "{waits:?}");
}

#[test]
fn what_was_judged_before_its_cause_recovered_is_looked_at_again_soon() {
    let mut policy = two_in_a_row();
    policy.targets.swap(0, 1);
    let mut bench = Bench::new(policy);
    let evidence = |gateway, shop| Evidence {
        probes: [health(gateway).probes, of("shop", "health", shop).probes].concat(),
        ..Evidence::default()
    };
    let decision = bench.pass(60, evidence(fail("refused"), fail("502")));
    assert_eq!(done(&decision), ["restart"]);
    let decision = bench.pass(2, evidence(Reading::Unknown("not asked".to_owned()), fail("502")));
    assert!(!decision.quick.unwrap().targets.contains(&name("shop")), "its cause is still in trouble");
    let decision = bench.pass(2, evidence(pass(), fail("502")));
    assert_eq!(held(&decision, 0), &Hold::Upstream(name("gateway")), "it was judged first");
    let quick = decision.quick.unwrap();
    assert!(quick.targets.contains(&name("shop")) && quick.at <= bench.clock().after(secs(2)), "{quick:?}");
}

#[test]
fn who_was_due_in_this_very_moment_and_not_asked_is_asked_after_the_usual_wait() {
    let mut policy = two();
    policy.targets[0].probes[0].fail_after = 3;
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(fail("refused"), pass()));
    let decision = bench.pass(2, of("other", "health", pass()));
    let at = decision.quick.unwrap().at;
    assert_eq!(at, bench.clock().after(secs(2)), "at once would be without an end where nobody can be asked");
}

#[test]
fn eight_looks_waive_a_gap_and_no_more() {
    let mut incident = Incident::open(1, Timestamp(0), "refused");
    let waives = |n: u32| incident.waive(&BTreeSet::from([format!("{}", char::from_u32(97 + n).unwrap())]));
    let waived: Vec<bool> = (0..10).map(waives).collect();
    assert_eq!(waived.iter().filter(|waived| **waived).count(), 8, "{waived:?}");
    assert!(waived[7] && !waived[8]);
}

/// A gateway, and a shop behind it.
fn two_in_a_row() -> Policy {
    let mut policy = bare(&[("restart", 3)]);
    let shop =
        TargetPolicy { name: name("shop"), depends_on: vec![name("gateway")], ..policy.targets[0].clone() };
    policy.targets.push(shop);
    policy
}
