//! When to keep still: one cause, offline, a new boot, a pause.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::outbox::Kind;
use picoclaw_watchdog::recovery::policy::*;

/// A gateway and a funnel behind it, which is reached over the internet.
fn with_funnel() -> Policy {
    let mut policy = bare(&[("restart", 3)]);
    let funnel = TargetPolicy {
        name: name("funnel"),
        depends_on: vec![name("gateway")],
        external: true,
        ladder: vec![Rung { action: name("publish"), tries: 2, disruptive: false }],
        ..policy.targets[0].clone()
    };
    policy.targets.push(funnel);
    policy.offline_quorum = Some(2);
    policy
}

fn both(gateway: Reading, funnel: Reading) -> Evidence {
    let mut evidence = health(gateway);
    evidence.probes.extend(of("funnel", "health", funnel).probes);
    evidence
}

#[test]
fn what_a_restart_would_make_worse_is_left_up_and_told() {
    let mut policy = bare(&[("clean", 1), ("restart", 3)]);
    policy.targets[0].ladder[0].disruptive = false;
    let mut bench = Bench::new(policy);
    let full = || health(fail(&format!("{LEAVE_UP}its disk is full")));
    assert_eq!(done(&bench.pass(0, full())), ["clean"], "what interrupts nothing may help");
    let mut last = bench.pass(1000, full());
    for _ in 0..5 {
        assert!(done(&last).is_empty());
        last = bench.pass(1000, full());
    }
    assert_eq!(held(&last, 0), &Hold::Unusable(format!("{LEAVE_UP}its disk is full")));
    assert_eq!(bench.keys(), ["health_consecutive"]);
    // Once it is only down, it is restarted as ever.
    assert_eq!(done(&bench.pass(1000, health(fail("refused")))), ["restart"]);
}

#[test]
fn what_fails_beside_a_suspect_upstream_waits_for_it() {
    let mut policy = with_funnel();
    policy.targets[0].probes[0].fail_after = 3;
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(pass(), pass()));
    let decision = bench.pass(60, both(fail("refused"), fail("502")));
    assert!(done(&decision).is_empty());
    assert_eq!(held(&decision, 1), &Hold::Upstream(name("gateway")), "confirmed before its cause is");
    let decision = bench.pass(2, both(pass(), fail("502")));
    assert_eq!(done(&decision), ["publish"], "a fault of its own is still seen");
}

#[test]
fn what_was_behind_a_fault_is_asked_anew_once_that_is_over() {
    let mut bench = Bench::new(with_funnel());
    let _ = bench.pass(0, both(pass(), pass()));
    assert_eq!(done(&bench.pass(60, both(fail("refused"), fail("502")))), ["restart"]);
    // A quick pass asks the gateway only; what is known of the funnel is from before.
    let decision = bench.pass(2, health(pass()));
    assert!(decision.closed.iter().any(|closed| closed.target == name("gateway")));
    assert!(done(&decision).is_empty(), "{:?}", decision.attempts);
    assert!(decision.quick.is_none_or(|quick| quick.at <= bench.clock().after(secs(60))));
    assert!(done(&bench.pass(60, both(pass(), pass()))).is_empty());
    assert_eq!(done(&bench.pass(60, both(pass(), fail("502")))), ["publish"]);
}

fn cut_off(mut evidence: Evidence, failing: usize) -> Evidence {
    let names = ["gateway", "dns", "1.1.1.1:443"];
    evidence.references = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let reading = if index < failing { fail("no answer") } else { pass() };
            ReferenceReport { name: (*name).to_owned(), reading }
        })
        .collect();
    evidence
}

#[test]
fn offline_nothing_external_is_blamed_and_one_message_tells_on_return() {
    let mut bench = Bench::new(with_funnel());
    let _ = bench.pass(0, both(pass(), pass()));
    for _ in 0..600 {
        let decision = bench.pass(60, cut_off(both(pass(), fail("no route")), 2));
        assert!(done(&decision).is_empty());
    }
    assert!(bench.keys().is_empty(), "{:?}", bench.keys());
    let _ = bench.pass(60, cut_off(both(pass(), pass()), 0));
    assert_eq!(bench.keys(), ["offline"]);
    let text = &bench.state.outbox.letters[0].text;
    assert!(text.contains("10 h") && text.contains("funnel"), "{text}");
    assert_eq!(bench.state.offline, None);
}

#[test]
fn what_is_ours_is_repaired_offline_too() {
    let mut bench = Bench::new(with_funnel());
    let _ = bench.pass(0, both(pass(), pass()));
    let decision = bench.pass(60, cut_off(both(fail("refused"), fail("no route")), 3));
    assert_eq!(done(&decision), ["restart"]);
}

#[test]
fn one_reference_of_three_proves_nothing() {
    let mut bench = Bench::new(with_funnel());
    let _ = bench.pass(0, both(pass(), pass()));
    let decision = bench.pass(60, cut_off(both(pass(), fail("502")), 1));
    assert_eq!(done(&decision), ["publish"]);
}

#[test]
fn a_target_that_was_failing_before_waits_while_we_are_offline() {
    let mut bench = Bench::new(with_funnel());
    let _ = bench.pass(0, both(pass(), pass()));
    assert_eq!(done(&bench.pass(60, both(pass(), fail("502")))), ["publish"]);
    let decision = bench.pass(61, cut_off(both(pass(), fail("no route")), 2));
    assert!(done(&decision).is_empty());
    let decision = bench.pass(61, cut_off(both(pass(), fail("502")), 0));
    assert_eq!(done(&decision), ["publish"], "back online, its own fault is seen again");
    assert!(bench.keys().is_empty(), "two minutes offline are not worth a message");
}

#[test]
fn what_was_held_for_another_reason_waits_offline_too() {
    let mut policy = with_funnel();
    policy.targets[0].probes[0].fail_after = 3;
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(pass(), pass()));
    let decision = bench.pass(60, both(fail("refused"), fail("502")));
    assert_eq!(held(&decision, 1), &Hold::Upstream(name("gateway")));
    let decision = bench.pass(2, cut_off(both(pass(), fail("no route")), 2));
    assert_eq!(held(&decision, 1), &Hold::Offline { since: bench.clock() });
}

#[test]
fn an_external_answer_proves_that_we_are_back() {
    let mut bench = Bench::new(with_funnel());
    let _ = bench.pass(0, both(pass(), pass()));
    let _ = bench.pass(60, cut_off(both(pass(), fail("no route")), 2));
    assert!(bench.state.offline.is_some());
    let _ = bench.pass(60, both(pass(), fail("no route")));
    assert!(bench.state.offline.is_some(), "what is on this machine proves nothing, nor does a failure");
    let _ = bench.pass(60, both(pass(), pass()));
    assert!(bench.state.offline.is_none());
}

#[test]
fn after_a_boot_or_a_sleep_it_only_looks_at_first() {
    for fresh in [Fresh::Boot, Fresh::Resume] {
        let mut bench = Bench::new(bare(&[("restart", 3)]));
        let _ = bench.pass(0, health(pass()));
        let mut evidence = health(fail("refused"));
        evidence.fresh = Some(fresh);
        let decision = bench.pass(60, evidence);
        assert!(matches!(held(&decision, 0), Hold::FirstLook { .. }), "{:?}", decision.verdicts[0].ruling);
        assert_eq!(decision.quick.as_ref().unwrap().at, bench.clock().after(secs(30)));
        assert!(done(&bench.pass(29, health(fail("refused")))).is_empty());
        assert_eq!(done(&bench.pass(1, health(fail("refused")))), ["restart"], "down for good");
    }
}

fn pause(target: Option<&str>, span: u64) -> Order {
    Order::Pause { target: target.map(name), span: secs(span), reason: "new disk".to_owned() }
}

fn ordered(order: Order, mut evidence: Evidence) -> Evidence {
    evidence.orders = vec![order];
    evidence
}

#[test]
fn a_pause_holds_its_hand_and_its_tongue_and_ends_with_a_summary() {
    for target in [Some("gateway"), None] {
        let mut bench = Bench::new(bare(&[("restart", 3)]));
        let _ = bench.pass(0, health(pass()));
        let decision = bench.pass(60, ordered(pause(target, 7200), health(fail("refused"))));
        assert!(matches!(held(&decision, 0), Hold::Paused { .. }));
        for _ in 0..119 {
            let decision = bench.pass(60, health(fail("refused")));
            assert!(done(&decision).is_empty() && bench.keys().is_empty());
        }
        let decision = bench.pass(60, health(fail("refused")));
        assert_eq!(done(&decision), ["restart"], "it ended by itself");
        assert_eq!(bench.keys(), [if target.is_some() { "gateway_pause" } else { "pause" }]);
        let text = &bench.state.outbox.letters[0].text;
        assert!(text.contains("2 h") && text.contains("gateway: health: refused"), "{text}");
    }
}

#[test]
fn what_nothing_could_have_repaired_is_in_the_summary_too() {
    let mut bench = Bench::new(bare(&[]));
    let _ = bench.pass(0, ordered(pause(None, 7200), health(pass())));
    for minute in 1..120 {
        let reading = if (20..80).contains(&minute) { fail("refused") } else { pass() };
        let _ = bench.pass(60, health(reading));
    }
    assert!(bench.keys().is_empty(), "{:?}", bench.keys());
    let _ = bench.pass(60, health(pass()));
    assert_eq!(bench.keys(), ["pause"]);
    let text = &bench.state.outbox.letters[0].text;
    assert!(text.contains("gateway: health: refused"), "{text}");
}

#[test]
fn what_lasted_in_a_pause_is_in_its_summary_and_a_moment_of_it_is_not() {
    let mut policy = policy_with_ollama();
    policy.targets.truncate(1);
    policy.targets[0].unit = None;
    let ready = |reading| Evidence {
        probes: [health(pass()).probes, of("gateway", "ready", reading).probes].concat(),
        ..Evidence::default()
    };
    for (minutes, told) in [(29, &[][..]), (40, &["pause"][..])] {
        let mut bench = Bench::new(policy.clone());
        let _ = bench.pass(0, ordered(pause(None, 7200), ready(pass())));
        for minute in 1..=120 {
            let reading = if minute < minutes { fail("503") } else { pass() };
            let _ = bench.pass(60, ready(reading));
        }
        assert_eq!(bench.keys(), told, "{minutes}");
        let said =
            bench.state.outbox.letters.iter().all(|letter| letter.text.contains("gateway: ready: 503"));
        assert!(said, "{:?}", bench.state.outbox.letters);
    }
}

#[test]
fn a_pause_in_which_nothing_happened_ends_without_a_word() {
    let mut bench = Bench::new(bare(&[("restart", 3)]));
    let _ = bench.pass(0, ordered(pause(None, 600), health(pass())));
    for _ in 0..20 {
        let _ = bench.pass(60, health(pass()));
    }
    assert!(bench.state.pauses.is_empty() && bench.keys().is_empty());
}

#[test]
fn resuming_ends_a_pause_at_once() {
    for target in [Some(name("gateway")), None] {
        let mut bench = Bench::new(bare(&[("restart", 3)]));
        let _ = bench.pass(0, ordered(pause(Some("gateway"), 7200), health(pass())));
        let _ = bench.pass(60, health(fail("refused")));
        let decision = bench.pass(60, ordered(Order::Resume { target }, health(fail("refused"))));
        assert_eq!(done(&decision), ["restart"]);
    }
}

#[test]
fn a_pause_of_one_leaves_the_others_alone_and_of_the_unknown_does_nothing() {
    let mut bench = Bench::new(with_funnel());
    let _ = bench.pass(0, ordered(pause(Some("gateway"), 7200), both(pass(), pass())));
    assert_eq!(done(&bench.pass(60, both(pass(), fail("502")))), ["publish"]);
    let _ = bench.pass(60, ordered(pause(Some("nobody"), 7200), both(pass(), pass())));
    assert_eq!(bench.state.pauses.len(), 1);
}

#[test]
fn a_kick_does_not_get_past_a_pause() {
    let mut bench = Bench::new(bare(&[("restart", 3)]));
    let mut evidence = ordered(pause(None, 7200), health(pass()));
    let wish = Ok(KickWish::Recover(name("gateway")));
    evidence.kicks = vec![Kick { action: "restart_gateway".to_owned(), source: "cli".to_owned(), wish }];
    let decision = bench.pass(0, evidence);
    assert_eq!(decision.answers[0].text, "refused: paused by a person (new disk)");
}

#[test]
fn a_fault_told_before_a_pause_is_told_over_in_it() {
    let mut bench = Bench::new(bare(&[]));
    let _ = bench.pass(0, health(fail("refused")));
    assert_eq!(bench.keys(), ["health_consecutive"]);
    let _ = bench.pass(60, ordered(pause(None, 7200), health(pass())));
    let letters: Vec<Kind> = bench.state.outbox.letters.iter().map(|letter| letter.kind).collect();
    assert_eq!(letters, [Kind::Fault, Kind::Recovery]);
}

#[test]
fn offline_mutes_what_is_external_and_nothing_else() {
    let mut policy = with_funnel();
    policy.targets.iter_mut().for_each(|target| target.ladder.clear());
    policy.targets[1].depends_on.clear();
    policy.targets[1].keys.failing = "funnel_down".to_owned();
    let mut bench = Bench::new(policy.clone());
    let _ = bench.pass(0, both(pass(), fail("502")));
    assert_eq!(bench.keys(), ["funnel_down"], "online, what is external is told");
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(pass(), pass()));
    let _ = bench.pass(60, cut_off(both(fail("refused"), fail("no route")), 2));
    assert_eq!(bench.keys(), ["health_consecutive"], "offline, what is ours is told");
}

#[test]
fn what_has_no_remedy_is_not_told_either_while_its_cause_is() {
    let mut policy = with_funnel();
    policy.targets[1].ladder.clear();
    policy.targets[1].keys.failing = "funnel_down".to_owned();
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(pass(), pass()));
    for _ in 0..20 {
        let _ = bench.pass(60, both(fail("refused"), fail("502")));
    }
    assert!(bench.keys().iter().all(|key| *key != "funnel_down"), "{:?}", bench.keys());
    assert!(!bench.keys().is_empty(), "the cause is told");
}

#[test]
fn whoever_is_not_told_of_the_cause_is_told_of_what_fails_with_it() {
    let mut policy = with_funnel();
    policy.targets[1].ladder.clear();
    policy.targets[1].keys.failing = "funnel_down".to_owned();
    // LINE hears of errors only, so nobody there is told of the gateway.
    policy.targets[0].severity = Severity::Warning;
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(pass(), pass()));
    for _ in 0..20 {
        let _ = bench.pass(60, both(fail("refused"), fail("502")));
    }
    assert_eq!(bench.keys(), ["funnel_down"]);
}

#[test]
fn what_failed_beside_a_suspect_counts_anew_unless_it_was_asked_again() {
    let mut policy = with_funnel();
    policy.targets[0].probes[0].fail_after = 3;
    policy.targets[1].probes[0].fail_after = 2;
    let suspects = |policy: &Policy| {
        let mut bench = Bench::new(policy.clone());
        let _ = bench.pass(0, both(pass(), pass()));
        let _ = bench.pass(60, both(fail("refused"), fail("502")));
        bench
    };
    let mut bench = suspects(&policy);
    // A quick pass asks the gateway only: it was no fault, but the funnel may have failed for as long.
    let _ = bench.pass(2, health(pass()));
    assert!(done(&bench.pass(58, both(pass(), fail("502")))).is_empty(), "the first failure of its own");
    assert_eq!(done(&bench.pass(60, both(pass(), fail("502")))), ["publish"]);
    let mut bench = suspects(&policy);
    assert_eq!(
        done(&bench.pass(2, both(pass(), fail("502")))),
        ["publish"],
        "it still fails while all is well"
    );
    let mut bench = Bench::new(policy);
    let _ = bench.pass(0, both(pass(), pass()));
    let _ = bench.pass(60, both(fail("refused"), pass()));
    let _ = bench.pass(2, health(pass()));
    let known = &bench.target("funnel").probes[&name("health")];
    assert_eq!(known.passes, 1, "what was well beside it stays known");
}

#[test]
fn a_repair_of_which_nothing_is_known_any_more_holds_nobody_up() {
    let mut policy = with_funnel();
    policy.targets[1].depends_on.clear();
    policy.targets[1].ladder[0].disruptive = true;
    policy.targets[0].settle = secs(30);
    let mut bench = Bench::new(policy);
    assert_eq!(done(&bench.pass(0, both(fail("refused"), pass()))), ["restart"]);
    let unknown = || Reading::Unknown("it cannot be asked".to_owned());
    let held_up = bench.pass(10, both(unknown(), fail("502")));
    assert_eq!(held(&held_up, 1), &Hold::OneAtATime(name("gateway")), "its repair is under way");
    assert_eq!(done(&bench.pass(30, both(unknown(), fail("502")))), ["publish"], "it had its time");
}
