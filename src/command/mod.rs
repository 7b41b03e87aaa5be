//! The commands, one file each: they load, call and print. No policy and no probing lives here.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where the program speaks to a terminal"
)]

pub mod alerts;
pub mod check;
pub mod doctor;
pub mod explain;
pub mod kick;
pub mod logtest;
pub mod once;
pub mod pause;
pub mod replay;
pub mod run;
pub mod simulate;
pub mod status;

use crate::cli::{self, AlertsCommand, Cli, Command};
use crate::config::cadence as pace;
use crate::config::{Compiled, Config, Problem, Severity, Sources, as_called, compile};
use crate::doctor::owner;
use crate::exit::Exit;
use crate::host::checkup::Checkup;
use crate::host::lock::{Lock, LockError};
use crate::host::log::{LogSettings, OpsLayer, OpsLog, parse_zone, stderr_is_journal};
use crate::host::view::View;
use crate::host::{chronicle, publish};
use crate::probe::machine::metrics::Metrics;
use crate::recovery::cadence::Cadence;
use crate::recovery::evidence::Name;
use crate::values::parse_duration;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// Runs the command that was asked for.
pub async fn dispatch(cli: Cli) -> Exit {
    if let Command::Simulate { scenario, span, seed, list, from_history: false, output, .. } = cli.command {
        // A scenario may bring variables of its own, so it reads the configuration itself.
        let request = simulate::Request { scenario, span, seed, list };
        return simulate::run(cli.config.as_deref(), &request, output);
    }
    let asked = if let Command::Run(pace) = &cli.command { cadence(pace) } else { Ok(None) };
    let cadence = match asked {
        Ok(cadence) => cadence,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Usage;
        }
    };
    let rules = if let Command::Logtest { rules, .. } = &cli.command { rules.clone() } else { None };
    let patterns = rules.clone().filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let flags = run::Flags { config: rules.or(cli.config), cadence };
    let sources = patterns.map_or_else(|| flags.sources(), |path| Sources::of_patterns(&path));
    let mut compiled = compile(&sources);
    // These two are for a configuration that cannot be used, too.
    if matches!(cli.command, Command::Check(_) | Command::Doctor { .. }) {
        let zone = unknown_zone(&sources, &compiled);
        compiled.problems.extend(zone);
    }
    if let Command::Check(output) = cli.command {
        return check::run(&compiled, output);
    }
    if let Command::Doctor { print_sudoers: false, print_polkit: false, output } = cli.command {
        return doctor::run(&sources, &compiled, output).await;
    }
    let is_broken = compiled.config.is_none();
    let Some(config) = usable(&compiled, &sources).or_else(|| beside(&sources, &compiled)) else {
        return Exit::Config;
    };
    if is_broken && !needs_only_the_state(&cli.command) {
        eprintln!("what it sees: picoclaw-watchdog status");
        return Exit::Config;
    }
    if speaks_to_the_running_one(&cli.command)
        && let Some(owner) = owner::other(config.manager).await
    {
        let command = owner::command(&owner, std::env::args().skip(1));
        eprintln!(
            "the watchdog of this machine runs as {owner}, and this would speak to another one: {command}"
        );
        return Exit::Usage;
    }
    match cli.command {
        Command::Run(_) => run::run(config, &compiled.problems, flags).await,
        Command::Once { cycles, gap, until_clean, report, output } => {
            let asked = once::Request { cycles, gap, until_clean, report };
            once::run(config, &asked, output).await
        }
        Command::Check(output) => check::run(&compiled, output),
        Command::Doctor { print_polkit, .. } => doctor::print_rights(&config, print_polkit).await,
        Command::Explain { id: Some(id), output, .. } => explain::past(&config, id, output),
        Command::Explain { target, id: None, output } => {
            explain::run(config, target.as_deref(), output).await
        }
        Command::Pause { target, span, reason, output } => {
            pause::pause(&config, &target, &span, &reason, output).await
        }
        Command::Resume { target, output } => pause::resume(&config, &target, output).await,
        Command::Status(output) => {
            let exit = status::run(&config, output).await;
            if is_broken && exit == Exit::Ok { Exit::Degraded } else { exit }
        }
        Command::Alerts { what: None, output } => alerts::list(&config, output),
        Command::Alerts { what: Some(AlertsCommand::Test { channel, yes, output }), output: before } => {
            // `alerts --json test` means the same as `alerts test --json`.
            let output = cli::Output { json: output.json || before.json };
            alerts::test(&config, channel.as_deref(), yes, output).await
        }
        Command::Simulate { since, output, .. } => replay::run(&config, since.as_deref(), output),
        Command::Logtest { input, all, output, .. } => {
            logtest::run(&config, &logtest::Request { input, all }, output)
        }
        Command::Kick { action, source, token_stdin, no_wait, output } => {
            kick::run(&config, &kick::Request { action, source, token_stdin, no_wait }, output).await
        }
    }
}

/// What is known under a configuration that cannot be used, as long as a watchdog runs: it has kept the one before, and
/// where it keeps its state.
fn beside(sources: &Sources, broken: &Compiled) -> Option<Rc<Config>> {
    let built_in = Sources { toml: None, patterns: None, problems: Vec::new(), ..sources.clone() };
    let config = compile(&built_in).config?;
    let paths = broken.paths.clone().unwrap_or(config.paths.clone());
    let pid = publish::running(&paths.state)?.pid;
    eprintln!("the watchdog that runs as pid {pid} goes on under the configuration that it has read before");
    Some(Rc::new(Config { paths, enabled: true, ..config }))
}

/// Whether a command needs no configuration but where the state lies: it asks the watchdog that runs, or gives it an
/// order, and that must not wait until a typing error is found.
fn needs_only_the_state(command: &Command) -> bool {
    matches!(
        command,
        Command::Status(_)
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Explain { id: Some(_), .. }
            | Command::Alerts { what: None, .. }
    )
}

/// A wait between two cycles.
fn wait(flag: &str, text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|why| format!("{flag}: {why}"))?;
    let good = pace::WAITS.contains(&span);
    good.then_some(span).ok_or_else(|| format!("{flag}: write a wait from 100ms to 1h"))
}

/// The pace that the command line asks for, if it does.
fn cadence(pace: &cli::Pace) -> Result<Option<Cadence>, String> {
    if pace.burst.is_none() && pace.gap.is_none() && pace.rest.is_none() {
        return Ok(None);
    }
    let burst = pace.burst.unwrap_or(pace::BURST);
    if !pace::BURSTS.contains(&burst) {
        return Err(format!(
            "--burst: write a number from {} to {}",
            pace::BURSTS.start(),
            pace::BURSTS.end()
        ));
    }
    let span =
        |flag, text: &Option<String>, usual| text.as_deref().map_or(Ok(usual), |text| wait(flag, text));
    let (gap, rest) = (span("--gap", &pace.gap, pace::GAP)?, span("--rest", &pace.rest, pace::REST)?);
    Ok(Some(Cadence::bursts(burst, gap, rest)))
}

/// Whether a command reads or changes what belongs to the watchdog that runs, or could act beside it.
fn speaks_to_the_running_one(command: &Command) -> bool {
    match command {
        Command::Once { .. } | Command::Explain { .. } | Command::Status(_) | Command::Alerts { .. } => true,
        Command::Pause { .. } | Command::Resume { .. } | Command::Kick { .. } => true,
        // systemd starts it as whom it may be.
        Command::Run(_) => false,
        Command::Check(_) | Command::Doctor { .. } | Command::Simulate { .. } | Command::Logtest { .. } => {
            false
        }
    }
}

/// Stamps are in UTC where the zone is unknown, and that must not be found out in the log.
fn unknown_zone(sources: &Sources, compiled: &Compiled) -> Option<Problem> {
    let config = compiled.config.as_ref()?;
    let why = parse_zone(&config.log.timezone).err()?;
    let (what, hint) = why.split_once("; ").unwrap_or((why.as_str(), ""));
    let file = sources.toml.as_ref().map_or("environment".to_owned(), |toml| toml.path.display().to_string());
    let what = format!("log.timezone (or TZ): {what}, and the stamps of the log would be in UTC");
    Some(Problem::new(Severity::Warning, file, what, hint))
}

/// The configuration, or none after every problem was printed.
fn usable(compiled: &Compiled, sources: &Sources) -> Option<Rc<Config>> {
    if compiled.config.is_none() {
        for problem in &compiled.problems {
            eprintln!("{problem}");
        }
        let told = "the configuration cannot be used; `picoclaw-watchdog check` shows this list again";
        eprintln!("{}", as_called(told, sources.flag.as_deref()));
    }
    compiled.config.clone().map(Rc::new)
}

/// The operations log, shared with the layer that writes into it.
type SharedLog = Arc<Mutex<OpsLog>>;

/// Sends our events to the operations log, and to the journal when systemd started us.
fn init_log(config: &Config) -> SharedLog {
    let (zone, unknown) = match parse_zone(&config.log.timezone) {
        Ok(zone) => (zone, None),
        Err(why) => (jiff::tz::TimeZone::UTC, Some(why)),
    };
    let log = Arc::new(Mutex::new(OpsLog::new(LogSettings {
        path: config.paths.log.clone(),
        zone,
        max_bytes: config.log.max_bytes,
        keep: config.log.keep as usize,
        secrets: config.secrets.clone(),
        mirror: stderr_is_journal(),
    })));
    let layer = OpsLayer::new(Arc::clone(&log), LevelFilter::INFO);
    // Fails only when a subscriber is set already, which then does the same.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    if let Some(why) = unknown {
        chronicle::trouble("log", &format!("stamps are in UTC, for {why}"));
    }
    log
}

/// Makes sure that nobody else acts. A lock that cannot be taken for another reason than that (a strange
/// file system) is said, and must not keep the gateway from being watched.
fn only_one(state: &Path, mode: &str) -> Result<Option<Lock>, Exit> {
    match Lock::take(&publish::place(state, "lock"), mode) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Held(holder)) => {
            eprintln!("another picoclaw-watchdog acts already: `{}`, pid {}", holder.mode, holder.pid);
            Err(Exit::Held)
        }
        Err(LockError::Failed(why)) => {
            chronicle::trouble("lock", &format!("going on without it: {why}"));
            Ok(None)
        }
    }
}

/// The time zone in which this installation speaks to people.
fn zone(config: &Config) -> jiff::tz::TimeZone {
    parse_zone(&config.log.timezone).unwrap_or(jiff::tz::TimeZone::UTC)
}

/// Reads the name of a target that is watched.
///
/// # Errors
/// A sentence with those that are.
fn watched(config: &Config, text: &str) -> Result<Name, String> {
    let name = Name::parse(text).and_then(|name| match config.policy.target(&name) {
        Some(_) => Ok(name),
        None => Err(format!("{name} is not watched")),
    });
    name.map_err(|why| {
        let names: Vec<&str> = config.policy.targets.iter().map(|target| target.name.as_str()).collect();
        let off = config.off.iter().map(|off| format!("\nswitched off: {} ({})", off.what, off.why));
        format!("{why}; watched are: {}{}", names.join(", "), off.collect::<String>())
    })
}

/// Prints a view the way that was asked for.
fn show(view: &View, json: bool) {
    if json {
        println!("{}", to_json(view));
    } else {
        print!("{}", view.table());
    }
}

/// Prints a view with the checkup that scripts read, or the table.
async fn show_checkup(config: &Config, view: &View, json: bool) {
    /// Both, on one level: they share no key.
    #[derive(serde::Serialize)]
    struct Both<'a> {
        #[serde(flatten)]
        view: &'a View,
        #[serde(flatten)]
        checkup: Checkup,
    }
    if json {
        let checkup = Checkup::new(view, &zone(config), Metrics::measure().await);
        println!("{}", to_json(&Both { view, checkup }));
    } else {
        show(view, false);
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    // Our views hold texts and numbers only, which always have a JSON form.
    serde_json::to_string_pretty(value).unwrap_or_default()
}
