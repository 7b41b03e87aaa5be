//! What a person stops, and what a person asks for.

use crate::bench::*;
use crate::core::*;
use crate::limits::{both, quick, two};
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::gate::{self, Asker, Hold, Question};
use picoclaw_watchdog::recovery::outbox::Kind;
use picoclaw_watchdog::recovery::unit::{Active, Load, UnitFacts};

fn stopped() -> UnitFacts {
    UnitFacts {
        active: Active::Inactive,
        left_active_ago: Some(secs(9)),
        main_exited_ago: Some(secs(8)),
        ..running("a", 60)
    }
}

/// The policy does not even ask about what a person stopped; if it did, the gate would keep it from it.
#[test]
fn a_person_may_undo_a_persons_stop_and_the_policy_may_not() {
    let mut bench = Bench::new(policy());
    let _ = bench.pass(0, with_unit(stopped(), fail("refused")));
    let ask = |asker| {
        let (policy, state, now) = (&bench.policy, &bench.state, bench.clock());
        let target = &policy.targets[0];
        gate::ask(&Question { policy, state, target, asker, rung: &target.ladder[0], durable: true, now })
    };
    assert!(matches!(ask(Asker::Policy), Err(Hold::OnPurpose(_))));
    assert_eq!(ask(Asker::Person), Ok(()));
}

/// What is on its way is accepted at once.
fn taken(bench: &Bench, evidence: Evidence) -> Evidence {
    let waiting = bench.state.outbox.letters.iter().filter(|letter| letter.is_waiting() && letter.tries > 0);
    let delivery = Delivery::Accepted { request_id: "r".to_owned() };
    let receipts = waiting.map(|letter| Receipt { alert: letter.id, delivery: delivery.clone() }).collect();
    Evidence { receipts, ..evidence }
}

fn runs(bench: &mut Bench, after_s: u64) {
    let _ = bench.pass(after_s, taken(bench, with_unit(running("a", 60), pass())));
}

fn stops(bench: &mut Bench, after_s: u64) {
    let _ = bench.pass(after_s, taken(bench, with_unit(stopped(), fail("refused"))));
}

fn letters(bench: &Bench) -> Vec<(Kind, &'static str)> {
    bench.state.outbox.letters.iter().map(|letter| (letter.kind, letter.fate.word())).collect()
}

#[test]
fn stopped_again_within_the_cooldown_is_said_when_that_is_over() {
    let mut bench = Bench::new(policy());
    runs(&mut bench, 60);
    stops(&mut bench, 60);
    runs(&mut bench, 60);
    stops(&mut bench, 60);
    stops(&mut bench, 60);
    let told = [(Kind::Notice, "accepted"), (Kind::Recovery, "accepted")];
    assert_eq!(letters(&bench), told, "the stop and its end, and not yet the second stop");
    stops(&mut bench, 900);
    stops(&mut bench, 60);
    stops(&mut bench, 3600);
    assert_eq!(letters(&bench), [told[0], told[1], told[0]], "once");
    assert_eq!(bench.keys(), ["gateway_left_alone"; 3]);
}

/// Lets the gateway be stopped and started while its messages wait, and says what became of them when they may go.
fn stopped_and_started(bench: &mut Bench) -> Vec<(Kind, &'static str)> {
    runs(bench, 60);
    stops(bench, 1);
    runs(bench, 30);
    bench.policy.alerts.channels[0].on = Ok(());
    runs(bench, 60);
    runs(bench, 60);
    letters(bench)
}

#[test]
fn a_stop_that_is_over_before_anybody_could_be_told_is_not_told() {
    let mut bench = Bench::new(policy());
    bench.policy.alerts.channels[0].on = Err("switched off".to_owned());
    assert_eq!(stopped_and_started(&mut bench), [(Kind::Notice, "superseded")], "there was no channel");

    let mut bench = Bench::new(policy());
    let order = Order::TestAlert { channel: None };
    let test = Evidence { orders: vec![order], ..with_unit(running("a", 60), pass()) };
    let _ = bench.pass(60, test);
    let told = stopped_and_started(&mut bench);
    assert_eq!(told, [(Kind::Test, "accepted"), (Kind::Notice, "superseded")], "it waited for company");
}

/// The gateway is stopped within a minute of another message, so that the word about it waits for company.
fn with_a_stop_that_waits() -> Bench {
    let mut bench = Bench::new(policy());
    let order = Order::TestAlert { channel: None };
    let _ = bench.pass(60, Evidence { orders: vec![order], ..with_unit(running("a", 60), pass()) });
    runs(&mut bench, 1);
    stops(&mut bench, 1);
    assert_eq!(letters(&bench), [(Kind::Test, "accepted"), (Kind::Notice, "pending")]);
    bench
}

#[test]
fn once_it_was_started_its_stop_need_not_be_told_whatever_comes_of_the_start() {
    let mut bench = with_a_stop_that_waits();
    let _ = bench.pass(2, with_unit(running("b", 1), fail("refused")));
    assert_eq!(letters(&bench)[1], (Kind::Notice, "superseded"));
    let mut bench = with_a_stop_that_waits();
    let unit = UnitReport { target: name("gateway"), facts: Err("no bus".to_owned()) };
    let _ = bench.pass(2, Evidence { units: vec![unit], ..Evidence::default() });
    assert_eq!(letters(&bench)[1], (Kind::Notice, "pending"), "nobody knows whether it was started");
}

#[test]
fn a_stop_that_was_told_before_an_update_of_ours_is_not_told_again() {
    let mut bench = Bench::new(policy());
    runs(&mut bench, 60);
    bench.state.targets.get_mut(&name("gateway")).unwrap().off = Some("a person stopped it".to_owned());
    stops(&mut bench, 60);
    stops(&mut bench, 3600);
    assert_eq!(letters(&bench), []);
}

#[test]
fn a_stop_that_lasts_until_there_is_a_channel_is_told_then_and_other_notices_are_not() {
    let mut bench = Bench::new(policy());
    bench.policy.alerts.channels[0].on = Err("switched off".to_owned());
    let wish = Err(KickRefusal::Forged);
    let kick = Kick { action: "restart_gateway".to_owned(), source: "cli".to_owned(), wish };
    let _ = bench.pass(0, Evidence { kicks: vec![kick], ..with_unit(running("a", 60), pass()) });
    stops(&mut bench, 60);
    assert_eq!(letters(&bench), [(Kind::Notice, "withheld"); 2]);
    bench.policy.alerts.channels[0].on = Ok(());
    stops(&mut bench, 60);
    stops(&mut bench, 60);
    assert_eq!(letters(&bench), [(Kind::Notice, "superseded"), (Kind::Notice, "accepted")]);
}

#[test]
fn without_a_service_manager_a_stop_is_not_over() {
    let mut bench = Bench::new(policy());
    stops(&mut bench, 0);
    stops(&mut bench, 60);
    let unit = UnitReport { target: name("gateway"), facts: Err("no bus".to_owned()) };
    let _ = bench.pass(60, Evidence { units: vec![unit], ..Evidence::default() });
    stops(&mut bench, 3600);
    assert_eq!(letters(&bench), [(Kind::Notice, "accepted")]);
}

fn kicked(evidence: Evidence) -> Evidence {
    let wish = Ok(KickWish::Recover(name("gateway")));
    let kick = Kick { action: "restart_gateway".to_owned(), source: "cli".to_owned(), wish };
    Evidence { kicks: vec![kick], ..evidence }
}

#[test]
fn what_systemd_says_outranks_a_person_except_for_their_own_stop() {
    let cases = [
        (UnitFacts { load: Load::Masked, ..running("a", 60) }, "refused: left alone: a person masked it"),
        (UnitFacts { load: Load::NotFound, ..running("a", 60) }, "refused: only a person can help: "),
        (
            UnitFacts { job: Some("stop".to_owned()), ..running("a", 60) },
            "refused: systemd is at work on it: a",
        ),
        (stopped(), "do restart-gateway now"),
    ];
    for (facts, expected) in cases {
        let decision = Bench::new(policy()).pass(0, kicked(with_unit(facts, fail("refused"))));
        let text = &decision.answers[0].text;
        assert!(text.starts_with(expected), "{text}");
    }
    let unit = UnitReport { target: name("gateway"), facts: Err("no bus".to_owned()) };
    let blind = Evidence { units: vec![unit], ..kicked(health(fail("refused"))) };
    let decision = Bench::new(policy()).pass(0, blind);
    assert_eq!(decision.answers[0].text, "refused: the service manager cannot be asked: no bus");
}

#[test]
fn the_budget_of_kicks_frees_on_the_second() {
    let mut bench = Bench::new(quick());
    let first = bench.pass(0, kicked(health(pass())));
    assert_eq!(first.answers[0].attempt, Some(1));
    assert_eq!(bench.pass(10, kicked(health(pass()))).answers[0].attempt, Some(2));
    let refused = bench.pass(589, kicked(health(pass())));
    let text = &refused.answers[0].text;
    assert_eq!(text, "refused: the budget of kicks is spent (2 per 10 min), next in 1 s");
    assert_eq!(bench.pass(1, kicked(health(pass()))).answers[0].attempt, Some(3));
}

#[test]
fn a_limit_that_kicks_have_reached_says_so_until_they_are_forgotten() {
    let mut policy = quick();
    (policy.targets[0].window.attempts, policy.kicks.attempts) = (3, 3);
    let mut bench = Bench::new(policy);
    let failing = |bench: &mut Bench, after_s| {
        let _ = bench.pass(after_s, health(fail("a")));
        let letter = bench.state.outbox.letters.last().unwrap();
        assert_eq!(letter.key, "gateway_limit");
        letter.text.lines().next().unwrap().to_owned()
    };
    let _ = bench.pass(0, kicked(health(pass())));
    let _ = bench.pass(10, kicked(health(pass())));
    for _ in 0..2 {
        let _ = bench.pass(10, health(pass()));
    }
    let _ = bench.pass(10, health(fail("a")));
    let _ = bench.pass(10, health(pass()));
    let said = failing(&mut bench, 10);
    assert!(
        said.ends_with("repair limit reached (3 per 10 min; 2 of them asked for by a person)."),
        "{said}"
    );
    let _ = bench.pass(600, health(pass()));
    assert_eq!(bench.target("gateway").asked_for, []);
}

#[test]
fn a_kick_beside_a_repair_is_refused_and_a_second_kick_too() {
    let decision = Bench::new(quick()).pass(0, kicked(health(fail("a"))));
    assert_eq!(decision.answers[0].text, "refused: gateway is being repaired at this moment");
    assert_eq!(decision.attempts.len(), 1);
    let mut bench = two([true, true]);
    let decision = bench.pass(0, kicked(both(pass(), fail("a"))));
    assert_eq!(decision.answers[0].text, "refused: other is being repaired: one disruptive action at a time");
}

#[test]
fn a_kick_that_asks_hears_health_and_ruling() {
    let ask = |target: &str, evidence: Evidence| {
        let wish = Ok(KickWish::Check(name(target)));
        let kick = Kick { action: "check".to_owned(), source: "cli".to_owned(), wish };
        Bench::new(bare(&[])).pass(0, Evidence { kicks: vec![kick], ..evidence }).answers[0].text.clone()
    };
    let text = ask("gateway", health(fail("refused")));
    assert_eq!(text, "gateway: health: refused; held: nothing is configured that could repair it");
    let text = ask("gateway", health(Reading::Unknown("no route".to_owned())));
    assert_eq!(text, "gateway: not known, so nothing is done: health: no route");
    let wish = Ok(KickWish::Recover(name("gateway")));
    let kick = Kick { action: "r".to_owned(), source: "cli".to_owned(), wish };
    let decision = Bench::new(bare(&[])).pass(0, Evidence { kicks: vec![kick], ..health(pass()) });
    assert_eq!(decision.answers[0].text, "refused: nothing is configured that could repair it");
}

#[test]
fn how_long_it_has_been_off_is_that_of_its_own_unit() {
    let mut policy = policy_with_ollama();
    policy.targets[1].unit = Some("ollama.service".to_owned());
    let mut bench = Bench::new(policy);
    let ago = |seconds| UnitFacts { left_active_ago: Some(secs(seconds)), ..stopped() };
    let mut evidence = with_unit(ago(7200), fail("refused"));
    evidence.units.insert(0, UnitReport { target: name("ollama"), facts: Ok(ago(60)) });
    let _ = bench.pass(0, evidence);
    let letters = &bench.state.outbox.letters;
    let text = |of| &letters.iter().find(|letter| letter.target == Some(name(of))).unwrap().text;
    assert!(text("gateway").contains("2 h") && !text("gateway").contains("1 min"), "{}", text("gateway"));
    assert!(text("ollama").contains("1 min"), "{}", text("ollama"));
}
