//! The facts of a message about a failing target, gathered before they are put into words. What to do follows
//! from what is in the way, so that a person at 3 a.m. need not think.

use crate::recovery::evidence::Name;
use crate::recovery::gate::Hold;
use crate::recovery::health::{Health, assess, is_unasked};
use crate::recovery::policy::TargetPolicy;
use crate::recovery::state::{Incident, TargetState};
use crate::recovery::time::Now;
use crate::recovery::unit::Standing;
use crate::recovery::verdict::Ruling;
use crate::recovery::window::Window;
use std::time::Duration;

/// What a message about a failing target says.
#[derive(Clone, Debug)]
pub struct Fault<'a> {
    /// The target.
    pub target: &'a Name,
    /// What happened.
    pub headline: Headline,
    /// For how long it has failed.
    pub age: Duration,
    /// What is seen now.
    pub seen: String,
    /// How many repairs of the window a person asked for.
    pub asked_for: usize,
    /// What was tried.
    pub tried: &'a [String],
    /// What follows, and in how long, when that says more than the headline.
    pub ruling: Option<(&'a Ruling, Option<Duration>)>,
    /// Targets that fail because of it.
    pub dependents: Vec<Name>,
    /// What a person can do.
    pub advice: Advice<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headline {
    /// The window or the ladder is spent.
    LimitReached(Window),
    /// Attempts were made, and it still fails.
    NoHelp,
    /// There is nothing to try.
    NothingRepairs,
    /// The unit cannot be used.
    OnlyAPerson,
    /// It is held, and has been for long.
    CannotNow,
    /// A reminder.
    StillDown,
}

/// What a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice<'a> {
    /// The unit does not exist or cannot be read: look at its name and its file.
    CheckUnit(&'a str),
    /// Another process holds its port; the text says which.
    FreePort(String),
    /// Nothing here mends it, wherever it runs.
    StartElsewhere,
    /// The service manager does not answer.
    StartManager,
    /// The state cannot be saved.
    FreeDisk,
    /// The journal of its unit says why.
    ReadJournal(&'a str),
    /// Only `explain` knows more.
    None,
}

impl<'a> Fault<'a> {
    /// Gathers the facts.
    pub fn gather(
        policy: &'a TargetPolicy,
        target: &TargetState,
        incident: &'a Incident,
        headline: Headline,
        ruling: Option<&'a Ruling>,
        now: Now,
    ) -> Self {
        let seen = match assess(policy, target) {
            Health::Unhealthy(why) => why,
            Health::Unknown(why) if !is_unasked(policy, target) => why,
            // Right after a repair nothing is seen yet; what it was for says more.
            Health::Unknown(_) | Health::Healthy | Health::Off(_) => incident.cause.clone(),
        };
        let advice = advice(policy, target, incident, ruling);
        let wait = |ruling: &Ruling| Some(ruling.hold()?.until()?.since(now.at));
        let ruling = ruling.filter(|ruling| **ruling != Ruling::Held(Hold::NoLadder));
        Self {
            target: &policy.name,
            headline,
            age: now.at.since(incident.since),
            seen,
            asked_for: target.asked_for.len(),
            tried: &incident.tried,
            ruling: ruling.map(|ruling| (ruling, wait(ruling))),
            dependents: Vec::new(),
            advice,
        }
    }
}

/// The first that applies: what is in the way of every repair comes before what a repair would need.
fn advice<'a>(
    policy: &'a TargetPolicy,
    target: &TargetState,
    incident: &Incident,
    ruling: Option<&Ruling>,
) -> Advice<'a> {
    let standing = target.unit.as_ref().map(|view| &view.standing);
    if let Some(unit) = policy.unit.as_deref()
        && matches!(standing, Some(Ok(Standing::Unusable(_))))
    {
        return Advice::CheckUnit(unit);
    }
    if let Some((_, held)) = &incident.holder {
        return Advice::FreePort(held.clone());
    }
    if matches!(standing, Some(Err(_))) {
        return Advice::StartManager;
    }
    if matches!(ruling, Some(Ruling::Held(Hold::NotDurable { .. }))) {
        return Advice::FreeDisk;
    }
    match policy.unit.as_deref() {
        Some(unit) => Advice::ReadJournal(unit),
        None if policy.ladder.is_empty() => Advice::StartElsewhere,
        None => Advice::None,
    }
}
