//! What is passed on to the channel that stands in, what counts for whom, and what lasts without being a fault: pass
//! by pass.

use crate::bench::*;
use crate::core::*;
use picoclaw_watchdog::recovery::evidence::*;
use picoclaw_watchdog::recovery::outbox::{Kind, Letter};
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::window::Window;

/// One target that nothing repairs, and mail that stands in for LINE.
fn two_channels() -> Bench {
    let mut policy = bare(&[]);
    let line = ChannelPolicy { fallback: vec![name("email")], ..line_policy() };
    policy.alerts.channels = vec![line, plain("email", &[])];
    Bench::new(policy)
}

fn forged() -> Evidence {
    let wish = Err(KickRefusal::Forged);
    let kick = Kick { action: "restart_gateway".to_owned(), source: "cli".to_owned(), wish };
    Evidence { kicks: vec![kick], ..health(pass()) }
}

fn trouble() -> Evidence {
    let trouble = SelfTrouble { key: "state_lost".to_owned(), text: "it was empty".to_owned() };
    Evidence { troubles: vec![trouble], ..health(pass()) }
}

fn answered(alert: u64, delivery: Delivery, evidence: Evidence) -> Evidence {
    Evidence { receipts: vec![Receipt { alert, delivery }], ..evidence }
}

fn refused(alert: u64, evidence: Evidence) -> Evidence {
    answered(alert, Delivery::Refused("no".to_owned()), evidence)
}

fn accepted() -> Delivery {
    Delivery::Accepted { request_id: "r".to_owned() }
}

/// The keys of the letters to a channel.
fn told(bench: &Bench, of: &str) -> Vec<String> {
    bench.state.outbox.to(&name(of)).map(|letter| letter.key.clone()).collect()
}

#[test]
fn each_notice_that_is_refused_is_passed_on_for_itself() {
    let mut bench = two_channels();
    let _ = bench.pass(0, forged());
    let _ = bench.pass(60, refused(1, health(pass())));
    assert_eq!(told(&bench, "email"), ["kick_auth_failed"]);
    let _ = bench.pass(2000, forged());
    let again = bench.state.outbox.letters.last().map(|letter| letter.id).unwrap();
    let _ = bench.pass(60, refused(again, health(pass())));
    assert_eq!(told(&bench, "email"), ["kick_auth_failed"; 2], "it is another one");
}

#[test]
fn what_was_refused_before_there_was_a_stand_in_is_no_news() {
    let mut bench = two_channels();
    let stand_ins = std::mem::take(&mut bench.policy.alerts.channels[0].fallback);
    let _ = bench.pass(0, forged());
    let _ = bench.pass(60, refused(1, health(pass())));
    bench.policy.alerts.channels[0].fallback = stand_ins;
    let _ = bench.pass(20 * 86_400, health(pass()));
    assert!(told(&bench, "email").is_empty(), "{:?}", told(&bench, "email"));
    let _ = bench.pass(60, forged());
    let _ = bench.pass(60, refused(2, health(pass())));
    assert_eq!(told(&bench, "email"), ["kick_auth_failed"], "what is refused now is");
}

#[test]
fn one_letter_is_passed_on_and_the_others_still_may_be() {
    let mut bench = two_channels();
    let _ = bench.pass(0, forged());
    let _ = bench.pass(60, Evidence { receipts: refused(1, forged()).receipts, ..trouble() });
    let passed_on = |bench: &Bench| -> Vec<(u64, bool)> {
        bench.state.outbox.letters.iter().map(|letter| (letter.id, letter.passed_on)).collect()
    };
    let fault = |letter: &&std::sync::Arc<Letter>| letter.key == "state_lost";
    let fault = bench.state.outbox.letters.iter().find(fault).map(|letter| letter.id).unwrap();
    for (id, is) in passed_on(&bench) {
        assert_eq!(is, id != fault, "{id}");
    }
    let _ = bench.pass(60, refused(fault, trouble()));
    assert_eq!(told(&bench, "email"), ["kick_auth_failed", "state_lost"]);
    assert!(bench.state.troubles["state_lost"].heard.contains_key(&name("email")));
}

#[test]
fn who_stands_in_hears_of_the_end_of_that_fault_and_of_no_other() {
    let mut bench = two_channels();
    let is_told = |bench: &Bench| bench.target("gateway").incident.as_ref().unwrap().is_told();
    let _ = bench.pass(0, health(fail("refused")));
    assert!(!is_told(&bench));
    let _ = bench.pass(0, answered(1, accepted(), health(fail("refused"))));
    assert!(is_told(&bench));
    let both = || Evidence { troubles: trouble().troubles, ..health(fail("refused")) };
    let _ = bench.pass(600, both());
    let own = bench.state.outbox.letters.last().map(|letter| letter.id).unwrap();
    let _ = bench.pass(60, refused(own, both()));
    assert_eq!(told(&bench, "email"), ["state_lost"]);
    let heard = &bench.target("gateway").incident.as_ref().unwrap().heard;
    assert!(!heard.contains_key(&name("email")), "{heard:?}");
}

#[test]
fn a_test_of_one_channel_is_passed_on_to_nobody() {
    let mut bench = two_channels();
    let test = Order::TestAlert { channel: None };
    let _ = bench.pass(0, Evidence { orders: vec![test], ..health(pass()) });
    let _ = bench.pass(60, refused(1, health(pass())));
    assert_eq!((told(&bench, "line").len(), told(&bench, "email").len()), (1, 0));
}

#[test]
fn only_what_line_accepts_counts_against_its_quota() {
    let mut bench = two_channels();
    bench.policy.alerts.channels[1].severities = ALL.to_vec();
    let quota = Some(QuotaReading { limit: Some(200), used: 5 });
    let _ = bench.pass(0, Evidence { quota, ..health(fail("refused")) });
    let receipts = [1, 2].map(|alert| Receipt { alert, delivery: accepted() }).to_vec();
    let _ = bench.pass(1, Evidence { receipts, ..health(fail("refused")) });
    assert_eq!(told(&bench, "line"), told(&bench, "email"));
    assert_eq!(bench.state.outbox.quota.as_ref().map(|quota| quota.used), Some(6));
}

#[test]
fn an_answer_and_a_reading_of_one_pass_count_once() {
    let mut bench = two_channels();
    let _ = bench.pass(0, health(fail("refused")));
    let quota = Some(QuotaReading { limit: Some(200), used: 7 });
    let _ = bench.pass(1, Evidence { quota, ..answered(1, accepted(), health(fail("refused"))) });
    let left = bench.state.outbox.quota.as_ref().and_then(|quota| quota.left());
    assert_eq!(left, Some(193), "what was accepted is in the reading");
}

#[test]
fn reminders_go_on_when_the_letter_that_told_is_forgotten() {
    let mut bench = two_channels();
    let _ = bench.pass(0, health(fail("refused")));
    let _ = bench.pass(1, answered(1, accepted(), health(fail("refused"))));
    bench.state.outbox.letters.clear();
    let _ = bench.pass(900, health(fail("refused")));
    assert_eq!(told(&bench, "line"), ["health_consecutive"]);
    let reminder = bench.state.outbox.letters.remove(0);
    assert_eq!(reminder.kind, Kind::Reminder);
    let _ = bench.pass(60, health(pass()));
    let end = &bench.state.outbox.letters[0];
    assert_eq!((end.kind, &end.key, end.severity), (Kind::Recovery, &reminder.key, reminder.severity));
}

#[test]
fn who_was_told_hears_of_the_end_although_a_later_word_was_refused() {
    let mut bench = two_channels();
    let _ = bench.pass(0, health(fail("refused")));
    let _ = bench.pass(1, answered(1, accepted(), health(fail("refused"))));
    let _ = bench.pass(900, health(fail("refused")));
    let _ = bench.pass(1, refused(2, health(fail("refused"))));
    bench.state.outbox.letters.clear();
    let _ = bench.pass(60, health(pass()));
    let kinds: Vec<Kind> = bench.state.outbox.to(&name("line")).map(|letter| letter.kind).collect();
    assert_eq!(kinds, [Kind::Recovery]);
}

#[test]
fn who_was_told_hears_of_the_end_although_the_channel_was_off_when_it_came() {
    let mut bench = two_channels();
    let _ = bench.pass(0, health(fail("refused")));
    let _ = bench.pass(1, answered(1, accepted(), health(fail("refused"))));
    bench.policy.alerts.channels[0].on = Err("switched off".to_owned());
    let _ = bench.pass(60, health(pass()));
    let _ = bench.pass(3600, health(pass()));
    bench.policy.alerts.channels[0].on = Ok(());
    assert_eq!(bench.pass(60, health(pass())).letters[0], 2, "the end");
}

#[test]
fn trouble_of_our_own_ends_when_it_is_gone() {
    let mut bench = two_channels();
    let _ = bench.pass(0, trouble());
    let _ = bench.pass(60, answered(1, accepted(), trouble()));
    let kinds = |bench: &Bench| bench.state.outbox.letters.iter().map(|of| of.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&bench), [Kind::Fault]);
    let _ = bench.pass(60, health(pass()));
    assert_eq!(kinds(&bench), [Kind::Fault, Kind::Recovery]);
}

/// A gateway with `/ready`, which counts once it has passed.
fn with_ready() -> Bench {
    let mut policy = bare(&[]);
    let health = policy.targets[0].probes[0].clone();
    let ready = ProbePolicy { name: name("ready"), role: Role::Readiness, arm_on_pass: true, ..health };
    policy.targets[0].probes.push(ready);
    Bench::new(policy)
}

fn answers(health: Reading, ready: Reading) -> Evidence {
    let mut evidence = of("gateway", "health", health);
    evidence.probes.extend(of("gateway", "ready", ready).probes);
    evidence
}

#[test]
fn what_is_not_ready_is_told_after_half_an_hour_if_it_ever_was() {
    let unready = || answers(pass(), fail("503"));
    let mut never = with_ready();
    let _ = never.pass(0, unready());
    let _ = never.pass(1800, unready());
    assert!(never.keys().is_empty());

    let mut bench = with_ready();
    let _ = bench.pass(0, answers(pass(), pass()));
    let _ = bench.pass(1800, answers(pass(), pass()));
    assert!(bench.target("gateway").not_ready.is_none() && bench.keys().is_empty());
    let _ = bench.pass(0, unready());
    let _ = bench.pass(1799, unready());
    assert!(bench.keys().is_empty());
    let _ = bench.pass(1, unready());
    assert_eq!(bench.keys(), ["gateway_not_ready"]);
}

/// After a sleep everything is asked anew. That nothing is known is no end.
#[test]
fn what_is_forgotten_is_not_over() {
    let mut bench = with_ready();
    let _ = bench.pass(0, answers(pass(), pass()));
    let night = |evidence: Evidence| Evidence { fresh: Some(Fresh::Resume), ..evidence };
    let unknown = || Reading::Unknown("no route".to_owned());
    for reading in [fail("503"), unknown()] {
        for _ in 0..60 {
            let _ = bench.pass(60, answers(pass(), reading.clone()));
        }
        let told = told(&bench, "line").len();
        let _ = bench.pass(3600, night(answers(pass(), reading.clone())));
        let _ = bench.pass(3600, night(Evidence::default()));
        let _ = bench.pass(60, answers(pass(), reading));
        assert_eq!(self::told(&bench, "line").len(), told, "{:?}", self::told(&bench, "line"));
    }
    for _ in 0..5 {
        let _ = bench.pass(60, answers(pass(), pass()));
    }
    let ends = bench.state.outbox.letters.iter().filter(|letter| letter.kind == Kind::Recovery).count();
    assert_eq!(ends, 2, "{:?}", told(&bench, "line"));
}

#[test]
fn while_it_is_down_it_is_not_told_that_it_is_not_ready() {
    let mut bench = with_ready();
    let _ = bench.pass(0, answers(pass(), pass()));
    let _ = bench.pass(0, answers(pass(), fail("503")));
    let _ = bench.pass(60, answers(fail("refused"), fail("503")));
    let _ = bench.pass(3600, answers(fail("refused"), fail("503")));
    assert_eq!(bench.keys(), ["health_consecutive"]);
    assert!(bench.target("gateway").not_ready.is_some(), "it began before, and did not end");
}

#[test]
fn who_guesses_tokens_is_told_of_at_growing_gaps() {
    let mut bench = Bench::new(bare(&[]));
    // Words about other things are none about guesses.
    for id in 1..=3 {
        let order = Order::TestAlert { channel: None };
        let _ = bench.pass(61, Evidence { orders: vec![order], ..health(pass()) });
        let _ = bench.pass(0, answered(id, accepted(), health(pass())));
    }
    let mut written = Vec::new();
    for minute in 0..3 * 24 * 60 {
        let before = told(&bench, "line").len();
        let _ = bench.pass(60, forged());
        let last = bench.state.outbox.letters.last().map(|letter| letter.id).unwrap_or_default();
        let _ = bench.pass(0, answered(last, accepted(), health(pass())));
        written.extend((told(&bench, "line").len() > before).then_some(minute));
    }
    let gaps: Vec<i32> = written.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [15, 60, 360, 1440, 1440], "the gaps of reminders: {written:?}");
}

#[test]
fn an_older_word_that_is_accepted_says_nothing_of_the_newer_one() {
    let mut policy = bare(&[("restart", 9)]);
    policy.targets[0].window = Window { attempts: 3, per: secs(3600) };
    let mut bench = Bench::new(policy);
    // Each time another look, so that no attempt is futile; then the window is spent.
    for look in ["refused", "reset", "gone", "gone"] {
        let _ = bench.pass(61, health(fail(look)));
    }
    assert_eq!(bench.keys(), ["gateway_restart_failed", "gateway_limit"]);
    let told = |bench: &Bench| bench.target("gateway").incident.as_ref().unwrap().heard[&name("line")].told;
    let _ = bench.pass(1, answered(1, accepted(), health(fail("gone"))));
    assert_eq!(told(&bench), None, "reminders count from the last word that was heard");
    let _ = bench.pass(1, answered(2, accepted(), health(fail("gone"))));
    assert_eq!(told(&bench), Some(bench.clock()));
}
