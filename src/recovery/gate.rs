//! Who may act now. Small rules in a fixed order; the first hold wins and prints itself. The gate decides
//! nothing about health, and a held proposal changes no phase: the next pass asks again.

use super::evidence::Name;
use super::policy::{Policy, TargetPolicy};
use super::state::{Phase, State, TargetState};
use super::time::{Age, Timestamp};
use super::unit::Standing;
use super::window::Window;
use std::fmt;
use std::time::Duration;

/// Why an action does not happen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Only a person can help: no such unit, or one that cannot be used.
    Unusable(String),
    /// A person switched it off.
    OnPurpose(String),
    /// The service manager cannot be asked, so we would act blindly.
    Blind(String),
    /// systemd is at work on it.
    Busy(String),
    /// Its run is within the start-up allowance.
    StillStarting {
        /// How long it has been starting.
        age: Duration,
        /// How long it may.
        allowance: Duration,
        /// When that ends.
        until: Timestamp,
    },
    /// Something it depends on is failing.
    Upstream(Name),
    /// The wait between attempts has not passed.
    Backoff {
        /// When it has.
        until: Timestamp,
    },
    /// No single try is due yet.
    HalfOpen {
        /// When one is.
        until: Timestamp,
    },
    /// The window has no room.
    WindowSpent {
        /// The window.
        window: Window,
        /// When it has.
        until: Timestamp,
    },
    /// The record of attempts cannot be saved, and this window has had its one attempt.
    NotDurable {
        /// When the next one is allowed.
        until: Timestamp,
    },
    /// Another disruptive action is being verified.
    OneAtATime(Name),
    /// There is nothing to try: people are told.
    NoLadder,
}

impl Hold {
    /// When the hold ends by itself, as far as it is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::StillStarting { until, .. }
            | Self::Backoff { until }
            | Self::HalfOpen { until }
            | Self::WindowSpent { until, .. }
            | Self::NotDurable { until } => Some(*until),
            Self::Unusable(_)
            | Self::OnPurpose(_)
            | Self::Blind(_)
            | Self::Busy(_)
            | Self::Upstream(_)
            | Self::OneAtATime(_)
            | Self::NoLadder => None,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(why) => write!(f, "only a person can help: {why}"),
            Self::OnPurpose(why) => write!(f, "left alone: {why}"),
            Self::Blind(why) => write!(f, "the service manager cannot be asked: {why}"),
            Self::Busy(why) => write!(f, "systemd is at work on it: {why}"),
            Self::StillStarting { age, allowance, .. } => {
                write!(f, "it is still starting ({} of {} allowed)", Age(*age), Age(*allowance))
            }
            Self::Upstream(name) => write!(f, "{name}, which it depends on, is failing"),
            Self::Backoff { .. } => f.write_str("waiting between attempts"),
            Self::HalfOpen { .. } => f.write_str("the limit is reached; single tries at growing gaps"),
            Self::WindowSpent { window, .. } => write!(f, "the restart window is spent ({window})"),
            Self::NotDurable { .. } => {
                f.write_str("the state cannot be saved: one attempt per window, and it was made")
            }
            Self::OneAtATime(name) => write!(f, "{name} is being repaired: one disruptive action at a time"),
            Self::NoLadder => f.write_str("nothing is configured that could repair it"),
        }
    }
}

/// Who wants to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The policy, because the target fails.
    Policy,
    /// A person: the waits do not apply, the limits do.
    Person,
}

/// Everything that the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The whole policy.
    pub policy: &'a Policy,
    /// The state as folded.
    pub state: &'a State,
    /// The target that would be acted on.
    pub target: &'a TargetPolicy,
    /// Who asks.
    pub asker: Asker,
    /// Whether the action interrupts service.
    pub disruptive: bool,
    /// Whether the last save succeeded.
    pub durable: bool,
    /// Now.
    pub now: Timestamp,
}

/// Asks every rule in order.
///
/// # Errors
/// The first hold.
pub fn ask(question: &Question<'_>) -> Result<(), Hold> {
    let Some(target) = question.state.targets.get(&question.target.name) else { return Ok(()) };
    unit(question, target)?;
    if question.asker == Asker::Policy {
        still_starting(question.target, target, question.now)?;
        upstream(question)?;
        waits(question, target)?;
    }
    window(question, target)?;
    one_at_a_time(question)
}

fn unit(question: &Question<'_>, target: &TargetState) -> Result<(), Hold> {
    match target.unit.as_ref().map(|view| &view.standing) {
        Some(Ok(Standing::Unusable(why))) => Err(Hold::Unusable(why.clone())),
        // A person who asks may undo what a person did, but a mask has to be taken off by hand.
        Some(Ok(Standing::Off(why))) if question.asker == Asker::Policy || why.contains("masked") => {
            Err(Hold::OnPurpose(why.clone()))
        }
        Some(Err(why)) => Err(Hold::Blind(why.clone())),
        Some(Ok(Standing::Busy(why))) => Err(Hold::Busy(why.clone())),
        Some(Ok(Standing::Running | Standing::Dead(_) | Standing::Off(_))) | None => Ok(()),
    }
}

/// Protects what is starting. It counts from systemd's own timestamps, so that a restart of the watchdog
/// forgets nothing, and it ends for good once the run has been healthy.
pub(super) fn still_starting(
    policy: &TargetPolicy,
    target: &TargetState,
    now: Timestamp,
) -> Result<(), Hold> {
    let Some(unit) = &target.unit else { return Ok(()) };
    let starting = matches!(unit.standing, Ok(Standing::Running)) && unit.run != target.proven_run;
    match unit.started {
        Some(started) if starting && now < started.after(policy.start_allowance) => {
            Err(Hold::StillStarting {
                age: now.since(started),
                allowance: policy.start_allowance,
                until: started.after(policy.start_allowance),
            })
        }
        Some(_) | None => Ok(()),
    }
}

fn upstream(question: &Question<'_>) -> Result<(), Hold> {
    let failing = |name: &&Name| {
        question.state.targets.get(*name).is_some_and(|target| match target.phase {
            Phase::Healthy => false,
            Phase::Failing { .. } | Phase::Settling { .. } | Phase::Exhausted { .. } => true,
        })
    };
    match question.target.depends_on.iter().find(failing) {
        Some(name) => Err(Hold::Upstream(name.clone())),
        None => Ok(()),
    }
}

fn waits(question: &Question<'_>, target: &TargetState) -> Result<(), Hold> {
    if let Phase::Exhausted { next_try, .. } = target.phase
        && question.now < next_try
    {
        return Err(Hold::HalfOpen { until: next_try });
    }
    let Some(last) = target.attempts.last() else { return Ok(()) };
    let until = last.after(question.target.delay(target.attempts.len()));
    if question.now < until { Err(Hold::Backoff { until }) } else { Ok(()) }
}

fn window(question: &Question<'_>, target: &TargetState) -> Result<(), Hold> {
    let window = question.target.window;
    let until = window.free_at(&target.attempts);
    if question.now < until {
        return Err(Hold::WindowSpent { window, until });
    }
    let once = Window { attempts: 1, per: window.per };
    let until = once.free_at(&target.attempts);
    if !question.durable && question.now < until {
        return Err(Hold::NotDurable { until });
    }
    Ok(())
}

/// Two repairs at once would each disturb what proves the other.
fn one_at_a_time(question: &Question<'_>) -> Result<(), Hold> {
    if !question.disruptive {
        return Ok(());
    }
    let repairing = question.state.targets.iter().find(|(name, target)| {
        let Phase::Settling { action, .. } = &target.phase else { return false };
        let policy = question.policy.target(name);
        let rung = policy.and_then(|policy| policy.ladder.iter().find(|rung| rung.action == *action));
        **name != question.target.name && rung.is_some_and(|rung| rung.disruptive)
    });
    match repairing {
        Some((name, _)) => Err(Hold::OneAtATime(name.clone())),
        None => Ok(()),
    }
}
