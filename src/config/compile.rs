//! From sources to a [`Config`]: reads each table once, checks them against each other, and has them
//! joined. Pure: the same sources always give the same result.

use super::channels::Channels;
use super::check;
use super::lifesign;
use super::plan::{Entry, Plan};
use super::profile::Profile;
use super::settings::{self, Wish};
use super::target::{self, Draft, Frame};
use super::variables::{Known, Mention};
use super::{BUILT_IN, Config, Off, Sources};
use crate::action::Action;
use crate::notify::file::File;
use crate::recovery::evidence::Name;
use crate::recovery::policy::Policy;
use crate::section::{self, Problem, Section, Severity, Source, parse};
use std::path::Path;
use std::time::Duration;

/// How the built-in file is called in problems.
const BUILT_IN_NAME: &str = "built-in watchdog.toml";

/// The predecessor's interval.
const INTERVAL: Duration = Duration::from_secs(60);

/// A suspect is asked again soon: three failures then take seconds, not minutes.
const REPROBE: Duration = Duration::from_secs(2);

/// After a boot or a sleep the network takes some seconds; what is down for good still is, half a minute later.
const HOLD_OFF: Duration = Duration::from_secs(30);

/// What became of the sources.
#[derive(Debug)]
pub struct Compiled {
    /// The configuration; none when any problem is an error.
    pub config: Option<Config>,
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
    let (config, mut findings) = section::read(source, |root| read(root, &sources.home));
    problems.append(&mut findings.problems);
    problems.extend(known.readable_by_others(sources, findings.literal_secret));
    if config.is_some() {
        problems.extend(known.without_effect(&findings, &file));
    }
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let usable = problems.iter().all(|problem| problem.severity == Severity::Warning);
    let config = config.filter(|_| usable).map(|config| Config { secrets: known.secrets(&config), ..config });
    Compiled { config, problems, variables: known.mentions(findings) }
}

/// The profile alone, since the rest is read with what it sets. What is wrong with the file is found then.
fn profile_of(source: Source<'_>) -> Profile {
    section::read(source, read_profile).0.unwrap_or_default()
}

fn read_profile(root: &mut Section<'_>) -> Profile {
    root.or("profile", Profile::default(), Profile::parse)
}

/// Reads all tables. The result counts only when no problem was found.
fn read(root: &mut Section<'_>, home: &Path) -> Config {
    read_profile(root);
    let enabled = root.or("enabled", true, parse::flag);
    let everything = (!enabled).then(|| Off { what: "everything".to_owned(), why: why_off(root) });
    let frame = frame(root, home);
    let paths = settings::paths(root, home);
    let log = settings::log(root);
    let (line, routing) = settings::line(root);
    let lifesign = lifesign::read(root);
    let (mut alerts, alerts_log) = settings::alerts(root, home);
    let alerts_log = alerts_log.map(|path| File { path, max_bytes: log.max_bytes, keep: log.keep });
    let channels = Channels::read(root, home, (&line, routing), alerts_log);
    alerts.channels = channels.policies;
    let (references, offline_quorum) = settings::offline(root);
    let (kicks, wishes) = settings::kick(root, home, &paths);
    let plan = plan(root, &frame, wishes);
    check::check(root, &plan);
    let (interval, reprobe) = (frame.interval, frame.reprobe);
    Config {
        enabled,
        policy: Policy {
            interval,
            reprobe,
            targets: plan.policies(),
            alerts,
            kicks: kicks.window,
            hold_off: frame.hold_off,
            offline_quorum,
        },
        probes: plan.probes(),
        references,
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

fn why_off(root: &Section<'_>) -> String {
    match root.spot("enabled").note() {
        "" => "enabled is false".to_owned(),
        note => format!("enabled is false: {note}"),
    }
}

fn frame<'h>(root: &mut Section<'_>, home: &'h Path) -> Frame<'h> {
    let hour = Duration::from_secs(3600);
    let interval = root.or("interval", INTERVAL, parse::span(Duration::from_millis(100)..=hour));
    let reprobe = root.or("reprobe", REPROBE, parse::span(Duration::from_millis(100)..=hour));
    if reprobe > interval {
        root.error(&root.spot("reprobe"), "longer than the interval", "write less, like \"2s\"");
    }
    let hold_off = root.or("hold_off", HOLD_OFF, parse::span(Duration::ZERO..=hour));
    Frame { home, interval, reprobe, hold_off }
}

fn plan(root: &mut Section<'_>, frame: &Frame<'_>, wishes: Vec<Wish>) -> Plan {
    if !root.has("target") {
        root.error(&root.here(), "nothing is watched", "add a [[target]]");
    }
    let targets = root.tables("target", |section| target::read(section, frame));
    let entry = |name: &str, section: &mut Section<'_>| entry(name, section, &targets);
    let actions = root.table("action", |actions| Some(actions.named(entry))).unwrap_or_default();
    Plan { targets, actions, wishes }
}

/// An action for targets or rungs that are all switched off is switched off with them.
fn entry(name: &str, section: &mut Section<'_>, targets: &[Draft]) -> Option<Entry> {
    let spot = section.here();
    let rungs = targets.iter().flat_map(|target| target.ladder.iter().map(move |step| (target, step)));
    let leading = rungs.filter(|(_, step)| step.action.as_str() == name);
    let on: Vec<bool> = leading.map(|(target, step)| target.off.is_none() && step.on).collect();
    if !on.is_empty() && !on.contains(&true) {
        section.hush();
    }
    let named = Name::parse(name).map_err(|sentence| section.error(&spot, sentence, "")).ok();
    let action = Action::read(named.clone(), section);
    Some(Entry { action, name: named?, spot })
}
