//! Random worlds: what must hold in every sequence of faults, kills, reboots and disk errors. A seed that fails is
//! named, and `SEED=7 cargo test --test worlds random_worlds_keep_the_limits` plays it alone. What
//! `picoclaw-watchdog simulate random --seed 7` tells is another story: it looks every minute, the tests every ten.

mod core;
mod shipped;

use core::*;
use picoclaw_watchdog::cycle::Report;
use picoclaw_watchdog::recovery::outbox::{Fate, Kind, Letter};
use picoclaw_watchdog::recovery::policy::{AlertPolicy, Policy};
use picoclaw_watchdog::recovery::time::Timestamp;
use picoclaw_watchdog::sim::blueprint::Blueprint;
use picoclaw_watchdog::sim::channel::Mood;
use picoclaw_watchdog::sim::{BEGIN, Sim};
use shipped::{load, shipped};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Seeds that every run of the tests plays.
const SEEDS: u64 = 200;

/// Never more than three attempts in any 600 s, wherever the window is laid.
fn assert_window(performed: &[Timestamp], context: &str) {
    for four in performed.windows(4) {
        let span = four[3].since(four[0]);
        assert!(span >= secs(600), "four attempts within {span:?}: {performed:?} ({context})");
    }
}

/// Who is told of a fault is told of its end; a channel that refused to tell of it owes nothing.
fn assert_told(sim: &Sim, context: &str) {
    let targets = sim.state().targets.values().flat_map(|of| [&of.incident, &of.not_ready, &of.blind]);
    let troubles = sim.state().troubles.values();
    let open: Vec<u64> =
        targets.flatten().map(Box::as_ref).chain(troubles).map(|incident| incident.id).collect();
    for channel in &sim.policy().alerts.channels {
        let letters: Vec<&Letter> = sim.state().outbox.to(&channel.name).collect();
        for letter in letters.iter().filter(|letter| letter.kind == Kind::Fault && letter.incident != 0) {
            let refused = matches!(letter.fate, Fate::Refused { .. });
            let ends = |other: &&&Letter| other.kind == Kind::Recovery && other.incident == letter.incident;
            assert!(
                refused || open.contains(&letter.incident) || letters.iter().find(ends).is_some(),
                "told of a fault, not of its end: {letter:?} ({context})"
            );
        }
        assert!(letters.len() <= 300, "{context}");
    }
}

/// What must hold after every pass.
fn assert_bounds(sim: &Sim, report: &Report, context: &str) {
    for target in &sim.policy().targets {
        let made = sim.state().targets.get(&target.name).map_or(0, |state| state.attempts.len());
        assert!(made <= target.window.attempts as usize, "{made} attempts of {} ({context})", target.name);
    }
    assert!(sim.state().outbox.letters.len() <= 300, "{context}");
    assert!(report.done.len() <= sim.policy().targets.len(), "{context}: {:?}", report.done);
}

/// A look every ten minutes instead of every minute: the same faults in a fraction of the time.
fn every_ten_minutes() -> String {
    shipped("random").replace("[env]\n", "[env]\nPICOCLAW_WATCHDOG_INTERVAL_SEC = \"600\"\n")
}

/// Plays the month of one seed.
fn month(text: &str, seed: u64) {
    let context = format!("SEED={seed}");
    let (scenario, blueprint) = load("random", text);
    let mut sim = scenario.world(&blueprint, seed, scenario.span, None);
    sim.run_until(BEGIN.after(scenario.span), |sim, report| assert_bounds(sim, report, &context));
    for target in &sim.policy().targets {
        let made = sim.performed.iter().filter(|(_, name)| *name == target.name);
        assert_window(&made.map(|(at, _)| *at).collect::<Vec<_>>(), &context);
    }
    assert_told(&sim, &context);
    let totals = sim.totals();
    for expectation in &scenario.expect {
        let finding = expectation.check(&totals, &[], |_| true);
        assert!(finding.met, "{context}: {}: {}", finding.expected, finding.found);
    }
}

/// Plays all seeds on two threads; the first that fails ends its thread and is named.
fn on_two_threads(seeds: u64, play: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(1);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                break;
            }
            play(seed);
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
}

#[test]
fn random_worlds_keep_the_limits_and_the_promises() {
    let text = every_ten_minutes();
    match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => month(&text, seed),
        None => on_two_threads(SEEDS, |seed| month(&text, seed)),
    }
}

#[test]
fn random_worlds_keep_their_promises_to_every_recipient() {
    let text = every_ten_minutes();
    let (scenario, blueprint) = load("random", &text);
    let alerts = AlertPolicy { channels: three(), ..blueprint.policy.alerts.clone() };
    let policy = Policy { alerts, ..blueprint.policy.clone() };
    let blueprint = Blueprint { policy, ..blueprint };
    for seed in 1..=20 {
        let context = format!("seed {seed}");
        let span = secs(7 * 86_400);
        let mut sim = scenario.world(&blueprint, seed, span, None);
        let mut chance = seed;
        for hour in 1..7 * 24 {
            for of in ["email", "hook"] {
                chance = chance.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(0x9e37_79b9_7f4a_7c15);
                let moods =
                    [Mood::Fine, Mood::Fine, Mood::Unreachable, Mood::AnswerLost, Mood::Busy, Mood::Refusing];
                channel(&mut sim, of).mood = moods[usize::try_from(chance >> 40).unwrap() % moods.len()];
            }
            sim.run_until(BEGIN.after(secs(hour * 3600)), |_, _| {});
            assert_told(&sim, &context);
        }
        sim.others.values_mut().for_each(|channel| channel.mood = Mood::Fine);
        sim.run_until(BEGIN.after(span + secs(7200)), |_, _| {});
        assert_told(&sim, &context);
        let waiting = |of| sim.state().outbox.to(&name(of)).filter(|letter| letter.is_waiting()).count();
        assert_eq!((waiting("email"), waiting("hook"), sim.totals().doubled), (0, 0, 0), "{context}");
        assert!(
            sim.others.values().any(|channel| channel.accepted.len() > 5),
            "{context}: something was told"
        );
    }
}

#[test]
fn steps_of_the_wall_clock_change_nothing_that_is_visible() {
    let text = shipped("random").replace("clock = \"3d\"", "clock = \"3h\"");
    let (scenario, blueprint) = load("random", &text);
    for seed in 1..=20 {
        let run = |without: Option<&str>| {
            let mut sim = scenario.world(&blueprint, seed, 2 * secs(86_400), without);
            sim.run_for(2 * 86_400);
            (sim.performed, sim.channel.accepted)
        };
        assert_eq!(run(None), run(Some("clock")), "seed {seed}");
    }
}

#[test]
fn killed_after_every_step_people_hear_of_the_fault_once_and_of_its_end_once() {
    let story = || {
        let mut sim = world_with(&[(90, Happens::Crash), (2000, Happens::Start)]);
        service(&mut sim).exits_at_once = true;
        sim
    };
    let mut undisturbed = story();
    undisturbed.run_for(3600);
    let steps = undisturbed.steps;
    assert!(steps > 20, "the sweep has something to cut: {steps}");
    for step in 0..steps {
        let mut sim = story();
        sim.fuse = Some(step);
        sim.run_for(1900);
        service(&mut sim).exits_at_once = false;
        sim.run_for(1700);
        let context = format!("killed at step {step}");
        assert_window(&performed(&sim), &context);
        assert_told(&sim, &context);
        let heard = |what: &str| received(&sim).iter().filter(|text| text.contains(what)).count();
        assert_eq!(heard("repairs do not help"), 1, "{context}: {:#?}", received(&sim));
        assert_eq!(heard("\nIt was: "), 1, "{context}: {:#?}", received(&sim));
    }
}
