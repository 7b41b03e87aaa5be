//! Reads the events of a scenario. Every event has one subject, and every word of it its own keys, so that a
//! key which would have no effect is an unknown one.

use super::channel::Mood;
use super::fault::{Act, Cure, Deed, Event, Fault, Repair, Wrong};
use super::scenario::Cast;
use crate::recovery::evidence::{Name, Order};
use crate::section::{Section, did_you_mean, parse};
use std::time::Duration;

/// What an event can be about; `person` may name a target beside it.
const SUBJECTS: [&str; 9] =
    ["target", "line", "network", "bus", "disk", "clock", "machine", "watchdog", "person"];

/// The words for what can be the matter with a target.
const FAULTS: [&str; 14] = [
    "crashed",
    "ended",
    "hanging",
    "failing-to-start",
    "slow-to-start",
    "port-taken",
    "missing",
    "down",
    "slow",
    "not-ready",
    "repair-failing",
    "repair-hanging",
    "repair-useless",
    "well",
];

/// Faults that only something with a unit can have.
const OF_UNITS: usize = 7;

/// Reads one `[[event]]`.
pub(super) fn event(section: &mut Section<'_>, cast: &Cast) -> Option<Event> {
    let at = section.need("at", parse::duration);
    let lasts = section.opt("lasts", parse::duration);
    let every = section.opt("every", parse::span(Duration::from_secs(1)..=Duration::from_secs(86_400 * 365)));
    let act = act(section, cast);
    if every.is_some() && lasts.zip(every).is_some_and(|(lasts, every)| lasts >= every) {
        section.error(&section.spot("lasts"), "it lasts until it begins again", "write less than every");
    }
    Some(Event { at: at?, lasts, every, act: act? })
}

fn act(section: &mut Section<'_>, cast: &Cast) -> Option<Act> {
    let there: Vec<&str> = SUBJECTS.into_iter().filter(|subject| section.has(subject)).collect();
    match there.as_slice() {
        ["target"] => target(section, cast),
        ["line"] => one_of(section, "line", &LINE).map(Act::Line),
        ["network"] => one_of(section, "network", &[("down", Act::NetworkDown)]),
        ["bus"] => one_of(section, "bus", &[("gone", Act::BusGone)]),
        ["disk"] => one_of(section, "disk", &[("full", Act::DiskFull)]),
        ["machine"] => one_of(section, "machine", &[("off", Act::Off), ("asleep", Act::Asleep)]),
        ["clock"] => section.opt("clock", step).map(Act::Clock),
        ["watchdog"] => {
            let words = [("killed", true), ("hung", false)];
            match one_of(section, "watchdog", &words)? {
                true => Some(Act::Killed(section.opt("step", parse::within(0..=u64::MAX)))),
                false => Some(Act::Hung),
            }
        }
        ["person"] | ["target", "person"] => person(section, cast).map(Act::Person),
        _ => {
            let all = SUBJECTS.join(", ");
            section.error(&section.here(), "exactly one subject is needed", format!("write one of {all}"));
            None
        }
    }
}

const LINE: [(&str, Mood); 4] = [
    ("unreachable", Mood::Unreachable),
    ("answers-lost", Mood::AnswerLost),
    ("busy", Mood::Busy),
    ("refusing", Mood::Refusing),
];

fn target(section: &mut Section<'_>, cast: &Cast) -> Option<Act> {
    let name = cast.need(section, "target");
    let word = section.need("is", |text| known(text, FAULTS))?;
    let fault = fault(section, word);
    let name = name?;
    if FAULTS[..OF_UNITS].contains(&word) && !cast.served.contains(&name) {
        let what = format!("{name} has no unit that this could happen to");
        section.error(&section.spot("is"), what, "write is = \"down\"");
    }
    if word == "well" {
        return Some(Act::Well(name));
    }
    Some(Act::Target(name, fault?))
}

fn fault(section: &mut Section<'_>, word: &str) -> Option<Fault> {
    let says =
        |section: &mut Section<'_>, default: &str| section.or("says", default.to_owned(), parse::filled);
    Some(match word {
        "crashed" => Fault::Crashed,
        "ended" => Fault::Ended,
        "hanging" => Fault::Hanging,
        "failing-to-start" => Fault::FailingToStart,
        "slow-to-start" => Fault::SlowToStart(section.need("takes", parse::duration)?),
        "port-taken" => Fault::PortTaken(section.or("by", "thief (pid 4242)".to_owned(), parse::filled)),
        "missing" => Fault::Missing,
        "down" => down(section),
        "slow" => Fault::Slow(section.need("takes", parse::duration)?),
        "not-ready" => {
            Fault::NotReady { check: section.need("check", parse::filled)?, says: says(section, "fails") }
        }
        "repair-failing" => Fault::Repair(Repair::Fails(says(section, "the job failed"))),
        "repair-hanging" => Fault::Repair(Repair::Hangs),
        "repair-useless" => Fault::Repair(Repair::Useless),
        _ => return None,
    })
}

fn down(section: &mut Section<'_>) -> Fault {
    let status = section.opt("answers", |text| match text {
        "nothing" => Ok(Wrong::Silence),
        status => parse::within(100..=599)(status).map(Wrong::Status),
    });
    let says = section.or("says", "connection refused".to_owned(), parse::filled);
    let cured_by = section.or("cured_by", Cure::AnyRepair, |text| match text {
        "repair" => Ok(Cure::AnyRepair),
        "nothing" => Ok(Cure::Nothing),
        action => Name::parse(action).map(Cure::Action),
    });
    Fault::Down { answers: status.unwrap_or(Wrong::Words(says)), cured_by }
}

fn person(section: &mut Section<'_>, cast: &Cast) -> Option<Deed> {
    let words = ["stops", "starts", "masks", "kicks", "pauses", "resumes", "tests-alerts"];
    let word = section.need("person", |text| known(text, words))?;
    let all_or_one = |section: &mut Section<'_>| {
        if section.has("target") { cast.need(section, "target").map(Some) } else { Some(None) }
    };
    Some(match word {
        "stops" => Deed::Stops(cast.need(section, "target")?),
        "starts" => Deed::Starts(cast.need(section, "target")?),
        "masks" => Deed::Masks(cast.need(section, "target")?),
        "kicks" => {
            let forged = section.opt("token", |text| known(text, ["wrong"])).is_some();
            let action = section.need("action", parse::filled)?;
            if forged { Deed::Forges(action) } else { Deed::Kicks(action) }
        }
        "pauses" => Deed::Orders(Order::Pause {
            target: all_or_one(section)?,
            span: section.need("for", parse::duration)?,
            reason: section.or("reason", String::new(), parse::text),
        }),
        "resumes" => Deed::Orders(Order::Resume { target: all_or_one(section)? }),
        _ => Deed::Orders(Order::TestAlert { channel: None }),
    })
}

fn one_of<T: Clone, const N: usize>(
    section: &mut Section<'_>,
    key: &'static str,
    words: &[(&'static str, T); N],
) -> Option<T> {
    let word = section.opt(key, |text| known(text, words.iter().map(|(word, _)| *word)))?;
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| value.clone())
}

/// The word itself, or which words there are.
fn known(text: &str, words: impl IntoIterator<Item = &'static str> + Clone) -> Result<&'static str, String> {
    let unknown = || {
        let near = did_you_mean(text, words.clone());
        let all = words.clone().into_iter().collect::<Vec<_>>().join(", ");
        format!("{text:?} cannot be said here; {near} the words are {all}").replace(";  ", "; ")
    };
    words.clone().into_iter().find(|word| *word == text).ok_or_else(unknown)
}

/// A step of the wall clock: `+1h`, `-1d`.
fn step(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(format!("{text:?} is no step of a clock; write something like \"-1h\"")),
    };
    let seconds = i64::try_from(parse::duration(rest)?.as_secs()).unwrap_or(i64::MAX);
    Ok(sign * seconds)
}
