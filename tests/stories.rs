//! Stories of the recovery core, told in virtual time by the same pass that the daemon runs.

mod core;

use core::*;
use picoclaw_watchdog::cycle::Scope;
use picoclaw_watchdog::recovery::evidence::{Kick, KickRefusal, KickWish};
use picoclaw_watchdog::recovery::outbox::{Fate, Kind};
use picoclaw_watchdog::recovery::policy::TargetPolicy;
use picoclaw_watchdog::recovery::state::{Phase, State};
use picoclaw_watchdog::recovery::time::Timestamp;
use picoclaw_watchdog::recovery::verdict::Ruling;
use picoclaw_watchdog::sim::Sim;
use picoclaw_watchdog::sim::blueprint::Blueprint;
use picoclaw_watchdog::sim::channel::Mood;
use picoclaw_watchdog::sim::fault::{Fault, Repair};
use picoclaw_watchdog::sim::service::Process;

fn gateway(sim: &Sim) -> &picoclaw_watchdog::recovery::state::TargetState {
    &sim.state().targets[&name("gateway")]
}

fn keys(sim: &Sim) -> Vec<(&str, Kind)> {
    sim.state().outbox.letters.iter().map(|letter| (letter.key.as_str(), letter.kind)).collect()
}

#[test]
fn a_healthy_day_does_nothing_and_says_nothing() {
    let mut sim = world();
    let reports = sim.run_for(86_400);
    assert_eq!(reports.len(), 1441, "one pass a minute and no more");
    assert_eq!((performed(&sim).len(), received(&sim).len()), (0, 0));
    let before = sim.state().clone();
    sim.run_for(3600);
    assert_eq!(*sim.state(), before, "a healthy cycle changes no state, so nothing is written");
}

#[test]
fn a_crash_is_repaired_at_once_and_quietly() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    sim.run_for(120);
    assert_eq!(performed(&sim), [START.after(secs(90))]);
    assert_eq!(gateway(&sim).phase, Phase::Healthy);
    assert_eq!(sim.channel.requests, 0, "people are told only of what could not be repaired");
}

#[test]
fn a_hang_is_confirmed_then_repaired() {
    let mut sim = world_with(&[(100, Happens::Hang)]);
    sim.run_for(160);
    assert_eq!(performed(&sim), [START.after(secs(124))], "seen at 120, asked again at 122 and 124");
    assert_eq!(gateway(&sim).phase, Phase::Healthy);
}

#[test]
fn a_start_of_142_seconds_costs_exactly_one_restart() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).start_takes = secs(142);
    let reports = sim.run_for(600);
    assert_eq!(performed(&sim).len(), 1);
    let up =
        reports.iter().find(|r| r.now.at > START.after(secs(100)) && r.verdicts[0].ruling == Ruling::Fine);
    let took = up.unwrap().now.at.since(START.after(secs(90)));
    assert!(took <= secs(148), "known to be up again after {took:?}");
    assert_eq!(sim.channel.requests, 0);
}

#[test]
fn what_never_comes_up_is_tried_at_growing_gaps_and_told_sparingly() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).exits_at_once = true;
    sim.run_for(86_400);
    let first: Vec<u64> = performed(&sim)[..3].iter().map(|at| at.since(START).as_secs()).collect();
    assert_eq!(first, [90, 100, 700], "two changed nothing; then single tries");
    assert!(performed(&sim).len() <= 30, "{} restarts a day", performed(&sim).len());
    assert!(received(&sim).len() <= 8, "{:#?}", received(&sim));
    let reminded = [("gateway_restart_failed", Kind::Fault), ("gateway_restart_failed", Kind::Reminder)];
    assert_eq!(keys(&sim)[..2], reminded);
    service(&mut sim).exits_at_once = false;
    sim.run_for(3700);
    assert_eq!(gateway(&sim).phase, Phase::Healthy, "it recovers by itself once the cause is gone");
    assert_eq!(keys(&sim).last(), Some(&("gateway_restart_failed", Kind::Recovery)));
}

#[test]
fn a_restart_command_that_fails_is_charged_like_any_other() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    thing(&mut sim).repair = Repair::Fails("the job failed".to_owned());
    sim.run_for(680);
    assert_eq!(performed(&sim).len(), 2, "a command that fails twice is not asked a third time soon");
    sim.run_for(86_400);
    assert!(performed(&sim).len() <= 30, "2,880 in the predecessor");
    assert!(received(&sim)[0].contains("restart-gateway (failed: the job failed)"));
}

#[test]
fn what_a_person_stopped_is_left_alone_and_said_once() {
    let mut sim = world_with(&[(90, Happens::Stop)]);
    sim.run_for(86_400);
    assert_eq!(performed(&sim).len(), 0);
    assert_eq!(keys(&sim), [("gateway_left_alone", Kind::Notice)]);
    assert!(received(&sim)[0].contains("a person stopped it"), "{}", received(&sim)[0]);
}

#[test]
fn a_bus_that_is_gone_is_not_a_dead_gateway() {
    let mut sim = world();
    sim.run_for(10);
    sim.bus_answers = false;
    sim.run_for(3600);
    assert_eq!(performed(&sim).len(), 0);
    assert_eq!(keys(&sim), [("gateway_unknown", Kind::Fault)], "one message of its own, after half an hour");
    sim.bus_answers = true;
    sim.run_for(120);
    assert_eq!(keys(&sim).last(), Some(&("gateway_unknown", Kind::Recovery)));
}

#[test]
fn without_a_bus_nothing_is_restarted_blindly_but_people_are_told() {
    let mut sim = world_with(&[(90, Happens::Hang)]);
    sim.run_for(10);
    sim.bus_answers = false;
    sim.run_for(600);
    assert_eq!(performed(&sim).len(), 0);
    assert_eq!(keys(&sim), [("health_consecutive", Kind::Fault)]);
}

#[test]
fn nothing_is_lost_while_the_channel_is_down() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).exits_at_once = true;
    sim.channel.mood = Mood::Unreachable;
    sim.run_for(690);
    assert_eq!(received(&sim).len(), 0);
    sim.channel.mood = Mood::Fine;
    sim.run_for(26);
    assert_eq!(received(&sim).len(), 1, "within one gap of its return");
}

#[test]
fn a_lost_answer_does_not_send_twice() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).exits_at_once = true;
    sim.channel.mood = Mood::AnswerLost;
    sim.run_for(300);
    assert_eq!(received(&sim).len(), 1, "many requests, one key");
    assert!(sim.channel.requests > 5);
}

#[test]
fn a_state_that_cannot_be_saved_allows_one_attempt_per_window_and_is_told() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    sim.disk_works = false;
    service(&mut sim).exits_at_once = true;
    sim.run_for(600);
    assert_eq!(performed(&sim).len(), 1);
    assert!(keys(&sim).contains(&("state_not_durable", Kind::Fault)));
    sim.disk_works = true;
    sim.run_for(61);
    assert!(keys(&sim).contains(&("state_not_durable", Kind::Recovery)));
    let made = performed(&sim);
    assert!(made[1].since(made[0]) < secs(600), "what waited is done in the moment in which it was saved");
}

#[test]
fn a_lost_state_counts_as_a_spent_window() {
    let mut sim = world_with(&[(0, Happens::Crash)]);
    sim.disk = Some(State::assume_spent(&policy(), START));
    sim.fuse = Some(0);
    sim.run_for(599);
    assert_eq!(performed(&sim).len(), 0);
    sim.run_for(3600);
    assert!(!performed(&sim).is_empty());
}

#[test]
fn flapping_ends_the_incident_only_after_three_good_passes() {
    let mut sim = world_with(&[(60, Happens::Hang), (67, Happens::Hang)]);
    sim.run_for(66);
    thing(&mut sim).recover(&Fault::Hanging, START.after(secs(66)));
    sim.run_for(60);
    assert!(performed(&sim).len() <= 2, "{:?}", performed(&sim));
}

#[test]
fn withheld_letters_are_not_counted_as_sent() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    sim.policy_mut().alerts.channels[0].on = Err("LINE notification is off".to_owned());
    service(&mut sim).exits_at_once = true;
    sim.run_for(3600);
    assert_eq!(sim.channel.requests, 0);
    assert!(sim.state().outbox.letters.iter().all(|letter| letter.fate == Fate::Withheld));
    sim.policy_mut().alerts.channels[0].on = Ok(());
    sim.run_for(120);
    assert!(received(&sim).iter().any(|text| text.contains("repairs do not help")));
}

#[test]
fn a_channel_that_is_switched_off_in_between_costs_no_letter() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).exits_at_once = true;
    sim.channel.mood = Mood::Unreachable;
    sim.run_for(300);
    sim.policy_mut().alerts.channels[0].on = Err("switched off".to_owned());
    sim.run_for(300);
    let requests = sim.channel.requests;
    sim.run_for(300);
    assert_eq!(sim.channel.requests, requests, "nothing is sent while it is off");
    sim.policy_mut().alerts.channels[0].on = Ok(());
    sim.channel.mood = Mood::Fine;
    sim.run_for(120);
    assert!(received(&sim).iter().all(|text| text.starts_with("[WATCHDOG] gateway: ")));
    assert_eq!(received(&sim).len(), 1, "{:#?}", received(&sim));
}

#[test]
fn explain_sees_the_numbers() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).exits_at_once = true;
    sim.run_for(96);
    let report = sim.pass(&Scope::Everything).unwrap();
    let verdict = &report.verdicts[0];
    assert_eq!((verdict.used, verdict.allowed, verdict.frees_in), (1, 3, Some(secs(594))));
    assert_eq!(verdict.to_string(), "unit: it failed (exit-code); held: waiting between attempts");
    assert_eq!(verdict.next_in, Some(secs(4)));
    assert_eq!(sim.clock(), Timestamp(START.0 + 96_000));
}

#[test]
fn a_target_waits_for_what_it_depends_on_and_stays_silent() {
    let mut policy = policy();
    policy.targets.push(TargetPolicy {
        name: name("funnel"),
        unit: None,
        depends_on: vec![name("gateway")],
        ..gateway_policy()
    });
    let mut sim = Sim::new(Blueprint::of_policy(policy), 1);
    thing(&mut sim).suffer(&Fault::Crashed, START);
    thing(&mut sim).repair = Repair::Fails("the job failed".to_owned());
    sim.run_for(560);
    assert_eq!(performed(&sim).len(), 2, "only the gateway was acted on");
    assert!(sim.state().outbox.letters.iter().all(|letter| letter.target == Some(name("gateway"))));
}

fn kick(wish: Result<KickWish, KickRefusal>) -> Kick {
    Kick { action: "restart_gateway".to_owned(), source: "line:U1".to_owned(), wish }
}

#[test]
fn a_kick_restarts_a_healthy_gateway_within_its_own_small_budget() {
    let mut sim = world();
    sim.run_for(300);
    for _ in 0..3 {
        sim.kicks = vec![kick(Ok(KickWish::Recover(name("gateway"))))];
        sim.run_for(61);
    }
    assert_eq!(performed(&sim).len(), 2, "{:?}", sim.answers);
    assert!(sim.answers[0].ends_with("restarted"), "{:?}", sim.answers);
    assert!(sim.answers[2].contains("the budget of kicks is spent (2 per 10 min)"), "{:?}", sim.answers);
    assert_eq!(sim.channel.requests, 0, "nobody is alarmed by what somebody asked for");
}

#[test]
fn a_kick_may_start_what_a_person_stopped_but_never_exceeds_the_window() {
    let mut sim = world_with(&[(90, Happens::Stop)]);
    sim.run_for(120);
    sim.kicks = vec![kick(Ok(KickWish::Recover(name("gateway"))))];
    sim.run_for(61);
    assert_eq!((performed(&sim).len(), service(&mut sim).process), (1, Process::Runs));
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).exits_at_once = true;
    sim.run_for(200);
    for _ in 0..2 {
        sim.kicks = vec![kick(Ok(KickWish::Recover(name("gateway"))))];
        sim.run_for(61);
    }
    assert_eq!(performed(&sim).len(), 3);
    assert!(sim.answers[1].contains("the restart window is spent"), "{:?}", sim.answers);
}

#[test]
fn a_forged_kick_does_nothing_and_is_told_once() {
    let mut sim = world();
    for _ in 0..5 {
        sim.kicks = vec![kick(Err(KickRefusal::Forged)), kick(Err(KickRefusal::Disabled))];
        sim.run_for(61);
    }
    assert_eq!(performed(&sim).len(), 0);
    assert_eq!(keys(&sim), [("kick_auth_failed", Kind::Notice)]);
    assert_eq!(sim.answers.len(), 10);
}

#[test]
fn a_kick_can_ask_how_things_are() {
    let mut sim = world();
    sim.run_for(10);
    sim.kicks = vec![kick(Ok(KickWish::Check(name("gateway")))), kick(Ok(KickWish::Check(name("moon"))))];
    sim.run_for(61);
    assert_eq!(sim.answers, ["gateway: healthy", "refused: moon is not watched"]);
}

#[test]
fn a_target_taken_out_of_the_configuration_closes_its_incident() {
    let mut sim = world_with(&[(90, Happens::Crash)]);
    service(&mut sim).exits_at_once = true;
    sim.run_for(200);
    let target = sim.policy_mut().targets.remove(0);
    sim.run_for(120);
    assert!(received(&sim).last().unwrap().contains("is not watched any more"));
    sim.policy_mut().targets.push(target);
    sim.run_for(120);
    assert_eq!(performed(&sim).len(), 2, "the ladder stands where it stood, and so does the window");
}
