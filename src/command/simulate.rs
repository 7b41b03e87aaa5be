//! `simulate`: plays a scenario over the real configuration's policy and prints what would happen. It touches
//! nothing of this machine.

use super::to_json;
use crate::action::{Action, Do};
use crate::cli::Output;
use crate::config::{Config, SourceFile, Sources, compile};
use crate::exit::Exit;
use crate::host::view::SCHEMA;
use crate::logscan::Watched;
use crate::probe::http::Http;
use crate::probe::{Check, Probe, reach, tailscale};
use crate::recovery::evidence::Reading;
use crate::recovery::policy::Role;
use crate::sim::blueprint::{Asks, Blueprint, Judge, Question, Remedy};
use crate::sim::scenario::{self, Over, Scenario};
use crate::values::parse_duration;
use serde::Serialize;
use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// A scenario has some KiB; this is room for a thousand events.
const MAX_BYTES: u64 = 1024 * 1024;
/// Progress is shown for runs longer than this; shorter ones end before it could be read.
const SHORT: Duration = Duration::from_secs(20 * 86_400);

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// The scenarios that come with the program: name and text.
        pub const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../config/scenarios/", $name, ".toml")))),*];
    };
}

#[rustfmt::skip]
shipped!(
    "S0", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "all-at-once", "asleep", "auto-restart",
    "backup-stale", "backup-useless", "bus-gone", "bus-gone-hang", "disk-full", "ended", "exits-at-once",
    "flapping", "full-hour", "funnel-lost", "gateway-main", "gateway-rencrow", "gateway-upstream", "hangs",
    "heals-itself", "kick-forged", "kicked", "killed", "line-answers-lost", "line-away", "line-busy",
    "line-fallback", "line-refuses", "log-rule", "log-rule-futile", "logged-out", "masked", "missing",
    "offline-crash", "offline-night", "ollama-away", "ollama-restarts", "out-of-step", "paused",
    "paused-daily", "port-taken", "quota", "random", "reboot", "repair-hangs", "restarted-all-day",
    "second-fault", "slow-answers", "slow-start", "start-limit", "start-loop", "stopped", "two-channels",
    "two-faces", "unready", "unready-asleep", "upstream", "watchdog-hung", "watchdog-killed",
);

/// What is to be simulated.
#[derive(Debug)]
pub struct Request {
    /// A file, or the name of a shipped scenario.
    pub scenario: Option<String>,
    /// How long, instead of the scenario's own time.
    pub span: Option<String>,
    /// What drives chance.
    pub seed: u64,
    /// Only say which scenarios there are.
    pub list: bool,
}

/// Plays a scenario.
pub fn run(config: Option<&Path>, request: &Request, output: Output) -> Exit {
    if request.list {
        list(output);
        return Exit::Ok;
    }
    let Some((file, text)) = request.scenario.as_deref().and_then(find) else {
        let there: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        eprintln!("name a scenario file, or one of {}", there.join(", "));
        return Exit::Usage;
    };
    let sources = Sources::gather(config);
    let (scenario, blueprint) = match read(&file, &text, sources) {
        Ok(read) => read,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return Exit::Config;
        }
    };
    let span = match request.span.as_deref().map(parse_duration).transpose() {
        Ok(span) => span.unwrap_or(scenario.span),
        Err(why) => {
            eprintln!("--for: {why}");
            return Exit::Usage;
        }
    };
    let played = scenario.play(&blueprint, request.seed, span, |done| progress(done, span));
    if output.json {
        println!("{}", to_json(&played))
    } else {
        print!("{played}")
    }
    if played.is_as_expected() { Exit::Ok } else { Exit::Degraded }
}

/// Reads a scenario over what the sources come to under its environment; over a configuration of its own, if it has
/// one and the command line names none.
///
/// # Errors
/// Everything that is wrong with the scenario or, first, with the configuration.
pub fn read(
    file: &str,
    text: &str,
    mut sources: Sources,
) -> Result<(Scenario, Blueprint), Vec<crate::config::Problem>> {
    let mut problems = Vec::new();
    let build = |over: Over| {
        sources.env.extend(over.env);
        if let Some(text) = over.config.filter(|_| sources.flag.is_none()) {
            let path = PathBuf::from(format!("config in {file}"));
            (sources.toml, sources.patterns) = (Some(SourceFile { path, text, mode: 0o600 }), None);
        }
        let compiled = compile(&sources);
        if compiled.config.is_none() {
            problems = compiled.problems;
        }
        compiled.config.as_ref().map(blueprint)
    };
    scenario::read(file, text, build).map_err(|more| {
        problems.extend(more);
        problems
    })
}

/// What `--list --json` prints.
#[derive(Serialize)]
struct Listed {
    schema: u32,
    scenarios: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
    title: &'static str,
}

fn list(output: Output) {
    let title = |text: &'static str| {
        text.lines().find_map(|line| line.strip_prefix("title = \"")?.strip_suffix('"')).unwrap_or_default()
    };
    let named = |&(name, text): &(&'static str, &'static str)| Named { name, title: title(text) };
    let scenarios: Vec<Named> = SHIPPED.iter().map(named).collect();
    match output.json {
        true => println!("{}", to_json(&Listed { schema: SCHEMA, scenarios })),
        false => scenarios.iter().for_each(|one| println!("{:<22} {}", one.name, one.title)),
    }
}

/// The text of a scenario, and what to call it.
fn find(wanted: &str) -> Option<(String, String)> {
    let small = |path: &Path| path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
    if small(Path::new(wanted)) {
        return Some((wanted.to_owned(), std::fs::read_to_string(wanted).ok()?));
    }
    let shipped = SHIPPED.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    shipped.map(|(name, text)| (format!("{name}.toml"), (*text).to_owned()))
}

fn progress(done: Duration, span: Duration) {
    if span > SHORT && stderr().is_terminal() {
        let percent = done.as_secs() * 100 / span.as_secs().max(1);
        let end = if done >= span { "\r           \r" } else { "" };
        // A terminal that went away is no reason to stop.
        let _ = write!(stderr(), "\r{percent:>3} % done{end}");
    }
}

/// The world of a configuration: its policy, its probes as judges of modelled answers, its actions.
pub fn blueprint(config: &Config) -> Blueprint {
    let asked = config.probes.iter().map(|probe| question(config, probe));
    let remedies = config.actions.values().map(|action| (action.name.clone(), remedy(action))).collect();
    Blueprint {
        policy: config.policy.clone(),
        questions: asked.chain(config.scan.rules.iter().map(in_a_log)).collect(),
        remedies,
        kicks: config.kick.enabled.then(|| config.kick.actions.clone()),
    }
}

fn question(config: &Config, probe: &Probe) -> Question {
    let policy = config.policy.target(&probe.target).and_then(|target| target.probe(&probe.name));
    let asks = match &probe.check {
        Check::Port(port) => Asks::Port(port.port),
        // What would be stale is decided by the scenario, not by any clock.
        Check::Object(_) => Asks::Service(by_status("fresh", "stale")),
        Check::Http(http) => Asks::Service(by_answer(http)),
        Check::Reach(reach) => match reach.ask {
            reach::Ask::Way => Asks::Service(by_answer(&reach.public)),
            reach::Ask::Certificate => Asks::Steady,
        },
        // tailscaled is modelled as well or not well; what it says is not.
        Check::Tailscale(tailscale) => match tailscale.ask {
            tailscale::Ask::Node { .. } => Asks::Service(by_status("connected", "in trouble")),
            tailscale::Ask::Expiry { .. } => Asks::Steady,
        },
        Check::Funnel(_) => Asks::Service(by_status("published", "not published")),
        Check::Postgres(_) => Asks::Service(by_status("accepting connections", "rejects connections")),
        Check::Redis(_) => Asks::Service(by_status("PONG", "it refuses")),
        Check::Files(_) => Asks::Service(by_status("fresh", "stale")),
        Check::Machine(_) => Asks::Service(by_status("within its limits", "beyond its limits")),
        Check::Ollama(ollama) => {
            let ollama = ollama.clone();
            Asks::Service(Rc::new(move |answer| (ollama.judge_given(answer.status), Vec::new())))
        }
        Check::LineWebhook(webhook) => {
            let webhook = webhook.clone();
            Asks::Service(Rc::new(move |answer| (webhook.judge_given(answer.status), Vec::new())))
        }
    };
    Question {
        target: probe.target.clone(),
        probe: probe.name.clone(),
        timeout: probe.timeout(),
        is_readiness: policy.is_some_and(|policy| policy.role == Role::Readiness),
        asks,
    }
}

fn by_answer(http: &Http) -> Judge {
    let http = http.clone();
    Rc::new(move |answer| http.judge_given(answer.status, answer.body, answer.took))
}

/// No status stands for an answer that is as it should be.
/// What stands in a log is modelled as a service that is well or not; its lines are not.
fn in_a_log(watched: &Watched) -> Question {
    Question {
        target: watched.target.clone(),
        probe: watched.probe.clone(),
        timeout: Duration::ZERO,
        is_readiness: false,
        asks: Asks::Service(by_status("none in the log", "in the log")),
    }
}

fn by_status(good: &'static str, bad: &'static str) -> Judge {
    Rc::new(move |answer| {
        let reading = match answer.status {
            None => Reading::Pass(good.to_owned()),
            Some(_) => Reading::Fail(bad.to_owned()),
        };
        (reading, Vec::new())
    })
}

fn remedy(action: &Action) -> Remedy {
    let timeout = action.holds_up();
    match &action.act {
        Do::RestartUnit(restart) => Remedy::Restart { unit: restart.unit.to_string(), timeout },
        Do::RestartSystemUnit(restart) => Remedy::Restart { unit: restart.unit.to_string(), timeout },
        Do::Run(_) | Do::Http(_) | Do::PublishFunnel(_) | Do::Files(_) => Remedy::Command { timeout },
        Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) => Remedy::Command { timeout },
        Do::Vacuum(_) | Do::All(_) => Remedy::Command { timeout },
    }
}
