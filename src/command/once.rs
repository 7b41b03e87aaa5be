//! `once`: one cycle, for the timer and for people, or some in a row, for a build server. It confirms what is suspect
//! and waits for the channel's answer, within a bound, but leaves later attempts to the next cycle or run.

mod markdown;
mod report;

use super::{init_log, only_one, show_checkup, wait, zone};
use crate::cli::Output;
use crate::config::Config;
use crate::cycle::{self, Scope, World};
use crate::exit::Exit;
use crate::host::checkup::Checkup;
use crate::host::chronicle::{self, Chronicle};
use crate::host::lifesign::LifeSign;
use crate::host::view::{Grade, View};
use crate::host::{Host, clock, publish};
use crate::probe::machine::metrics::Metrics;
use crate::recovery::evidence::Name;
use crate::recovery::state::State;
use report::{Report, Round};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// After this a cycle ends, whatever is still going on; the timer comes again every minute.
const LONGEST: Duration = Duration::from_secs(45);

/// How long a run waits at its end for an errand, such as a backup. With [`LONGEST`] it stays within the time
/// that the unit gives it (150 s), and the next look at everything else is no more than two minutes late.
const ERRANDS: Duration = Duration::from_secs(90);

/// What is wanted.
#[derive(Debug)]
pub struct Request {
    /// How many cycles.
    pub cycles: u32,
    /// The wait between two of them, as it was written.
    pub gap: String,
    /// So many healthy ones in a row are enough.
    pub until_clean: Option<u32>,
    /// Where a report is written.
    pub report: Option<PathBuf>,
}

/// Runs the cycles.
pub async fn run(config: Rc<Config>, request: &Request, output: Output) -> Exit {
    let gap = match wait("--gap", &request.gap)
        .and_then(|gap| report::check(request.report.as_deref()).map(|()| gap))
    {
        Ok(gap) => gap,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Usage;
        }
    };
    if !config.enabled {
        let view = View::switched_off(&config.policy, clock::wall());
        return end(&config, request, Vec::new(), &view, output).await;
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
    let (view, rounds) = cycles(&mut host, &mut state, request, gap).await;
    // In the timer mode a run is the cycle; it is over when the sign was given, too.
    let mut lifesign = LifeSign::new(host.config.lifesign.clone());
    let unsaved = host.unsaved().map(|why| format!("the state is not saved: {why}"));
    lifesign.cycle(&view.summary(), unsaved.as_deref(), host.clients());
    lifesign.sent().await;
    end(&host.config, request, rounds, &view, output).await
}

/// Writes the report, then prints: who reads our output may be gone, and a build server wants the report all the same.
async fn end(config: &Config, request: &Request, rounds: Vec<Round>, view: &View, output: Output) -> Exit {
    let told = tell(config, request, rounds, view).await;
    show_checkup(config, view, output.json).await;
    match told {
        Ok(()) => view.overall.into(),
        Err(why) => {
            eprintln!("{why}");
            Exit::Failed
        }
    }
}

/// Runs them one after the other.
async fn cycles(host: &mut Host, state: &mut State, request: &Request, gap: Duration) -> (View, Vec<Round>) {
    let mut chronicle = Chronicle::new(&state.outbox);
    let (mut rounds, mut clean) = (Vec::new(), 0);
    loop {
        let mut round = Round::default();
        let view = cycle(host, state, &mut chronicle, &mut round).await;
        rounds.push(round);
        clean = if view.overall == Grade::Healthy { clean + 1 } else { 0 };
        let is_last = rounds.len() >= request.cycles as usize
            || request.until_clean.is_some_and(|enough| clean >= enough);
        if is_last {
            host.finish_errands(ERRANDS).await;
        }
        // For `status` in the timer mode.
        if let Err(why) = publish::write(&host.config.paths.state, &view) {
            chronicle::trouble("status", &why);
        }
        if is_last {
            return (view, rounds);
        }
        tokio::time::sleep(gap).await;
    }
}

async fn cycle(host: &mut Host, state: &mut State, chronicle: &mut Chronicle, round: &mut Round) -> View {
    let began = Instant::now();
    let config = Rc::clone(&host.config);
    let mut scope = Scope::Everything;
    loop {
        let report = cycle::run(&config.policy, state, host, &scope).await;
        let view = host.view(state, &report);
        chronicle.pass(&view, &report, &state.outbox);
        round.pass(&view, &report);
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
                round.end(&view, began.elapsed());
                return view;
            }
        }
    }
}

/// Waits until the next look is due or the channel has answered.
async fn wait_for(host: &mut Host, wait: Duration, targets: BTreeSet<Name>) -> Scope {
    tokio::select! {
        _ = host.news() => Scope::Targets(BTreeSet::new()),
        () = tokio::time::sleep(wait) => Scope::Targets(targets),
    }
}

/// Writes the report, if one is wanted.
async fn tell(config: &Config, request: &Request, rounds: Vec<Round>, view: &View) -> Result<(), String> {
    let Some(file) = &request.report else { return Ok(()) };
    let checkup = Checkup::new(view, &zone(config), Metrics::measure().await);
    Report::new(rounds, checkup, view, &zone(config)).write(file)
}
