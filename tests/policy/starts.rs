//! How long a start may take is learned.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::starts;
use picoclaw_watchdog::recovery::unit::UnitFacts;
use std::time::Duration;

/// A start that takes `took` seconds, seen from its beginning and proven.
fn start(bench: &mut Bench, run: &str, took: u64) {
    let _ = bench.pass(60, with_unit(running(run, 1), fail("refused")));
    for extra in 0..3 {
        let _ = bench
            .pass(if extra == 0 { took - 1 } else { 2 }, with_unit(running(run, took + 2 * extra), pass()));
    }
}

fn allowance(bench: &Bench) -> Duration {
    starts::allowance(&bench.policy.targets[0], bench.target("gateway"))
}

#[test]
fn the_start_allowance_is_learned_from_five_starts_and_keeps_within_its_bounds() {
    let mut bench = Bench::new(policy());
    start(&mut bench, "a", 100);
    assert!(bench.target("gateway").starts.is_empty(), "the first run seen may have begun long before");
    for (index, run) in ["b", "c", "d", "e", "f"].iter().enumerate() {
        assert_eq!(allowance(&bench), secs(180), "configured until {index} starts are known");
        start(&mut bench, run, 100 + index as u64);
    }
    assert_eq!(bench.target("gateway").starts.len(), 5);
    assert_eq!(allowance(&bench), secs(156), "the slowest, 104 s, half as long again");
    for run in 0..20 {
        start(&mut bench, &format!("quick{run}"), 5);
    }
    assert_eq!(allowance(&bench), secs(60), "never below the floor");
    bench.policy.targets[0].start_bounds = (secs(1), secs(7));
    assert_eq!(allowance(&bench), secs(7), "nor above the cap");
}

#[test]
fn one_slow_start_in_twenty_is_no_rule() {
    let mut bench = Bench::new(policy());
    start(&mut bench, "first", 50);
    for run in 0..19 {
        start(&mut bench, &format!("r{run}"), 50);
    }
    start(&mut bench, "slow", 170);
    assert_eq!(bench.target("gateway").starts.len(), 20);
    assert_eq!(allowance(&bench), secs(75));
}

#[test]
fn a_start_that_outlasts_what_was_learned_makes_it_forgotten() {
    let mut bench = Bench::new(policy());
    start(&mut bench, "first", 50);
    for run in ["a", "b", "c", "d", "e"] {
        start(&mut bench, run, 50);
    }
    assert_eq!(allowance(&bench), secs(75));
    let _ = bench.pass(60, with_unit(running("slow", 1), fail("refused")));
    for age in [30, 60, 74] {
        let decision = bench.pass(20, with_unit(running("slow", age), fail("refused")));
        assert!(done(&decision).is_empty(), "still starting at {age} s");
    }
    let decision = bench.pass(20, with_unit(running("slow", 140), fail("refused")));
    assert_eq!(done(&decision), ["restart-gateway"]);
    assert_eq!(allowance(&bench), secs(180), "the next start has the configured time again");
}

#[test]
fn a_fault_of_a_run_that_was_proven_makes_nothing_forgotten() {
    let mut bench = Bench::new(policy());
    for run in ["first", "a", "b", "c", "d", "e"] {
        start(&mut bench, run, 50);
    }
    for later in 0..3 {
        let _ = bench.pass(2, with_unit(running("e", 300 + 2 * later), fail("no answer")));
    }
    assert_eq!((bench.target("gateway").attempts.len(), allowance(&bench)), (1, secs(75)));
}

#[test]
fn a_run_found_late_teaches_nothing() {
    let mut bench = Bench::new(policy());
    start(&mut bench, "first", 50);
    for extra in 0..3 {
        let _ = bench.pass(2, with_unit(running("old", 400 + extra), pass()));
    }
    assert!(bench.target("gateway").starts.is_empty());
}

/// Runs of the gateway, one a minute: how long ago each began, how often systemd restarted it by then, and whether it
/// is well.
fn heals_after(runs: &[(&str, u64, u32, bool)]) -> usize {
    let mut bench = Bench::new(policy());
    for (run, age_s, restarts, well) in runs {
        let facts = UnitFacts { restarts: *restarts, ..running(run, *age_s) };
        for _ in 0..4 {
            let _ = bench.pass(15, with_unit(facts.clone(), if *well { pass() } else { fail("refused") }));
        }
    }
    bench.target("gateway").heals.len()
}

#[test]
fn what_systemd_heals_counts_too_and_nothing_else_does() {
    assert_eq!(heals_after(&[("a", 60, 0, true), ("b", 1, 1, true), ("c", 1, 2, true)]), 2);
    assert_eq!(heals_after(&[("a", 60, 7, true)]), 0, "what was before us is unknown");
    assert_eq!(
        heals_after(&[("a", 60, 1, true), ("b", 1, 0, true), ("c", 1, 0, true)]),
        0,
        "a person's restarts"
    );
    assert_eq!(
        heals_after(&[("a", 60, 0, true), ("b", 1, 1, false), ("c", 1, 2, false)]),
        1,
        "a loop heals nothing"
    );
    let loops: Vec<(String, u32)> = (0..150).map(|n| (format!("run {n}"), n)).collect();
    let loops: Vec<(&str, u64, u32, bool)> =
        loops.iter().map(|(run, n)| (run.as_str(), 1, *n, true)).collect();
    assert_eq!(heals_after(&loops), 100, "the last ones are remembered");
}
