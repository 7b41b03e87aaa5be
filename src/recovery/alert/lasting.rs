//! Conditions that are no fault at once, but worth a word when they last: alive but not ready, and not to be
//! judged at all. They never lead to an action.

use super::close;
use super::desk::{About, Desk};
use crate::recovery::evidence::Reading;
use crate::recovery::health::{Health, counting, words};
use crate::recovery::policy::{Role, TargetPolicy};
use crate::recovery::state::{Incident, ProbeHealth, ProbeState, TargetState};
use crate::recovery::text::{End, Lasting, Message};

/// What a probe, or the unit, says of a condition.
enum Seen {
    /// It is there, and this is how it shows.
    There(String),
    /// It is not.
    Over,
    /// Nobody was asked since what was known was forgotten: it neither begins nor ends.
    NotKnown,
}

/// Opens, tells and closes them. What a pause keeps quiet is not told but returned.
pub(super) fn lasting(
    of: &TargetPolicy,
    health: &Health,
    target: &mut TargetState,
    ids: &mut u64,
    desk: &mut Desk<'_>,
    paused: bool,
) -> Vec<String> {
    let mut quiet = Vec::new();
    if target.incident.is_some() || matches!(health, Health::Off(_)) {
        // While it is down, or a person has switched it off, that is the news; the rest neither begins nor ends.
        return quiet;
    }
    let not_ready = not_ready(of, target);
    let blind = blind(of, target);
    let cases =
        [(&mut target.not_ready, not_ready, Lasting::NotReady), (&mut target.blind, blind, Lasting::Blind)];
    for (slot, condition, what) in cases {
        let seen = match condition {
            Seen::There(seen) => seen,
            Seen::NotKnown => continue,
            Seen::Over => {
                if let Some(ended) = slot.take() {
                    close(desk.alerts, desk.outbox, Some(&of.name), &ended, &End::ByItself, desk.now);
                }
                continue;
            }
        };
        let incident = slot.get_or_insert_with(|| {
            *ids = ids.saturating_add(1);
            Box::new(Incident::open(*ids, desk.now.at, &seen))
        });
        if desk.now.at.since(incident.since) < desk.alerts.lasting {
            continue;
        }
        match paused {
            true => quiet.push(seen),
            false => desk.lasts(of, what, incident, &seen),
        }
    }
    quiet
}

impl Desk<'_> {
    fn lasts(&mut self, of: &TargetPolicy, what: Lasting, incident: &mut Incident, seen: &str) {
        let age = self.now.at.since(incident.since);
        let key = match what {
            Lasting::NotReady => of.keys.not_ready.clone(),
            Lasting::Blind => format!("{}_unknown", of.name),
        };
        for channel in self.alerts.recipients_of(of) {
            if self.may_tell(channel, incident, &key) {
                let text = self.text(&Message::Lasting { target: &of.name, what, age, seen });
                self.fault(channel, incident, &key, About::of(of), text);
            }
        }
    }
}

fn not_ready(policy: &TargetPolicy, target: &TargetState) -> Seen {
    if let Some((by, why)) = target.blamed.first_key_value() {
        return Seen::There(format!("{by}: {why}"));
    }
    let readiness = || counting(policy, target).filter(|(probe, _)| probe.role == Role::Readiness);
    let fails = |state: &ProbeState| state.health == ProbeHealth::Unhealthy && state.last.is_some();
    if let Some((probe, state)) = readiness().find(|(_, state)| fails(state)) {
        return Seen::There(format!("{}: {}", probe.name, words(state)));
    }
    let known = readiness().all(|(_, state)| state.health == ProbeHealth::Healthy);
    if known { Seen::Over } else { Seen::NotKnown }
}

fn blind(policy: &TargetPolicy, target: &TargetState) -> Seen {
    let unit = target.unit.as_ref().map(|view| &view.standing);
    if let Some(Err(why)) = unit {
        return Seen::There(format!("unit: {why}"));
    }
    let last = policy.probes.iter().map(|probe| {
        let last = target.probes.get(&probe.name).and_then(|state| state.last.as_ref());
        (probe, last.map(|last| &last.0))
    });
    let mut known = policy.unit.is_none() || unit.is_some();
    for (probe, reading) in last {
        match reading {
            Some(Reading::Unknown(why)) => return Seen::There(format!("{}: {why}", probe.name)),
            Some(Reading::Pass(_) | Reading::Fail(_)) => {}
            None => known = false,
        }
    }
    if known { Seen::Over } else { Seen::NotKnown }
}
