//! A pass has only so much time for attempts: who has it, who comes next, and that nobody waits for ever.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::decide::Decision;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::window::Window;
use std::collections::BTreeSet;
use std::time::Duration;

/// Targets of these names, each with an action of the same name that may take so many seconds.
fn of_these(actions: &[(&str, u64)]) -> Policy {
    let mut policy = bare(&[("restart", 100)]);
    let one = policy.targets.remove(0);
    for (target, seconds) in actions {
        let rung = Rung { action: name(target), disruptive: false, ..one.ladder[0].clone() };
        policy.targets.push(TargetPolicy { name: name(target), ladder: vec![rung], ..one.clone() });
        policy.takes.insert(name(target), secs(*seconds));
    }
    policy
}

/// All of them fail.
fn failing(policy: &Policy) -> Evidence {
    let fails = |target: &TargetPolicy| of(target.name.as_str(), "health", fail("refused")).probes;
    Evidence { probes: policy.targets.iter().flat_map(fails).collect(), ..Evidence::default() }
}

/// How long the attempts of a pass may take.
fn length(policy: &Policy, decision: &Decision) -> Duration {
    decision.attempts.iter().map(|attempt| policy.takes(&attempt.action)).sum()
}

#[test]
fn attempts_of_one_pass_take_no_longer_than_the_longest_alone() {
    let policy = of_these(&[("a", 9), ("b", 9), ("c", 4), ("d", 5), ("e", 9), ("f", 9)]);
    let mut bench = Bench::new(policy.clone());
    let mut done = Vec::new();
    for pass in 0..5 {
        let decision = bench.pass(9, failing(&policy));
        assert!(length(&policy, &decision) <= secs(9), "{:?}", decision.attempts);
        if pass == 0 {
            let hold = held(&decision, 1);
            assert_eq!(hold, &Hold::NotItsTurn { until: bench.clock() });
            assert_eq!(hold.to_string(), "it comes next: others are being repaired in this pass");
            assert!(bench.target("b").attempts.is_empty(), "it is charged when it is begun");
            let quick = decision.quick.as_ref().unwrap();
            assert!(quick.at == bench.clock() && quick.targets.contains(&name("b")), "{quick:?}");
        }
        done.extend(decision.attempts.iter().map(|attempt| attempt.target.to_string()));
    }
    assert_eq!(done, ["a", "b", "c", "d", "e", "f"], "two short ones share a pass");
}

#[test]
fn what_takes_no_time_waits_for_nobody() {
    let policy = of_these(&[("a", 0), ("b", 0), ("c", 0)]);
    assert_eq!(Bench::new(policy.clone()).pass(0, failing(&policy)).attempts.len(), 3);
}

#[test]
fn what_matters_most_comes_first_and_then_what_only_an_interruption_can_help() {
    let mut policy = of_these(&[("a", 9), ("b", 9), ("c", 9), ("d", 9)]);
    let grades = [Severity::Warning, Severity::Critical, Severity::Error, Severity::Critical];
    for (target, severity) in policy.targets.iter_mut().zip(grades) {
        target.severity = severity;
    }
    policy.targets[3].ladder[0].disruptive = true;
    let mut bench = Bench::new(policy.clone());
    let order: Vec<String> = (0..4).map(|_| done(&bench.pass(9, failing(&policy))).join(" ")).collect();
    assert_eq!(order, ["d", "b", "c", "a"]);
}

/// The critical ones fail at once, may be tried without a pause, and would fill every pass.
#[test]
fn nobody_waits_for_ever() {
    let mut policy = of_these(&[("a", 9), ("b", 9), ("c", 9), ("d", 1)]);
    for target in &mut policy.targets {
        target.window = Window { attempts: 100, per: secs(6000) };
        target.settle = secs(1);
    }
    policy.targets[2].severity = Severity::Warning;
    policy.targets[3].severity = Severity::Warning;
    let mut bench = Bench::new(policy.clone());
    let mut tried = BTreeSet::new();
    for pass in 0..8 {
        // Each time another fault, so that no attempt is futile.
        let mut evidence = failing(&policy);
        let look = fail(&format!("fault {}", "x".repeat(pass)));
        evidence.probes.iter_mut().for_each(|probe| probe.reading = look.clone());
        let decision = bench.pass(9, evidence);
        tried.extend(decision.attempts.iter().map(|attempt| attempt.target.to_string()));
        assert!(!decision.attempts.is_empty(), "no pass is wasted");
    }
    assert_eq!(tried.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn a_person_who_asks_comes_first() {
    let policy = of_these(&[("a", 9), ("b", 9)]);
    let kick = |target: &str| {
        let wish = Ok(KickWish::Recover(name(target)));
        Kick { action: target.to_owned(), source: "cli".to_owned(), wish }
    };
    let fails = || of("a", "health", fail("refused")).probes;
    let mut bench = Bench::new(policy);
    bench.policy.kicks.attempts = 9;
    let decision = bench.pass(0, Evidence { kicks: vec![kick("b")], probes: fails(), ..Evidence::default() });
    assert_eq!(done(&decision), ["b"]);
    assert!(matches!(held(&decision, 0), Hold::NotItsTurn { .. }));
    let kicks = vec![kick("b"), kick("a")];
    let decision = bench.pass(9, Evidence { kicks, ..Evidence::default() });
    assert_eq!(decision.answers[1].text, "refused: it comes next: others are being repaired in this pass");
}

#[test]
fn of_two_the_graver_one_comes_first_wherever_it_stands() {
    for grades in [[Severity::Warning, Severity::Critical], [Severity::Critical, Severity::Warning]] {
        let mut policy = of_these(&[("a", 9), ("b", 9)]);
        policy.targets.iter_mut().zip(grades).for_each(|(target, severity)| target.severity = severity);
        let mut bench = Bench::new(policy.clone());
        let first = if grades[0] == Severity::Critical { "a" } else { "b" };
        assert_eq!(done(&bench.pass(9, failing(&policy))), [first]);
    }
}

#[test]
fn who_asks_for_what_is_being_done_anyway_holds_nothing_up() {
    let policy = of_these(&[("a", 9), ("b", 9)]);
    let mut bench = Bench::new(policy.clone());
    let wish = Ok(KickWish::Recover(name("a")));
    let kick = Kick { action: "restart_a".to_owned(), source: "cli".to_owned(), wish };
    let decision = bench.pass(9, Evidence { kicks: vec![kick], ..failing(&policy) });
    assert_eq!(done(&decision), ["a"]);
    assert_eq!(decision.answers[0].text, "refused: a is being repaired at this moment");
}
