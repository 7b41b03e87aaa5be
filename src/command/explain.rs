//! `explain`: looks and decides exactly as the daemon would, prints the verdicts, and drops the decision.

mod past;

pub use past::run as past;

use super::{show, watched, zone};
use crate::cli::Output;
use crate::config::Config;
use crate::cycle::{Report, Scope, World};
use crate::exit::Exit;
use crate::host::view::View;
use crate::host::{Host, clock, unsaved};
use crate::recovery::decide::decide;
use crate::recovery::health;
use crate::recovery::policy::Policy;
use crate::recovery::rest;
use crate::recovery::state::{Phase, State};
use crate::recovery::time::Now;
use crate::recovery::verdict::{Ruling, Verdict};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Explains all targets, or one.
pub async fn run(config: Rc<Config>, target: Option<&str>, output: Output) -> Exit {
    let wanted = match target.map(|text| watched(&config, text)).transpose() {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Usage;
        }
    };
    if !config.enabled {
        let view = View::switched_off(&config.policy, clock::wall());
        show(&view, output.json);
        return view.overall.into();
    }
    say_unsaved(&config);
    let (mut host, mut state) = match Host::look(Rc::clone(&config)) {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    if let Some(trouble) = host.start_trouble() {
        eprintln!("{trouble}");
    }
    let now = host.now();
    host.heed_unsaved(&mut state, now);
    let resting = rest::resting(&config.policy, &state, host.now().at);
    let evidence = host.observe(&Scope::Everything, &resting).await;
    let now = host.now();
    let mut decision = decide(&config.policy, state.clone(), &evidence, now);
    // What was seen counts; what would be done has not been done, so nothing of it is taken from the budget.
    let mut seen = state;
    health::fold(&config.policy, &mut seen, &evidence, now);
    let acts: Acts = decision
        .verdicts
        .iter_mut()
        .filter_map(|verdict| undo(&config.policy, &seen, verdict, now))
        .collect();
    let report = Report {
        began: now.at,
        now,
        verdicts: decision.verdicts,
        done: Vec::new(),
        closed: Vec::new(),
        quick: decision.quick,
    };
    let mut view = host.view(&seen, &report);
    foretell(&mut view, &acts);
    if let Some(name) = &wanted {
        view.targets.retain(|target| target.name == name.as_str());
        view.overall = view.targets.iter().map(|target| target.grade).max().unwrap_or(view.overall);
    }
    show(&view, output.json);
    if !output.json {
        println!("(nothing was done: explain only looks)");
    }
    view.overall.into()
}

/// Says, beside the output, that the state on the disk is older than what the running watchdog knows.
fn say_unsaved(config: &Config) {
    if let Some(warning) = unsaved::warning(&config.paths.state, &zone(config)) {
        eprintln!("{warning}");
    }
}

/// What the next attempt of each target would be, by its name.
type Acts = BTreeMap<String, String>;

/// An attempt that was only decided is charged to nobody: budget and phase are those before it. Returns what it would
/// be.
fn undo(policy: &Policy, seen: &State, verdict: &mut Verdict, now: Now) -> Option<(String, String)> {
    let Ruling::Act { action, number } = &verdict.ruling else { return None };
    let what = format!("{action}, which would be attempt {number} of {}", verdict.allowed);
    let before = seen.targets.get(&verdict.target)?;
    let window = policy.target(&verdict.target)?.window;
    let mut made = before.attempts.clone();
    window.prune(&mut made, now.at);
    verdict.used = made.len();
    verdict.frees_in = made.first().map(|first| first.after(window.per).since(now.at));
    verdict.phase = match &before.phase {
        Phase::Exhausted { .. } => before.phase.clone(),
        Phase::Healthy | Phase::Failing { .. } | Phase::Settling { .. } => Phase::Failing { since: now.at },
    };
    Some((verdict.target.to_string(), what))
}

fn foretell(view: &mut View, acts: &Acts) {
    for target in &mut view.targets {
        if let Some(what) = acts.get(&target.name) {
            target.outlook.clone_from(what);
        }
    }
}
