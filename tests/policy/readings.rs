//! How readings become health: thresholds, runs of the unit, blame, and what is only not known.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::health::{CRASH_LOOP, Health, failing_since};
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::scan::{FilesMark, ScanMark};
use picoclaw_watchdog::recovery::state::ProbeHealth;
use picoclaw_watchdog::recovery::unit::{Active, Load, UnitFacts};
use picoclaw_watchdog::recovery::verdict::Ruling;
use std::sync::Arc;

fn unknown(text: &str) -> Reading {
    Reading::Unknown(text.to_owned())
}

fn no_bus(reading: Reading) -> Evidence {
    let units = vec![UnitReport { target: name("gateway"), facts: Err("no bus".to_owned()) }];
    Evidence { units, ..health(reading) }
}

fn only_unit(evidence: Evidence) -> Evidence {
    Evidence { probes: Vec::new(), ..evidence }
}

fn starting(run: &str) -> UnitFacts {
    UnitFacts { active: Active::Activating, sub: "start".to_owned(), ..running(run, 1) }
}

fn stopped() -> UnitFacts {
    let (left_active_ago, main_exited_ago) = (Some(secs(9)), Some(secs(8)));
    UnitFacts { active: Active::Inactive, left_active_ago, main_exited_ago, ..running("a", 60) }
}

/// The health after the last of these passes, a second apart.
fn health_after(policy: Policy, passes: Vec<Evidence>) -> Health {
    let mut bench = Bench::new(policy);
    let verdicts = passes.into_iter().map(|evidence| bench.pass(1, evidence).verdicts).collect::<Vec<_>>();
    verdicts.last().unwrap()[0].health.clone()
}

/// One unit that is all there is to see of a target.
fn unit_only() -> Policy {
    let mut policy = policy();
    policy.targets[0].probes.clear();
    policy
}

/// A policy with a unit whose one probe fails at once.
fn strict() -> Policy {
    let mut policy = policy();
    policy.targets[0].probes[0].fail_after = 1;
    policy
}

#[test]
fn three_runs_that_end_unproven_are_a_crash_loop() {
    let mut bench = Bench::new(policy());
    for (index, run) in ["a", "b", "c"].iter().enumerate() {
        let _ = bench.pass(2, with_unit(running(run, 1), unknown("too early")));
        assert_eq!(bench.target("gateway").crashes, index as u32, "the first run seen ended no other");
        let _ = bench.pass(2, with_unit(running(run, 3), unknown("too early")));
        assert_eq!(bench.target("gateway").crashes, index as u32, "the same run");
    }
    let decision = bench.pass(2, with_unit(running("d", 1), unknown("too early")));
    let Health::Unhealthy(why) = &decision.verdicts[0].health else { panic!("{:?}", decision.verdicts[0]) };
    assert_eq!(why, &format!("unit: {CRASH_LOOP} runs in a row ended before they were healthy"));
    assert!(done(&decision).is_empty(), "a young run is let start");
    let _ = bench.pass(200, with_unit(running("d", 201), unknown("too early")));
    assert_eq!(bench.target("gateway").attempts.len(), 1, "then it is repaired");
    assert_eq!(bench.target("gateway").crashes, 0, "and counted anew");
}

#[test]
fn a_run_that_was_healthy_is_no_crash() {
    let mut bench = Bench::new(policy());
    // The last one starts from nothing: systemd has forgotten the run before it.
    for run in ["a", "b", "", "c"] {
        for age in [60, 62, 64] {
            let _ = bench.pass(2, with_unit(running(run, age), pass()));
            let gateway = bench.target("gateway");
            assert_eq!(gateway.crashes, 0, "{run:?} at {age} s");
            assert_eq!(*gateway.proven_run == *run, age == 64, "three passes prove {run:?}, not one less");
        }
    }
}

#[test]
fn a_crash_loop_after_an_attempt_ends_its_verification_early() {
    let mut bench = Bench::new(strict());
    let _ = bench.pass(0, with_unit(running("a", 400), fail("refused")));
    assert_eq!(bench.target("gateway").attempts.len(), 1);
    for run in ["b", "c"] {
        let decision = bench.pass(2, with_unit(running(run, 1), fail("refused")));
        assert!(matches!(decision.verdicts[0].ruling, Ruling::Verifying { .. }));
    }
    let _ = bench.pass(2, with_unit(running("d", 1), fail("refused")));
    assert_eq!(bench.target("gateway").incident.as_ref().unwrap().failed, 1);
}

#[test]
fn a_new_run_or_another_standing_has_to_show_itself_anew() {
    let settled = |bench: &Bench| bench.target("gateway").probes[&name("health")].health;
    for facts in [running("b", 1), starting("a")] {
        let mut bench = Bench::new(policy());
        let _ = bench.pass(0, with_unit(running("a", 60), pass()));
        let _ = bench.pass(2, only_unit(with_unit(running("a", 62), pass())));
        assert_eq!(settled(&bench), ProbeHealth::Healthy, "nothing has changed");
        let _ = bench.pass(2, only_unit(with_unit(facts, pass())));
        assert_eq!(settled(&bench), ProbeHealth::Unsettled);
        assert_eq!((bench.target("gateway").streak, bench.target("gateway").healthy_since), (0, None));
    }
}

#[test]
fn the_first_reading_of_a_run_fixes_its_start() {
    let mut bench = Bench::new(policy());
    let _ = bench.pass(0, with_unit(running("a", 60), pass()));
    let started = |bench: &Bench| bench.target("gateway").unit.as_ref().unwrap().started.unwrap();
    let first = started(&bench);
    assert_eq!(first, bench.clock().before(secs(60)));
    let _ = bench.pass(10, with_unit(running("a", 69), pass()));
    assert_eq!(started(&bench), first);
    let _ = bench.pass(10, no_bus(pass()));
    assert_eq!(started(&bench), first, "not to be asked changes nothing");
    let _ = bench.pass(10, with_unit(running("b", 4), pass()));
    assert_eq!(started(&bench), bench.clock().before(secs(4)));
}

#[test]
fn thresholds_are_exact_and_an_unknown_counts_for_nothing() {
    let mut policy = bare(&[]);
    policy.targets[0].probes[0].fail_after = 2;
    policy.targets[0].probes[0].pass_after = 2;
    let mut bench = Bench::new(policy);
    let steps = [
        (pass(), ProbeHealth::Unsettled, true),
        (unknown("?"), ProbeHealth::Unsettled, false),
        (pass(), ProbeHealth::Healthy, false),
        (fail("a"), ProbeHealth::Healthy, true),
        (unknown("?"), ProbeHealth::Healthy, true),
        (fail("a"), ProbeHealth::Unhealthy, false),
        (pass(), ProbeHealth::Unhealthy, true),
        (fail("a"), ProbeHealth::Unhealthy, false),
        (pass(), ProbeHealth::Unhealthy, true),
        (pass(), ProbeHealth::Healthy, false),
        (pass(), ProbeHealth::Healthy, false),
    ];
    for (index, (reading, expected, between)) in steps.into_iter().enumerate() {
        let _ = bench.pass(2, health(reading));
        let gateway = bench.target("gateway");
        assert_eq!(gateway.probes[&name("health")].health, expected, "step {index}");
        let suspicion = picoclaw_watchdog::recovery::health::suspicion(&bench.policy.targets[0], gateway);
        assert_eq!(suspicion.is_some(), between, "step {index}: {suspicion:?}");
    }
}

#[test]
fn an_incident_begins_when_the_first_probe_began_to_fail() {
    let mut policy = bare(&[]);
    policy.targets[0].probes[0].fail_after = 3;
    let other = ProbePolicy { name: name("other"), fail_after: 9, ..policy.targets[0].probes[0].clone() };
    policy.targets[0].probes.push(other);
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, of("gateway", "other", fail("old")));
    let _ = bench.pass(60, health(fail("new")));
    let began = bench.clock();
    for _ in 0..2 {
        let _ = bench.pass(2, health(fail("new")));
    }
    assert_eq!(failing_since(&bench.policy.targets[0], bench.target("gateway")), Some(began));
    assert_eq!(bench.target("gateway").incident.as_ref().unwrap().since, began, "the other is not confirmed");
}

#[test]
fn a_unit_alone_is_a_witness_when_it_can_be_asked() {
    let after = |evidence| health_after(unit_only(), vec![only_unit(evidence)]);
    assert_eq!(after(with_unit(running("a", 60), pass())), Health::Healthy);
    assert_eq!(after(no_bus(pass())), Health::Unknown("unit: no bus".to_owned()));
    assert_eq!(after(Evidence::default()), Health::Unknown("not asked yet".to_owned()));
    let starting = after(with_unit(starting("a"), pass()));
    assert_eq!(starting, Health::Unknown("unit: it is starting (start)".to_owned()));
    assert_eq!(after(with_unit(stopped(), pass())), Health::Off("a person stopped it".to_owned()));
}

#[test]
fn without_unit_and_probes_there_is_nothing_to_be_ill_of() {
    let mut policy = unit_only();
    policy.targets[0].unit = None;
    assert_eq!(health_after(policy, vec![Evidence::default()]), Health::Healthy);
}

#[test]
fn what_answers_is_not_off_whatever_its_unit_says() {
    let missing = || UnitFacts { load: Load::NotFound, ..running("a", 60) };
    for facts in [stopped, missing] {
        assert_eq!(health_after(strict(), vec![with_unit(facts(), pass())]), Health::Healthy);
    }
    let off = health_after(strict(), vec![with_unit(stopped(), fail("refused"))]);
    assert_eq!(off, Health::Off("a person stopped it".to_owned()));
    let ill = health_after(strict(), vec![with_unit(missing(), fail("refused"))]);
    assert!(matches!(&ill, Health::Unhealthy(why) if why.starts_with("unit: systemd knows no such unit")));
    assert!(matches!(&ill, Health::Unhealthy(why) if why.ends_with("; health: refused")), "{ill:?}");
}

#[test]
fn what_systemd_works_on_is_not_known_until_a_probe_says_so() {
    let health = |readings: Vec<Reading>| {
        health_after(strict(), readings.into_iter().map(|r| with_unit(starting("a"), r)).collect())
    };
    assert_eq!(health(vec![unknown("?")]), Health::Unknown("unit: it is starting (start)".to_owned()));
    assert_eq!(health(vec![pass()]), Health::Healthy);
    assert_eq!(health(vec![fail("refused")]), Health::Unhealthy("health: refused".to_owned()));
}

#[test]
fn without_a_bus_the_probes_decide() {
    assert_eq!(health_after(strict(), vec![no_bus(pass())]), Health::Healthy);
    let failing = health_after(strict(), vec![no_bus(fail("refused"))]);
    assert_eq!(failing, Health::Unhealthy("health: refused".to_owned()));
    assert_eq!(health_after(strict(), vec![no_bus(unknown("?"))]), Health::Unknown("health: ?".to_owned()));
}

#[test]
fn the_probe_that_is_not_settled_is_the_one_that_is_named() {
    let mut policy = bare(&[]);
    let other = ProbePolicy { name: name("other"), ..policy.targets[0].probes[0].clone() };
    policy.targets[0].probes.push(other);
    let health = health_after(policy, vec![health(pass())]);
    assert_eq!(health, Health::Unknown("other: not asked yet".to_owned()));
}

#[test]
fn readiness_and_what_never_passed_count_for_nothing() {
    let mut policy = bare(&[("restart", 3)]);
    policy.targets[0].probes[0].role = Role::Readiness;
    let decision = Bench::new(policy.clone()).pass(0, health(fail("503")));
    assert_eq!((&decision.verdicts[0].health, done(&decision).len()), (&Health::Healthy, 0));
    policy.targets[0].probes[0] =
        ProbePolicy { role: Role::Liveness, arm_on_pass: true, ..policy.targets[0].probes[0].clone() };
    let mut bench = Bench::new(policy);
    assert!(done(&bench.pass(0, health(fail("refused")))).is_empty(), "a port that this release never opens");
    let _ = bench.pass(60, health(pass()));
    assert_eq!(done(&bench.pass(60, health(fail("refused")))), ["restart"]);
}

#[test]
fn only_a_pass_in_which_all_were_asked_proves_anything() {
    let mut policy = policy();
    let ready =
        ProbePolicy { name: name("ready"), role: Role::Readiness, ..policy.targets[0].probes[0].clone() };
    let port = ProbePolicy { name: name("port"), ..policy.targets[0].probes[0].clone() };
    policy.targets[0].probes.extend([ready, port]);
    // Another target has probes of the same names; its answers are not this one's.
    policy.targets.push(TargetPolicy { name: name("other"), ..policy.targets[0].clone() });
    let all = |target: &str| {
        let mut evidence = of(target, "health", pass());
        evidence.probes.extend(of(target, "port", pass()).probes);
        let facts = Ok(running("a", 60));
        evidence.units.push(UnitReport { target: name(target), facts });
        evidence
    };
    let mut bench = Bench::new(policy);
    let streak = |bench: &mut Bench, evidence: Evidence| {
        let _ = bench.pass(2, evidence);
        bench.target("gateway").streak
    };
    assert_eq!(streak(&mut bench, all("gateway")), 1, "readiness is not needed");
    assert_eq!(streak(&mut bench, Evidence { units: Vec::new(), ..all("gateway") }), 1, "no unit");
    let mut half = all("gateway");
    half.probes.pop();
    assert_eq!(streak(&mut bench, half), 1, "no port");
    assert_eq!(streak(&mut bench, all("other")), 1, "another's");
    assert_eq!(streak(&mut bench, all("gateway")), 2);
}

#[test]
fn a_target_without_a_unit_is_proven_by_its_probes() {
    let mut policy = bare(&[]);
    policy.targets[0].stable_passes = 2;
    let mut bench = Bench::new(policy);
    for expected in [1, 2, 2] {
        let _ = bench.pass(2, health(pass()));
        assert_eq!(bench.target("gateway").streak, expected);
    }
    let _ = bench.pass(2, health(unknown("?")));
    assert_eq!(bench.target("gateway").streak, 2, "not to know breaks no row");
    let _ = bench.pass(2, health(fail("refused")));
    assert_eq!((bench.target("gateway").streak, bench.target("gateway").healthy_since), (0, None));
}

fn blaming(target: &str, probe: &str, blamed: &[(&str, &str)]) -> Evidence {
    let mut evidence = of(target, probe, pass());
    let blame =
        |(target, reason): &(&str, &str)| Blame { target: name(target), reason: (*reason).to_owned() };
    evidence.probes[0].blames = blamed.iter().map(blame).collect();
    evidence
}

#[test]
fn blame_lies_with_who_is_watched_and_ends_with_its_next_reading() {
    let mut bench = Bench::new(policy_with_ollama());
    let blamed = |bench: &Bench, target: &str| {
        let found = bench.target(target).blamed.iter();
        found.map(|(by, reason)| format!("{by}: {reason}")).collect::<Vec<_>>()
    };
    let _ = bench
        .pass(0, blaming("gateway", "ready", &[("ollama", "down"), ("ollama", "slow"), ("disk", "full")]));
    assert_eq!(blamed(&bench, "ollama"), ["gateway/ready: down; slow"]);
    assert_eq!(blamed(&bench, "gateway"), ["gateway/ready: full"], "nobody watches the disk");
    let _ = bench.pass(2, blaming("gateway", "health", &[("ollama", "gone")]));
    assert_eq!(blamed(&bench, "ollama"), ["gateway/health: gone", "gateway/ready: down; slow"]);
    let _ = bench.pass(2, blaming("gateway", "ready", &[]));
    assert_eq!(blamed(&bench, "ollama"), ["gateway/health: gone"]);
    assert!(blamed(&bench, "gateway").is_empty());
}

#[test]
fn offline_nobody_who_is_out_there_is_blamed() {
    let mut policy = policy_with_ollama();
    policy.offline_quorum = Some(1);
    policy.targets[1].external = true;
    let mut bench = Bench::new(policy);
    let mut evidence = blaming("gateway", "ready", &[("ollama", "unreachable"), ("gateway", "ill")]);
    evidence.references = vec![ReferenceReport { name: "dns".to_owned(), reading: fail("no answer") }];
    let _ = bench.pass(0, evidence);
    assert!(bench.target("ollama").blamed.is_empty());
    assert_eq!(bench.target("gateway").blamed.len(), 1, "what is ours still is");
}

#[test]
fn how_far_the_logs_were_read_is_saved_with_what_they_said() {
    let mut bench = Bench::new(policy());
    let mut mark = ScanMark::default();
    mark.files.insert(name("app"), FilesMark::default());
    let mark = Arc::new(mark);
    let _ = bench.pass(60, Evidence { scan: Some(Arc::clone(&mark)), ..health(pass()) });
    assert_eq!(bench.state.scan, mark);
    let _ = bench.pass(60, health(pass()));
    assert_eq!(bench.state.scan, mark, "a pass that read nothing leaves it");
}

/// The streak after each of these passes over a run that answers, so many seconds after it was first seen to.
fn streaks(crashes: usize, at_s: &[u64]) -> Vec<u32> {
    let mut bench = Bench::new(policy());
    for run in ["a", "b", "c", "d"].into_iter().take(crashes + 1) {
        let _ = bench.pass(20, with_unit(running(run, 1), fail("refused")));
    }
    assert_eq!(bench.target("gateway").crashes as usize, crashes);
    let mut last = 0;
    at_s.iter()
        .map(|at| {
            let after = at - std::mem::replace(&mut last, *at);
            let _ = bench.pass(after, with_unit(running("e", 1 + at), pass()));
            bench.target("gateway").streak
        })
        .collect()
}

#[test]
fn after_a_crash_loop_the_last_healthy_pass_counts_when_the_run_has_outlived_a_crash() {
    assert_eq!(streaks(0, &[0, 2, 4]), [1, 2, 3], "no loop");
    assert_eq!(streaks(1, &[0, 2, 4]), [1, 2, 3], "two runs that crashed are none yet");
    assert_eq!(streaks(3, &[0, 2, 4, 30, 59, 60]), [1, 2, 2, 2, 2, 3], "settle is a minute");
}
