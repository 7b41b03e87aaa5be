//! `explain --id`: one action of the past, from the history: what was seen, which rule applied, what was
//! done, and what came of it. It looks at nothing else.

use crate::cli::Output;
use crate::command::{to_json, zone};
use crate::config::Config;
use crate::exit::Exit;
use crate::host::history::{self, Line, Record};
use crate::host::log::stamp;
use crate::host::view::{SCHEMA, TargetView};
use crate::recovery::evidence::Name;
use crate::recovery::outbox::{self, Fate, Kind};
use crate::recovery::time::Age;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Story {
    schema: u32,
    id: u64,
    /// Unix seconds.
    at: u64,
    action: String,
    why: String,
    /// What was seen, the rule, and the budget with this attempt charged.
    verdict: TargetView,
    outcome: Option<Outcome>,
    /// What came of it; none as long as that is open, or when the history ends there.
    then: Option<Then>,
    alerts: Vec<Alert>,
}

#[derive(Serialize)]
struct Outcome {
    /// `done`, `running` or `failed`.
    word: String,
    detail: String,
    after_ms: u64,
}

#[derive(Serialize)]
struct Then {
    at: u64,
    text: String,
}

#[derive(Serialize)]
struct Alert {
    id: u64,
    channel: Name,
    key: String,
    kind: Kind,
    at: u64,
    text: String,
    fate: Option<Fate>,
}

/// Explains the action of this number.
pub fn run(config: &Config, id: u64, output: Output) -> Exit {
    let lines = match history::read(&config.paths.state) {
        Ok(lines) => lines,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    super::say_unsaved(config);
    let Some(story) = story(&lines, id) else {
        eprintln!("{}", unknown(config, &lines, id));
        return Exit::Unavailable;
    };
    match output.json {
        true => println!("{}", to_json(&story)),
        false => print!("{}", story.text(config)),
    }
    Exit::Ok
}

/// The newest action of this number: a state that was lost begins to count anew.
fn story(lines: &[Line], id: u64) -> Option<Story> {
    let is_it = |line: &Line| matches!(&line.record, Record::Attempt { id: of, .. } if *of == id);
    let (_, from) = lines.split_at(lines.iter().rposition(is_it)?);
    let (first, later) = from.split_first()?;
    let Record::Attempt { action, why, verdict, .. } = &first.record else { return None };
    let outcome = |line: &Line| {
        let Record::Outcome { id: of, word, detail } = &line.record else { return None };
        let after_ms = line.at.0.saturating_sub(first.at.0);
        (*of == id).then(|| Outcome { word: word.clone(), detail: detail.clone(), after_ms })
    };
    Some(Story {
        schema: SCHEMA,
        id,
        at: first.wall,
        action: action.to_string(),
        why: why.clone(),
        verdict: (**verdict).clone(),
        // What goes on beside the passes has two: that it was begun, and what came of it.
        outcome: later.iter().rev().find_map(outcome),
        then: later.iter().find_map(|line| then(&verdict.name, line)),
        alerts: verdict.incident.as_ref().map(|open| alerts(lines, open.id)).unwrap_or_default(),
    })
}

/// The first thing that shows what an attempt was worth: the end of the incident, or another attempt.
fn then(target: &str, line: &Line) -> Option<Then> {
    let then = |text| Some(Then { at: line.wall, text });
    if let Record::Closed { target: of, incident, how, .. } = &line.record
        && of.as_str() == target
    {
        return then(format!("incident {incident} was over: {of} {how}"));
    }
    if let Record::Attempt { id, action, why, verdict } = &line.record
        && verdict.name == target
    {
        return then(format!("action {id} followed: {action}, because {why}"));
    }
    None
}

fn alerts(lines: &[Line], of: u64) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    for line in lines {
        if let Record::Letter { letter, channel, key, kind, incident, text, .. } = &line.record
            && *incident == of
        {
            let (id, channel, key, text) = (*letter, channel.clone(), key.clone(), text.clone());
            alerts.push(Alert { id, channel, key, kind: *kind, at: line.wall, text, fate: None });
        }
        if let Record::Fate { letter, fate } = &line.record {
            let known = alerts.iter_mut().filter(|alert| alert.id == *letter);
            known.for_each(|alert| alert.fate = Some(fate.clone()));
        }
    }
    alerts
}

fn unknown(config: &Config, lines: &[Line], id: u64) -> String {
    let zone = zone(config);
    let reach = lines.first().map(|line| stamp(line.wall, &zone));
    let number = |line: &Line| {
        let Record::Attempt { id, .. } = line.record else { return None };
        Some(id)
    };
    let ids: Vec<u64> = lines.iter().filter_map(number).collect();
    match (reach, ids.first().zip(ids.last())) {
        (None, _) => format!("there is no action {id}: nothing is recorded yet"),
        (Some(since), None) => {
            format!("there is no action {id}: the history begins {since}, and knows of no action")
        }
        (Some(since), Some((first, last))) => {
            format!("there is no action {id}: the history begins {since}, with actions {first} to {last}")
        }
    }
}

impl Story {
    fn text(&self, config: &Config) -> String {
        let zone = zone(config);
        let verdict = &self.verdict;
        let mut text =
            format!("action {}: {} for {}, {}\n", self.id, self.action, verdict.name, stamp(self.at, &zone));
        let _ = writeln!(text, "because {}; {}", self.why, verdict.ruling);
        text.push_str(&verdict.details());
        let _ = match &self.outcome {
            Some(outcome) => {
                let age = Age(Duration::from_millis(outcome.after_ms));
                writeln!(text, "{}: {} (after {age})", outcome.word, outcome.detail)
            }
            None => {
                writeln!(text, "what became of it is not recorded: the watchdog may have been killed in it")
            }
        };
        if let Some(then) = &self.then {
            let _ = writeln!(text, "{}: {}", stamp(then.at, &zone), then.text);
        }
        for alert in &self.alerts {
            let first = alert.text.lines().next().unwrap_or_default();
            let usual = alert.channel == outbox::line();
            let to = if usual { String::new() } else { format!(" to {}", alert.channel) };
            let _ = writeln!(text, "alert {} ({}){to}: {first}; {}", alert.id, alert.key, fate(alert));
        }
        if self.alerts.is_empty() {
            text.push_str("no alert\n");
        }
        text
    }
}

fn fate(alert: &Alert) -> String {
    match &alert.fate {
        None | Some(Fate::Pending) => "not accepted yet".to_owned(),
        Some(Fate::Withheld) => "not sent, there was no channel".to_owned(),
        Some(Fate::Accepted { request_id, .. }) => format!("accepted, request {request_id}"),
        Some(Fate::Refused { reason, .. }) => format!("refused: {reason}"),
        Some(Fate::Superseded { reason }) => format!("never sent: {reason}"),
    }
}

#[cfg(test)]
mod tests;
