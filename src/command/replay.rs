//! `simulate --from-history`: a time that was recorded, run again under the present configuration, and what
//! would have been decided otherwise. It does nothing to the world.

use super::{to_json, zone};
use crate::cli::Output;
use crate::config::Config;
use crate::exit::Exit;
use crate::host::clock;
use crate::host::history::{self, Line, Record};
use crate::host::log::stamp;
use crate::host::view::SCHEMA;
use crate::recovery::evidence::Name;
use crate::recovery::record::Outcome;
use crate::sim::replay::{Event, RecordedAttempt, RecordedPass, Recording, Replayed, What, replay};
use crate::values::parse_duration;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Decisions of one kind this near to each other are the same one.
const NEAR: Duration = Duration::from_secs(60);

/// What is printed with `--json`.
#[derive(Serialize)]
struct Comparison {
    schema: u32,
    /// Unix seconds.
    from: u64,
    to: u64,
    passes: u64,
    decisions: Vec<Row>,
    /// How many of them differ.
    differ: usize,
    /// Probes of the configuration that were not asked then: `target/probe`.
    not_recorded: Vec<String>,
}

/// A decision of then, of now, or of both.
#[derive(Serialize)]
struct Row {
    at: u64,
    what: String,
    then: Option<String>,
    now: Option<String>,
}

/// Runs what was recorded since `since` ago (all of it when none) again.
pub fn run(config: &Config, since: Option<&str>, output: Output) -> Exit {
    let since = match since.map(parse_duration).transpose() {
        Ok(since) => since,
        Err(why) => {
            eprintln!("--since: {why}");
            return Exit::Usage;
        }
    };
    let lines = match history::read(&config.paths.state) {
        Ok(lines) => lines,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    let wanted = since.map_or(0, |since| clock::wall().saturating_sub(since.as_secs()));
    let Some((recording, then)) = recording(&lines, wanted) else {
        eprintln!("nothing was recorded yet in {}", config.paths.state.join("history").display());
        return Exit::Unavailable;
    };
    let replayed = replay(&config.policy, &recording);
    let comparison = compare(&recording, &then, replayed, wanted);
    match output.json {
        true => println!("{}", to_json(&comparison)),
        false => print!("{}", comparison.text(config)),
    }
    if comparison.differ == 0 { Exit::Ok } else { Exit::Degraded }
}

/// The recording from the last keyframe before `wanted` (Unix seconds), else from the first one, and what was
/// decided then.
fn recording(lines: &[Line], wanted: u64) -> Option<(Recording, Vec<Event>)> {
    // A state that was lost begins a timeline anew; what was before cannot be joined to it.
    let anew = lines.windows(2).rposition(|two| two[1].at < two[0].at).map_or(0, |at| at + 1);
    let lines = &lines[anew..];
    let is_keyframe = |line: &Line| matches!(line.record, Record::Keyframe { .. });
    let before = lines.iter().rposition(|line| is_keyframe(line) && line.wall <= wanted);
    let lines = &lines[before.or_else(|| lines.iter().position(is_keyframe))?..];
    let (first, last) = lines.first().zip(lines.last())?;
    let Record::Keyframe { state, .. } = &first.record else { return None };
    let mut recording = Recording {
        from: (first.at, first.wall),
        to: last.at,
        state: (**state).clone(),
        ..Recording::default()
    };
    for line in lines {
        if let Record::Pass { scope, seen } = &line.record {
            let (scope, seen) = (scope.clone(), (**seen).clone());
            recording.passes.push(RecordedPass { at: line.at, wall: line.wall, scope, seen });
        }
    }
    recording.attempts = lines.iter().enumerate().filter_map(|(at, _)| attempt(&lines[at..])).collect();
    Some((recording, lines.iter().filter_map(event).collect()))
}

/// The attempt at the head of these lines, with the outcome that follows.
fn attempt(lines: &[Line]) -> Option<RecordedAttempt> {
    let (head, later) = lines.split_first()?;
    let Record::Attempt { id, action, verdict, .. } = &head.record else { return None };
    let outcome = |line: &Line| {
        let Record::Outcome { id: of, word, detail } = &line.record else { return None };
        let detail = detail.clone();
        let outcome = match word.as_str() {
            "failed" => Outcome::Failed(detail),
            "running" => Outcome::Running(detail),
            _ => Outcome::Done(detail),
        };
        (of == id).then_some(outcome)
    };
    let killed = || Outcome::Done("the watchdog was killed in it".to_owned());
    let outcome = later.iter().find_map(outcome).unwrap_or_else(killed);
    let target = Name::parse(&verdict.name).ok()?;
    Some(RecordedAttempt { at: head.at, target, action: action.clone(), outcome })
}

fn event(line: &Line) -> Option<Event> {
    let (what, why) = match &line.record {
        Record::Attempt { action, why, verdict, .. } => {
            (What::Act(Name::parse(&verdict.name).ok()?, action.clone()), why.as_str())
        }
        Record::Letter { key, kind, text, .. } => {
            (What::Tell(key.clone(), kind.word()), text.lines().next().unwrap_or_default())
        }
        Record::Closed { target, how, .. } => (What::End(target.clone()), how.as_str()),
        Record::Keyframe { .. }
        | Record::Pass { .. }
        | Record::Outcome { .. }
        | Record::Opened { .. }
        | Record::Fate { .. } => return None,
    };
    Some(Event { at: line.at, wall: line.wall, what, why: why.to_owned() })
}

fn compare(recording: &Recording, then: &[Event], replayed: Replayed, wanted: u64) -> Comparison {
    let mut now: Vec<Option<Event>> = replayed.events.into_iter().map(Some).collect();
    let mut rows: Vec<Row> = then
        .iter()
        .map(|event| {
            let alike = |other: &&mut Option<Event>| other.as_ref().is_some_and(|other| same(event, other));
            let twin = now.iter_mut().find(alike).and_then(Option::take);
            let (then, now) = (Some(event.why.clone()), twin.map(|twin| twin.why));
            Row { at: event.wall, what: said(&event.what), then, now }
        })
        .collect();
    let only_now = now.into_iter().flatten();
    rows.extend(only_now.map(|event| Row {
        at: event.wall,
        what: said(&event.what),
        then: None,
        now: Some(event.why),
    }));
    rows.retain(|row| row.at >= wanted);
    rows.sort_by_key(|row| row.at);
    let from = recording.from.1.max(wanted);
    Comparison {
        schema: SCHEMA,
        from,
        to: recording.from.1 + recording.to.since(recording.from.0).as_secs(),
        passes: replayed.passes,
        differ: rows.iter().filter(|row| row.differs()).count(),
        decisions: rows,
        not_recorded: replayed.unknown.into_iter().collect(),
    }
}

fn same(one: &Event, other: &Event) -> bool {
    one.what == other.what && one.at.since(other.at).max(other.at.since(one.at)) <= NEAR
}

fn said(what: &What) -> String {
    match what {
        What::Act(target, action) => format!("{target}: {action}"),
        What::Tell(key, word) => format!("message {key} ({word})"),
        What::End(target) => format!("{target}: over"),
    }
}

impl Row {
    fn differs(&self) -> bool {
        self.then.is_some() != self.now.is_some()
    }

    /// Then and now side by side; why, once where both agree.
    fn text(&self) -> String {
        match (&self.then, &self.now) {
            (Some(why), Some(_)) => format!("  {:<44} {:<44} {why}", self.what, "the same"),
            (Some(why), None) => format!("≠ {:<44} {:<44} {why}", self.what, "–"),
            (None, Some(why)) => format!("≠ {:<44} {:<44} {why}", "–", self.what),
            (None, None) => String::new(),
        }
    }
}

impl Comparison {
    fn text(&self, config: &Config) -> String {
        let zone = zone(config);
        let (from, to) = (stamp(self.from, &zone), stamp(self.to, &zone));
        let mut text = format!("{from} to {to}, {} passes\n", self.passes);
        if !self.decisions.is_empty() {
            let _ = writeln!(text, "{:<23}   {:<44} {:<44} why", "", "then", "now");
        }
        for row in &self.decisions {
            let _ = writeln!(text, "{:<23} {}", stamp(row.at, &zone), row.text());
        }
        let first = self.decisions.iter().find(|row| row.differs());
        let _ = match first {
            None => writeln!(text, "nothing differs: {} decisions then and now", self.decisions.len()),
            Some(row) => writeln!(
                text,
                "{} of {} decisions differ. After the first, {}, what is seen is still what was seen then: a replay cannot know what would have come",
                self.differ,
                self.decisions.len(),
                stamp(row.at, &zone)
            ),
        };
        if !self.not_recorded.is_empty() {
            let _ = writeln!(text, "not asked then, and so not now: {}", self.not_recorded.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests;
