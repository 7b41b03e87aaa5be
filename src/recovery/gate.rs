//! Who may act now. Small rules in a fixed order; the first hold wins and prints itself. The gate decides
//! nothing about health, and a held proposal changes no phase: the next pass asks again.

use super::evidence::Name;
use super::health::{self, Health};
use super::pause;
use super::policy::{Policy, Rung, TargetPolicy};
use super::starts;
use super::state::{Phase, Spent, State, TargetState};
use super::time::{Age, Timestamp};
use super::unit::Standing;
use super::window::Window;
use std::fmt;
use std::time::Duration;

/// Why an action does not happen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A person paused it.
    Paused {
        /// When the pause ends by itself.
        until: Timestamp,
        /// Why, in the person's words.
        reason: String,
    },
    /// The machine has just been booted or woken: at first it is only looked.
    FirstLook {
        /// Until when.
        until: Timestamp,
    },
    /// We are offline, and it is reached over the internet.
    Offline {
        /// Since when.
        since: Timestamp,
    },
    /// Only a person can help: no such unit, one that cannot be used, or a failure that a restart would make worse.
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
    /// The last attempt was carried out not long ago.
    Cooldown {
        /// When the next one is allowed.
        until: Timestamp,
    },
    /// No single try is due yet.
    HalfOpen {
        /// When one is.
        until: Timestamp,
        /// Why only single tries are left.
        spent: Spent,
        /// What would be tried.
        action: Name,
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
    /// A pass has only so much time for attempts, and in this one others have it.
    NotItsTurn {
        /// When the next pass is: at once.
        until: Timestamp,
    },
    /// There is nothing to try: people are told.
    NoLadder,
}

impl Hold {
    /// When the hold ends by itself, as far as it is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Paused { until, .. }
            | Self::FirstLook { until }
            | Self::StillStarting { until, .. }
            | Self::Backoff { until }
            | Self::Cooldown { until }
            | Self::HalfOpen { until, .. }
            | Self::WindowSpent { until, .. }
            | Self::NotDurable { until }
            | Self::NotItsTurn { until } => Some(*until),
            Self::Unusable(_)
            | Self::OnPurpose(_)
            | Self::Blind(_)
            | Self::Busy(_)
            | Self::Offline { .. }
            | Self::Upstream(_)
            | Self::OneAtATime(_)
            | Self::NoLadder => None,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused { reason, .. } if reason.is_empty() => f.write_str("paused by a person"),
            Self::Paused { reason, .. } => write!(f, "paused by a person ({reason})"),
            Self::FirstLook { .. } => f.write_str("only looking at first, after a boot or a sleep"),
            Self::Offline { .. } => f.write_str("we are offline, so nothing is known of it"),
            Self::Unusable(why) => write!(f, "only a person can help: {why}"),
            Self::OnPurpose(why) => write!(f, "left alone: {why}"),
            Self::Blind(why) => write!(f, "the service manager cannot be asked: {why}"),
            Self::Busy(why) => write!(f, "systemd is at work on it: {why}"),
            Self::StillStarting { age, allowance, .. } => {
                write!(f, "it is still starting ({} of {} allowed)", Age(*age), Age(*allowance))
            }
            Self::Upstream(name) => write!(f, "{name}, which it depends on, is failing"),
            Self::Backoff { .. } => f.write_str("waiting between attempts"),
            Self::Cooldown { .. } => f.write_str("cooling down after the last repair"),
            Self::HalfOpen { spent, action, .. } => {
                let why = match spent {
                    Spent::Window => "the limit is reached".to_owned(),
                    Spent::Ladder => "every remedy was tried".to_owned(),
                    Spent::Futile => format!("{action} was tried and changed nothing"),
                };
                write!(f, "{why}; single tries at growing gaps")
            }
            Self::WindowSpent { window, .. } => write!(f, "the restart window is spent ({window})"),
            Self::NotDurable { .. } => {
                f.write_str("the state cannot be saved: one attempt per window, and it was made")
            }
            Self::OneAtATime(name) => write!(f, "{name} is being repaired: one disruptive action at a time"),
            Self::NotItsTurn { .. } => f.write_str("it comes next: others are being repaired in this pass"),
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
    /// What would be done.
    pub rung: &'a Rung,
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
    pause::hold(question.state, &question.target.name)?;
    unit(question, target)?;
    if question.asker == Asker::Policy {
        first_look(question)?;
        harm(question, target)?;
        still_starting(question.target, target, question.now)?;
        offline(question)?;
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

/// What an interruption would make worse is left to what interrupts nothing, and to people.
fn harm(question: &Question<'_>, target: &TargetState) -> Result<(), Hold> {
    match health::left_up(question.target, target) {
        Some(why) if question.rung.disruptive => Err(Hold::Unusable(why.to_owned())),
        Some(_) | None => Ok(()),
    }
}

/// After a boot or a sleep the network may not be up yet, and what was read before says nothing.
fn first_look(question: &Question<'_>) -> Result<(), Hold> {
    let until = question.state.observe_until;
    if question.now < until { Err(Hold::FirstLook { until }) } else { Ok(()) }
}

fn offline(question: &Question<'_>) -> Result<(), Hold> {
    match &question.state.offline {
        Some(offline) if question.target.external => Err(Hold::Offline { since: offline.since }),
        Some(_) | None => Ok(()),
    }
}

/// Protects what is starting. It counts from systemd's own timestamps, so that a restart of the watchdog
/// forgets nothing, and it ends for good once the run has been healthy.
pub(super) fn still_starting(
    policy: &TargetPolicy,
    target: &TargetState,
    now: Timestamp,
) -> Result<(), Hold> {
    let running = matches!(target.unit.as_ref().map(|unit| &unit.standing), Some(Ok(Standing::Running)));
    let Some(until) = starts::over_at(policy, target).filter(|until| running && now < *until) else {
        return Ok(());
    };
    let allowance = starts::allowance(policy, target);
    Err(Hold::StillStarting { age: now.since(until.before(allowance)), allowance, until })
}

/// Whether the attempt that is being verified has had its time. A dead unit needs no more of it; a starting one gets all,
/// and a job of systemd's as much as any start may take.
pub(super) fn is_over(policy: &TargetPolicy, target: &TargetState, now: Timestamp) -> bool {
    let Phase::Settling { since, until, .. } = target.phase else { return true };
    if target.crashes >= health::CRASH_LOOP {
        return true;
    }
    match health::fresh(target) {
        Some(Ok(Standing::Dead(_))) => true,
        Some(Ok(Standing::Busy(_))) => now >= until.max(since.after(starts::longest(policy))),
        Some(Ok(Standing::Running | Standing::Off(_) | Standing::Unusable(_)) | Err(_)) | None => {
            now >= until && still_starting(policy, target, now).is_ok()
        }
    }
}

fn upstream(question: &Question<'_>) -> Result<(), Hold> {
    let mut needed = question.target.depends_on.iter();
    match needed.find(|name| in_trouble(question.policy, question.state, name)) {
        Some(name) => Err(Hold::Upstream(name.clone())),
        None => Ok(()),
    }
}

/// Whether what depends on this one may fail because of it. A suspect counts, too, for what fails because of it is often
/// confirmed before it is; and so does one whose fault is seen but not yet judged, or that a person stopped.
pub(super) fn in_trouble(policy: &Policy, state: &State, name: &Name) -> bool {
    let found = policy.target(name).zip(state.targets.get(name));
    found.is_some_and(|(policy, target)| match target.phase {
        Phase::Healthy => {
            let health = health::assess(policy, target);
            health::is_suspect(policy, target) || matches!(health, Health::Unhealthy(_) | Health::Off(_))
        }
        Phase::Failing { .. } | Phase::Settling { .. } | Phase::Exhausted { .. } => true,
    })
}

/// All in trouble that something else depends on.
pub(super) fn troubled<'p>(policy: &'p Policy, state: &State) -> Vec<&'p Name> {
    let needed = policy.targets.iter().flat_map(|target| &target.depends_on);
    needed.filter(|name| in_trouble(policy, state, name)).collect()
}

fn waits(question: &Question<'_>, target: &TargetState) -> Result<(), Hold> {
    if let Phase::Exhausted { next_try, .. } = target.phase
        && question.now < next_try
    {
        let spent = target.incident.as_ref().and_then(|incident| incident.spent).unwrap_or(Spent::Window);
        // A single try is charged like any other, so it waits for room in the window as well.
        let until = next_try.max(question.target.window.free_at(&target.attempts));
        return Err(Hold::HalfOpen { until, spent, action: question.rung.action.clone() });
    }
    if let Some(until) = target.carried_out.map(|at| at.after(question.target.cooldown))
        && question.now < until
    {
        return Err(Hold::Cooldown { until });
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

/// Two repairs at once would each disturb what proves the other. One that had its time, and of which nothing can be
/// known, waits for no proof that another could disturb.
fn one_at_a_time(question: &Question<'_>) -> Result<(), Hold> {
    if !question.rung.disruptive {
        return Ok(());
    }
    let repairing = question.state.targets.iter().find(|(name, target)| {
        let Phase::Settling { action, .. } = &target.phase else { return false };
        let policy = question.policy.target(name);
        let rung = policy.and_then(|policy| policy.ladder.iter().find(|rung| rung.action == *action));
        **name != question.target.name
            && rung.is_some_and(|rung| rung.disruptive)
            && policy.is_some_and(|policy| !is_adrift(policy, target, question.now))
    });
    match repairing {
        Some((name, _)) => Err(Hold::OneAtATime(name.clone())),
        None => Ok(()),
    }
}

fn is_adrift(policy: &TargetPolicy, target: &TargetState, now: Timestamp) -> bool {
    is_over(policy, target, now) && matches!(health::assess(policy, target), Health::Unknown(_))
}
