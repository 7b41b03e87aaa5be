//! What can go wrong in a simulated world, and the words for it in a scenario. Only names and values; what
//! follows from them is in `thing` and in the world itself.

use super::channel::Mood;
use crate::recovery::evidence::{Name, Order};
use std::fmt;
use std::time::Duration;

/// Something that is the matter with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its process dies.
    Crashed,
    /// Its process ends cleanly, and should not have.
    Ended,
    /// Its process hangs: it accepts and never answers.
    Hanging,
    /// Every start ends in an exit at once.
    FailingToStart,
    /// A start takes so long until it listens.
    SlowToStart(Duration),
    /// Somebody else holds its port: it cannot start.
    PortTaken(String),
    /// Its unit is not installed.
    Missing,
    /// It does not serve, whatever its process does.
    Down {
        /// What it answers instead.
        answers: Wrong,
        /// What mends it.
        cured_by: Cure,
    },
    /// Every answer takes so long.
    Slow(Duration),
    /// Alive, but a check in its readiness fails.
    NotReady {
        /// The check.
        check: String,
        /// What it says.
        says: String,
    },
    /// Its repair goes wrong.
    Repair(Repair),
}

/// What a target that is down answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing: the connection fails so.
    Words(String),
    /// This status.
    Status(u16),
    /// Nothing until the probe has no patience left.
    Silence,
}

/// What mends a target that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Any of its actions.
    AnyRepair,
    /// This action.
    Action(Name),
    /// Nothing that the watchdog can do.
    Nothing,
}

/// How a repair goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    /// As it should.
    #[default]
    Works,
    /// It fails, and says so.
    Fails(String),
    /// It does not end in time.
    Hangs,
    /// It succeeds and changes nothing.
    Useless,
}

/// What happens, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// To a target.
    Target(Name, Fault),
    /// Everything that is the matter with a target is mended.
    Well(Name),
    /// To LINE.
    Line(Mood),
    /// The internet is gone.
    NetworkDown,
    /// The user bus is gone.
    BusGone,
    /// The disk takes nothing.
    DiskFull,
    /// Somebody sets the wall clock, by so many seconds.
    Clock(i64),
    /// The machine is off; then it boots.
    Off,
    /// The machine sleeps.
    Asleep,
    /// The watchdog is killed, after so many more saves, sends and actions; at once for none.
    Killed(Option<u64>),
    /// The watchdog hangs, until systemd misses its sign of life and brings it back.
    Hung,
    /// A person does something.
    Person(Deed),
}

/// What a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `systemctl stop`.
    Stops(Name),
    /// `systemctl start`.
    Starts(Name),
    /// `systemctl mask`.
    Masks(Name),
    /// Asks the watchdog for an action.
    Kicks(String),
    /// Asks for an action without knowing the token.
    Forges(String),
    /// Leaves an order.
    Orders(Order),
}

/// An event of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, from the start.
    pub at: Duration,
    /// How long until it is over; none for good.
    pub lasts: Option<Duration>,
    /// How long after it began it begins again.
    pub every: Option<Duration>,
    /// What happens.
    pub act: Act,
}

impl Act {
    /// The part of the world that it happens to, as the scenario calls it.
    pub fn subject(&self) -> &str {
        match self {
            Self::Target(name, _) | Self::Well(name) => name.as_str(),
            Self::Line(_) => "line",
            Self::NetworkDown => "network",
            Self::BusGone => "bus",
            Self::DiskFull => "disk",
            Self::Clock(_) => "clock",
            Self::Off | Self::Asleep => "machine",
            Self::Killed(_) | Self::Hung => "watchdog",
            Self::Person(_) => "person",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(name, fault) => write!(f, "{name}: {fault}"),
            Self::Well(name) => write!(f, "{name}: is well again"),
            Self::Line(Mood::Fine) => f.write_str("LINE works"),
            Self::Line(Mood::Unreachable) => f.write_str("LINE cannot be reached"),
            Self::Line(Mood::AnswerLost) => f.write_str("LINE takes messages, but its answers are lost"),
            Self::Line(Mood::Busy) => f.write_str("LINE answers 500 to everything"),
            Self::Line(Mood::Refusing) => f.write_str("LINE answers 400 to everything"),
            Self::NetworkDown => f.write_str("the internet is gone"),
            Self::BusGone => f.write_str("the user bus is gone"),
            Self::DiskFull => f.write_str("the disk is full"),
            Self::Clock(by) => write!(f, "somebody sets the wall clock by {by:+} s"),
            Self::Off => f.write_str("the machine goes off"),
            Self::Asleep => f.write_str("the machine falls asleep"),
            Self::Killed(None) => f.write_str("somebody kills the watchdog"),
            Self::Hung => f.write_str("the watchdog hangs"),
            Self::Killed(Some(steps)) => write!(f, "the watchdog is killed {steps} steps from now"),
            Self::Person(deed) => write!(f, "a person {deed}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crashed => f.write_str("its process dies"),
            Self::Ended => f.write_str("its process ends by itself"),
            Self::Hanging => f.write_str("it hangs"),
            Self::FailingToStart => f.write_str("every start fails at once"),
            Self::SlowToStart(takes) => write!(f, "a start takes {} s", takes.as_secs()),
            Self::PortTaken(by) => write!(f, "its port is held by {by}"),
            Self::Missing => f.write_str("its unit is not installed"),
            Self::Down { answers: Wrong::Words(words), .. } => write!(f, "it is down: {words}"),
            Self::Down { answers: Wrong::Status(status), .. } => write!(f, "it answers {status}"),
            Self::Down { answers: Wrong::Silence, .. } => f.write_str("it answers nothing"),
            Self::Slow(takes) => write!(f, "an answer takes {} ms", takes.as_millis()),
            Self::NotReady { check, says } => write!(f, "it is not ready: {check}: {says}"),
            Self::Repair(Repair::Works) => f.write_str("its repair works"),
            Self::Repair(Repair::Fails(says)) => write!(f, "its repair fails: {says}"),
            Self::Repair(Repair::Hangs) => f.write_str("its repair never ends"),
            Self::Repair(Repair::Useless) => f.write_str("its repair changes nothing"),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |name: &Option<Name>| name.as_ref().map_or("everything".to_owned(), Name::to_string);
        match self {
            Self::Stops(name) => write!(f, "stops {name}"),
            Self::Starts(name) => write!(f, "starts {name}"),
            Self::Masks(name) => write!(f, "masks {name}"),
            Self::Kicks(action) => write!(f, "asks for {action}"),
            Self::Forges(action) => write!(f, "asks for {action} with a wrong token"),
            Self::Orders(Order::Pause { target, span, .. }) => {
                write!(f, "pauses {} for {} min", all(target), span.as_secs() / 60)
            }
            Self::Orders(Order::Resume { target }) => write!(f, "resumes {}", all(target)),
            Self::Orders(Order::TestAlert { .. }) => {
                f.write_str("asks for a message, to see whether it arrives")
            }
        }
    }
}
