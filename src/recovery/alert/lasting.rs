//! Conditions that are no fault at once, but worth a word when they last: alive but not ready, and not to be
//! judged at all. They never lead to an action.

use super::close;
use super::desk::{About, Desk};
use crate::recovery::evidence::Reading;
use crate::recovery::health::{Health, counts, words};
use crate::recovery::policy::{Role, TargetPolicy};
use crate::recovery::state::{Incident, LastReading, ProbeHealth, TargetState};
use crate::recovery::text::{End, Lasting, Message};

/// Opens, tells and closes them.
pub(super) fn lasting(
    of: &TargetPolicy,
    health: &Health,
    target: &mut TargetState,
    ids: &mut u64,
    desk: &mut Desk<'_>,
) {
    if target.incident.is_some() || matches!(health, Health::Off(_)) {
        // While it is down, or a person has switched it off, that is the news; the rest neither begins nor ends.
        return;
    }
    let not_ready = not_ready(of, target);
    let blind = blind(of, target);
    let cases =
        [(&mut target.not_ready, not_ready, Lasting::NotReady), (&mut target.blind, blind, Lasting::Blind)];
    for (slot, condition, what) in cases {
        let Some(seen) = condition else {
            if let Some(ended) = slot.take() {
                close(desk.alerts, desk.outbox, Some(&of.name), &ended, &End::ByItself, desk.now);
            }
            continue;
        };
        let incident = slot.get_or_insert_with(|| {
            *ids = ids.saturating_add(1);
            Box::new(Incident::open(*ids, desk.now.at, &seen))
        });
        let age = desk.now.at.since(incident.since);
        let key = match what {
            Lasting::NotReady => of.keys.not_ready.clone(),
            Lasting::Blind => format!("{}_unknown", of.name),
        };
        for channel in desk.alerts.recipients_of(of) {
            if age >= desk.alerts.lasting && desk.may_tell(channel, incident, &key) {
                let text = desk.text(&Message::Lasting { target: &of.name, what, age, seen: &seen });
                desk.fault(channel, incident, &key, About::of(of), text);
            }
        }
    }
}

fn not_ready(policy: &TargetPolicy, target: &TargetState) -> Option<String> {
    if let Some((by, why)) = target.blamed.first_key_value() {
        return Some(format!("{by}: {why}"));
    }
    policy.probes.iter().filter(|probe| probe.role == Role::Readiness).find_map(|probe| {
        let state = target.probes.get(&probe.name)?;
        let fails = state.health == ProbeHealth::Unhealthy && counts(probe, state);
        fails.then(|| format!("{}: {}", probe.name, words(state)))
    })
}

fn blind(policy: &TargetPolicy, target: &TargetState) -> Option<String> {
    if let Some(Err(why)) = target.unit.as_ref().map(|view| &view.standing) {
        return Some(format!("unit: {why}"));
    }
    policy.probes.iter().find_map(|probe| match target.probes.get(&probe.name)?.last.as_ref()? {
        LastReading(Reading::Unknown(why)) => Some(format!("{}: {why}", probe.name)),
        LastReading(Reading::Pass(_) | Reading::Fail(_)) => None,
    })
}
