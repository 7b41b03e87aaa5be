//! `check` says what a configuration allows at worst. Here random seeds look for something worse, and for the
//! worst itself.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

mod core;
mod shipped;

use core::*;
use picoclaw_watchdog::recovery::state::Phase;
use picoclaw_watchdog::sim::BEGIN;
use picoclaw_watchdog::sim::blueprint::Blueprint;
use picoclaw_watchdog::sim::fault::{Cure, Fault, Wrong};
use picoclaw_watchdog::sim::random::Dice;
use picoclaw_watchdog::sim::worst::{Worst, busiest_hour, harass, hopeless, settled, strike, worst};
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

/// A fault of any look, that repairs end or not, and that comes back a random time after it was last mended. How long
/// it waits, how often a repair helps and how often its process dies with it is the nature of each world.
fn comes_back(blueprint: &Blueprint, target: usize, seed: u64) -> u64 {
    let target = &blueprint.policy.targets[target].name;
    let mut sim = settled(blueprint);
    let mut dice = Dice::new(seed);
    let nature = Nature {
        patience_s: [1, 5, 30, 200, 500][(seed % 5) as usize],
        hopeless_percent: [0, 15][dice.below(2) as usize],
        deadly_percent: [0, 30, 100][dice.below(3) as usize],
    };
    while sim.clock() < BEGIN.after(secs(4 * 3600)) {
        let phase = sim.state().targets.get(target).map(|state| state.phase.clone());
        if matches!(phase, Some(Phase::Healthy | Phase::Exhausted { .. })) {
            strike(&mut sim, target, &nature.breaks(&mut dice));
        }
        sim.run_until(sim.clock().after(secs(1 + dice.below(nature.patience_s))), |_, _| {});
    }
    busiest_hour(&sim, target)
}

/// How things break in one world.
struct Nature {
    patience_s: u64,
    hopeless_percent: u64,
    deadly_percent: u64,
}

impl Nature {
    /// What breaks, and how it looks.
    fn breaks(&self, dice: &mut Dice) -> Vec<Fault> {
        let words = ["refused", "reset", "gone", "broken", "garbled", "aborted", "unreachable", "closed"];
        let answers = match dice.below(6) {
            0 => Wrong::Silence,
            1 => Wrong::Status(500),
            _ => Wrong::Words(words[dice.below(words.len() as u64) as usize].to_owned()),
        };
        let hopeless = dice.below(100) < self.hopeless_percent;
        let cured_by = if hopeless { Cure::Nothing } else { Cure::AnyRepair };
        let mut faults = vec![Fault::Down { answers, cured_by }];
        faults.extend((dice.below(100) < self.deadly_percent).then_some(Fault::Crashed));
        faults
    }
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
        assert_eq!(attempts, of.attempts_per_hour, "{of:?}");
        println!("{of:?}: {attempts}");
    }
}

/// Messages in 30 days when everything fails again and again, a random time after it was mended, and is mended a
/// random time after somebody heard of it.
fn messages(blueprint: &Blueprint, seed: u64) -> u64 {
    let mut sim = settled(blueprint);
    let end = sim.clock().after(secs(86_400));
    let mut dice = Dice::new(seed);
    while sim.clock() < end {
        let targets = blueprint.policy.targets.iter().map(|target| &target.name);
        for name in targets.filter(|_| dice.below(2 + seed % 3) == 0) {
            harass(&mut sim, name);
        }
        sim.run_until(sim.clock().after(secs(1)), |_, _| {});
    }
    sim.channels().map(|channel| channel.accepted.len() as u64 * 30).sum()
}

#[test]
fn no_seed_has_more_messages_and_some_have_nearly_as_many() {
    let blueprint = everything();
    let worst = worst(&blueprint).messages_per_month;
    let most = (0..6).map(|seed| messages(&blueprint, seed)).max().unwrap();
    assert!(most <= worst && most * 10 >= worst * 9, "{most} of {worst}");
}

/// A port that takes connections is well while nobody answers there, so silence alone would find nothing.
#[test]
fn what_only_has_a_port_has_a_worst_too() {
    let config = "[[target]]\nname = \"gate\"\nladder = [{ action = \"restart\", tries = 3 }]\n\
                  [[target.probe]]\nname = \"port\"\ncheck.port = { port = 4711 }\n\
                  [action.restart]\ndo.run = { argv = [\"true\"] }\n";
    let blueprint = load("port", &format!("title = \"port\"\nconfig = '''\n{config}'''\n")).1;
    let worst = worst(&blueprint);
    let found = (0..SEEDS).map(|seed| comes_back(&blueprint, 0, seed)).max().unwrap();
    assert!(found > 3 && found <= worst.targets[0].attempts_per_hour, "{found} of {worst:?}");
    // An interval of a minute, and a second look after two seconds, twice.
    assert_eq!(worst.targets[0].detected_ms, 64_000 - 1, "{worst:?}");
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
