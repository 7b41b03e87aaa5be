//! `check`: everything that is wrong with the configuration, and what it comes to. It starts nothing.

use super::simulate::blueprint;
use super::to_json;
use crate::cli::Output;
use crate::config::{Compiled, Config, LineSettings};
use crate::exit::Exit;
use crate::recovery::evidence::Name;
use crate::recovery::time::Age;
use crate::sim::worst::{Worst, worst};
use serde::Serialize;
use std::time::Duration;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Checked {
    schema: u32,
    usable: bool,
    problems: Vec<ProblemView>,
    targets: Vec<String>,
    off: Vec<String>,
    /// What the configuration allows at worst.
    worst: Option<Worst>,
}

#[derive(Serialize)]
struct ProblemView {
    severity: String,
    file: String,
    line: usize,
    column: usize,
    path: String,
    what: String,
    hint: String,
}

/// Prints all problems and a summary.
pub fn run(compiled: &Compiled, output: Output) -> Exit {
    if output.json {
        println!("{}", to_json(&checked(compiled)));
    } else {
        for problem in &compiled.problems {
            println!("{problem}");
        }
        match &compiled.config {
            Some(config) => summary(config),
            None => println!("the configuration cannot be used"),
        }
    }
    if compiled.config.is_some() { Exit::Ok } else { Exit::Config }
}

fn checked(compiled: &Compiled) -> Checked {
    let config = compiled.config.as_ref();
    Checked {
        schema: crate::host::view::SCHEMA,
        usable: config.is_some(),
        problems: compiled
            .problems
            .iter()
            .map(|problem| ProblemView {
                severity: problem.severity.to_string(),
                file: problem.file.clone(),
                line: problem.line,
                column: problem.column,
                path: problem.path.clone(),
                what: problem.what.clone(),
                hint: problem.hint.clone(),
            })
            .collect(),
        targets: config.map_or_else(Vec::new, |config| {
            config.policy.targets.iter().map(|target| target.name.to_string()).collect()
        }),
        off: config.map_or_else(Vec::new, |config| {
            config.off.iter().map(|off| format!("{}: {}", off.what, off.why)).collect()
        }),
        worst: config.map(|config| worst(&blueprint(config))),
    }
}

/// `ollama` for `target[ollama]`; a probe keeps its whole path.
fn short(what: &str) -> &str {
    let name = what.strip_prefix("target[").and_then(|rest| rest.strip_suffix(']'));
    name.filter(|name| !name.contains('[')).unwrap_or(what)
}

fn summary(config: &Config) {
    for target in &config.policy.targets {
        let ladder: Vec<String> =
            target.ladder.iter().map(|rung| format!("{} ×{}", rung.action, rung.tries)).collect();
        let ladder = if ladder.is_empty() { "people are told".to_owned() } else { ladder.join(", then ") };
        println!(
            "{:<10} {} probe{}; on failure: {ladder}; at most {}",
            target.name,
            target.probes.len(),
            if target.probes.len() == 1 { "" } else { "s" },
            target.window
        );
    }
    for off in config.off.iter().filter(|off| off.what != "line") {
        println!("{:<10} off: {}", short(&off.what), off.why);
    }
    channels(config);
    let kick = &config.kick;
    println!(
        "kicks      {}",
        if kick.enabled { format!("on, through {}", kick.file.display()) } else { "off".to_owned() }
    );
    println!("state      {}", config.paths.state.display());
    println!("log        {}", config.paths.log.display());
    at_worst(config);
    println!("{}, a suspect again after {}", config.policy.cadence, Age(config.policy.reprobe));
}

/// Who is told of what. A channel that is off is listed above.
fn channels(config: &Config) {
    let only = if config.policy.alerts.usable().is_err() { ". Alerts go to the log only" } else { "" };
    match &config.line {
        LineSettings::Off { reason } => println!("LINE       off: {reason}{only}"),
        LineSettings::On { endpoint, .. } => println!("LINE       on, through {endpoint}"),
    }
    let alerts = &config.policy.alerts;
    let some = alerts.channels.len() > 1;
    for channel in alerts.open().filter(|_| some) {
        let words: Vec<&str> = channel.severities.iter().map(|severity| severity.word()).collect();
        let told =
            if words.is_empty() { "only what others could not bring".to_owned() } else { words.join(", ") };
        let fallback: Vec<&str> = channel.fallback.iter().map(Name::as_str).collect();
        let then = match fallback.is_empty() {
            true => String::new(),
            false => {
                format!("; after {} without success {}", Age(alerts.fallback_after), fallback.join(", "))
            }
        };
        println!("tells      {}: {told}{then}", channel.name);
    }
}

/// What the configuration allows at worst, played out in virtual time.
fn at_worst(config: &Config) {
    let worst = worst(&blueprint(config));
    let age = |ms: u64| Age(Duration::from_millis(ms)).to_string();
    for target in &worst.targets {
        let told = target.told_ms.map_or("nobody is told".to_owned(), |ms| format!("told after {}", age(ms)));
        println!(
            "at worst   {}: {} attempts in an hour; known after {}, {told}",
            target.target,
            target.attempts_per_hour,
            age(target.detected_ms),
        );
    }
    if config.policy.alerts.usable().is_err() {
        return;
    }
    println!(
        "at worst   {} messages a month, when everything fails and recovers over and over",
        worst.messages_per_month
    );
}
