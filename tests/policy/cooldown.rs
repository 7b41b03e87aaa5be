//! Repairs that were made, that could not be made, and that turn out later not to have been.

use crate::bench::*;
use crate::core::*;
use crate::limits::{RESTART, quick};
use picoclaw_watchdog::recovery::evidence::{Evidence, LateFailure};
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::record::Outcome;

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
