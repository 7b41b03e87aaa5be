//! A start of the watchdog forgets nothing that decides: why something fails is saved, that something passes is not.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::state::ProbeState;

#[test]
fn what_a_restart_would_make_worse_is_left_up_after_a_start_of_ours_too() {
    let mut bench = Bench::new(bare(&[("restart", 3)]));
    let worse = format!("{LEAVE_UP}the disk is full");
    assert_eq!(held(&bench.pass(0, health(fail(&worse))), 0), &Hold::Unusable(worse.clone()));
    bench.restart();
    // The unit stirs before the probe is asked.
    let decision = bench.pass(5, Evidence::default());
    assert!(done(&decision).is_empty(), "{:?}", decision.attempts);
    assert_eq!(held(&decision, 0), &Hold::Unusable(worse));
}

#[test]
fn what_changed_nothing_has_changed_nothing_after_a_start_of_ours_too() {
    let mut bench = Bench::new(bare(&[("restart", 5)]));
    for _ in 0..2 {
        assert_eq!(done(&bench.pass(61, health(fail("refused")))), ["restart"]);
    }
    let _ = bench.pass(5, health(fail("refused")));
    bench.restart();
    assert!(done(&bench.pass(61, Evidence::default())).is_empty());
}

#[test]
fn a_rare_probe_that_knows_nothing_is_told_of_by_one_that_starts_anew_each_time() {
    let mut policy = bare(&[]);
    policy.targets[0].probes[0].every = Some(secs(3600));
    let mut bench = Bench::new(policy);
    let unknown = || health(Reading::Unknown("401".to_owned()));
    let _ = bench.pass(0, unknown());
    for _ in 0..11 {
        bench.restart();
        let _ = bench.pass(300, Evidence::default());
    }
    assert_eq!(bench.keys(), ["gateway_unknown"]);
}

#[test]
fn that_it_passes_is_not_saved_and_an_older_state_knows_nothing_of_it() {
    let mut bench = Bench::new(bare(&[]));
    let _ = bench.pass(0, health(pass()));
    let saved = serde_json::to_string(&bench.target("gateway").probes).unwrap();
    assert!(!saved.contains("last"), "{saved}");
    let _ = bench.pass(60, health(fail("refused")));
    let saved = serde_json::to_string(&bench.target("gateway").probes).unwrap();
    assert!(saved.contains(r#""last":{"is":"fail","detail":"refused"}"#), "{saved}");
    let older = r#"{"health":"unhealthy","fails":3,"passes":0,"armed":true,"trouble_since":5}"#;
    assert!(serde_json::from_str::<ProbeState>(older).unwrap().last.is_none());
}
