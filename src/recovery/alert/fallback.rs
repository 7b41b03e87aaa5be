//! What a channel could not bring is passed on to those that stand in for it, once. It stays where it was, too: a
//! channel that comes back tells all that it was given.

use super::incidents;
use crate::recovery::outbox::{Draft, Fate, Kind, Letter, Outbox};
use crate::recovery::policy::{AlertPolicy, ChannelPolicy};
use crate::recovery::state::State;
use crate::recovery::text::Message;
use crate::recovery::time::{Now, Timestamp};
use std::sync::Arc;

/// Passes on what was refused for good in this pass, and what waits for longer than it should. A refusal of long ago,
/// of before there was somebody to stand in, is no news any more.
pub(super) fn pass_on(alerts: &AlertPolicy, state: &mut State, now: Now) {
    let stuck = state.outbox.letters.iter().filter(|letter| !letter.passed_on);
    let stuck = stuck.filter_map(|letter| Some((Arc::clone(letter), failure(alerts, letter, now.at)?)));
    for (letter, why) in stuck.collect::<Vec<_>>() {
        let Some(from) = alerts.channel(&letter.channel) else { continue };
        for name in &from.fallback {
            let stand_in = alerts.channel(name).filter(|channel| channel.on.is_ok());
            if let Some(channel) = stand_in.filter(|channel| !has(&state.outbox, channel, &letter)) {
                write(alerts, state, channel, &letter, &why, now);
            }
        }
        state.outbox.letters_mut(|other| other.id == letter.id).for_each(|letter| letter.passed_on = true);
    }
}

/// Why a letter needs another way; none as long as its own may still do. Who tests a channel wants to hear of that
/// channel.
fn failure(alerts: &AlertPolicy, letter: &Letter, now: Timestamp) -> Option<String> {
    let stands_in = alerts.channel(&letter.channel).is_some_and(|channel| !channel.fallback.is_empty());
    if !stands_in || letter.kind == Kind::Test {
        return None;
    }
    match &letter.fate {
        Fate::Refused { reason, at } if *at == now => Some(reason.clone()),
        Fate::Pending if now.since(letter.raised) >= alerts.fallback_after => {
            Some(letter.last_answer.clone())
        }
        Fate::Pending
        | Fate::Withheld
        | Fate::Accepted { .. }
        | Fate::Refused { .. }
        | Fate::Superseded { .. } => None,
    }
}

/// Whether a channel has the same message already, of its own or from an earlier failure.
fn has(outbox: &Outbox, channel: &ChannelPolicy, letter: &Letter) -> bool {
    outbox.to(&channel.name).any(|known| {
        (&known.key, known.kind, known.incident) == (&letter.key, letter.kind, letter.incident)
            && (letter.incident != 0 || known.raised >= letter.raised)
    })
}

fn write(
    alerts: &AlertPolicy,
    state: &mut State,
    channel: &ChannelPolicy,
    letter: &Letter,
    why: &str,
    now: Now,
) {
    let message = Message::PassedOn { text: &letter.text, channel: &letter.channel, why };
    let draft = Draft {
        key: letter.key.clone(),
        kind: letter.kind,
        severity: letter.severity,
        target: letter.target.clone(),
        incident: letter.incident,
        text: alerts.render(&message),
    };
    let id = state.outbox.write(draft, channel, now);
    state.outbox.letters_mut(|letter| letter.id == id).for_each(|letter| letter.passed_on = true);
    // Who was told of a fault is reminded of it and told of its end.
    for incident in incidents(state).filter(|incident| incident.id == letter.incident) {
        let heard = incident.heard.entry(channel.name.clone()).or_default();
        heard.raised.insert(letter.key.clone());
        (heard.letter, heard.told) = (Some(id), None);
    }
}
