//! `make contest`: plays S0 to S10 over the built-in configuration and prints a Markdown table, ours beside the
//! predecessor's. A harness of its own, so that nothing but the table is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod shipped;

use picoclaw_watchdog::recovery::time::Age;
use picoclaw_watchdog::sim::ledger::Totals;
use shipped::{load, shipped};
use std::process::ExitCode;
use std::time::Duration;

/// The figures of the bash watchdog before this one, run unmodified in virtual time: `date` and `sleep` replaced by
/// a virtual clock, every external command by a stand-in, on a timer of 60 s, for 24 h unless the title says less.
const PREDECESSOR: [(&str, &str, &str); 11] = [
    ("S0", "log bounded", "43 KB of log an hour, never rotated"),
    ("S1", "0 restarts, ≤ 4 messages a day", "393 restarts, 342 messages"),
    ("S2", "0 restarts, ≤ 4 messages", "1 restart, 96 messages"),
    ("S3", "0 restarts, ≤ 1 message", "393 restarts, 248 messages"),
    ("S4", "1 restart, up by 147 s, ≤ 1 message", "3 restarts, up at 232 s, 3 messages"),
    ("S5", "≤ 30 restarts, ≤ 8 messages", "393 restarts, 256 messages"),
    ("S6", "≤ 3 attempts per window", "2,880 attempts, 192 messages"),
    ("S7", "none lost, first word ≤ 30 s after LINE returns", "3 lost, first word 7 min after"),
    ("S8", "reserve kept for faults, for 30 days", "quota gone in 13.9 h"),
    ("S9", "no visible change", "blind for 69 min"),
    ("S10", "≤ 4 commands, told within 5 min", "1,440 commands, nobody told"),
];

fn main() -> ExitCode {
    println!("| Scenario | Goal | Predecessor | This program | |\n|---|---|---|---|---|");
    let mut all = true;
    for (name, goal, before) in PREDECESSOR {
        let (scenario, blueprint) = load(name, shipped(name));
        let played = scenario.play(&blueprint, 1, scenario.span, |_| {});
        let met = played.is_as_expected();
        all &= met;
        let (title, ours) = (&played.title, ours(name, &played.totals));
        println!("| {title} | {goal} | {before} | {ours} | {} |", if met { "met" } else { "missed" });
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the goal of a scenario speaks of.
fn ours(name: &str, totals: &Totals) -> String {
    let span =
        |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| Age(Duration::from_millis(ms)).to_string());
    let plural = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (restarts, messages) = (plural(totals.restarts, "restart"), plural(totals.messages, "message"));
    match name {
        "S0" => format!("{} of log a day, 30 MiB at most", plural(totals.log_lines, "line")),
        "S4" => format!("{restarts}, up after {}, {messages}", span(totals.repaired)),
        "S6" => format!("{} per window, {messages}", plural(totals.attempts_per_window, "attempt")),
        "S7" => format!("{} lost, first word {} after", totals.lost, span(totals.told_after_line)),
        "S8" => format!("{messages}, {} of them from the reserve", totals.reserve_touched),
        "S9" => "no visible change".to_owned(),
        "S10" => format!("{}, told after {}", plural(totals.commands, "command"), span(totals.told)),
        _ => format!("{restarts}, {messages}"),
    }
}
