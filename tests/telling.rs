//! Stories of several channels, in virtual time: each recipient hears of every fault and of its end, whatever becomes
//! of the others, and who stands in for another does so once.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

mod core;

use core::*;
use picoclaw_watchdog::recovery::outbox::{Draft, Fate, Kind, Letter, Outbox};
use picoclaw_watchdog::recovery::policy::{ChannelPolicy, Severity};
use picoclaw_watchdog::recovery::state::Incident;
use picoclaw_watchdog::recovery::time::{Now, Timestamp};
use picoclaw_watchdog::sim::Sim;
use picoclaw_watchdog::sim::channel::Mood;

/// A gateway that crashes for good, and these channels.
fn hopeless(channels: Vec<ChannelPolicy>) -> Sim {
    let mut sim = world_with(&[(90, Happens::Crash), (4000, Happens::Start)]);
    service(&mut sim).exits_at_once = true;
    sim.policy_mut().alerts.channels = channels;
    sim
}

/// What this recipient has read, in short: the kinds of letters.
fn heard(sim: &mut Sim, of: &str) -> Vec<Kind> {
    let read: Vec<u64> = channel(sim, of).accepted.iter().flat_map(|got| got.letters.clone()).collect();
    let kind = |id: &u64| sim.state().outbox.letter(*id).map(|letter| letter.kind);
    read.iter().filter_map(kind).collect()
}

fn letters<'a>(sim: &'a Sim, of: &str) -> Vec<&'a Letter> {
    sim.state().outbox.to(&name(of)).collect()
}

/// Lets the gateway come back at 4000 s, and everything be told.
fn end(sim: &mut Sim) {
    service(sim).exits_at_once = false;
    sim.run_for(2000);
}

#[test]
fn everyone_who_wants_it_is_told_of_the_fault_and_of_its_end() {
    let mut sim = hopeless(vec![line_policy(), plain("email", &ALL), plain("hook", &[Severity::Warning])]);
    sim.run_for(900);
    end(&mut sim);
    let told = heard(&mut sim, "line");
    assert_eq!((told.first(), told.last()), (Some(&Kind::Fault), Some(&Kind::Recovery)));
    assert_eq!(heard(&mut sim, "email"), told);
    assert_eq!(heard(&mut sim, "hook"), [], "a critical fault is none of its business");
    assert_eq!(sim.totals().doubled, 0);
}

#[test]
fn a_channel_that_is_down_delays_no_other_and_loses_nothing() {
    let mut sim = hopeless(vec![line_policy(), plain("email", &ALL)]);
    channel(&mut sim, "line").mood = Mood::Unreachable;
    sim.run_for(1000);
    assert_eq!(heard(&mut sim, "email").first(), Some(&Kind::Fault));
    assert_eq!(heard(&mut sim, "line"), []);
    end(&mut sim);
    sim.run_for(1000);
    assert_eq!(heard(&mut sim, "email").last(), Some(&Kind::Recovery));
    channel(&mut sim, "line").mood = Mood::Fine;
    sim.run_for(400);
    let told = heard(&mut sim, "line");
    assert_eq!((told.first(), told.last()), (Some(&Kind::Fault), Some(&Kind::Recovery)));
}

#[test]
fn who_stands_in_hears_of_a_refusal_at_once_and_of_the_end_and_nothing_twice() {
    let mut sim = hopeless(three());
    channel(&mut sim, "line").mood = Mood::Refusing;
    sim.run_for(3900);
    let faults = |of| {
        let faults = letters(&sim, of).into_iter().filter(|letter| letter.kind == Kind::Fault);
        faults.map(|letter| letter.key.clone()).collect::<Vec<_>>()
    };
    let mut keys = faults("line");
    assert!(keys.len() > 3, "LINE refuses again and again: {keys:?}");
    keys.dedup();
    assert_eq!(faults("email"), keys, "each alert once");
    let text = &letters(&sim, "email")[0].text;
    assert!(
        text.ends_with("(Told on this channel because line has not taken it: 400: it cannot be sent)"),
        "{text}"
    );
    end(&mut sim);
    assert_eq!(heard(&mut sim, "email").last(), Some(&Kind::Recovery));
    assert!(!heard(&mut sim, "line").contains(&Kind::Recovery), "LINE was never told");
}

#[test]
fn who_stands_in_waits_for_a_quarter_of_an_hour_and_nothing_doubles_when_line_is_back() {
    let mut sim = hopeless(three());
    channel(&mut sim, "line").mood = Mood::Unreachable;
    let told = |sim: &mut Sim| heard(sim, "email").len();
    sim.run_for(120);
    let raised = letters(&sim, "line")[0].raised;
    sim.run_until(raised.after(secs(899)), |_, _| {});
    assert_eq!(told(&mut sim), 0);
    sim.run_for(61);
    assert_eq!(heard(&mut sim, "email")[0], Kind::Fault);
    channel(&mut sim, "line").mood = Mood::Fine;
    sim.run_for(60);
    assert_eq!(heard(&mut sim, "line")[0], Kind::Fault);
    let faults = |sim: &mut Sim, of| heard(sim, of).iter().filter(|kind| **kind == Kind::Fault).count();
    let before = faults(&mut sim, "email");
    end(&mut sim);
    sim.run_for(2000);
    assert_eq!(faults(&mut sim, "email"), before, "from now on LINE tells it");
    for of in ["line", "email", "hook"] {
        assert_eq!(heard(&mut sim, of).iter().filter(|kind| **kind == Kind::Recovery).count(), 1, "{of}");
    }
    assert_eq!(sim.totals().doubled, 0);
}

#[test]
fn a_new_channel_hears_of_what_is_open_and_one_that_is_gone_is_waited_for_no_longer() {
    let mut sim = hopeless(vec![line_policy()]);
    sim.run_for(1000);
    sim.policy_mut().alerts.channels.push(plain("email", &ALL));
    sim.run_for(60);
    assert_eq!(heard(&mut sim, "email"), [Kind::Fault]);
    channel(&mut sim, "email").mood = Mood::Unreachable;
    end(&mut sim);
    sim.run_for(2000);
    let waits = |sim: &Sim| letters(sim, "email").iter().any(|letter| letter.is_waiting());
    assert!(waits(&sim));
    sim.policy_mut().alerts.channels.pop();
    sim.run_for(60);
    assert!(!waits(&sim), "{:#?}", letters(&sim, "email"));
}

#[test]
fn without_any_channel_one_letter_waits_for_the_first() {
    let off = |channel: ChannelPolicy| ChannelPolicy { on: Err("off".to_owned()), ..channel };
    let mut sim = hopeless(vec![off(line_policy()), off(plain("email", &ALL))]);
    sim.run_for(300);
    assert!(letters(&sim, "line").iter().all(|letter| letter.fate == Fate::Withheld));
    assert_eq!((letters(&sim, "line").is_empty(), letters(&sim, "email").is_empty()), (false, true));
    sim.policy_mut().alerts.channels[1].on = Ok(());
    sim.run_for(120);
    assert!(heard(&mut sim, "email").contains(&Kind::Fault), "it can be told now");
}

#[test]
fn killed_after_every_step_each_recipient_hears_of_the_fault_once_and_of_its_end_once() {
    let story = || {
        let mut sim = hopeless(three());
        sim.policy_mut().alerts.fallback_after = secs(60);
        channel(&mut sim, "line").mood = Mood::Unreachable;
        sim
    };
    let mut undisturbed = story();
    undisturbed.run_for(600);
    let steps = undisturbed.steps;
    assert!(steps > 20, "the sweep has something to cut: {steps}");
    for step in 0..steps {
        let mut sim = story();
        sim.fuse = Some(step);
        sim.run_for(900);
        channel(&mut sim, "line").mood = Mood::Fine;
        end(&mut sim);
        sim.run_for(2000);
        let context = format!("killed at step {step}");
        for of in ["line", "email", "hook"] {
            let bodies: Vec<&str> =
                channel(&mut sim, of).accepted.iter().map(|got| got.body.as_str()).collect();
            let count = |what: &str| bodies.iter().map(|body| body.matches(what).count()).sum::<usize>();
            assert_eq!(count("repairs do not help"), 1, "{context}, {of}: {bodies:#?}");
            assert_eq!(count("\nIt was: "), 1, "{context}, {of}: {bodies:#?}");
        }
    }
}

#[test]
fn what_line_was_told_before_there_was_a_choice_is_not_told_again() {
    let old = r#"{"id":1,"since":5,"cause":"x","tried":[],"failed":2,"half_open":null,
        "raised":["gateway_limit"],"letter":2,"told":7,"reminders":1}"#;
    let incident: Incident = serde_json::from_str(old).unwrap();
    let line = &incident.heard[&name("line")];
    assert_eq!((line.letter, line.told.map(|at| at.0), line.reminders), (Some(2), Some(7), 1));
    assert!(line.raised.contains("gateway_limit") && incident.heard.len() == 1);
    let again: Incident = serde_json::from_str(&serde_json::to_string(&incident).unwrap()).unwrap();
    assert_eq!(again, incident);
    assert!(serde_json::from_str::<Incident>(&old.replace("\"raised\":[\"gateway_limit\"],", "")).is_err());
}

#[test]
fn the_next_try_of_an_older_version_was_that_of_line() {
    let mut document = serde_json::to_value(Outbox::default()).unwrap();
    document["next_try"] = 7000.into();
    let mut outbox: Outbox = serde_json::from_value(document).unwrap();
    let draft = Draft {
        key: "k".to_owned(),
        kind: Kind::Fault,
        severity: Severity::Critical,
        target: None,
        incident: 0,
        text: "x".to_owned(),
    };
    for (channel, next) in [(line_policy(), 7000), (plain("email", &ALL), 0)] {
        outbox.write(draft.clone(), &channel, Now { at: Timestamp(0), wall: 0, entropy: 0 });
        assert_eq!(outbox.wake_at(&channel), Some(Timestamp(next)), "{}", channel.name);
    }
}
