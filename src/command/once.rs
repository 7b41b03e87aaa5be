//! `once`: one cycle, for the timer and for people. It confirms what is suspect and waits for the channel's
//! answer, within a bound, but leaves later attempts to the next run.

use super::{init_log, only_one, show};
use crate::cli::Output;
use crate::config::Config;
use crate::cycle::{self, Scope, World};
use crate::exit::Exit;
use crate::host::chronicle::{self, Chronicle};
use crate::host::lifesign::LifeSign;
use crate::host::view::View;
use crate::host::{Host, publish};
use crate::recovery::state::State;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// After this a run ends, whatever is still going on; the timer comes again every minute.
const LONGEST: Duration = Duration::from_secs(45);

/// How long a run waits at its end for an errand, such as a backup. With [`LONGEST`] it stays within the time
/// that the unit gives it (150 s), and the next look at everything else is no more than two minutes late.
const ERRANDS: Duration = Duration::from_secs(90);

/// Runs one cycle.
pub async fn run(config: Rc<Config>, output: Output) -> Exit {
    if !config.enabled {
        println!("switched off (enabled = false, or PICOCLAW_WATCHDOG_ENABLED)");
        return Exit::Ok;
    }
    let log = init_log(&config);
    let _lock = match only_one(&config.paths.state, "once") {
        Ok(lock) => lock,
        Err(exit) => return exit,
    };
    let (mut host, mut state) = match Host::open(config) {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    host.set_log(log);
    host.keep_history(&state, true);
    let state_dir = host.config.paths.state.clone();
    let view = cycle(&mut host, &mut state).await;
    host.finish_errands(ERRANDS).await;
    // For `status` in the timer mode.
    if let Err(why) = publish::write(&state_dir, &view) {
        chronicle::trouble("status", &why);
    }
    show(&view, output.json);
    // In the timer mode a run is the cycle; it is over when the sign was given, too.
    let mut lifesign = LifeSign::new(host.config.lifesign.clone());
    let unsaved = host.unsaved().map(|why| format!("the state is not saved: {why}"));
    lifesign.cycle(&view.summary(), unsaved.as_deref(), host.clients());
    lifesign.sent().await;
    view.overall.into()
}

async fn cycle(host: &mut Host, state: &mut State) -> View {
    let began = Instant::now();
    let config = Rc::clone(&host.config);
    let mut chronicle = Chronicle::new(&state.outbox);
    let mut scope = Scope::Everything;
    loop {
        let report = cycle::run(&config.policy, state, host, &scope).await;
        let view = host.view(state, &report);
        chronicle.pass(&view, &report, &state.outbox);
        host.record(state, &report);
        host.mirror(state, report.now);
        let next = report.quick.map(|quick| (quick.at.since(host.now().at), quick.targets));
        let left = LONGEST.saturating_sub(began.elapsed());
        match next {
            Some((wait, targets)) if wait < left => scope = wait_for(host, wait, targets).await,
            // Within the bound of what was asked: a mail of which nothing is heard would be sent again by the next
            // run, and without the quota nothing could be kept back.
            Some(_) | None if host.awaits_answers() && !left.is_zero() => {
                scope = wait_for(host, left, BTreeSet::new()).await;
            }
            Some(_) | None => {
                chronicle::cycle_end(&view, began.elapsed());
                return view;
            }
        }
    }
}

/// Waits until the next look is due or the channel has answered.
async fn wait_for(
    host: &mut Host,
    wait: Duration,
    targets: BTreeSet<crate::recovery::evidence::Name>,
) -> Scope {
    tokio::select! {
        () = host.receipt() => Scope::Targets(BTreeSet::new()),
        () = tokio::time::sleep(wait) => Scope::Targets(targets),
    }
}
