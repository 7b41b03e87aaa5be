//! The outbox, letter by letter.

use super::*;
use crate::recovery::policy::Language;
use crate::recovery::window::Window;

fn alerts() -> AlertPolicy {
    AlertPolicy {
        channel: Ok(()),
        cooldown: Duration::from_secs(900),
        reminders: vec![Duration::from_secs(900)],
        lasting: Duration::from_secs(1800),
        language: Language::En,
        healed_often: Window { attempts: 5, per: Duration::from_secs(86_400) },
        reserve_percent: 20,
        digest: false,
    }
}

fn at(seconds: u64) -> Now {
    Now { at: Timestamp(seconds * 1000), wall: seconds, entropy: u128::from(seconds) << 70 }
}

fn draft(key: &str) -> Draft {
    Draft { key: key.to_owned(), kind: Kind::Fault, target: None, incident: 0, text: "x".to_owned() }
}

fn answer(alert: u64, delivery: Delivery) -> [Receipt; 1] {
    [Receipt { alert, delivery }]
}

#[test]
fn a_try_is_charged_before_it_happens_and_keeps_its_key() {
    let mut outbox = Outbox::default();
    let id = outbox.write(draft("k"), &alerts(), at(0));
    assert_eq!(outbox.charge(at(0)), Some(id));
    let key = outbox.letters[0].retry_key.clone();
    assert_eq!(outbox.charge(at(14)), None, "the gap has not passed");
    assert_eq!(outbox.charge(at(15)), Some(id), "no answer came: the same letter again");
    assert_eq!(outbox.letters[0].retry_key, key);
    assert_eq!(outbox.charge(at(15 + 23 * 3600)), Some(id));
    assert_ne!(outbox.letters[0].retry_key, key, "the old key would send twice by now");
}

#[test]
fn the_cooldown_starts_at_acceptance() {
    let mut outbox = Outbox::default();
    let id = outbox.write(draft("k"), &alerts(), at(0));
    assert!(outbox.is_quiet("k", &alerts(), at(5000).at), "one is on its way");
    outbox.receive(&answer(id, Delivery::Accepted { request_id: "r".into() }), at(5000));
    assert!(outbox.is_quiet("k", &alerts(), at(5899).at));
    assert!(!outbox.is_quiet("k", &alerts(), at(5900).at));
    assert!(!outbox.is_quiet("other", &alerts(), at(5000).at));
}

#[test]
fn letters_go_out_in_order_and_quota_waits_an_hour() {
    let mut outbox = Outbox::default();
    let first = outbox.write(draft("a"), &alerts(), at(0));
    let second = outbox.write(draft("b"), &alerts(), at(0));
    assert_eq!(outbox.charge(at(0)), Some(first));
    outbox.receive(&answer(first, Delivery::QuotaSpent("limit".into())), at(1));
    assert_eq!(outbox.charge(at(3600)), None);
    assert_eq!(outbox.charge(at(3601)), Some(first));
    outbox.receive(&answer(first, Delivery::Refused("bad token".into())), at(3602));
    assert_eq!(outbox.charge(at(3602)), Some(second));
}

#[test]
fn withheld_letters_wait_for_a_channel_only_while_their_fault_lasts() {
    let off = AlertPolicy { channel: Err("off".into()), ..alerts() };
    let mut outbox = Outbox::default();
    for incident in [1, 2] {
        outbox.write(Draft { incident, ..draft("k") }, &off, at(0));
    }
    outbox.release(&off, |_| true);
    assert_eq!(outbox.charge(at(0)), None);
    outbox.release(&alerts(), |incident| incident == 2);
    assert!(matches!(outbox.letters[0].fate, Fate::Superseded { .. }));
    assert_eq!(outbox.charge(at(0)), Some(2));
}

#[test]
fn the_history_is_bounded() {
    let mut outbox = Outbox::default();
    for n in 0..500 {
        let id = outbox.write(draft("k"), &alerts(), at(n));
        outbox.receive(&answer(id, Delivery::Accepted { request_id: String::new() }), at(n));
    }
    assert_eq!(outbox.letters.len(), FINISHED_MAX);
    assert_eq!(outbox.letters[FINISHED_MAX - 1].id, 500);
}

#[test]
fn keys_are_version_4_uuids_and_differ() {
    let one = uuid(0x1234, 1);
    assert_eq!((one.len(), &one[14..15]), (36, "4"));
    assert!("89ab".contains(&one[19..20]), "{one}");
    assert_ne!(one, uuid(0x1234, 2));
}
