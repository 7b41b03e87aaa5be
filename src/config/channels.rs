//! Reads who is told of what, channel by channel, and checks the channels against each other. How a channel is
//! reached is read where it is spoken to.

use super::check::unknown;
use super::settings::because;
use super::target::Draft;
use super::{LineSettings, Off};
use crate::notify::email::{self, Email};
use crate::notify::file::{self, File};
use crate::notify::{Way, line, webhook};
use crate::recovery::evidence::Name;
use crate::recovery::outbox;
use crate::recovery::policy::{ChannelPolicy, Severity};
use crate::section::{Section, Spot, parse};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// What LINE hears unless told otherwise: its messages are few, and should not be spent on warnings.
const GRAVE: [Severity; 2] = [Severity::Error, Severity::Critical];
const ALL: [Severity; 3] = [Severity::Warning, Severity::Error, Severity::Critical];

/// More would let the state document outgrow what is ever read back: each channel has letters of its own in it.
const CHANNELS_MAX: usize = 8;

/// Who is told of what in one table.
pub(super) struct Routing {
    severities: Vec<Severity>,
    fallback: Vec<String>,
    spot: Option<Spot>,
}

impl Routing {
    fn read(section: &mut Section<'_>, default: &[Severity]) -> Self {
        let severities = section.list("severities", Severity::parse).unwrap_or_else(|| default.to_vec());
        let fallback = section.list("fallback", parse::text).unwrap_or_default();
        Self { severities, fallback, spot: Some(section.spot("fallback")) }
    }

    /// That of `[line]`.
    pub(super) fn of_line(section: &mut Section<'_>) -> Self {
        Self::read(section, &GRAVE)
    }

    /// That of a `[line]` that is not there.
    pub(super) fn of_nothing() -> Self {
        Self { severities: GRAVE.to_vec(), fallback: Vec::new(), spot: None }
    }

    fn of_all() -> Self {
        Self { severities: ALL.to_vec(), ..Self::of_nothing() }
    }
}

/// All channels, LINE first.
pub(super) struct Channels {
    pub(super) policies: Vec<ChannelPolicy>,
    pub(super) ways: BTreeMap<Name, Way>,
    pub(super) off: Vec<Off>,
    /// The channels of each table, by the name of the table.
    groups: BTreeMap<String, Vec<Name>>,
}

/// What one table makes: a channel for each of its recipients.
struct Group {
    name: String,
    spot: Spot,
    routing: Routing,
    channels: Vec<(Name, Result<Way, String>)>,
    pace: Pace,
}

/// How a kind of channel takes messages.
struct Pace {
    batch: usize,
    gap: Duration,
    metered: bool,
}

impl Channels {
    /// Reads `[email]` and every `[[webhook]]`, and adds them to LINE and `alerts.log`.
    pub(super) fn read(
        root: &mut Section<'_>,
        home: &Path,
        (line, routing): (&LineSettings, Routing),
        log: Option<File>,
    ) -> Self {
        let mut groups = vec![of_line(root, line, routing)];
        groups.extend(log.map(|file| of_file(root, file)));
        groups.extend(root.table("email", |section| Some(of_email(section, home))));
        groups.extend(root.tables("webhook", of_webhook));
        check(root, &groups);
        let names = |group: &Group| group.channels.iter().map(|(name, _)| name.clone()).collect();
        let by_name = groups.iter().map(|group| (group.name.clone(), names(group))).collect();
        let mut channels =
            Self { policies: Vec::new(), ways: BTreeMap::new(), off: Vec::new(), groups: by_name };
        for group in &groups {
            for (name, way) in &group.channels {
                channels.policies.push(policy(group, name, way, &groups));
                match way {
                    Ok(way) => drop(channels.ways.insert(name.clone(), way.clone())),
                    // LINE says for itself that it is off.
                    Err(_) if *name == outbox::line() => {}
                    Err(why) => channels.off.push(Off { what: name.to_string(), why: why.clone() }),
                }
            }
        }
        channels
    }
}

impl Channels {
    /// Who is told of each target that names its channels.
    pub(super) fn assign(&self, root: &Section<'_>, targets: &mut [Draft]) {
        for target in targets {
            let Some(names) = &target.channels else { continue };
            let known = |name: &&String| self.groups.contains_key(*name);
            for name in names.iter().filter(|name| !known(name)) {
                unknown(root, &target.told, "channel", name, self.groups.keys().map(String::as_str));
            }
            let channels = names.iter().filter_map(|name| self.groups.get(name)).flatten().cloned();
            target.policy.channels = Some(channels.collect());
        }
    }
}

fn policy(group: &Group, name: &Name, way: &Result<Way, String>, all: &[Group]) -> ChannelPolicy {
    let named = all.iter().filter(|other| group.routing.fallback.contains(&other.name));
    let fallback = named.flat_map(|other| other.channels.iter().map(|(name, _)| name.clone()));
    ChannelPolicy {
        name: name.clone(),
        on: way.as_ref().map(drop).map_err(Clone::clone),
        severities: group.routing.severities.clone(),
        fallback: fallback.filter(|other| other != name).collect(),
        batch: group.pace.batch,
        gap: group.pace.gap,
        metered: group.pace.metered,
    }
}

fn of_line(root: &Section<'_>, line: &LineSettings, routing: Routing) -> Group {
    let way = line.line().map(Way::Line);
    Group {
        name: "line".to_owned(),
        spot: root.spot("line"),
        routing,
        channels: vec![(outbox::line(), way)],
        pace: Pace { batch: line::TEXTS_MAX, gap: line::GAP, metered: true },
    }
}

fn of_file(root: &Section<'_>, file: File) -> Group {
    Group {
        name: file::NAME.to_owned(),
        spot: root.spot("alerts.log"),
        routing: Routing::of_all(),
        channels: vec![(file::name(), Ok(Way::File(file)))],
        pace: Pace { batch: 1, gap: Duration::ZERO, metered: false },
    }
}

fn of_email(section: &mut Section<'_>, home: &Path) -> Group {
    let table = email::read(section, home);
    let routing = Routing::read(section, &ALL);
    let channel = |(name, email): (String, Result<Email, String>)| {
        let name = Name::parse(&name).ok()?;
        Some((name, email.map(Way::Email).map_err(|why| because(&why, &section.spot("enabled")))))
    };
    Group {
        name: email::NAME.to_owned(),
        spot: section.here(),
        routing,
        channels: table.into_iter().filter_map(channel).collect(),
        pace: Pace { batch: 1, gap: email::GAP, metered: false },
    }
}

fn of_webhook(section: &mut Section<'_>) -> Option<Group> {
    let read = webhook::read(section);
    let routing = Routing::read(section, &ALL);
    let (name, webhook) = read?;
    Some(Group {
        name: name.to_string(),
        spot: section.here(),
        routing,
        channels: vec![(name, webhook.map(Way::Webhook))],
        pace: Pace { batch: 1, gap: webhook::GAP, metered: false },
    })
}

/// Each channel has a name of its own, whoever stands in for another exists, and there are not too many.
fn check(root: &Section<'_>, groups: &[Group]) {
    let mut seen = BTreeSet::new();
    for group in groups {
        for (name, _) in &group.channels {
            if !seen.insert(name) {
                root.error(
                    &group.spot,
                    format!("there is another channel called {name}"),
                    "give it its own name",
                );
            }
        }
        let is_unknown = |name: &&String| !groups.iter().any(|other| other.name == **name);
        for name in group.routing.fallback.iter().filter(is_unknown) {
            let spot = group.routing.spot.as_ref().unwrap_or(&group.spot);
            unknown(root, spot, "channel", name, groups.iter().map(|group| group.name.as_str()));
        }
    }
    if let Some(group) = groups.last().filter(|_| seen.len() > CHANNELS_MAX) {
        let what = format!("{} channels and recipients are too many", seen.len());
        root.error(
            &group.spot,
            what,
            format!("write at most {CHANNELS_MAX}; a mailing list is one recipient"),
        );
    }
}
