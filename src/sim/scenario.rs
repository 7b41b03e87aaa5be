//! A scenario: how the world is at the start, what happens in it and when, and what must hold. Read from TOML
//! with every problem reported at once; it is played by `run`.

use super::Sim;
use super::blueprint::Blueprint;
use super::expect::{self, Expectation};
use super::fault::Event;
use super::random::{Random, WORDS};
use super::read;
use crate::recovery::evidence::Name;
use crate::section::{self, Problem, Section, Severity, Source, Variables, did_you_mean, parse};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a scenario runs that does not say.
const SPAN: Duration = Duration::from_secs(24 * 3600);
/// How long a fault by chance lasts, on average, and how long the end is calm, unless the scenario says.
const LASTS: Duration = Duration::from_secs(1200);
const CALM: Duration = Duration::from_secs(4 * 3600);

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub title: String,
    /// What it shows, for people.
    pub about: String,
    /// How long it runs.
    pub span: Duration,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// What happens.
    pub events: Vec<Event>,
    random: Option<Random>,
    line: (Option<u64>, u64),
    starts: Vec<Start>,
    cast: Cast,
}

/// The targets that things can happen to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    /// Those with a unit.
    pub served: Vec<Name>,
    /// All.
    pub all: Vec<Name>,
}

impl Cast {
    fn of(blueprint: &Blueprint) -> Self {
        let targets = &blueprint.policy.targets;
        let served = targets.iter().filter(|target| target.unit.is_some());
        Self {
            served: served.map(|target| target.name.clone()).collect(),
            all: targets.iter().map(|target| target.name.clone()).collect(),
        }
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.all.iter()
    }

    /// Reads the name of a target under a key, and reports one that is not watched.
    pub(super) fn need(&self, section: &mut Section<'_>, key: &'static str) -> Option<Name> {
        let name = section.need(key, Name::parse)?;
        self.check(&name, section, key).then_some(name)
    }

    pub(super) fn check(&self, name: &Name, section: &Section<'_>, key: &str) -> bool {
        let known = self.all.contains(name);
        if !known {
            let near = did_you_mean(name.as_str(), self.all.iter().map(Name::as_str));
            let all = self.all.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
            let hint = if near.is_empty() { format!("the targets that are on are {all}") } else { near };
            section.error(&section.spot(key), format!("no target is called {name}"), hint);
        }
        known
    }
}

/// How a target is at the start, where that is not as usual.
#[derive(Clone, Debug)]
struct Start {
    name: Name,
    start_takes: Duration,
    restarts_after: Option<Duration>,
    needs_upstream: bool,
}

/// What a scenario says of the configuration that it is played over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Over {
    /// Variables, on top of those that there are.
    pub env: BTreeMap<String, String>,
    /// A configuration of its own, as TOML.
    pub config: Option<String>,
}

/// Reads a scenario, which decides what the configuration comes to; `build` makes the blueprint of it.
///
/// # Errors
/// Everything that is wrong with it; nothing when only the blueprint could not be made.
pub fn read(
    file: &str,
    text: &str,
    build: impl FnOnce(Over) -> Option<Blueprint>,
) -> Result<(Scenario, Blueprint), Vec<Problem>> {
    let variables = Variables::default();
    let source = Source { file, text, variables: &variables };
    let (made, findings) = section::read(source, |root| {
        let env = root.map("env", parse::text).into_iter().collect();
        let blueprint = build(Over { env, config: root.opt("config", parse::filled) })?;
        let cast = Cast::of(&blueprint);
        Some((scenario(root, cast), blueprint))
    });
    let errors = findings.problems.iter().any(|problem| problem.severity == Severity::Error);
    match made {
        Some(Some((Some(scenario), blueprint))) if !errors => Ok((scenario, blueprint)),
        // Without a configuration nothing more was read, and its own problems say enough.
        Some(None) => Err(Vec::new()),
        Some(Some(_)) | None => Err(findings.problems),
    }
}

fn scenario(root: &mut Section<'_>, cast: Cast) -> Option<Scenario> {
    let title = root.need("title", parse::filled);
    let about = root.or("about", String::new(), parse::text);
    let span = root.or("for", SPAN, parse::duration);
    let line = root.table("line", |section| {
        let limit = section.opt("limit", parse::within(0..=u64::MAX));
        Some((limit, section.or("used", 0, parse::within(0..=u64::MAX))))
    });
    let starts = root.table("target", |section| Some(section.named(|name, table| start(name, table, &cast))));
    let events = root.tables("event", |section| read::event(section, &cast));
    let random = root.table("random", |section| Some(random(section)));
    let expect = root.table("expect", |section| Some(expect::read(section))).unwrap_or_default();
    Some(Scenario {
        title: title?,
        about,
        span,
        expect,
        events,
        random,
        line: line.unwrap_or_default(),
        starts: starts.unwrap_or_default(),
        cast,
    })
}

fn start(name: &str, section: &mut Section<'_>, cast: &Cast) -> Option<Start> {
    let start_takes = section.or("start_takes", Duration::ZERO, parse::duration);
    let restarts_after = section.opt("restarts_after", parse::duration);
    let needs_upstream = section.or("needs_upstream", true, parse::flag);
    let here = section.here();
    let name = Name::parse(name).map_err(|sentence| section.error(&here, sentence, "")).ok()?;
    cast.check(&name, section, "").then_some(Start { name, start_takes, restarts_after, needs_upstream })
}

fn random(section: &mut Section<'_>) -> Random {
    let longest = Duration::from_secs(3650 * 86_400);
    let often = parse::span(Duration::from_secs(60)..=longest);
    let every = WORDS.iter().filter_map(|word| Some((*word, section.opt(word, &often)?))).collect();
    let lasts = section.or("lasts", LASTS, parse::duration);
    let calm = section.or("calm", CALM, parse::duration);
    Random { every, lasts, calm }
}

impl Scenario {
    /// Its world, ready to run for `span`; without the events that happen to one part of it, if named.
    pub fn world(&self, blueprint: &Blueprint, seed: u64, span: Duration, without: Option<&str>) -> Sim {
        let mut sim = Sim::new(blueprint.clone(), seed);
        (sim.channel.limit, sim.channel.used) = self.line;
        for start in &self.starts {
            let Some(thing) = sim.thing_mut(&start.name) else { continue };
            thing.needs_upstream = start.needs_upstream;
            if let Some(service) = &mut thing.service {
                (service.start_takes, service.restarts_after) = (start.start_takes, start.restarts_after);
            }
        }
        let chance = self.random.iter().flat_map(|random| random.events(&self.cast, span, seed));
        let events = self.events.iter().cloned().chain(chance);
        events.filter(|event| without != Some(event.act.subject())).for_each(|event| sim.plan(event));
        sim
    }
}

#[cfg(test)]
mod tests;
