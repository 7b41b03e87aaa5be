//! What an earlier configuration left in the state decides nothing under the next one.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::unit::{Active, Load, UnitFacts};
use picoclaw_watchdog::recovery::verdict::Ruling;

/// What is decided once the unit of which this was said is in the configuration no more.
fn without_its_unit(facts: Result<UnitFacts, String>, reading: Reading) -> Ruling {
    let mut policy = bare(&[]);
    policy.targets[0].unit = Some("gateway.service".to_owned());
    let mut bench = Bench::new(policy);
    let units = vec![UnitReport { target: name("gateway"), facts }];
    let _ = bench.pass(0, Evidence { units, ..Evidence::default() });
    bench.policy.targets[0].unit = None;
    bench.restart();
    bench.pass(60, health(reading)).verdicts.remove(0).ruling
}

#[test]
fn a_unit_that_is_not_named_any_more_keeps_nothing_from_being_judged() {
    let masked = UnitFacts { load: Load::Masked, ..running("a", 60) };
    assert!(matches!(without_its_unit(Ok(masked), fail("refused")), Ruling::Held(_)), "it is no more off");
    let dead = UnitFacts { active: Active::Failed, ..running("a", 60) };
    assert_eq!(without_its_unit(Ok(dead), pass()), Ruling::Fine);
    let mut bench = Bench::new(bare(&[]));
    bench.policy.targets[0].unit = Some("gateway.service".to_owned());
    let unseen = UnitReport { target: name("gateway"), facts: Err("no bus".to_owned()) };
    let _ = bench.pass(0, Evidence { units: vec![unseen], ..health(pass()) });
    assert!(bench.target("gateway").blind.is_some());
    bench.policy.targets[0].unit = None;
    let _ = bench.pass(60, health(pass()));
    assert_eq!(bench.target("gateway").blind, None, "nobody asks the bus for it");
}

#[test]
fn a_crash_loop_of_a_unit_that_is_not_named_any_more_is_over() {
    let mut bench = Bench::new(bare(&[]));
    bench.policy.targets[0].unit = Some("gateway.service".to_owned());
    for run in ["a", "b", "c", "d"] {
        let _ = bench.pass(5, Evidence { probes: Vec::new(), ..with_unit(running(run, 1), pass()) });
    }
    assert_eq!(bench.target("gateway").crashes, 3);
    bench.policy.targets[0].unit = None;
    let _ = bench.pass(60, health(pass()));
    assert_eq!(bench.target("gateway").crashes, 0);
}

#[test]
fn without_reference_points_nobody_is_offline() {
    let mut policy = bare(&[]);
    (policy.targets[0].external, policy.offline_quorum) = (true, Some(1));
    let mut bench = Bench::new(policy);
    let dns = ReferenceReport { name: "dns".to_owned(), reading: fail("no answer") };
    let _ = bench.pass(0, Evidence { references: vec![dns], ..health(fail("no answer")) });
    assert!(bench.state.offline.is_some());
    bench.policy.offline_quorum = None;
    let next = bench.pass(60, health(fail("no answer")));
    assert!(bench.state.offline.is_none() && matches!(next.verdicts[0].ruling, Ruling::Held(_)));
    assert_eq!(bench.keys(), ["health_consecutive"], "it is told of again");
}

#[test]
fn what_a_probe_blamed_is_forgotten_with_the_probe_and_with_its_target() {
    let blamed = || {
        let mut bench = Bench::new(policy_with_ollama());
        let mut ready = of("gateway", "ready", fail("503"));
        let blame = Blame { target: name("ollama"), reason: "no answer".to_owned() };
        ready.probes[0].blames.push(blame);
        let _ = bench.pass(0, ready);
        assert!(bench.target("ollama").not_ready.is_some());
        bench
    };
    for take in [|policy: &mut _| take_probe(policy), |policy: &mut _| take_target(policy)] {
        let mut bench = blamed();
        take(&mut bench.policy);
        let _ = bench.pass(60, of("ollama", "models", pass()));
        let ollama = bench.target("ollama");
        assert!(ollama.blamed.is_empty() && ollama.not_ready.is_none(), "{ollama:?}");
    }
    let mut bench = blamed();
    let _ = bench.pass(60, of("ollama", "models", pass()));
    assert!(bench.target("ollama").not_ready.is_some(), "the probe was not asked, and is still there");
}

fn take_probe(policy: &mut picoclaw_watchdog::recovery::policy::Policy) {
    policy.targets[0].probes.pop();
}

fn take_target(policy: &mut picoclaw_watchdog::recovery::policy::Policy) {
    policy.targets.remove(0);
}
