//! From sources to a [`Config`]: reads each table once, checks them against each other, and has them
//! joined. Pure but for one look at the files that a `[[source]]` means: a link may lead to our own log.

use super::cadence;
use super::channels::Channels;
use super::lifesign;
use super::logs;
use super::mirai;
use super::plan::{Entry, Plan};
use super::profile::Profile;
use super::sequence::{self, Sequence};
use super::settings::{self, Wish};
use super::target::{self, Draft, Frame};
use super::variables::{Known, Mention};
use super::{BUILT_IN, Config, LogSettings, Manager, Off, Paths, Sources, allow, check, option};
use crate::action::Action;
use crate::action::allow::Allow;
use crate::logscan::follow::Own;
use crate::notify::file::File;
use crate::recovery::evidence::Name;
use crate::recovery::policy::Policy;
use crate::section::{self, Problem, Section, Severity, Source, parse};
use std::path::PathBuf;
use std::time::Duration;

/// How the built-in file is called in problems.
const BUILT_IN_NAME: &str = "built-in watchdog.toml";

/// A suspect is asked again soon: three failures then take seconds, not minutes.
const REPROBE: Duration = Duration::from_secs(2);

/// After a boot or a sleep the network takes some seconds; what is down for good still is, half a minute later.
const HOLD_OFF: Duration = Duration::from_secs(30);

/// What became of the sources.
#[derive(Debug)]
pub struct Compiled {
    /// The configuration; none when any problem is an error.
    pub config: Option<Config>,
    /// Where things are kept, as far as a file says so that cannot be used otherwise.
    pub paths: Option<Paths>,
    /// All that is wrong, in the order of the files.
    pub problems: Vec<Problem>,
    /// Where the file uses variables, and where those are set.
    pub variables: Vec<Mention>,
}

/// Makes a configuration of the sources, or lists all that is wrong with them.
pub fn compile(sources: &Sources) -> Compiled {
    let mut problems = sources.problems.clone();
    let mut known = Known::new(sources, &mut problems);
    let file = sources.toml.as_ref().map_or(BUILT_IN_NAME.to_owned(), |toml| toml.path.display().to_string());
    let text = sources.toml.as_ref().map_or(BUILT_IN, |toml| &toml.text);
    let profile = profile_of(Source { file: &file, text, variables: &known.variables });
    profile.underlay(&mut known.variables);
    let source = Source { file: &file, text, variables: &known.variables };
    let (translated, told) = translate(source, sources);
    problems.extend(told);
    let whole = format!("{text}\n{translated}");
    let (config, mut findings) = section::read(Source { text: &whole, ..source }, |root| read(root, sources));
    let patterns = sources.patterns.as_ref().map(|patterns| patterns.path.display().to_string());
    problems.extend(findings.problems.drain(..).map(|problem| placed(problem, text, patterns.as_deref())));
    problems.extend(known.readable_by_others(sources, findings.literal_secret));
    if config.is_some() {
        problems.extend(known.without_effect(&findings, &file));
    }
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let paths = config.as_ref().map(|config| config.paths.clone());
    let usable = problems.iter().all(|problem| problem.severity == Severity::Warning);
    let config = config.filter(|_| usable).map(|config| Config { secrets: known.secrets(&config), ..config });
    Compiled { config, paths, problems, variables: known.mentions(findings) }
}

/// The `error_patterns.json` that is named, before anything else is read.
pub(super) fn patterns_file(sources: &Sources) -> Option<PathBuf> {
    let toml = sources.toml.as_ref()?;
    let known = Known::new(sources, &mut Vec::new());
    let file = toml.path.display().to_string();
    let source = Source { file: &file, text: &toml.text, variables: &known.variables };
    Some(mirai(source, sources)?.patterns_file)
}

/// Only `[mirai]`; what is wrong with it is found when everything is read.
fn mirai(source: Source<'_>, sources: &Sources) -> Option<mirai::Settings> {
    section::read(source, |root| {
        let cadence = frame(root, sources).cadence;
        mirai::settings(root, &sources.home, cadence)
    })
    .0?
}

/// The tables that an `error_patterns.json` stands for.
fn translate(source: Source<'_>, sources: &Sources) -> (String, Vec<Problem>) {
    match mirai(source, sources).zip(sources.patterns.as_ref()) {
        Some((settings, file)) => mirai::translate(&settings, file),
        None => (String::new(), Vec::new()),
    }
}

/// What is wrong with a table that the patterns stand for is said of them; their lines are not those of the file.
fn placed(problem: Problem, text: &str, patterns: Option<&str>) -> Problem {
    match patterns {
        Some(patterns) if problem.line > text.lines().count() => {
            Problem { file: patterns.to_owned(), line: 0, column: 0, ..problem }
        }
        Some(_) | None => problem,
    }
}

/// The profile alone, since the rest is read with what it sets. What is wrong with the file is found then.
fn profile_of(source: Source<'_>) -> Profile {
    section::read(source, read_profile).0.unwrap_or_default()
}

fn read_profile(root: &mut Section<'_>) -> Profile {
    root.or("profile", Profile::default(), Profile::parse)
}

/// Reads all tables. The result counts only when no problem was found.
fn read(root: &mut Section<'_>, sources: &Sources) -> Config {
    let home = sources.home.as_path();
    read_profile(root);
    let enabled = root.or("enabled", true, parse::flag);
    let everything = (!enabled).then(|| Off { what: "everything".to_owned(), why: why_off(root) });
    let manager = root.or("manager", Manager::User, settings::manager);
    let frame = frame(root, sources);
    mirai::settings(root, home, frame.cadence);
    let paths = settings::paths(root, home);
    let log = settings::log(root);
    let (line, routing) = settings::line(root);
    let lifesign = lifesign::read(root);
    let (mut alerts, alerts_log) = settings::alerts(root, home);
    alerts.manager = manager;
    alerts.option = sources.flag.as_deref().map(option);
    let alerts_log = alerts_log.map(|path| File { path, max_bytes: log.max_bytes, keep: log.keep });
    let own = own_files(&paths, &log, alerts_log.as_ref());
    let channels = Channels::read(root, home, (&line, routing), alerts_log);
    alerts.channels = channels.policies.clone();
    let (references, offline_quorum) = settings::offline(root);
    let (kicks, wishes) = settings::kick(root, home, &paths);
    let allow = allow::read(root, home, &paths);
    let mut plan = plan(root, &frame, &allow, wishes);
    channels.assign(root, &mut plan.targets);
    let max_bytes = logs::max_bytes(root);
    check::check(root, &plan, &own);
    allow::check(root, &plan, &allow, manager);
    let (cadence, reprobe) = (frame.cadence, frame.reprobe);
    Config {
        enabled,
        flag: sources.flag.clone(),
        manager,
        policy: Policy {
            cadence,
            reprobe,
            targets: plan.policies(),
            alerts,
            kicks: kicks.window,
            hold_off: frame.hold_off,
            offline_quorum,
            takes: plan.takes(),
        },
        probes: plan.probes(),
        references,
        scan: plan.scan(max_bytes, own),
        units: plan.units(),
        logs: plan.logs(),
        kick: plan.kicks(kicks),
        off: everything.into_iter().chain(plan.off()).chain(line.off()).chain(channels.off).collect(),
        actions: plan.into_actions(),
        paths,
        log,
        line,
        ways: channels.ways,
        lifesign,
        secrets: Vec::new(),
    }
}

/// The files that we write ourselves, with what they are rotated to, and where all else of ours lies.
fn own_files(paths: &Paths, log: &LogSettings, alerts: Option<&File>) -> Own {
    let logs = [&paths.log].into_iter().chain(alerts.map(|file| &file.path));
    let old = |path: &PathBuf, number| PathBuf::from(format!("{}.{number}", path.display()));
    let rotated = |path: &PathBuf| (1..=log.keep).map(|number| old(path, number)).collect::<Vec<_>>();
    let logs = logs.flat_map(|path| std::iter::once(path.clone()).chain(rotated(path)));
    Own { files: logs.collect(), state: Some(paths.state.clone()) }
}

fn why_off(root: &Section<'_>) -> String {
    match root.spot("enabled").note() {
        "" => "enabled is false".to_owned(),
        note => format!("enabled is false: {note}"),
    }
}

fn frame<'s>(root: &mut Section<'_>, sources: &'s Sources) -> Frame<'s> {
    let hour = Duration::from_secs(3600);
    let written = cadence::read(root);
    // The command line is read last.
    let cadence = sources.cadence.unwrap_or(written);
    let reprobe = root.or("reprobe", REPROBE, parse::span(Duration::from_millis(100)..=hour));
    if reprobe > cadence.longest() {
        root.error(&root.spot("reprobe"), "longer than the interval", "write less, like \"2s\"");
    }
    let hold_off = root.or("hold_off", HOLD_OFF, parse::span(Duration::ZERO..=hour));
    Frame { home: &sources.home, cadence, reprobe, hold_off }
}

fn plan(root: &mut Section<'_>, frame: &Frame<'_>, allow: &Allow, wishes: Vec<Wish>) -> Plan {
    if !root.has("target") {
        root.error(&root.here(), "nothing is watched", "add a [[target]]");
    }
    let targets = root.tables("target", |section| target::read(section, frame));
    let entry = |name: &str, section: &mut Section<'_>| entry(name, section, &targets, allow);
    let logs = root.tables("source", |section| logs::log(section, frame.home));
    let actions = root.table("action", |actions| Some(actions.named(entry))).unwrap_or_default();
    Plan { targets, logs, actions: sequence::join(actions), wishes }
}

/// An action for targets or rungs that are all switched off is switched off with them.
fn entry(name: &str, section: &mut Section<'_>, targets: &[Draft], allow: &Allow) -> Option<Entry> {
    let spot = section.here();
    let rungs = targets.iter().flat_map(|target| target.ladder.iter().map(move |step| (target, step)));
    let leading = rungs.filter(|(_, step)| step.action.as_str() == name);
    let on: Vec<bool> = leading.map(|(target, step)| target.off.is_none() && step.on).collect();
    if !on.is_empty() && !on.contains(&true) {
        section.hush();
    }
    let named = Name::parse(name).map_err(|sentence| section.error(&spot, sentence, "")).ok();
    let sequence = Sequence::read(section, allow);
    let action = if sequence.is_some() { None } else { Action::read(named.clone(), section, allow) };
    Some(Entry { action, sequence, name: named?, spot })
}
