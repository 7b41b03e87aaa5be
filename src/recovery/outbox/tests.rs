//! The outbox, letter by letter.

use super::*;
use crate::recovery::policy::{Language, Manager, Severity};
use crate::recovery::window::Window;

const COOLDOWN: Duration = Duration::from_secs(900);

/// As LINE is.
fn channel() -> ChannelPolicy {
    ChannelPolicy {
        name: line(),
        on: Ok(()),
        severities: vec![Severity::Critical],
        fallback: Vec::new(),
        batch: 5,
        gap: Duration::from_secs(15),
        metered: true,
    }
}

fn alerts() -> AlertPolicy {
    AlertPolicy {
        channels: vec![channel()],
        fallback_after: Duration::from_secs(900),
        cooldown: COOLDOWN,
        reminders: vec![Duration::from_secs(900)],
        lasting: Duration::from_secs(1800),
        language: Language::En,
        manager: Manager::User,
        option: None,
        healed_often: Window { attempts: 5, per: Duration::from_secs(86_400) },
        reserve_percent: 20,
        digest: false,
    }
}

fn at(seconds: u64) -> Now {
    Now { at: Timestamp(seconds * 1000), wall: seconds, entropy: u128::from(seconds) << 70 }
}

fn draft(key: &str) -> Draft {
    Draft {
        key: key.to_owned(),
        kind: Kind::Fault,
        severity: Severity::Critical,
        target: None,
        incident: 0,
        text: "x".to_owned(),
    }
}

fn answer(alert: u64, delivery: Delivery) -> [Receipt; 1] {
    [Receipt { alert, delivery }]
}

#[test]
fn a_try_is_charged_before_it_happens_and_keeps_its_key() {
    let mut outbox = Outbox::default();
    let id = outbox.write(draft("k"), &channel(), at(0));
    assert_eq!(outbox.charge(&channel(), at(0)), Some(id));
    let key = outbox.letters[0].retry_key.clone();
    assert_eq!(outbox.charge(&channel(), at(14)), None, "the gap has not passed");
    assert_eq!(outbox.charge(&channel(), at(15)), Some(id), "no answer came: the same letter again");
    assert_eq!(outbox.letters[0].retry_key, key);
    assert_eq!(outbox.charge(&channel(), at(22 * 3600)), Some(id));
    assert_eq!(outbox.letters[0].retry_key, key, "LINE knows it for 24 hours");
    assert_eq!(outbox.charge(&channel(), at(15 + 23 * 3600)), Some(id));
    assert_ne!(outbox.letters[0].retry_key, key, "the old key would send twice by now");
}

#[test]
fn the_cooldown_starts_at_acceptance() {
    let mut outbox = Outbox::default();
    let id = outbox.write(draft("k"), &channel(), at(0));
    assert!(outbox.is_quiet(&line(), "k", COOLDOWN, at(5000).at), "one is on its way");
    outbox.receive(&answer(id, Delivery::Accepted { request_id: "r".into() }), &alerts(), at(5000));
    assert!(outbox.is_quiet(&line(), "k", COOLDOWN, at(5899).at));
    assert!(!outbox.is_quiet(&line(), "k", COOLDOWN, at(5900).at));
    assert!(!outbox.is_quiet(&line(), "other", COOLDOWN, at(5000).at));
}

fn accepted() -> Delivery {
    Delivery::Accepted { request_id: "r".into() }
}

fn of(kind: Kind) -> Draft {
    Draft { kind, ..draft("k") }
}

fn fates(outbox: &Outbox) -> Vec<&Fate> {
    outbox.letters.iter().map(|letter| &letter.fate).collect()
}

#[test]
fn what_gave_way_is_quiet_for_the_cooldown_unless_it_was_a_fault() {
    let gave_way = |kind: Kind| {
        let mut outbox = Outbox::default();
        outbox.write(of(kind), &channel(), at(1000));
        Arc::make_mut(&mut outbox.letters[0]).fate = Fate::Superseded { reason: "the reserve".to_owned() };
        outbox
    };
    let (notice, fault) = (gave_way(Kind::Notice), gave_way(Kind::Fault));
    let key = notice.letters[0].key.clone();
    let quiet = |outbox: &Outbox, now: u64| outbox.is_quiet(&line(), &key, COOLDOWN, at(now).at);
    assert!(quiet(&notice, 1000) && quiet(&notice, 1899));
    assert!(!quiet(&notice, 1900), "the cooldown is over");
    assert!(!quiet(&fault, 1000), "it was not told, so it is told again");
}

#[test]
fn what_the_channel_answered_last_can_be_read() {
    let mut outbox = Outbox::default();
    let id = outbox.write(draft("k"), &channel(), at(0));
    let _ = outbox.charge(&channel(), at(0));
    outbox.receive(&answer(id, Delivery::Retry("timed out after 10 s".into())), &alerts(), at(10));
    assert_eq!(outbox.letters[0].last_answer, "timed out after 10 s");
}

#[test]
fn a_channel_that_asks_for_peace_gets_it_within_bounds() {
    // Seconds that it asks for, and when it is tried again: never sooner than usual, never later than in an hour.
    for (seconds, next) in [(0, 15), (5, 15), (120, 121), (u64::MAX, 3601)] {
        let mut outbox = Outbox::default();
        let id = outbox.write(draft("k"), &channel(), at(0));
        assert_eq!(outbox.charge(&channel(), at(0)), Some(id));
        let later = Delivery::Later { reason: "429".into(), seconds };
        assert!(outbox.receive(&answer(id, later), &alerts(), at(1)).is_empty());
        assert_eq!(outbox.wake_at(&channel()), Some(at(next).at), "{seconds}");
        assert_eq!(outbox.charge(&channel(), at(next - 1)), None, "{seconds}");
        assert_eq!(outbox.charge(&channel(), at(next)), Some(id), "{seconds}");
        assert_eq!(outbox.letters[0].last_answer, "429");
    }
}

#[test]
fn a_spent_quota_is_asked_about_every_hour() {
    let mut outbox = Outbox::default();
    let first = outbox.write(draft("a"), &channel(), at(0));
    assert_eq!(outbox.charge(&channel(), at(0)), Some(first));
    let second = outbox.write(draft("b"), &channel(), at(1));
    outbox.receive(&answer(first, Delivery::QuotaSpent("limit".into())), &alerts(), at(1));
    assert_eq!(outbox.charge(&channel(), at(3600)), None);
    assert_eq!(outbox.charge(&channel(), at(3601)), Some(first), "in order");
    outbox.receive(&answer(first, Delivery::Refused("bad token".into())), &alerts(), at(3602));
    assert_eq!(outbox.charge(&channel(), at(3602)), Some(second));
}

#[test]
fn a_burst_shares_one_push_and_a_minute_of_waiting() {
    let mut outbox = Outbox::default();
    for key in ["a", "b", "c", "d", "e", "f"] {
        outbox.write(draft(key), &channel(), at(0));
    }
    assert_eq!(outbox.charge(&channel(), at(0)), Some(1));
    let ids = |outbox: &Outbox, push| outbox.push(push).iter().map(|letter| letter.id).collect::<Vec<_>>();
    assert_eq!(ids(&outbox, 1), [1, 2, 3, 4, 5], "LINE takes five");
    outbox.write(draft("late"), &channel(), at(1));
    assert_eq!(outbox.charge(&channel(), at(15)), Some(1));
    assert_eq!(ids(&outbox, 1), [1, 2, 3, 4, 5], "a retry is the same push");
    assert_eq!(outbox.receive(&answer(1, accepted()), &alerts(), at(16)), [1, 2, 3, 4, 5]);
    assert_eq!(outbox.charge(&channel(), at(16)), Some(6), "what waited already need not wait again");
    assert_eq!(ids(&outbox, 6), [6, 7]);
    outbox.receive(&answer(6, accepted()), &alerts(), at(17));
    outbox.write(draft("x"), &channel(), at(17));
    outbox.write(draft("y"), &channel(), at(70));
    assert_eq!(outbox.wake_at(&channel()), Some(at(77).at));
    assert_eq!(outbox.charge(&channel(), at(76)), None, "a minute is not over");
    assert_eq!(outbox.charge(&channel(), at(77)), Some(8));
    assert_eq!(ids(&outbox, 8), [8, 9]);
}

#[test]
fn a_test_waits_for_nobody_and_takes_along_who_waits() {
    let mut outbox = Outbox::default();
    outbox.write(draft("a"), &channel(), at(0));
    outbox.charge(&channel(), at(0));
    outbox.receive(&answer(1, accepted()), &alerts(), at(1));
    outbox.write(draft("b"), &channel(), at(2));
    assert_eq!(outbox.charge(&channel(), at(2)), None);
    outbox.write(of(Kind::Test), &channel(), at(3));
    assert_eq!(outbox.charge(&channel(), at(3)), Some(2));
    assert_eq!(outbox.push(2).len(), 2);
}

#[test]
fn a_letter_that_an_older_version_had_tried_goes_alone() {
    let mut outbox = Outbox::default();
    let old = outbox.write(draft("a"), &channel(), at(0));
    outbox.write(draft("b"), &channel(), at(0));
    outbox.letters_mut(|letter| letter.id == 1).for_each(|letter| letter.body = Some("fixed".to_owned()));
    assert_eq!(outbox.charge(&channel(), at(0)), Some(old));
    assert_eq!(outbox.push(old).len(), 1);
}

#[test]
fn what_waits_gives_way_to_the_reserve_unless_it_is_critical() {
    let mut outbox = Outbox::default();
    for kind in [Kind::Notice, Kind::Fault, Kind::Reminder, Kind::Recovery, Kind::Digest] {
        outbox.write(of(kind), &channel(), at(0));
    }
    assert_eq!(outbox.keep_reserve(&alerts()), [0; 0], "a quota that is not known restricts nothing");
    let quota = |used| Quota { limit: Some(200), used, at: at(0).at, warned: true };
    outbox.quota = Some(quota(159));
    assert_eq!(outbox.keep_reserve(&alerts()), [0; 0]);
    outbox.quota = Some(quota(160));
    assert_eq!(outbox.keep_reserve(&alerts()), [1, 3, 5]);
    let Fate::Superseded { reason } = &outbox.letters[0].fate else { panic!("{:?}", fates(&outbox)) };
    assert_eq!(reason, "40 of 200 messages are left this month, and the last 40 are kept for faults");
    assert_eq!(outbox.charge(&channel(), at(0)), Some(2));
    outbox.receive(&answer(2, accepted()), &alerts(), at(1));
    assert_eq!(outbox.quota, Some(quota(161)), "two letters, one push, one message");
}

#[test]
fn a_notice_in_the_push_of_a_fault_costs_nothing_and_stays() {
    let mut outbox = Outbox::default();
    outbox.write(of(Kind::Notice), &channel(), at(0));
    outbox.write(of(Kind::Fault), &channel(), at(0));
    outbox.charge(&channel(), at(0));
    outbox.quota = Some(Quota { limit: Some(200), used: 200, at: at(0).at, warned: true });
    assert_eq!(outbox.keep_reserve(&alerts()), [0; 0]);
}

#[test]
fn with_the_quota_spent_only_what_is_critical_keeps_asking() {
    let quota = Some(Quota { limit: Some(200), used: 3, at: at(0).at, warned: false });
    let mut outbox = Outbox { quota, ..Outbox::default() };
    outbox.write(of(Kind::Reminder), &channel(), at(0));
    outbox.charge(&channel(), at(0));
    let fault = outbox.write(of(Kind::Fault), &channel(), at(1));
    assert_eq!(outbox.receive(&answer(1, Delivery::QuotaSpent("limit".into())), &alerts(), at(1)), [1]);
    assert!(matches!(outbox.letters[0].fate, Fate::Superseded { .. }));
    assert_eq!(outbox.quota.as_ref().unwrap().left(), Some(0), "the channel knows better");
    assert_eq!(outbox.charge(&channel(), at(1)), Some(fault));
}

#[test]
fn a_reminder_of_what_is_over_is_dropped_unless_it_was_tried() {
    let mut outbox = Outbox::default();
    let reminder = Draft { incident: 7, ..of(Kind::Reminder) };
    outbox.write(reminder.clone(), &channel(), at(0));
    outbox.charge(&channel(), at(0));
    outbox.write(reminder, &channel(), at(1));
    outbox.drop_reminders(8);
    assert_eq!(fates(&outbox), [&Fate::Pending; 2], "another one goes on");
    outbox.drop_reminders(7);
    assert_eq!(outbox.letters[0].fate, Fate::Pending);
    assert!(matches!(outbox.letters[1].fate, Fate::Superseded { .. }));
}

#[test]
fn withheld_letters_wait_for_a_channel_only_while_their_fault_lasts() {
    let closed = ChannelPolicy { on: Err("off".into()), ..channel() };
    let off = AlertPolicy { channels: vec![closed.clone()], ..alerts() };
    let mut outbox = Outbox::default();
    for incident in [1, 2] {
        outbox.write(Draft { incident, ..draft("k") }, &closed, at(0));
    }
    outbox.release(&off, |_| true);
    assert_eq!(outbox.charge(&channel(), at(0)), None);
    outbox.release(&alerts(), |incident| incident == 2);
    assert!(matches!(outbox.letters[0].fate, Fate::Superseded { .. }));
    assert_eq!(outbox.charge(&channel(), at(0)), Some(2));
}

/// It is written to who was told of the fault, and the fault is always over by then.
#[test]
fn the_end_of_a_fault_that_was_told_waits_for_a_channel_that_is_off_meanwhile() {
    let closed = ChannelPolicy { on: Err("off".into()), ..channel() };
    let off = AlertPolicy { channels: vec![closed.clone()], ..alerts() };
    let mut outbox = Outbox::default();
    let end = outbox.write(Draft { incident: 1, ..of(Kind::Recovery) }, &closed, at(0));
    outbox.release(&off, |_| false);
    assert_eq!(fates(&outbox), [&Fate::Withheld]);
    outbox.release(&alerts(), |_| false);
    assert_eq!(outbox.charge(&channel(), at(0)), Some(end));
}

#[test]
fn the_history_is_bounded() {
    let mut outbox = Outbox::default();
    for n in 0..500 {
        let id = outbox.write(draft("k"), &channel(), at(n));
        outbox.receive(&answer(id, Delivery::Accepted { request_id: String::new() }), &alerts(), at(n));
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
    assert_ne!(uuid(u128::MAX, 1), uuid(u128::MAX, 2));
    assert_eq!(uuid(0, 0), "00000000-0000-4000-8000-000000000000");
    assert_eq!(uuid(u128::MAX, 0), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

#[test]
fn where_too_many_wait_the_oldest_that_are_not_critical_give_way() {
    for kind in [Kind::Reminder, Kind::Notice, Kind::Digest, Kind::Test] {
        let mut outbox = Outbox::default();
        let tried = outbox.write(of(kind), &channel(), at(0));
        outbox.charge(&channel(), at(0));
        let fault = outbox.write(draft("k"), &channel(), at(1));
        for second in 0..PENDING_MAX as u64 + 5 {
            outbox.write(of(kind), &channel(), at(2 + second));
        }
        let waiting: Vec<u64> = outbox.letters.iter().map(|letter| letter.id).collect();
        let newest = 3 + 7..3 + PENDING_MAX as u64 + 5;
        assert_eq!(waiting, [tried, fault].into_iter().chain(newest).collect::<Vec<_>>(), "{kind:?}");
    }
}

#[test]
fn what_waits_for_a_channel_that_is_off_is_bounded_too() {
    let closed = ChannelPolicy { on: Err("off".into()), ..channel() };
    let mut outbox = Outbox::default();
    let fault = outbox.write(draft("k"), &closed, at(0));
    for second in 0..500 {
        outbox.write(of(Kind::Notice), &closed, at(second));
    }
    assert_eq!((outbox.letters.len(), outbox.letters[0].id), (PENDING_MAX, fault));
}

#[test]
fn each_channel_forgets_its_own() {
    let (other, mut outbox) = (ChannelPolicy { name: Name::known("mail"), ..channel() }, Outbox::default());
    let kept = outbox.write(draft("kept"), &other, at(0));
    for second in 0..300 {
        let id = outbox.write(draft("k"), &channel(), at(second));
        outbox.charge(&channel(), at(second));
        outbox.receive(&answer(id, Delivery::Refused("no".into())), &alerts(), at(second));
    }
    assert_eq!(outbox.to(&line()).count(), FINISHED_MAX);
    assert!(outbox.letter(kept).is_some_and(Letter::is_waiting));
}

#[test]
fn what_waits_for_a_channel_that_is_gone_waits_in_vain_and_for_one_that_is_off_it_waits() {
    let mail = ChannelPolicy { name: Name::known("mail"), on: Err("no password".into()), ..channel() };
    let mut outbox = Outbox::default();
    outbox.write(draft("k"), &mail, at(0));
    outbox.release(&AlertPolicy { channels: vec![channel(), mail], ..alerts() }, |_| true);
    assert_eq!(fates(&outbox), [&Fate::Withheld]);
    outbox.release(&alerts(), |_| true);
    let Fate::Superseded { reason } = &outbox.letters[0].fate else { panic!("{:?}", outbox.letters) };
    assert_eq!(reason, "its channel is configured no more");
}

#[test]
fn after_an_hour_of_tries_it_is_asked_less_often() {
    let (mut outbox, mut now) = (Outbox::default(), 0);
    outbox.write(draft("k"), &channel(), at(0));
    let mut gaps = Vec::new();
    for _ in 0..152 {
        assert!(outbox.charge(&channel(), at(now)).is_some());
        let next = outbox.wake_at(&channel()).unwrap().0 / 1000;
        gaps.push(next - now);
        now = next;
    }
    assert_eq!(gaps[..4], [15, 20, 25, 25]);
    assert_eq!(gaps[148..], [25, 25, 300, 300], "the 151st");
}
