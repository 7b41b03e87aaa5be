//! `check` says what a configuration allows at worst. Here random seeds look for something worse, and for the
//! worst itself.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

mod core;
mod shipped;

use core::*;
use picoclaw_watchdog::sim::BEGIN;
use picoclaw_watchdog::sim::blueprint::Blueprint;
use picoclaw_watchdog::sim::fault::{Cure, Fault, Wrong};
use picoclaw_watchdog::sim::worst::{Worst, busiest_hour, hopeless, settled, strike, worst};
use shipped::load;

const SEEDS: u64 = 120;
/// How near the random seeds come to the worst moment, of sixty thousand milliseconds.
const NEAR_MS: u64 = 3000;

/// The built-in configuration with everything switched on.
fn everything() -> Blueprint {
    load(
        "S0",
        "title = \"all\"\n[env]\nPICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED = \"true\"\n\
         PICOCLAW_WATCHDOG_LINE_NOTIFY_TO = \"U00000000000000000000000000000000\"\n\
         PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN = \"simulated\"\n\
         PICOCLAW_WATCHDOG_WEBHOOK_URL = \"https://gateway.example/webhook/line\"\n\
         PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL = \"http://ollama.example:11434/v1/models\"\n",
    )
    .1
}

fn random(seed: u64, below: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0x2545_f491_4f6c_dd1d) % below
}

/// A fault that nothing ends, at a random moment; each of them in each part of a minute.
fn strikes_once(blueprint: &Blueprint, target: usize, seed: u64) -> (u64, Option<u64>, u64) {
    let target = &blueprint.policy.targets[target].name;
    let mut sim = settled(blueprint);
    let (kinds, fault) = (hopeless().len() as u64, seed % hopeless().len() as u64);
    let part = 60_000 * kinds / SEEDS;
    let wait = std::time::Duration::from_millis(seed / kinds * part + random(seed, part));
    sim.run_until(sim.clock().after(wait), |_, _| {});
    strike(&mut sim, target, &hopeless()[fault as usize]);
    sim.run_until(sim.clock().after(secs(2 * 3600)), |_, _| {});
    let totals = sim.totals();
    (totals.detected.unwrap(), totals.told, busiest_hour(&sim, target))
}

/// A fault of any look, that repairs end or not, and that comes back after random times.
fn comes_back(blueprint: &Blueprint, target: usize, seed: u64) -> u64 {
    let target = &blueprint.policy.targets[target].name;
    let mut sim = settled(blueprint);
    let longest = 30 + random(seed, 400);
    for round in 0.. {
        if sim.clock() > BEGIN.after(secs(4 * 3600)) {
            break;
        }
        let dice = |below: u64| random(seed + 1_000 * (round + 1) + below, below);
        let answers = match dice(4) {
            0 | 1 => Wrong::Silence,
            2 => Wrong::Status(500),
            _ => Wrong::Words(["refused", "reset", "gone", "broken", "garbled"][dice(5) as usize].to_owned()),
        };
        let cured_by = if dice(7) == 0 { Cure::Nothing } else { Cure::AnyRepair };
        let mut faults = vec![Fault::Down { answers, cured_by }];
        faults.extend((dice(3) > 0).then_some(Fault::Crashed));
        strike(&mut sim, target, &faults);
        sim.run_until(sim.clock().after(secs(dice(longest))), |_, _| {});
    }
    busiest_hour(&sim, target)
}

#[test]
fn no_seed_finds_anything_worse_and_some_come_near() {
    let blueprint = everything();
    let Worst { targets, .. } = worst(&blueprint);
    for (index, of) in targets.iter().enumerate() {
        let (mut detected, mut told, mut attempts) = (0, None, 0);
        for seed in 0..SEEDS {
            let once = strikes_once(&blueprint, index, seed);
            (detected, told) = (detected.max(once.0), told.max(once.1));
            attempts = attempts.max(once.2).max(comes_back(&blueprint, index, seed));
        }
        assert!(detected <= of.detected_ms && detected + NEAR_MS >= of.detected_ms, "{of:?}: {detected}");
        assert!(told <= of.told_ms, "{of:?}: {told:?}");
        assert!(told.unwrap_or(0) + NEAR_MS >= of.told_ms.unwrap_or(0), "{of:?}: {told:?}");
        assert!(attempts <= of.attempts_per_hour, "{of:?}: {attempts}");
        println!("{of:?}: {attempts}");
    }
}

#[test]
fn the_worst_follows_from_the_window_and_the_times_of_the_probes() {
    let worst = worst(&everything());
    let gateway = &worst.targets[0];
    assert_eq!(gateway.attempts_per_hour, 18, "three in every ten minutes");
    // The whole interval, then 12 s of silence, a pause of 2 s and 12 s of silence again.
    assert_eq!(gateway.detected_ms, 86_000 - 1, "{gateway:?}");
    assert_eq!(worst.targets[1].attempts_per_hour, 0, "nothing here mends ollama");
    assert!(worst.messages_per_month > 200, "more than LINE gives away: {}", worst.messages_per_month);
}

#[test]
fn messages_count_wherever_they_go() {
    let mut blueprint = everything();
    let alerts = &mut blueprint.policy.alerts;
    alerts.channels[0].on = Err("switched off".to_owned());
    alerts.channels.push(plain("phone", &ALL));
    assert!(worst(&blueprint).messages_per_month > 200);
}
