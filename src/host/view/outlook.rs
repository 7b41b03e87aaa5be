//! Why it acts, and why not: what a target's next repair would be, and what that waits for. It reads the
//! verdict and the policy, and decides nothing.

use crate::recovery::policy::{Role, TargetPolicy};
use crate::recovery::state::{Phase, TargetState};
use crate::recovery::time::{Age, Timestamp};
use crate::recovery::unit::MASKED;
use crate::recovery::verdict::{Ruling, Seen, Verdict, seen};

/// One sentence; empty where the verdict has said all.
pub(super) fn of(policy: &TargetPolicy, target: &TargetState, verdict: &Verdict, now: Timestamp) -> String {
    let Some(repair) = repair(policy, target) else { return String::new() };
    match &verdict.ruling {
        Ruling::Fine => format!("{repair}, once {}", conditions(policy, target)),
        Ruling::Suspect(_) => format!("{repair}, if {}", missing(policy, target)),
        Ruling::Unsure(_) => format!("nothing, for what is not known never leads to {repair}"),
        Ruling::LeftAlone(why) => {
            let undone = if why == MASKED { "unmasked and started" } else { "started" };
            format!("nothing until it is {undone}; then {repair} when it fails")
        }
        Ruling::Recovering { passes, of } => {
            let more = of.saturating_sub(*passes);
            format!("nothing more, if the next {more} passes are healthy; else {repair}")
        }
        Ruling::Verifying { .. } => format!("{repair}, if it is not healthy {}", deadline(target, now)),
        Ruling::Act { .. } => String::new(),
        Ruling::Held(_) => match verdict.next_in {
            Some(wait) => format!("{repair} in {}, if it still fails then", Age(wait)),
            None => format!("{repair}, as soon as nothing holds it"),
        },
    }
}

/// The next rung, and which try on it.
fn repair(policy: &TargetPolicy, target: &TargetState) -> Option<String> {
    let top = policy.ladder.last()?;
    let rung = policy.rung(target.climbed).unwrap_or(top);
    let below: u32 = policy.ladder.iter().take_while(|other| *other != rung).map(|rung| rung.tries).sum();
    let attempt = target.climbed.saturating_sub(below) + 1;
    if attempt > rung.tries {
        return Some(format!("{} (a single try)", rung.action));
    }
    Some(format!("{} (try {attempt} of {})", rung.action, rung.tries))
}

/// What would have to happen to a healthy target.
fn conditions(policy: &TargetPolicy, target: &TargetState) -> String {
    let unit = policy.unit.iter().map(|_| "its unit dies".to_owned());
    let witnesses = judging(policy, target);
    let probes = witnesses.iter().filter(|seen| seen.probe != "unit");
    let probe = |seen: &Seen| match seen.fails.1 {
        1 => format!("{} fails", seen.probe),
        after => format!("{} fails {after} times in a row", seen.probe),
    };
    unit.chain(probes.map(probe)).collect::<Vec<_>>().join(", or ")
}

/// How far the suspects are from being a fault.
fn missing(policy: &TargetPolicy, target: &TargetState) -> String {
    let witnesses = judging(policy, target);
    let suspects = witnesses.iter().filter(|seen| seen.fails.0 > 0 && seen.fails.0 < seen.fails.1);
    let more = |seen: &Seen| format!("{} fails {} more in a row", seen.probe, seen.fails.1 - seen.fails.0);
    let list: Vec<String> = suspects.map(more).collect();
    if list.is_empty() { "that is confirmed".to_owned() } else { list.join(", or ") }
}

/// The witnesses that may cause a repair.
fn judging(policy: &TargetPolicy, target: &TargetState) -> Vec<Seen> {
    let mut witnesses = seen(policy, target);
    witnesses.retain(|seen| seen.role == Role::Liveness && seen.counts);
    witnesses
}

fn deadline(target: &TargetState, now: Timestamp) -> String {
    match target.phase {
        Phase::Settling { until, .. } if until > now => format!("in {}", Age(until.since(now))),
        Phase::Settling { .. } => "when its start is over".to_owned(),
        Phase::Healthy | Phase::Failing { .. } | Phase::Exhausted { .. } => "by then".to_owned(),
    }
}
