//! Probes that are asked rarely, because each question costs something, and targets with a pace of their own.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::decide::Decision;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::state::{ProbeHealth, State};
use picoclaw_watchdog::recovery::time::Timestamp;
use picoclaw_watchdog::recovery::verdict::Ruling;
use picoclaw_watchdog::recovery::{health, rest};

/// A target whose only probe is asked every five minutes.
fn rare() -> Policy {
    let mut policy = bare(&[("backup", 1)]);
    policy.targets[0].probes[0].every = Some(secs(300));
    policy.targets[0].settle = secs(600);
    policy
}

/// The same with a second probe that is asked in every pass.
fn mixed() -> Policy {
    let mut policy = rare();
    let often = ProbePolicy { name: name("port"), every: None, ..policy.targets[0].probes[0].clone() };
    policy.targets[0].probes.push(often);
    policy
}

fn rests(bench: &Bench) -> bool {
    rest::resting(&bench.policy, &bench.state, bench.clock()).has(&name("gateway"), &name("health"))
}

fn wakes_at(decision: &Decision) -> Option<Timestamp> {
    decision.quick.as_ref().map(|quick| quick.at)
}

#[test]
fn it_rests_until_its_time_has_come_and_a_pass_that_is_a_little_early_will_do() {
    let mut bench = Bench::new(rare());
    assert!(!rests(&bench), "never asked");
    let _ = bench.pass(0, health(pass()));
    assert!(rests(&bench));
    let _ = bench.pass(297, Evidence::default());
    assert!(rests(&bench), "three seconds early");
    let _ = bench.pass(1, Evidence::default());
    assert!(!rests(&bench), "two seconds early, as a pass may be");
    let _ = bench.pass(2, health(pass()));
    assert!(rests(&bench), "asked again");
}

/// A failing probe that somebody has an excuse for.
fn excused(excused: Option<Excused>) -> Evidence {
    let mut evidence = health(pass());
    evidence.probes[0].excused = excused;
    evidence
}

#[test]
fn an_excuse_is_remembered_until_its_time_is_over_or_it_is_not_needed() {
    let remembered = |bench: &Bench| {
        let resting = rest::resting(&bench.policy, &bench.state, bench.clock());
        resting.excuse(&name("gateway"), &name("health")).map(str::to_owned)
    };
    let anew = |hours: u64| Some(Excused::Anew { said: "it sleeps".to_owned(), holds: secs(hours * 3600) });
    let mut bench = Bench::new(rare());
    let _ = bench.pass(0, excused(anew(6)));
    assert_eq!(remembered(&bench).as_deref(), Some("it sleeps"));
    let _ = bench.pass(300, excused(Some(Excused::Still)));
    let _ = bench.pass(300, health(Reading::Unknown("no route".to_owned())));
    assert!(remembered(&bench).is_some(), "what is not known proves nothing");
    let excuse = |state: &State| state.targets[&name("gateway")].probes[&name("health")].excuse.clone();
    let saved = serde_json::to_string(&bench.state).unwrap();
    assert_eq!(excuse(&serde_json::from_str(&saved).unwrap()), excuse(&bench.state), "a restart keeps it");
    let _ = bench.pass(6 * 3600 - 600, Evidence::default());
    assert_eq!(remembered(&bench), None, "six hours are over");
    for ends in [pass(), fail("503")] {
        let _ = bench.pass(0, excused(anew(6)));
        assert!(remembered(&bench).is_some());
        let _ = bench.pass(300, health(ends));
        assert_eq!(remembered(&bench), None);
    }
    let _ = bench.pass(300, excused(anew(0)));
    assert_eq!(remembered(&bench), None, "it is to be asked each time");
}

#[test]
fn what_is_asked_in_every_pass_never_rests_and_leaves_no_trace() {
    let mut bench = Bench::new(mixed());
    let _ = bench.pass(0, of("gateway", "port", pass()));
    let before = bench.state.clone();
    let _ = bench.pass(60, of("gateway", "port", pass()));
    assert!(rest::resting(&bench.policy, &bench.state, bench.clock()).probes.is_empty());
    assert_eq!(bench.state.targets, before.targets, "a healthy pass changes nothing that is saved");
}

#[test]
fn while_it_rests_nobody_looks_every_two_seconds() {
    let mut bench = Bench::new(rare());
    bench.policy.targets[0].probes[0].fail_after = 2;
    let _ = bench.pass(0, health(pass()));
    let decision = bench.pass(300, health(fail("stale")));
    assert!(matches!(decision.verdicts[0].ruling, Ruling::Suspect(_)));
    assert_eq!(wakes_at(&decision), Some(bench.clock().after(secs(300))), "the next answer is due then");
}

#[test]
fn after_an_attempt_it_is_asked_at_once() {
    let mut bench = Bench::new(rare());
    let decision = bench.pass(0, health(fail("stale")));
    assert_eq!(done(&decision), ["backup"]);
    assert!(!rests(&bench), "the repair must be judged");
    let decision = bench.pass(2, health(fail("stale")));
    assert!(done(&decision).is_empty() && rests(&bench));
    assert_eq!(wakes_at(&decision), Some(bench.clock().after(secs(300))));
    let decision = bench.pass(300, health(pass()));
    assert_eq!(decision.closed.len(), 1, "one good answer ends it");
}

#[test]
fn what_costs_somebody_something_keeps_its_least_gap_even_after_an_attempt() {
    let mut bench = Bench::new(rare());
    bench.policy.targets[0].probes[0].least = Some(secs(120));
    let decision = bench.pass(0, health(fail("stale")));
    assert_eq!(done(&decision), ["backup"]);
    assert_eq!(wakes_at(&decision), Some(bench.clock().after(secs(120))));
    let decision = bench.pass(117, Evidence::default());
    assert!(rests(&bench) && matches!(decision.verdicts[0].ruling, Ruling::Verifying { .. }));
    let _ = bench.pass(1, Evidence::default());
    assert!(!rests(&bench), "the repair is judged before the five minutes are over");
    assert_eq!(bench.pass(2, health(pass())).closed.len(), 1);
}

#[test]
fn a_repair_is_proven_by_the_probes_that_are_asked_in_every_pass() {
    let mut policy = mixed();
    policy.targets[0].stable_passes = 3;
    let mut bench = Bench::new(policy);
    let both = |reading: Reading| Evidence {
        probes: [health(reading.clone()), of("gateway", "port", reading)].map(|e| e.probes).concat(),
        ..Evidence::default()
    };
    let _ = bench.pass(0, both(fail("down")));
    let _ = bench.pass(2, both(pass()));
    let _ = bench.pass(2, of("gateway", "port", pass()));
    let decision = bench.pass(2, of("gateway", "port", pass()));
    assert_eq!(decision.closed.len(), 1, "the third pass, although one probe rests");
}

#[test]
fn its_failure_stands_while_it_rests() {
    let mut bench = Bench::new(rare());
    bench.policy.targets[0].ladder.clear();
    let _ = bench.pass(0, health(fail("stale")));
    let _ = bench.pass(60, Evidence::default());
    assert_eq!(bench.target("gateway").probes[&name("health")].health, ProbeHealth::Unhealthy);
    let _ = bench.pass(240, Evidence::default());
    assert_eq!(bench.keys(), ["health_consecutive"], "people are told on time");
}

#[test]
fn a_target_may_be_asked_again_at_its_own_pace() {
    let mut bench = Bench::new(bare(&[]));
    bench.policy.targets[0].probes[0].fail_after = 2;
    bench.policy.targets[0].reprobe = secs(10);
    let decision = bench.pass(0, health(fail("refused")));
    assert_eq!(wakes_at(&decision), Some(bench.clock().after(secs(10))));
}

#[test]
fn an_excuse_belongs_to_one_probe_of_one_target() {
    let excuses = vec![(name("backup"), name("fresh"), "asleep".to_owned())];
    let resting = Resting { excuses, ..Resting::default() };
    let excuse = |target, probe| resting.excuse(&name(target), &name(probe));
    assert_eq!(excuse("backup", "fresh"), Some("asleep"));
    assert_eq!((excuse("backup", "whole"), excuse("blog", "fresh")), (None, None));
}

#[test]
fn what_has_half_shown_its_health_is_not_forgotten() {
    let mut policy = rare();
    (policy.targets[0].probes[0].least, policy.targets[0].probes[0].pass_after) = (Some(secs(60)), 2);
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, health(pass()));
    let _ = bench.pass(100, Evidence::default());
    assert!(rests(&bench), "one of two passes is something, and the next question is due in its own time");
    let _ = bench.pass(200, health(pass()));
    health::forget_readings(bench.state.targets.get_mut(&name("gateway")).unwrap());
    let _ = bench.pass(60, Evidence::default());
    assert!(!rests(&bench), "of this nothing is known any more");
}
