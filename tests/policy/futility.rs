//! What changed nothing is not repeated for ever.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::Evidence;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::policy::ProbePolicy;
use picoclaw_watchdog::recovery::record::Outcome;
use picoclaw_watchdog::recovery::state::{Phase, Spent};
use picoclaw_watchdog::recovery::unit::{Active, UnitFacts};
use picoclaw_watchdog::recovery::window::Window;

#[test]
fn two_attempts_that_changed_nothing_forbid_a_third_of_that_kind() {
    let mut bench = Bench::new(bare(&[("restart", 5), ("reinstall", 1)]));
    // The numbers differ each time; what is wrong does not.
    assert_eq!(done(&bench.pass(0, health(fail("refused after 12 ms")))), ["restart"]);
    assert_eq!(done(&bench.pass(61, health(fail("refused after 7 ms")))), ["restart"]);
    assert_eq!(done(&bench.pass(61, health(fail("refused after 31 ms")))), ["reinstall"], "the next kind");
    let over = bench.pass(61, health(fail("refused after 2 ms")));
    assert!(
        matches!(held(&over, 0), Hold::HalfOpen { spent: Spent::Ladder, .. }),
        "{:?}",
        over.verdicts[0].ruling
    );
    assert_eq!(bench.target("gateway").incident.as_ref().unwrap().failed, 3);
}

#[test]
fn another_line_of_the_same_log_is_no_other_fault() {
    let mut bench = Bench::new(bare(&[("restart", 5)]));
    let says = |line: &str| health(fail(&format!("in the log: {line} (3 in 60 s)")));
    assert_eq!(done(&bench.pass(61, says("GET /a"))), ["restart"]);
    assert_eq!(done(&bench.pass(61, says("POST /b; refused"))), ["restart"]);
    assert!(done(&bench.pass(61, says("PUT /c"))).is_empty());
}

#[test]
fn an_attempt_that_changed_something_may_be_repeated() {
    let mut bench = Bench::new(bare(&[("restart", 3)]));
    for (index, fault) in ["refused", "503", "timeout"].iter().enumerate() {
        let decision = bench.pass(61, health(fail(fault)));
        assert_eq!(done(&decision), ["restart"], "attempt {index}");
    }
}

#[test]
fn a_command_that_fails_twice_is_futile_too() {
    let mut bench = Bench::new(bare(&[("restart", 5)]));
    let failed = Outcome::Failed("the job failed".to_owned());
    for _ in 0..2 {
        assert_eq!(done(&bench.pass_with(61, health(fail("refused")), &failed)), ["restart"]);
    }
    let third = bench.pass_with(61, health(fail("refused")), &failed);
    assert!(matches!(held(&third, 0), Hold::HalfOpen { spent: Spent::Futile, .. }), "{:?}", third.verdicts);
    let text = third.verdicts[0].ruling.to_string();
    assert!(text.contains("restart was tried and changed nothing"), "{text}");
}

#[test]
fn single_tries_go_on_when_all_is_futile_at_growing_gaps() {
    let mut bench = Bench::new(bare(&[("restart", 5)]));
    let mut made = Vec::new();
    for minute in 0..200 {
        if !done(&bench.pass(60, health(fail("refused")))).is_empty() {
            made.push(minute);
        }
    }
    let gaps: Vec<u64> = made.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps[..2], [1, 11], "two at once, then ten minutes after the second was seen to fail");
    assert_eq!(gaps[2..5], [21, 41, 61]);
}

#[test]
fn a_fault_that_looks_different_is_tried_at_once_but_never_twice_in_a_row() {
    let mut bench = Bench::new(bare(&[("restart", 2)]));
    for _ in 0..3 {
        let _ = bench.pass(61, health(fail("port 18790 is held by node (pid 7)")));
    }
    assert!(matches!(bench.target("gateway").phase, Phase::Exhausted { .. }));
    assert!(
        done(&bench.pass(60, health(fail("port 18790 is held by node (pid 8)")))).is_empty(),
        "the same thief"
    );
    assert_eq!(done(&bench.pass(60, health(fail("nothing listens")))), ["restart"], "the thief is gone");
    for fault in ["a", "b", "c", "d", "e", "f"] {
        assert!(done(&bench.pass(60, health(fail(fault)))).len() <= 1);
    }
    assert!(bench.target("gateway").attempts.len() <= 5, "{:?}", bench.target("gateway").attempts);
}

/// How often it is restarted in ten hours of this, looked at every minute.
fn restarts_in_ten_hours(fault: impl Fn(usize) -> String) -> usize {
    let mut bench = Bench::new(bare(&[("restart", 2)]));
    (0..600).map(|minute| done(&bench.pass(60, health(fail(&fault(minute))))).len()).sum()
}

/// Two at once, then gaps of 10, 20, 40 and 60 minutes, each of them with the minute in which the try is seen to fail.
const AT_GROWING_GAPS: usize = 13;

#[test]
fn a_fault_with_two_faces_is_tried_at_once_for_each_of_them_and_no_more() {
    assert_eq!(restarts_in_ten_hours(|_| "refused".to_owned()), AT_GROWING_GAPS);
    let faces = restarts_in_ten_hours(|minute| ["refused", "503"][minute / 2 % 2].to_owned());
    assert!(faces <= AT_GROWING_GAPS + 2, "{faces}");
}

#[test]
fn a_fault_that_looks_different_each_time_says_nothing_by_it() {
    let word = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
    let all = restarts_in_ten_hours(|minute| format!("{}{}", word(minute / 26), word(minute)));
    assert!(all <= AT_GROWING_GAPS + 8, "{all}");
}

#[test]
fn a_reason_that_was_not_asked_for_is_not_gone() {
    let mut policy = bare(&[("restart", 2)]);
    policy.targets[0].unit = Some("gateway.service".to_owned());
    policy.targets[0].start_allowance = secs(0);
    let mut bench = Bench::new(policy);
    for _ in 0..3 {
        let _ = bench.pass(61, with_unit(running("a", 3600), fail("503")));
    }
    assert!(matches!(bench.target("gateway").phase, Phase::Exhausted { .. }));
    let dead = || UnitFacts { active: Active::Failed, ..running("a", 3600) };
    let unit_only = Evidence { probes: Vec::new(), ..with_unit(dead(), pass()) };
    assert!(done(&bench.pass(5, unit_only)).is_empty(), "its unit alone was asked");
    assert!(done(&bench.pass(2, with_unit(dead(), fail("503")))).is_empty(), "it is still there");
    assert_eq!(done(&bench.pass(2, with_unit(dead(), fail("refused")))), ["restart"], "now it is gone");
}

#[test]
fn repairs_that_are_proven_are_counted_for_a_day() {
    let mut bench = Bench::new(bare(&[("restart", 5)]));
    for _ in 0..3 {
        let _ = bench.pass(60, health(fail("refused")));
        let _ = bench.pass(10, health(pass()));
    }
    assert_eq!(bench.target("gateway").heals.len(), 3);
    let _ = bench.pass(86_400, health(pass()));
    assert!(bench.target("gateway").heals.is_empty());
}

#[test]
fn what_breaks_again_and_again_reaches_the_limit_and_people_hear_of_it_once() {
    let mut policy = bare(&[("restart", 3)]);
    policy.targets[0].window = Window { attempts: 3, per: secs(600) };
    let mut bench = Bench::new(policy);
    for _ in 0..3 {
        assert_eq!(done(&bench.pass(60, health(fail("refused")))), ["restart"]);
        let _ = bench.pass(10, health(pass()));
    }
    let fourth = bench.pass(60, health(fail("refused")));
    assert!(matches!(held(&fourth, 0), Hold::HalfOpen { spent: Spent::Window, .. }), "{:?}", fourth.verdicts);
    assert_eq!(bench.keys(), ["gateway_limit"]);
    let text = &bench.state.outbox.letters[0].text;
    assert!(text.contains("repair limit reached (3 per 10 min)"), "{text}");
    for _ in 0..200 {
        let _ = bench.pass(60, health(fail("refused")));
    }
    assert!(bench.keys().iter().all(|key| *key == "gateway_limit"), "{:?}", bench.keys());
}

/// Each attempt forgets what was read, and a port counts only when it was read three times.
#[test]
fn who_holds_the_port_is_kept_until_the_port_is_seen_otherwise() {
    let mut policy = bare(&[("restart", 2)]);
    let port = ProbePolicy { name: name("port"), fail_after: 3, ..policy.targets[0].probes[0].clone() };
    policy.targets[0].probes.push(port);
    let mut bench = Bench::new(policy);
    bench.policy.targets[0].settle = secs(5);
    let both = |port: &str| {
        let report = of("gateway", "port", fail(port)).probes;
        Evidence { probes: [health(fail("refused")).probes, report].concat(), ..Evidence::default() }
    };
    let taken = "port 1 is held by python3 (pid 4242), not by g.service";
    for _ in 0..3 {
        let _ = bench.pass(10, both(taken));
    }
    let _ = bench.pass(1, Evidence::default());
    let letter = &bench.state.outbox.letters[0];
    assert!(letter.text.contains(&format!("Do: stop the other process, for {taken}")), "{}", letter.text);
    let holder = |bench: &Bench| bench.target("gateway").incident.as_ref().unwrap().holder.clone();
    assert_eq!(holder(&bench), Some((name("port"), taken.to_owned())));
    let _ = bench.pass(10, both("nothing listens on port 1"));
    assert_eq!(holder(&bench), None);
}

#[test]
fn when_what_came_to_it_is_gone_again_it_is_tried_at_once() {
    let mut policy = bare(&[("restart", 2)]);
    let port = ProbePolicy { name: name("port"), ..policy.targets[0].probes[0].clone() };
    policy.targets[0].probes.push(port);
    let mut bench = Bench::new(policy);
    let both = |port| Evidence {
        probes: [health(fail("refused")).probes, of("gateway", "port", port).probes].concat(),
        ..Evidence::default()
    };
    for _ in 0..3 {
        let _ = bench.pass(61, both(pass()));
    }
    assert!(matches!(bench.target("gateway").phase, Phase::Exhausted { .. }));
    assert!(done(&bench.pass(60, both(fail("held by node")))).is_empty(), "one more reason is no better");
    assert_eq!(done(&bench.pass(60, both(pass()))), ["restart"], "that one may have been the cause");
}
