//! All tables that refer to one another, as they were read, and what becomes of them. What is switched
//! off is left out, and so is every edge that leads to it.

use super::logs::Log;
use super::sequence::Sequence;
use super::settings::{Kicks, Wish};
use super::target::{Draft, Question, Step};
use super::{KickSettings, LineSettings, Off};
use crate::action::Action;
use crate::logscan::follow::Own;
use crate::logscan::{self, Watched};
use crate::notify::line::Line;
use crate::probe::Probe;
use crate::recovery::evidence::Name;
use crate::recovery::policy::{BESIDES, Rung, TargetPolicy};
use crate::section::Spot;
use crate::values::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The tables.
pub(super) struct Plan {
    pub(super) targets: Vec<Draft>,
    pub(super) logs: Vec<Log>,
    pub(super) actions: Vec<Entry>,
    pub(super) wishes: Vec<Wish>,
}

/// An action; without its content when that could not be read.
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) action: Option<Action>,
    /// Of which others it consists, if it does.
    pub(super) sequence: Option<Sequence>,
    pub(super) spot: Spot,
}

impl Plan {
    pub(super) fn target(&self, name: &Name) -> Option<&Draft> {
        self.targets.iter().find(|target| target.policy.name == *name)
    }

    pub(super) fn target_names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| target.policy.name.as_str())
    }

    pub(super) fn action(&self, name: &Name) -> Option<&Entry> {
        self.actions.iter().find(|entry| entry.name == *name)
    }

    fn on(&self) -> impl Iterator<Item = &Draft> {
        self.targets.iter().filter(|target| target.off.is_none())
    }

    fn is_on(&self, name: &Name) -> bool {
        self.on().any(|target| target.policy.name == *name)
    }

    pub(super) fn policies(&self) -> Vec<TargetPolicy> {
        self.on().map(|target| self.policy(target)).collect()
    }

    fn policy(&self, target: &Draft) -> TargetPolicy {
        let ladder = target.ladder.iter().filter(|step| step.on).map(|step| self.rung(step)).collect();
        let mut policy = TargetPolicy { ladder, ..target.policy.clone() };
        policy.depends_on.retain(|name| self.is_on(name));
        policy
    }

    fn rung(&self, step: &Step) -> Rung {
        let action = self.action(&step.action).and_then(|entry| entry.action.as_ref());
        let disruptive = action.is_none_or(|action| action.disruptive);
        Rung { action: step.action.clone(), tries: step.tries, disruptive }
    }

    /// How long an attempt may hold up a pass.
    pub(super) fn takes(&self) -> BTreeMap<Name, Duration> {
        let used = self.used();
        let used = self.actions.iter().filter(|entry| used.contains(&entry.name));
        let takes = |entry: &Entry| Some((entry.name.clone(), entry.action.as_ref()?.holds_up() + BESIDES));
        used.filter_map(takes).collect()
    }

    fn used(&self) -> BTreeSet<Name> {
        let steps = self.on().flat_map(|target| &target.ladder).filter(|step| step.on);
        steps.map(|step| step.action.clone()).collect()
    }

    pub(super) fn probes(&self) -> Vec<Probe> {
        let of = |target: &Draft| {
            let on = target.questions.iter().filter(|asked| asked.off.is_none());
            let probe = |asked: &Question| {
                let (target, name) = (target.policy.name.clone(), asked.policy.name.clone());
                let (check, excuses) = (asked.check.clone()?, asked.excuses.clone());
                Some(Probe { target, name, check, excuses })
            };
            on.filter_map(probe).collect::<Vec<_>>()
        };
        self.on().flat_map(of).collect()
    }

    /// What is looked for in logs, and those that it is looked for in.
    pub(super) fn scan(&self, max_bytes: u64, own: Own) -> logscan::Plan {
        let rules = self.rules();
        let read = |log: &&Log| rules.iter().any(|watched| watched.rule.logs.contains(&log.source.name));
        let sources = self.logs.iter().filter(read).map(|log| log.source.clone()).collect();
        logscan::Plan { sources, rules, max_bytes, own: Arc::new(own) }
    }

    fn rules(&self) -> Vec<Watched> {
        let of = |target: &Draft| {
            let on = target.questions.iter().filter(|asked| asked.off.is_none());
            let rule = |asked: &Question| {
                let (target, probe) = (target.policy.name.clone(), asked.policy.name.clone());
                Some(Watched { target, probe, rule: asked.rule.clone()? })
            };
            on.filter_map(rule).collect::<Vec<_>>()
        };
        self.on().flat_map(of).collect()
    }

    pub(super) fn units(&self) -> Vec<(Name, UnitName)> {
        self.on().filter_map(|target| Some((target.policy.name.clone(), target.unit.clone()?))).collect()
    }

    pub(super) fn logs(&self) -> BTreeMap<Name, Vec<PathBuf>> {
        let with = self.on().filter(|target| !target.logs.is_empty());
        with.map(|target| (target.policy.name.clone(), target.logs.clone())).collect()
    }

    pub(super) fn kicks(&self, kicks: Kicks) -> KickSettings {
        let possible = self.wishes.iter().filter(|wish| self.is_on(wish.target()));
        let actions = possible.map(|wish| (wish.action.clone(), wish.wish.clone())).collect();
        KickSettings { enabled: kicks.enabled, token: kicks.token, file: kicks.file, actions }
    }

    /// The targets that are off, and the probes that are off within those that are on.
    pub(super) fn off(&self) -> Vec<Off> {
        let of = |target: &Draft| {
            let name = &target.policy.name;
            let whole =
                target.off.iter().map(|why| Off { what: format!("target[{name}]"), why: why.clone() });
            let probes = target.questions.iter().filter(|_| target.off.is_none()).filter_map(|asked| {
                let what = format!("target[{name}].probe[{}]", asked.policy.name);
                Some(Off { what, why: asked.off.clone()? })
            });
            whole.chain(probes).collect::<Vec<_>>()
        };
        self.targets.iter().flat_map(of).collect()
    }

    /// The actions that a ladder leads to. The others will never be under way, so no pass has to wait for them.
    pub(super) fn into_actions(self) -> BTreeMap<Name, Action> {
        let used = self.used();
        let actions = self.actions.into_iter().filter(|entry| used.contains(&entry.name));
        actions.filter_map(|entry| Some((entry.name, entry.action?))).collect()
    }
}

impl LineSettings {
    /// The channel.
    ///
    /// # Errors
    /// Why there is none.
    pub fn line(&self) -> Result<Line, String> {
        match self {
            Self::Off { reason } => Err(reason.clone()),
            Self::On { endpoint, to, token } => {
                Ok(Line { endpoint: endpoint.clone(), token: token.clone(), to: to.clone() })
            }
        }
    }

    pub(super) fn off(&self) -> Option<Off> {
        match self {
            Self::Off { reason } => Some(Off { what: "line".to_owned(), why: reason.clone() }),
            Self::On { .. } => None,
        }
    }
}
