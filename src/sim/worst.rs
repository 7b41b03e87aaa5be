//! The worst that a configuration allows: found by playing against it, with faults that come at the worst moment
//! and come back as soon as they can. It runs the same passes as everything else and knows no rule of its own.

use super::blueprint::Blueprint;
use super::fault::{Cure, Fault, Repair, Wrong};
use super::{BEGIN, Sim};
use crate::cycle::Scope;
use crate::recovery::evidence::Name;
use crate::recovery::policy::TargetPolicy;
use crate::recovery::state::{Phase, TargetState};
use crate::recovery::time::Timestamp;
use serde::Serialize;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Long enough for every window, ladder and first message of a usual configuration to come round.
const PLAYED: Duration = Duration::from_secs(6 * 3600);
/// Everything is well for so long at first, so that every probe has settled.
const SETTLED: Duration = Duration::from_secs(600);
/// How often the adversary looks.
const LOOK: Duration = Duration::from_secs(1);
/// So many ways to look has a fault that changes; more than are worth a try of their own.
const LOOKS: usize = 12;
/// After a pass, so that the next one is as far away as it can be.
const JUST_AFTER: Duration = Duration::from_millis(1);

/// The worst of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Worst {
    /// Target by target.
    pub targets: Vec<TargetWorst>,
    /// Messages in 30 days in which everything fails until it was told, over and over.
    pub messages_per_month: u64,
}

/// The worst of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetWorst {
    /// The target.
    pub target: String,
    /// The most attempts on it within any hour.
    pub attempts_per_hour: u64,
    /// The longest until a fault is known, in milliseconds.
    pub detected_ms: u64,
    /// The longest until somebody is told of a fault that no repair ends, in milliseconds; none when nobody is.
    pub told_ms: Option<u64>,
}

/// Plays against a configuration.
pub fn worst(blueprint: &Blueprint) -> Worst {
    let targets = blueprint.policy.targets.iter().map(|target| worst_of(blueprint, target)).collect();
    Worst { targets, messages_per_month: messages(blueprint) }
}

fn worst_of(blueprint: &Blueprint, target: &TargetPolicy) -> TargetWorst {
    let hopeless = hopeless().map(|faults| play_once(blueprint, &target.name, &faults));
    let attempts = [
        comes_back(blueprint, target),
        changes(blueprint, target, &Cure::Nothing),
        changes(blueprint, target, &Cure::AnyRepair),
    ];
    TargetWorst {
        target: target.name.to_string(),
        attempts_per_hour: hopeless.iter().map(|played| played.2).chain(attempts).max().unwrap_or(0),
        detected_ms: hopeless.iter().filter_map(|played| played.0).max().unwrap_or(0),
        told_ms: hopeless.iter().filter_map(|played| played.1).max(),
    }
}

/// What no repair ends: it is silent for ever, it is gone altogether (a port that takes connections is well while all
/// are silent), it never comes up, its repair itself fails.
pub fn hopeless() -> [Vec<Fault>; 4] {
    let silent = || down(Wrong::Silence, Cure::Nothing);
    [
        vec![silent()],
        vec![gone(0, Cure::Nothing)],
        vec![silent(), Fault::FailingToStart, Fault::Crashed],
        vec![silent(), Fault::Repair(Repair::Fails("it fails".to_owned()))],
    ]
}

fn down(answers: Wrong, cured_by: Cure) -> Fault {
    Fault::Down { answers, cured_by }
}

/// Gone, in words that differ from all others of another number.
fn gone(number: usize, cured_by: Cure) -> Fault {
    // Numbers are left out where two faults are compared.
    down(Wrong::Words("x".repeat(number + 1)), cured_by)
}

/// One fault that stays: the time until it was known and until it was told, and the most attempts in an hour.
fn play_once(blueprint: &Blueprint, name: &Name, faults: &[Fault]) -> (Option<u64>, Option<u64>, u64) {
    let mut sim = settled(blueprint);
    strike(&mut sim, name, faults);
    sim.run_until(BEGIN.after(PLAYED), |_, _| {});
    let totals = sim.totals();
    (totals.detected, totals.told, busiest_hour(&sim, name))
}

/// A world in which all has been well, just after a pass.
pub fn settled(blueprint: &Blueprint) -> Sim {
    let mut sim = Sim::new(blueprint.clone(), 1);
    let mut last = BEGIN;
    while last < BEGIN.after(SETTLED) {
        sim.run_until(sim.clock().after(LOOK), |_, report| last = report.now.at);
    }
    sim.pass(&Scope::Everything);
    sim.run_until(sim.clock().after(JUST_AFTER), |_, _| {});
    sim
}

/// Lets this happen to a target now.
pub fn strike(sim: &mut Sim, name: &Name, faults: &[Fault]) {
    let now = sim.clock();
    if let Some(thing) = sim.thing_mut(name) {
        faults.iter().for_each(|fault| thing.suffer(fault, now));
    }
    // The books count from now, not from the next pass.
    sim.look_at_the_truth();
}

/// It breaks again as soon as a repair is proven and the next one would be allowed.
fn comes_back(blueprint: &Blueprint, target: &TargetPolicy) -> u64 {
    let tries: u32 = target.ladder.iter().map(|rung| rung.tries).sum();
    let ready = |state: &TargetState| {
        state.phase == Phase::Healthy
            && state.attempts.len() < target.window.attempts as usize
            && state.climbed < tries
    };
    let answers = |round: usize| {
        if round.is_multiple_of(2) { down(Wrong::Silence, Cure::AnyRepair) } else { gone(0, Cure::AnyRepair) }
    };
    play_whenever(blueprint, target, ready, |round| vec![answers(round), Fault::Crashed])
}

/// It comes to look different whenever all was tried, which is worth another try.
fn changes(blueprint: &Blueprint, target: &TargetPolicy, cured_by: &Cure) -> u64 {
    let ready = |state: &TargetState| matches!(state.phase, Phase::Healthy | Phase::Exhausted { .. });
    play_whenever(blueprint, target, ready, |round| vec![gone(round % LOOKS, cured_by.clone())])
}

/// These faults, round by round, whenever the target is ready for the next: the most attempts in an hour.
fn play_whenever(
    blueprint: &Blueprint,
    target: &TargetPolicy,
    ready: impl Fn(&TargetState) -> bool,
    faults: impl Fn(usize) -> Vec<Fault>,
) -> u64 {
    let (mut sim, mut round) = (settled(blueprint), 0);
    while sim.clock() < BEGIN.after(PLAYED) {
        if sim.state().targets.get(&target.name).is_some_and(&ready) {
            strike(&mut sim, &target.name, &faults(round));
            round += 1;
        }
        sim.run_until(sim.clock().after(LOOK), |_, _| {});
    }
    busiest_hour(&sim, &target.name)
}

/// The most attempts on a target within any hour.
pub fn busiest_hour(sim: &Sim, name: &Name) -> u64 {
    let made: Vec<Timestamp> = sim.performed.iter().filter(|(_, of)| of == name).map(|(at, _)| *at).collect();
    let within = |first: &Timestamp| made.iter().filter(|at| *at >= first && at.since(*first) < HOUR).count();
    made.iter().map(within).max().unwrap_or(0) as u64
}

/// Everything fails until it was told, is mended, and fails again; a day of it, thirty times.
fn messages(blueprint: &Blueprint) -> u64 {
    let mut sim = settled(blueprint);
    let begin = sim.clock();
    let names: Vec<Name> = blueprint.policy.targets.iter().map(|target| target.name.clone()).collect();
    while sim.clock() < begin.after(DAY) {
        names.iter().for_each(|name| harass(&mut sim, name));
        sim.run_until(sim.clock().after(LOOK), |_, _| {});
    }
    sim.channels().map(|channel| channel.accepted.len() as u64 * 30).sum()
}

/// Mends what somebody was told of, and breaks what is well, beyond repair.
pub fn harass(sim: &mut Sim, name: &Name) {
    let now = sim.clock();
    let Some(state) = sim.state().targets.get(name) else { return };
    let (told, well) =
        (state.incident.as_ref().is_some_and(|incident| incident.is_told()), state.incident.is_none());
    let faults = [
        Fault::Down { answers: Wrong::Status(500), cured_by: Cure::Nothing },
        Fault::FailingToStart,
        Fault::Crashed,
    ];
    if told {
        sim.thing_mut(name).into_iter().for_each(|thing| thing.mend(now));
    } else if well {
        strike(sim, name, &faults);
    }
}
