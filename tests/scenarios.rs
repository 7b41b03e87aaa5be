//! Every scenario that comes with the program is a test: what it expects has to hold, its story is compared with
//! the one in `tests/golden/scenarios` (`UPDATE=1` rewrites them), and the watchdog is killed at every step of it.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

mod shipped;

use picoclaw_watchdog::command::simulate::SHIPPED;
use picoclaw_watchdog::sim::BEGIN;
use shipped::{load, shipped};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The kills are laid into this much of a scenario: what comes later repeats what came before.
const SWEPT: Duration = Duration::from_secs(2 * 3600);
/// Steps at which a scenario is cut, at most; those of long stories are spread evenly. `CUTS=1000000` cuts at all.
fn cuts_max() -> u64 {
    std::env::var("CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs something for every scenario, on two threads, and collects what is wrong.
fn for_each(check: impl Fn(&str, &str) -> Vec<String> + Sync) -> Vec<String> {
    let half = |first: usize| SHIPPED.iter().skip(first).step_by(2);
    let run = |first: usize| half(first).flat_map(|(name, text)| check(name, text)).collect::<Vec<_>>();
    thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        let mut wrong = run(0);
        wrong.extend(other.join().unwrap_or_else(|_| vec!["a scenario panicked".to_owned()]));
        wrong
    })
}

fn report(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_file_is_shipped() {
    let files = fs::read_dir(top().join("config/scenarios")).unwrap();
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let there: BTreeSet<String> = files.filter_map(|file| stem(file.unwrap().path())).collect();
    let shipped: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, shipped);
}

#[test]
fn what_is_expected_holds() {
    report(for_each(|name, text| {
        let (scenario, blueprint) = load(name, text);
        let played = scenario.play(&blueprint, 1, scenario.span, |_| {});
        let missed = played.expected.iter().filter(|finding| !finding.met);
        missed.map(|finding| format!("{name}: {}: {}", finding.expected, finding.found)).collect()
    }));
}

#[test]
fn the_stories_are_the_golden_ones() {
    let folder = top().join("tests/golden/scenarios");
    let update = std::env::var_os("UPDATE").is_some();
    report(for_each(|name, text| {
        let (scenario, blueprint) = load(name, text);
        let told = scenario.play(&blueprint, 1, scenario.span, |_| {}).to_string();
        compare(&folder.join(format!("{name}.txt")), &told, update).into_iter().collect()
    }));
}

fn compare(path: &Path, told: &str, update: bool) -> Option<String> {
    if update {
        fs::create_dir_all(path.parent()?).unwrap();
        fs::write(path, told).unwrap();
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    let differs = golden.lines().zip(told.lines()).find(|(golden, told)| golden != told);
    (golden != told).then(|| {
        let (golden, told) = differs.unwrap_or(("its end", "its end"));
        format!("{}: expected\n  {golden}\nfound\n  {told}\n(UPDATE=1 rewrites it)", path.display())
    })
}

#[test]
fn the_same_seed_tells_the_same_story_to_the_byte() {
    let (scenario, blueprint) = load("S5", shipped("S5"));
    let tell = || scenario.play(&blueprint, 7, scenario.span, |_| {}).to_string();
    assert_eq!(tell(), tell());
}

/// Killed after every save, send and action: nothing is lost, nothing is sent twice, no window is exceeded.
#[test]
fn killed_at_any_step_every_scenario_keeps_its_promises() {
    report(for_each(|name, text| {
        let (scenario, blueprint) = load(name, text);
        let span = scenario.span.min(SWEPT);
        let mut undisturbed = scenario.world(&blueprint, 1, span, None);
        undisturbed.run_until(BEGIN.after(span), |_, _| {});
        let steps = undisturbed.steps;
        let cuts = (0..steps).step_by(usize::try_from(steps.div_ceil(cuts_max())).unwrap_or(1).max(1));
        cuts.flat_map(|step| {
            let mut sim = scenario.world(&blueprint, 1, span, None);
            sim.fuse = Some(step);
            sim.run_until(BEGIN.after(span), |_, _| {});
            let (totals, calm) = (sim.totals(), undisturbed.totals());
            let allowed = sim.policy().targets.iter().map(|target| target.window.attempts).max();
            let mut wrong = Vec::new();
            if totals.lost > calm.lost {
                wrong.push(format!("{} messages lost", totals.lost));
            }
            if totals.doubled > 0 {
                wrong.push(format!("{} messages sent twice", totals.doubled));
            }
            if totals.attempts_per_window > u64::from(allowed.unwrap_or_default()) {
                wrong.push(format!("{} attempts in one window", totals.attempts_per_window));
            }
            if totals.acted_on_the_healthy > 0 {
                wrong.push("acted without a cause".to_owned());
            }
            wrong.into_iter().map(|what| format!("{name}, killed at step {step}: {what}")).collect::<Vec<_>>()
        })
        .collect()
    }));
}
