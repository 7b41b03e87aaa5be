//! `make soak YEARS=100`: virtual years of the random world, one seed each, over all cores, with progress and a
//! report. A failing seed is named with the command that shows its story.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod shipped;

use picoclaw_watchdog::sim::ledger::Totals;
use shipped::{load, shipped};
use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// What all years came to.
#[derive(Default)]
struct Sum {
    years: u64,
    totals: Totals,
    failures: Vec<String>,
}

fn main() -> ExitCode {
    let number =
        |argument: Option<String>, default| argument.and_then(|text| text.parse().ok()).unwrap_or(default);
    let mut arguments = std::env::args().skip(1);
    let years: u64 = number(arguments.next(), 100);
    let first: u64 = number(arguments.next(), 1);
    let (next, sum, began) = (AtomicU64::new(first), Mutex::new(Sum::default()), Instant::now());
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + years {
                        break;
                    }
                    play(seed, years, &sum);
                }
            });
        }
    });
    let Sum { years, totals, failures } = sum.into_inner().unwrap();
    let took = began.elapsed().as_secs_f64();
    println!(
        "{years} virtual years in {took:.1} s on {cores} cores: {:.1} s of one core each",
        took * cores as f64 / years as f64
    );
    println!(
        "{} passes, {} faults, {} restarts, {} commands",
        totals.passes, totals.faults, totals.restarts, totals.commands
    );
    println!(
        "{} messages received, {} lost, {} sent twice, {} waiting",
        totals.messages, totals.lost, totals.doubled, totals.pending
    );
    println!(
        "at most {} attempts in any window, {} without a cause",
        totals.attempts_per_window, totals.acted_on_the_healthy
    );
    failures.iter().for_each(|failure| println!("FAILED {failure}"));
    println!("{} of {years} years failed", failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play(seed: u64, years: u64, sum: &Mutex<Sum>) {
    let (scenario, blueprint) = load("random", shipped("random"));
    let played = scenario.play(&blueprint, seed, YEAR, |_| {});
    let mut sum = sum.lock().unwrap();
    sum.years += 1;
    let (all, one) = (&mut sum.totals, &played.totals);
    all.passes += one.passes;
    all.faults += one.faults;
    all.restarts += one.restarts;
    all.commands += one.commands;
    all.messages += one.messages;
    all.lost += one.lost;
    all.doubled += one.doubled;
    all.pending += one.pending;
    all.attempts_per_window = all.attempts_per_window.max(one.attempts_per_window);
    all.acted_on_the_healthy += one.acted_on_the_healthy;
    let missed = played.expected.iter().filter(|finding| !finding.met);
    let failures = missed.map(|finding| {
        format!(
            "{}: {} (picoclaw-watchdog simulate random --for 365d --seed {seed})",
            finding.expected, finding.found
        )
    });
    sum.failures.extend(failures);
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r{} of {years} years, {} failures ", sum.years, sum.failures.len());
    }
}
