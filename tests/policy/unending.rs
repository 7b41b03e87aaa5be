//! Work of systemd's that never ends keeps neither people nor other repairs waiting for ever.

use crate::bench::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::policy::Policy;
use picoclaw_watchdog::recovery::unit::{Active, UnitFacts};
use picoclaw_watchdog::recovery::verdict::Ruling;

fn with_a_unit() -> Policy {
    let mut policy = bare(&[("restart", 3)]);
    policy.targets[0].unit = Some("gateway.service".to_owned());
    policy
}

/// It was restarted, and its start has been under way ever since. No more than systemd may be known.
fn starting(bench: &mut Bench, reading: Option<&Reading>) -> Vec<Ruling> {
    let dead = UnitFacts { active: Active::Failed, ..running("a", 60) };
    assert_eq!(done(&bench.pass(0, with_unit(dead, fail("refused")))), ["restart"]);
    let rulings = (1..40).map(|minute| {
        let facts = UnitFacts {
            active: Active::Activating,
            sub: "start-pre".to_owned(),
            main_started_ago: None,
            ..running("b", minute * 60)
        };
        let mut evidence = with_unit(facts, fail("refused"));
        match reading {
            Some(reading) => evidence.probes[0].reading = reading.clone(),
            None => evidence.probes.clear(),
        }
        bench.pass(60, evidence).verdicts.remove(0).ruling
    });
    rulings.collect()
}

#[test]
fn a_start_that_never_ends_is_verified_as_long_as_any_may_take_and_then_told() {
    for reading in [None, Some(Reading::Unknown("401".to_owned()))] {
        let mut policy = with_a_unit();
        if reading.is_none() {
            policy.targets[0].probes.clear();
        }
        let mut bench = Bench::new(policy);
        let rulings = starting(&mut bench, reading.as_ref());
        assert!(matches!(rulings[13], Ruling::Verifying { .. }), "the cap is 15 minutes: {:?}", rulings[13]);
        assert!(matches!(rulings[14], Ruling::Unsure(_)), "{:?}", rulings[14]);
        assert_eq!(bench.keys(), ["health_consecutive"]);
    }
}

#[test]
fn a_start_that_never_ends_while_the_target_fails_is_held_then_and_told() {
    let mut bench = Bench::new(with_a_unit());
    let rulings = starting(&mut bench, Some(&fail("refused")));
    assert!(matches!(rulings[13], Ruling::Verifying { .. }), "{:?}", rulings[13]);
    assert!(matches!(rulings[14], Ruling::Held(Hold::Busy(_))), "{:?}", rulings[14]);
    assert_eq!(bench.keys(), ["health_consecutive"]);
}
