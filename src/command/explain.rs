//! `explain`: looks and decides exactly as the daemon would, prints the verdicts, and drops the decision.

mod past;

pub use past::run as past;

use super::{show, watched};
use crate::cli::Output;
use crate::config::Config;
use crate::cycle::{Report, Scope, World};
use crate::exit::Exit;
use crate::host::view::View;
use crate::host::{Host, clock};
use crate::recovery::decide::decide;
use crate::recovery::health;
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
    let (mut host, state) = match Host::look(Rc::clone(&config)) {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    let resting = health::resting(&config.policy, &state, host.now().at);
    let evidence = host.observe(&Scope::Everything, &resting).await;
    let now = host.now();
    let decision = decide(&config.policy, state.clone(), &evidence, now);
    // What was seen counts; what would be done has not been done, so nothing of it is taken from the budget.
    let mut seen = state;
    health::fold(&config.policy, &mut seen, &evidence, now);
    let report = Report {
        now,
        verdicts: decision.verdicts,
        done: Vec::new(),
        closed: Vec::new(),
        quick: decision.quick,
    };
    let mut view = host.view(&seen, &report);
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
