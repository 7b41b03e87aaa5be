//! What a verdict shows to people: the unit as if it were a probe, each probe with its numbers, and why a target
//! that is alive is not ready.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::policy::Policy;
use picoclaw_watchdog::recovery::state::ProbeHealth;
use picoclaw_watchdog::recovery::unit::{Active, UnitFacts};
use picoclaw_watchdog::recovery::verdict::{Ruling, Seen, Verdict, seen};

/// The gateway's own probe and its `/ready`, which counts from its first pass on.
fn judge(unit: Result<UnitFacts, String>, health: Reading, ready: &[Reading]) -> (Verdict, Vec<Seen>) {
    let mut policy = policy_with_ollama();
    policy.targets.pop();
    policy.targets[0].probes.iter_mut().for_each(|probe| probe.fail_after = 2);
    let mut bench = Bench::new(policy);
    let mut verdicts = Vec::new();
    for reading in ready {
        let mut evidence = of("gateway", "health", health.clone());
        evidence.probes.extend(of("gateway", "ready", reading.clone()).probes);
        evidence.units = vec![UnitReport { target: name("gateway"), facts: unit.clone() }];
        verdicts = bench.pass(2, evidence).verdicts;
    }
    (verdicts.remove(0), seen(&bench.policy.targets[0], bench.target("gateway")))
}

#[test]
fn an_alive_target_says_why_it_is_not_ready() {
    let said = |health: Reading, ready: &[Reading]| judge(Ok(running("a", 60)), health, ready).0.not_ready;
    let failing = [pass(), fail("503"), fail("503")];
    assert_eq!(said(pass(), &failing), Some("ready: 503".to_owned()));
    assert_eq!(said(pass(), &failing[..2]), None, "not confirmed");
    assert_eq!(said(pass(), &[fail("503"), fail("503")]), None, "it never was ready, so it does not count");
    assert_eq!(said(fail("refused"), &[pass(), pass()]), None, "what is not alive is another matter");
    let (verdict, _) = judge(Ok(running("a", 60)), pass(), &failing);
    assert_eq!(verdict.to_string(), "alive, but not ready: ready: 503; nothing to do");
}

#[test]
fn the_unit_and_every_probe_are_shown_with_their_numbers() {
    let (_, seen) = judge(Ok(running("a", 60)), fail("refused"), &[pass(), fail("503"), fail("503")]);
    let shown = |seen: &Seen| (seen.probe.clone(), seen.reading.clone(), seen.fails, seen.counts);
    let expected = [
        ("unit", pass_of("picoclaw-gateway.service runs"), (0, 1)),
        ("health", Some(fail("refused")), (3, 2)),
        ("ready", Some(fail("503")), (2, 2)),
    ];
    let expected = expected.map(|(probe, reading, fails)| (probe.to_owned(), reading, fails, true));
    assert_eq!(seen.iter().map(shown).collect::<Vec<_>>(), expected);
}

fn pass_of(text: &str) -> Option<Reading> {
    Some(Reading::Pass(text.to_owned()))
}

#[test]
fn a_unit_that_is_not_up_is_shown_so() {
    let unit = |facts: Result<UnitFacts, String>| {
        let Seen { health, fails, reading, .. } = judge(facts, pass(), &[pass()]).1.remove(0);
        (health, fails, reading)
    };
    let failed = UnitFacts { active: Active::Failed, ..running("a", 60) };
    let text = "picoclaw-gateway.service: it failed (success)";
    assert_eq!(unit(Ok(failed)), (ProbeHealth::Unhealthy, (1, 1), Some(fail(text))));
    let unknown = |text: &str| Some(Reading::Unknown(text.to_owned()));
    let starting = UnitFacts { active: Active::Activating, sub: "start".to_owned(), ..running("a", 1) };
    assert_eq!(unit(Ok(starting)), (ProbeHealth::Unsettled, (0, 1), unknown("it is starting (start)")));
    assert_eq!(unit(Err("no bus".to_owned())), (ProbeHealth::Unsettled, (0, 1), unknown("no bus")));
}

/// The first pass of a daemon, or the first after a restart: some have answered, and the unit was seen or not.
fn is_unasked(policy: Policy, answered: &[&str], unit: Option<UnitFacts>) -> (bool, bool) {
    let mut bench = Bench::new(policy);
    let mut evidence = Evidence::default();
    evidence.probes.extend(
        answered.iter().flat_map(|probe| of("gateway", probe, Reading::Unknown("silent".to_owned())).probes),
    );
    evidence.units.extend(unit.map(|facts| UnitReport { target: name("gateway"), facts: Ok(facts) }));
    let verdict = bench.pass(2, evidence).verdicts.remove(0);
    (verdict.unasked, verdict.is_told_elsewhere())
}

#[test]
fn what_nobody_has_asked_yet_is_no_news() {
    let mut policy = policy_with_ollama();
    policy.targets.pop();
    policy.targets[0].probes.iter_mut().for_each(|probe| probe.arm_on_pass = false);
    let unit = || Some(running("a", 60));
    let told = |answered: &[&str], unit| is_unasked(policy.clone(), answered, unit);
    assert_eq!(told(&["health", "ready"], unit()), (false, false), "all are asked, and none knows");
    assert_eq!(told(&["health"], unit()), (true, true), "one is not asked yet");
    assert_eq!(told(&["health", "ready"], None), (true, true), "the unit is not looked at yet");
    assert_eq!(told(&[], None), (true, true));
    let mut bare = policy.clone();
    bare.targets[0].unit = None;
    assert_eq!(is_unasked(bare, &["health", "ready"], None), (false, false), "there is no unit to ask for");
}

#[test]
fn an_attempt_and_its_proof_have_lines_of_their_own() {
    let mut bench = Bench::new(policy_with_ollama());
    let dead = || Evidence {
        units: vec![UnitReport {
            target: name("gateway"),
            facts: Ok(UnitFacts { active: Active::Failed, ..running("a", 60) }),
        }],
        ..Evidence::default()
    };
    let acting = bench.pass(300, dead());
    assert!(matches!(acting.verdicts[0].ruling, Ruling::Act { .. }), "{:?}", acting.verdicts[0].ruling);
    assert!(acting.verdicts[0].is_told_elsewhere());
    let suspect = &acting.verdicts[1];
    assert!(matches!(suspect.ruling, Ruling::Unsure(_)) && suspect.is_told_elsewhere(), "Ollama: not asked");
}
