//! Repairs that were made, that could not be made, and that turn out later not to have been.

use crate::bench::*;
use crate::core::*;
use crate::limits::{RESTART, quick};
use picoclaw_watchdog::recovery::evidence::{Evidence, Kick, KickWish, LateFailure};
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::record::Outcome;
use picoclaw_watchdog::recovery::unit::{Active, UnitFacts};
use picoclaw_watchdog::recovery::verdict::Ruling;

/// The predecessor of the log rules cooled down only after a success, and therefore never when a repair kept failing.
#[test]
fn a_repair_cools_down_to_the_second_and_one_that_could_not_be_made_is_retried_sooner() {
    let mut policy = quick();
    let target = &mut policy.targets[0];
    (target.cooldown, target.settle, target.backoff) = (secs(300), secs(5), vec![secs(0), secs(60)]);
    let mut bench = Bench::new(policy);
    let failed = Outcome::Failed("no such unit".to_owned());
    assert_eq!(bench.pass_with(0, health(fail("a")), &failed).attempts.len(), 1);
    assert_eq!(bench.pass(59, health(fail("a"))).attempts.len(), 0);
    assert_eq!(done(&bench.pass(1, health(fail("a")))), RESTART);
    let until = bench.clock().after(secs(300));
    assert_eq!(bench.pass(10, health(pass())).attempts.len(), 0);
    assert_eq!(held(&bench.pass(289, health(fail("b"))), 0), &Hold::Cooldown { until });
    assert_eq!(done(&bench.pass(1, health(fail("b")))), RESTART);
}

fn failed(run: &str) -> UnitFacts {
    UnitFacts { active: Active::Failed, result: "signal".to_owned(), main_pid: 0, ..running(run, 60) }
}

fn stopped(run: &str) -> UnitFacts {
    let ago = |seconds| Some(secs(seconds));
    let (left_active_ago, main_exited_ago) = (ago(9), ago(8));
    UnitFacts { active: Active::Inactive, left_active_ago, main_exited_ago, ..running(run, 60) }
}

/// A letter's receipt calls for a pass that asks nothing, and it may come in the moment of the restart.
#[test]
fn what_was_seen_of_a_unit_before_its_repair_says_nothing_about_the_repair() {
    let mut bench = Bench::new(policy());
    assert_eq!(bench.pass(0, with_unit(failed("a"), fail("refused"))).attempts.len(), 1);
    let asked_nothing = bench.pass(0, Evidence::default());
    assert!(matches!(asked_nothing.verdicts[0].ruling, Ruling::Verifying { .. }), "{asked_nothing:?}");
    let _ = bench.pass(2, with_unit(running("b", 2), pass()));
    let _ = bench.pass(2, with_unit(running("b", 4), pass()));
    let proven = bench.pass(2, with_unit(running("b", 6), pass()));
    assert_eq!(proven.closed[0].how, "was repaired by restart-gateway");
    let again = bench.pass(60, with_unit(failed("b"), fail("refused")));
    assert_eq!(again.attempts.len(), 1);
    let unhelped = bench.pass(2, with_unit(failed("c"), fail("refused")));
    assert!(
        matches!(unhelped.verdicts[0].ruling, Ruling::Held(Hold::Backoff { .. })),
        "seen since: {unhelped:?}"
    );
}

#[test]
fn what_was_stopped_before_a_kick_is_not_left_alone_after_it() {
    let mut bench = Bench::new(policy());
    let wish = Ok(KickWish::Recover(name("gateway")));
    let kick = Kick { action: "restart_gateway".to_owned(), source: "cli".to_owned(), wish };
    let kicked = Evidence { kicks: vec![kick], ..with_unit(stopped("a"), fail("refused")) };
    assert_eq!(bench.pass(0, kicked).attempts.len(), 1);
    let asked_nothing = bench.pass(0, Evidence::default());
    assert!(matches!(asked_nothing.verdicts[0].ruling, Ruling::Verifying { .. }), "{asked_nothing:?}");
}

/// What goes on beside the passes is known to have failed only later.
#[test]
fn a_repair_that_fails_later_counts_as_failed_and_is_not_credited() {
    let mut policy = quick();
    let target = &mut policy.targets[0];
    (target.cooldown, target.settle, target.backoff) = (secs(300), secs(60), vec![secs(0), secs(10)]);
    let mut bench = Bench::new(policy);
    let begun = Outcome::Running("asked".to_owned());
    assert_eq!(bench.pass_with(0, health(fail("a")), &begun).attempts.len(), 1);
    let late = |action: &str| LateFailure {
        target: name("gateway"),
        action: name(action),
        why: "no whole version".to_owned(),
    };
    let other = Evidence { late: vec![late("another")], ..health(fail("a")) };
    assert_eq!(bench.pass(5, other).attempts.len(), 0, "it is still being verified");
    let failed = Evidence { late: vec![late("restart")], ..health(fail("a")) };
    assert_eq!(
        done(&bench.pass(5, failed)),
        RESTART,
        "neither the time to settle nor the cooldown is waited for"
    );
    let tried = &bench.target("gateway").incident.as_ref().unwrap().tried;
    assert_eq!(tried[0], "restart (failed: no whole version)");
}

/// What was seen is forgotten as soon as a repair begins; the message that is written then still says what it is about.
#[test]
fn a_message_that_is_written_while_a_repair_begins_says_what_is_wrong() {
    let mut bench = Bench::new(bare(&[("restart", 5)]));
    let failed = Outcome::Failed("no such unit".to_owned());
    for fault in ["HTTP 500: a", "HTTP 500: b", "HTTP 500: c", "HTTP 500: d"] {
        let begun = bench.pass_with(10, health(fail(fault)), &failed);
        assert_eq!(done(&begun), RESTART);
    }
    let letters = &bench.state.outbox.letters;
    assert!(!letters.is_empty());
    for letter in letters {
        assert!(letter.text.contains("Down for 20 s: health: HTTP 500"), "{}", letter.text);
    }
}
