//! `explain`: looks and decides exactly as the daemon would, prints the verdicts, and drops the decision.

use super::show;
use crate::cli::Output;
use crate::config::Config;
use crate::cycle::{Report, Scope, World};
use crate::exit::Exit;
use crate::host::Host;
use crate::recovery::decide::decide;
use crate::recovery::evidence::Name;
use std::rc::Rc;

/// Explains all targets, or one.
pub async fn run(config: Rc<Config>, target: Option<&str>, output: Output) -> Exit {
    let wanted = match target.map(Name::parse).transpose() {
        Ok(wanted) => wanted,
        Err(why) => return no_such_target(&config, &why),
    };
    if let Some(name) = &wanted
        && config.policy.target(name).is_none()
    {
        return no_such_target(&config, &format!("{name} is not watched"));
    }
    let (mut host, state) = match Host::look(Rc::clone(&config)) {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    let evidence = host.observe(&Scope::Everything).await;
    let now = host.now();
    let mut decision = decide(&config.policy, state.clone(), &evidence, now);
    if let Some(name) = &wanted {
        decision.verdicts.retain(|verdict| verdict.target == *name);
    }
    let report = Report {
        now,
        verdicts: decision.verdicts,
        done: Vec::new(),
        closed: Vec::new(),
        quick: decision.quick,
    };
    let view = host.view(&state, &report);
    show(&view, output.json);
    if !output.json {
        println!("(nothing was done: explain only looks)");
    }
    view.overall.into()
}

fn no_such_target(config: &Config, why: &str) -> Exit {
    let names: Vec<&str> = config.policy.targets.iter().map(|target| target.name.as_str()).collect();
    eprintln!("{why}; watched are: {}", names.join(", "));
    for off in &config.off {
        eprintln!("switched off: {} ({})", off.what, off.why);
    }
    Exit::Usage
}
