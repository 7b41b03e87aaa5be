//! What people are told, as values, and how each language says them. All prose of messages stands here; when
//! they are written is decided in [`super::alert`]. What probes and systemd said is quoted as it was.

mod en;
pub mod fault;
mod ja;

use super::digest::Week;
use super::evidence::Name;
use super::policy::{Language, Manager};
use super::quota::{Quota, Scarce};
use super::state::{Incident, Offline, Pause};
use super::unit::MASKED;
use fault::Fault;
use std::fmt;
use std::time::Duration;

/// Begins every message, so that people know the sender and can filter by it.
const PREFIX: &str = "[WATCHDOG] ";

/// One message. Each rendering says what happened, since when, what was tried, and what to do next, as far as
/// there is something to say.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Something fails, or still fails.
    Fault(Fault<'a>),
    /// What people were told of is over.
    Recovered {
        /// The target; none for trouble of our own.
        target: Option<&'a Name>,
        /// How it ended.
        end: &'a End,
        /// How long it lasted.
        lasted: Duration,
        /// What it was.
        incident: &'a Incident,
    },
    /// A person switched something off.
    LeftAlone {
        /// The target.
        target: &'a Name,
        /// How that was seen.
        why: &'a str,
        /// For how long it has been down, if that is known.
        down: Option<Duration>,
        /// Its unit.
        unit: Option<&'a str>,
    },
    /// No fault at once, but it lasts.
    Lasting {
        /// The target.
        target: &'a Name,
        /// Which of the two.
        what: Lasting,
        /// For how long.
        age: Duration,
        /// What is seen.
        seen: &'a str,
    },
    /// The watchdog itself has a problem.
    OwnTrouble {
        /// The alert key, which says which.
        key: &'a str,
        /// What happened.
        text: &'a str,
        /// How long ago that was noticed.
        age: Duration,
    },
    /// Somebody sent a kick with a wrong token.
    ForgedKick {
        /// What was asked for.
        action: &'a str,
        /// Who says they asked.
        source: &'a str,
    },
    /// Every repair helped, but there were many.
    HealedOften {
        /// The target.
        target: &'a Name,
        /// Its unit.
        unit: Option<&'a str>,
        /// How many repairs; no more than [`super::state::HEALS_MAX`] are remembered.
        times: usize,
        /// In how long.
        per: Duration,
    },
    /// The internet is back.
    BackOnline {
        /// What is known of the time without it.
        offline: &'a Offline,
        /// How long it lasted.
        lasted: Duration,
    },
    /// A pause ended.
    PauseOver {
        /// The target; none for everything.
        target: Option<&'a str>,
        /// What was asked for and what it hid.
        pause: &'a Pause,
        /// How long it lasted.
        lasted: Duration,
    },
    /// The week in figures.
    Digest(&'a Week),
    /// The owner wants to see whether a message arrives.
    Test {
        /// Whether messages are counted.
        metered: bool,
        /// The quota, when it is known.
        quota: Option<&'a Quota>,
    },
    /// Another channel should have brought this.
    PassedOn {
        /// The message, as it was written for that channel.
        text: &'a str,
        /// That channel.
        channel: &'a Name,
        /// What became of it there, in words; may be empty.
        why: &'a str,
    },
    /// From now on only faults and their ends are told.
    QuotaRunsOut(Scarce),
}

/// What is worth a word when it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// Alive, but not ready.
    NotReady,
    /// Its probes know nothing.
    Blind,
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The action under verification helped.
    RepairedBy(Name),
    /// Nothing that we did.
    ByItself,
    /// What a person had switched off is on again.
    RunsAgain,
    /// A person switched it off; the text says how that was seen.
    LeftAlone(String),
    /// The configuration does not name it any more.
    Unwatched,
}

impl fmt::Display for End {
    /// For the log, in English.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepairedBy(action) => write!(f, "was repaired by {action}"),
            Self::ByItself => f.write_str("recovered by itself"),
            Self::RunsAgain => f.write_str("runs again"),
            Self::LeftAlone(why) => write!(f, "is left alone ({why})"),
            Self::Unwatched => f.write_str("is not watched any more"),
        }
    }
}

/// The message in the language of its readers.
pub fn render(language: Language, manager: Manager, message: &Message<'_>) -> String {
    let text = match language {
        Language::En => en::render(manager, message),
        Language::Ja => ja::render(manager, message),
    };
    format!("{PREFIX}{text}")
}

/// A text in which every command of ours that a person may copy has this option. What a person has typed names it
/// already.
pub fn as_called(text: String, option: Option<&str>) -> String {
    let Some(option) = option.filter(|_| !text.contains("--config")) else { return text };
    let called = |text: String, command: &&str| {
        text.replace(
            &format!("picoclaw-watchdog {command}"),
            &format!("picoclaw-watchdog {option} {command}"),
        )
    };
    ["alerts", "check", "doctor", "explain", "status"].iter().fold(text, called)
}

/// A message without what begins every message.
fn bare(text: &str) -> &str {
    text.strip_prefix(PREFIX).unwrap_or(text)
}

/// What was tried, the same thing several times over once, with its count.
fn in_runs(tried: &[String]) -> Option<String> {
    let runs = tried.chunk_by(|a, b| a == b).map(|run| match run {
        [once] => once.clone(),
        many => format!("{} × {}", many.len(), many[0]),
    });
    let list = runs.collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then_some(list)
}

/// What starts a unit that is left alone for this reason.
fn start(manager: Manager, unit: &str, why: &str) -> String {
    let systemctl = manager.systemctl();
    let unmask = if why == MASKED { format!("{systemctl} unmask {unit} && ") } else { String::new() };
    format!("{unmask}{systemctl} start {unit}")
}

/// Puts the lines together that there are.
fn lines<const N: usize>(lines: [Option<String>; N]) -> String {
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn names(names: &[Name]) -> Option<String> {
    let list = names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then_some(list)
}
