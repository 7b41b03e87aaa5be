//! Every scenario that comes with the program is a test: what it expects has to hold, its story is compared with
//! the one in `tests/golden/scenarios` (`UPDATE=1` rewrites them), and the watchdog is killed at every step of it.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

mod shipped;

use picoclaw_watchdog::command::simulate::SHIPPED;
use picoclaw_watchdog::recovery::outbox::Fate;
use picoclaw_watchdog::recovery::policy::TargetPolicy;
use picoclaw_watchdog::recovery::time::Timestamp;
use picoclaw_watchdog::sim::{BEGIN, Sim};
use shipped::{load, shipped};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The kills are laid into this much of a scenario: what comes later repeats what came before.
const SWEPT: Duration = Duration::from_secs(2 * 3600);
/// In these one fault stays to the end, so a kill changes nothing of what there is to tell. Elsewhere it may: a fault
/// is over before it is confirmed, a repair takes another course, an order or a kick dies with the watchdog.
const LASTING: [&str; 5] = ["S1", "S2", "S5", "S6", "S10"];
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

/// Letters that were saved as waiting and are there no more, and letters taken for accepted that nobody has received.
fn vanished(sim: &Sim) -> u64 {
    let letters = &sim.state().outbox.letters;
    let unfinished = letters.iter().filter(|letter| letter.is_unfinished()).count() as u64;
    let accepted = sim.channels().flat_map(|channel| &channel.accepted);
    let received: BTreeSet<u64> = accepted.flat_map(|got| &got.letters).copied().collect();
    let believed = letters.iter().filter(|letter| matches!(letter.fate, Fate::Accepted { .. }));
    let unreceived = believed.filter(|letter| !received.contains(&letter.id)).count() as u64;
    sim.totals().pending.saturating_sub(unfinished) + unreceived
}

/// The targets on which more was tried within one of their own windows than it allows.
fn over_budget(sim: &Sim) -> Vec<String> {
    let is_over = |target: &&TargetPolicy| {
        let on_it = sim.performed.iter().filter(|(_, name)| *name == target.name);
        let made: Vec<Timestamp> = on_it.map(|(at, _)| *at).collect();
        let allowed = target.window.attempts as usize;
        made.windows(allowed + 1).any(|some| some[allowed].since(some[0]) < target.window.per)
    };
    let over = sim.policy().targets.iter().filter(is_over);
    over.map(|target| format!("too many attempts on {} in one window", target.name)).collect()
}

/// What a run that was cut did wrong, and the one that was not did right.
fn broken_promises(sim: &Sim, undisturbed: &Sim) -> Vec<String> {
    let (totals, calm) = (sim.totals(), undisturbed.totals());
    let mut wrong = over_budget(sim);
    if totals.lost > calm.lost {
        wrong.push(format!("{} messages lost", totals.lost));
    }
    if vanished(sim) > vanished(undisturbed) {
        wrong.push(format!("{} messages vanished", vanished(sim)));
    }
    if totals.doubled > 0 {
        wrong.push(format!("{} messages sent twice", totals.doubled));
    }
    if totals.acted_on_the_healthy > 0 {
        wrong.push("acted without a cause".to_owned());
    }
    wrong
}

/// The letters of these fates, by key and by what they are about.
fn told(sim: &Sim, is_told: impl Fn(&Fate) -> bool) -> BTreeSet<(String, &'static str)> {
    let letters = sim.state().outbox.letters.iter().filter(|letter| is_told(&letter.fate));
    letters.map(|letter| (letter.key.clone(), letter.kind.word())).collect()
}

/// What people heard in the run that was not cut, and neither heard nor will hear in this one.
fn untold(sim: &Sim, undisturbed: &Sim) -> Vec<String> {
    let calm = told(undisturbed, |fate| matches!(fate, Fate::Accepted { .. }));
    assert!(!calm.is_empty(), "a fault that stays is told");
    let heard = told(sim, |fate| matches!(fate, Fate::Accepted { .. } | Fate::Pending));
    calm.difference(&heard).map(|(key, kind)| format!("the {kind} {key} is not told")).collect()
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
            let mut wrong = broken_promises(&sim, &undisturbed);
            if LASTING.contains(&name) {
                wrong.extend(untold(&sim, &undisturbed));
            }
            wrong.into_iter().map(|what| format!("{name}, killed at step {step}: {what}")).collect::<Vec<_>>()
        })
        .collect()
    }));
}
