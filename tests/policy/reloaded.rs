//! What changes while something is under way: a new configuration, a fault that looks different, an answer that comes
//! late. What refers to something that is gone is passed by, and nothing else suffers.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::record::{Outcome, record};
use picoclaw_watchdog::recovery::state::Phase;

fn late(targets: &[&str]) -> Vec<LateFailure> {
    let late = |target: &&str| LateFailure {
        target: name(target),
        action: name("restart"),
        why: "no answer".to_owned(),
    };
    targets.iter().map(late).collect()
}

#[test]
fn an_outcome_of_a_target_that_is_gone_concerns_nobody() {
    let mut bench = Bench::new(bare(&[("restart", 3)]));
    let attempt =
        bench.pass_with(0, health(fail("a")), &Outcome::Running("asked".to_owned())).attempts.remove(0);
    let _ = bench.pass(1, Evidence { late: late(&["gone", "gateway"]), ..health(fail("a")) });
    assert_eq!(bench.target("gateway").incident.as_ref().unwrap().tried.len(), 1, "the other one counts");
    // Gone from the configuration, and from the state.
    let (state, now) = (bench.state.clone(), bench.now());
    let mut gone = attempt.clone();
    gone.target = name("gone");
    record(&bench.policy, &mut bench.state, &gone, &Outcome::Done("done".to_owned()), now);
    assert_eq!(bench.state, state);
    bench.state.targets.clear();
    let state = bench.state.clone();
    record(&bench.policy, &mut bench.state, &attempt, &Outcome::Done("done".to_owned()), now);
    assert_eq!(bench.state, state);
    let _ = bench.pass(1, Evidence { late: late(&["gateway"]), ..Evidence::default() });
    assert_eq!(bench.target("gateway").incident, None);
}

/// A kick may find a repair over that was begun before it.
#[test]
fn an_outcome_that_comes_when_the_phase_is_another_changes_no_phase() {
    let mut bench = Bench::new(bare(&[("restart", 3)]));
    let attempt = bench.pass(0, health(fail("a"))).attempts.remove(0);
    bench.state.targets.get_mut(&name("gateway")).unwrap().phase = Phase::Healthy;
    let now = bench.now();
    record(&bench.policy, &mut bench.state, &attempt, &Outcome::Done("done".to_owned()), now);
    assert_eq!(bench.target("gateway").phase, Phase::Healthy);
}

/// A gateway whose window of one is spent, and people know.
fn at_its_limit() -> Bench {
    let mut policy = bare(&[("restart", 9)]);
    (policy.targets[0].settle, policy.targets[0].window.attempts) = (secs(1), 1);
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, health(fail("a")));
    let _ = bench.pass(2, health(fail("b")));
    assert_eq!(bench.keys().last(), Some(&"gateway_limit"));
    bench
}

#[test]
fn a_ladder_that_was_taken_away_makes_no_limit_of_what_was_spent() {
    let mut bench = at_its_limit();
    bench.policy.targets[0].ladder.clear();
    assert_eq!(held(&bench.pass(10, health(fail("b"))), 0), &Hold::NoLadder);
    assert_eq!(bench.keys(), ["gateway_limit", "health_consecutive"], "that nothing repairs it is news");
    bench.state.targets.get_mut(&name("gateway")).unwrap().incident.as_mut().unwrap().heard.clear();
    let _ = bench.pass(1000, health(fail("b")));
    assert_eq!(bench.keys().last(), Some(&"gateway_restart_failed"), "not the limit");
}

#[test]
fn a_fault_that_looks_different_hastens_a_single_try_once() {
    let mut bench = at_its_limit();
    let next_try = |bench: &Bench| {
        let Phase::Exhausted { next_try, .. } = bench.target("gateway").phase else {
            panic!("not at its limit")
        };
        next_try
    };
    let unsaved = |text| Evidence { unsaved: Some("disk full".to_owned()), ..health(fail(text)) };
    let usual = next_try(&bench);
    let _ = bench.pass(5, unsaved("another thing"));
    let (hastened, now) = (next_try(&bench), bench.clock());
    assert!(hastened == now && now < usual, "{hastened:?} {usual:?}");
    let _ = bench.pass(5, unsaved("yet another"));
    assert_eq!(next_try(&bench), hastened, "the try that it may have is still to come");
}

#[test]
fn an_answer_to_what_is_settled_already_and_an_order_to_nobody_are_passed_by() {
    let mut bench = Bench::new(bare(&[]));
    let _ = bench.pass(0, health(fail("a")));
    let sent = bench.pass(60, health(fail("a"))).letters;
    assert_eq!(sent.len(), 1);
    let delivery = || Delivery::Accepted { request_id: "r".to_owned() };
    let receipts = || sent.iter().map(|alert| Receipt { alert: *alert, delivery: delivery() }).collect();
    let _ = bench.pass(1, Evidence { receipts: receipts(), ..health(fail("a")) });
    let settled = bench.state.outbox.letters.clone();
    let mut again = Evidence { receipts: receipts(), ..health(fail("a")) };
    again.receipts.push(Receipt { alert: 999, delivery: Delivery::Refused("late".to_owned()) });
    again.orders = vec![Order::TestAlert { channel: Some(name("gone")) }];
    let _ = bench.pass(1, again);
    assert_eq!(bench.state.outbox.letters, settled);
}
