//! Readings become health: consecutive thresholds with hysteresis per probe, folded in every phase, then
//! one judgement per target. No decision about actions is made here.

use super::evidence::{Evidence, Excused, LEAVE_UP, Name, ProbeReport, Reading, UnitReport};
use super::policy::{Policy, ProbePolicy, Role, TargetPolicy};
use super::starts;
use super::state::{Excuse, LastReading, ProbeHealth, ProbeState, State, TargetState, UnitView};
use super::time::{Now, Timestamp};
use super::unit::Standing;

/// The health of a target, each with its reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Everything that counts passes.
    Healthy,
    /// Something that may cause recovery fails.
    Unhealthy(String),
    /// Not known (yet).
    Unknown(String),
    /// Off on purpose: left alone.
    Off(String),
}

/// So many runs that ended before they were healthy make a crash loop. Without this rule each new run
/// would reset the probes' counters, and a loop faster than their thresholds would never be a fault.
pub const CRASH_LOOP: u32 = 3;

/// Folds all evidence into the state.
pub fn fold(policy: &Policy, state: &mut State, evidence: &Evidence, now: Now) {
    for report in &evidence.units {
        if policy.target(&report.target).is_some() {
            fold_unit(state.targets.entry(report.target.clone()).or_default(), report, now.at);
        }
    }
    for report in &evidence.probes {
        if let Some(probe) = policy.target(&report.target).and_then(|target| target.probe(&report.probe)) {
            let target = state.targets.entry(report.target.clone()).or_default();
            let entry = target.probes.entry(report.probe.clone()).or_default();
            fold_reading(probe, entry, &report.reading, now.at);
            fold_excuse(entry, report, now.at);
            fold_blames(policy, state, report);
        }
    }
    for target in &policy.targets {
        let entry = state.targets.entry(target.name.clone()).or_default();
        fold_streak(target, entry, evidence, now.at);
    }
}

/// A new run of the unit is a new incarnation, and so is one that stops or fails: what was answered before
/// says nothing about it.
fn fold_unit(target: &mut TargetState, report: &UnitReport, now: Timestamp) {
    target.unit_is_old = false;
    let (known_run, known_start, known_restarts, known_standing) = target
        .unit
        .take()
        .map(|view| (view.run, view.started, view.restarts, Some(view.standing)))
        .unwrap_or_default();
    target.unit = Some(match &report.facts {
        Err(why) => UnitView {
            standing: Err(why.clone()),
            run: known_run,
            started: known_start,
            restarts: known_restarts,
        },
        Ok(facts) => {
            let same_run = facts.invocation == known_run;
            let standing = facts.standing();
            if !same_run {
                let ended_unproven = !known_run.is_empty() && known_run != target.proven_run;
                let ended_proven = !known_run.is_empty() && !ended_unproven;
                if ended_proven && facts.restarts > known_restarts {
                    target.healed(now);
                }
                target.crashes = target.crashes.saturating_add(u32::from(ended_unproven)).min(CRASH_LOOP);
                target.start_seen = !known_run.is_empty() && starts::seen_soon(facts.run_age());
            }
            if !same_run || known_standing.is_some_and(|known| known != Ok(standing.clone())) {
                forget_readings(target);
            }
            // Ages are read a little apart each time; the first reading of a run fixes its start, so that a
            // healthy cycle changes no state.
            let started = facts.run_age().map(|age| now.before(age));
            UnitView {
                standing: Ok(standing),
                run: facts.invocation.clone(),
                started: if same_run { known_start.or(started) } else { started },
                restarts: facts.restarts,
            }
        }
    });
}

/// After an attempt, and in a new run, every probe has to show its health anew. When it was asked is not
/// forgotten: what a question costs somebody does not depend on what it is asked for.
pub fn forget_readings(target: &mut TargetState) {
    for probe in target.probes.values_mut() {
        probe.health = ProbeHealth::Unsettled;
        probe.fails = 0;
        probe.passes = 0;
        probe.last = None;
        probe.trouble_since = None;
    }
    target.streak = 0;
    target.healthy_since = None;
}

fn fold_reading(policy: &ProbePolicy, probe: &mut ProbeState, reading: &Reading, now: Timestamp) {
    match reading {
        Reading::Pass(_) => {
            probe.passes = probe.passes.saturating_add(1).min(policy.pass_after);
            probe.fails = 0;
            probe.armed = true;
            if probe.passes == policy.pass_after {
                probe.health = ProbeHealth::Healthy;
                probe.trouble_since = None;
            }
        }
        Reading::Fail(_) => {
            probe.fails = probe.fails.saturating_add(1);
            probe.passes = 0;
            probe.trouble_since.get_or_insert(now);
            if probe.fails >= policy.fail_after {
                probe.health = ProbeHealth::Unhealthy;
            }
        }
        Reading::Unknown(_) => {
            probe.trouble_since.get_or_insert(now);
        }
    }
    // Of what is asked in every pass it is kept only while it fails: a healthy pass changes nothing.
    probe.asked = (policy.every.is_some() || probe.fails > 0).then_some(now);
    probe.last = Some(LastReading(reading.clone()));
}

/// An excuse is forgotten as soon as it is not needed, or does not hold: who has woken up is asked again.
fn fold_excuse(probe: &mut ProbeState, report: &ProbeReport, now: Timestamp) {
    match (&report.excused, &report.reading) {
        (Some(Excused::Anew { said, holds }), _) => {
            let standing = Excuse { said: said.clone(), until: now.after(*holds) };
            probe.excuse = Some(standing).filter(|_| !holds.is_zero());
        }
        (Some(Excused::Still), _) | (None, Reading::Unknown(_)) => {}
        (None, Reading::Pass(_) | Reading::Fail(_)) => probe.excuse = None,
    }
}

/// A fault is laid at the door of the target it belongs to; where nobody watches that one, it stays with
/// the target whose probe saw it, so that it is not lost.
fn fold_blames(policy: &Policy, state: &mut State, report: &ProbeReport) {
    if report.blames.is_empty() && state.targets.values().all(|target| target.blamed.is_empty()) {
        return;
    }
    let seen_by = format!("{}/{}", report.target, report.probe);
    for target in state.targets.values_mut() {
        target.blamed.remove(&seen_by);
    }
    for blame in &report.blames {
        let at_fault = if policy.target(&blame.target).is_some() { &blame.target } else { &report.target };
        let entry = state.targets.entry(at_fault.clone()).or_default();
        let reason = entry.blamed.entry(seen_by.clone()).or_default();
        if !reason.is_empty() {
            reason.push_str("; ");
        }
        reason.push_str(&blame.reason);
    }
}

/// Counts healthy passes in a row, only those in which every probe that matters was asked. The runs that crashed
/// before this one do not speak against it, or it could never prove itself.
fn fold_streak(policy: &TargetPolicy, target: &mut TargetState, evidence: &Evidence, now: Timestamp) {
    let crashes = std::mem::take(&mut target.crashes);
    let health = assess(policy, target);
    target.crashes = crashes;
    match health {
        Health::Healthy => {
            let since = *target.healthy_since.get_or_insert(now);
            if all_asked(policy, evidence) && outlives(policy, target, since, now) {
                target.streak = target.streak.saturating_add(1).min(policy.stable_passes);
            }
            if target.streak == policy.stable_passes {
                prove_run(target);
            }
        }
        Health::Unknown(_) => {}
        Health::Unhealthy(_) | Health::Off(_) => {
            target.streak = 0;
            target.healthy_since = None;
        }
    }
}

/// In a crash loop a few healthy passes prove nothing, for the next crash may be seconds away: the last one is counted
/// when the run has been healthy for as long as an attempt may take to show effect.
fn outlives(policy: &TargetPolicy, target: &TargetState, since: Timestamp, now: Timestamp) -> bool {
    let is_last = target.streak.saturating_add(1) >= policy.stable_passes;
    target.crashes < CRASH_LOOP || !is_last || now.since(since) >= policy.settle
}

/// The run has shown that it works: for it, starting is over.
fn prove_run(target: &mut TargetState) {
    let Some(run) = target.unit.as_ref().map(|unit| unit.run.clone()) else { return };
    if run != target.proven_run {
        starts::learn(target);
        target.proven_run = run;
    }
    target.crashes = 0;
}

fn all_asked(policy: &TargetPolicy, evidence: &Evidence) -> bool {
    let asked = |name: &Name| evidence.probes.iter().any(|r| r.target == policy.name && r.probe == *name);
    let unit_asked = evidence.units.iter().any(|r| r.target == policy.name);
    let mut liveness = policy.probes.iter().filter(|probe| probe.role == Role::Liveness);
    // One that is asked rarely cannot be waited for; where there are only such, any of them counts.
    let all = match liveness.clone().all(|probe| probe.every.is_some()) {
        true => liveness.clone().next().is_none() || liveness.any(|probe| asked(&probe.name)),
        false => liveness.filter(|probe| probe.every.is_none()).all(|probe| asked(&probe.name)),
    };
    all && (policy.unit.is_none() || unit_asked)
}

/// Judges one target from its folded state.
pub fn assess(policy: &TargetPolicy, target: &TargetState) -> Health {
    let (mut alone, mut fails, mut all_pass) = (true, false, true);
    for (_, probe) in liveness(policy, target) {
        alone = false;
        fails |= probe.health == ProbeHealth::Unhealthy;
        all_pass &= probe.health == ProbeHealth::Healthy;
    }
    let mut failing = Vec::new();
    match fresh(target) {
        // Something else may run it: what answers is not off.
        Some(Ok(Standing::Off(_) | Standing::Unusable(_))) if !alone && all_pass => {
            return Health::Healthy;
        }
        Some(Ok(Standing::Off(why))) => return Health::Off(why.clone()),
        Some(Ok(Standing::Dead(why) | Standing::Unusable(why))) => failing.push(format!("unit: {why}")),
        Some(Ok(Standing::Running | Standing::Busy(_))) if in_crash_loop(target) => {
            failing.push(format!("unit: {CRASH_LOOP} runs in a row ended before they were healthy"));
        }
        Some(Ok(Standing::Busy(why))) if !fails && (alone || !all_pass) => {
            return Health::Unknown(format!("unit: {why}"));
        }
        Some(Ok(Standing::Running | Standing::Busy(_)) | Err(_)) | None => {}
    }
    let unhealthy = liveness(policy, target).filter(|(_, probe)| probe.health == ProbeHealth::Unhealthy);
    failing.extend(unhealthy.map(|(policy, probe)| format!("{}: {}", policy.name, words(probe))));
    if !failing.is_empty() {
        return Health::Unhealthy(failing.join("; "));
    }
    if all_pass && !(alone && unit_unseen(policy, target)) {
        return Health::Healthy;
    }
    Health::Unknown(unsettled(policy, target))
}

/// Whether run after run has crashed, and this one has yet to be healthy.
fn in_crash_loop(target: &TargetState) -> bool {
    target.crashes >= CRASH_LOOP && target.healthy_since.is_none()
}

/// A target whose only witness is its unit is not healthy just because nobody could ask.
fn unit_unseen(policy: &TargetPolicy, target: &TargetState) -> bool {
    policy.unit.is_some() && fresh(target).is_none_or(Result::is_err)
}

/// How the unit stands, unless it was seen only before the last attempt.
pub(super) fn fresh(target: &TargetState) -> Option<&Result<Standing, String>> {
    target.unit.as_ref().filter(|_| !target.unit_is_old).map(|view| &view.standing)
}

fn unsettled(policy: &TargetPolicy, target: &TargetState) -> String {
    let first = liveness(policy, target).find(|(_, probe)| probe.health == ProbeHealth::Unsettled);
    match (first, target.unit.as_ref().map(|view| &view.standing)) {
        (Some((policy, probe)), _) => format!("{}: {}", policy.name, words(probe)),
        (None, Some(Err(why))) => format!("unit: {why}"),
        (None, _) => "not asked yet".to_owned(),
    }
}

/// Whether nothing was asked since its last run or repair, so that "not asked yet" would be all there is to say.
pub(super) fn is_unasked(policy: &TargetPolicy, target: &TargetState) -> bool {
    let busy = matches!(target.unit.as_ref().map(|view| &view.standing), Some(Ok(Standing::Busy(_))));
    !busy && liveness(policy, target).any(|(_, probe)| probe.last.is_none())
}

/// Whether a probe that counts has yet to show how it is, so that a reason that is not seen need not be gone.
pub(super) fn is_unsettled(policy: &TargetPolicy, target: &TargetState) -> bool {
    liveness(policy, target).any(|(_, probe)| probe.health == ProbeHealth::Unsettled)
}

/// What a probe saw last, in words.
pub(super) fn words(probe: &ProbeState) -> &str {
    probe.last.as_ref().map_or("not asked yet", |last| last.0.detail())
}

static NEVER_ASKED: ProbeState = ProbeState {
    health: ProbeHealth::Unsettled,
    fails: 0,
    passes: 0,
    armed: false,
    trouble_since: None,
    asked: None,
    excuse: None,
    last: None,
};

/// The probes that may cause recovery and count by now.
pub(super) fn liveness<'a>(
    policy: &'a TargetPolicy,
    target: &'a TargetState,
) -> impl Iterator<Item = (&'a ProbePolicy, &'a ProbeState)> {
    counting(policy, target).filter(|(policy, _)| policy.role == Role::Liveness)
}

/// The probes that count by now.
pub(super) fn counting<'a>(
    policy: &'a TargetPolicy,
    target: &'a TargetState,
) -> impl Iterator<Item = (&'a ProbePolicy, &'a ProbeState)> {
    let state = |name| target.probes.get(name).unwrap_or(&NEVER_ASKED);
    let probes = policy.probes.iter().map(move |probe| (probe, state(&probe.name)));
    probes.filter(|(policy, probe)| counts(policy, probe))
}

/// Whether a probe counts by now.
pub(super) fn counts(policy: &ProbePolicy, probe: &ProbeState) -> bool {
    !policy.arm_on_pass || probe.armed
}

/// When the first of the failing probes began to fail; that is earlier than when it was confirmed.
pub fn failing_since(policy: &TargetPolicy, target: &TargetState) -> Option<Timestamp> {
    let failing = liveness(policy, target).filter(|(_, probe)| probe.health == ProbeHealth::Unhealthy);
    failing.filter_map(|(_, probe)| probe.trouble_since).min()
}

/// Why a restart would do harm, when what fails says so of itself.
pub(super) fn left_up<'a>(policy: &'a TargetPolicy, target: &'a TargetState) -> Option<&'a str> {
    let failing = liveness(policy, target).filter(|(_, probe)| probe.health == ProbeHealth::Unhealthy);
    failing.map(|(_, probe)| probe).find_map(|probe| match &probe.last {
        Some(LastReading(Reading::Fail(why))) if why.starts_with(LEAVE_UP) => Some(why.as_str()),
        Some(LastReading(Reading::Fail(_) | Reading::Pass(_) | Reading::Unknown(_))) | None => None,
    })
}

/// When what fails was asked last. What is asked rarely does not count, for it rests until its own time.
pub(super) fn failed_at(policy: &TargetPolicy, target: &TargetState) -> Option<Timestamp> {
    let often = liveness(policy, target).filter(|(policy, _)| policy.every.is_none());
    often.filter(|(_, probe)| probe.fails > 0).filter_map(|(_, probe)| probe.asked).max()
}

/// Whether a probe that may cause recovery has begun to fail.
pub(super) fn is_suspect(policy: &TargetPolicy, target: &TargetState) -> bool {
    liveness(policy, target).any(|(_, probe)| probe.fails > 0)
}

/// Why a target should be asked again soon, if it should: a probe is between its thresholds, or a run is
/// unproven.
pub fn suspicion(policy: &TargetPolicy, target: &TargetState) -> Option<String> {
    let between = |probe: &ProbeState| match probe.health {
        ProbeHealth::Healthy => probe.fails > 0,
        ProbeHealth::Unhealthy => probe.passes > 0,
        ProbeHealth::Unsettled => !matches!(probe.last, Some(LastReading(Reading::Unknown(_)))),
    };
    let (policy, probe) = liveness(policy, target).find(|(_, probe)| between(probe))?;
    Some(format!("{}: {}", policy.name, words(probe)))
}
