//! Who is told of what: the channels by name, and what each of them wants. How a channel is reached is nobody's
//! business here.

use super::{Severity, TargetPolicy};
use crate::recovery::evidence::Name;
use crate::recovery::text::{Message, as_called, render};
use crate::recovery::window::Window;
use std::time::Duration;

/// When people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// The channels; never empty. Each is told on its own, as if there were no other.
    pub channels: Vec<ChannelPolicy>,
    /// A message that its channel has not accepted for so long goes to the channels that stand in for it.
    pub fallback_after: Duration,
    /// The least time between two alerts of one key, counted from acceptance.
    pub cooldown: Duration,
    /// The gaps before the first, second… reminder of one incident; after the last it repeats.
    pub reminders: Vec<Duration>,
    /// How long a probe may know nothing, or a readiness probe fail, before people are told.
    pub lasting: Duration,
    /// The language of messages.
    pub language: Language,
    /// Whose units the messages speak of, so that the commands in them are right.
    pub manager: Manager,
    /// What must be added to a command of this program so that it reads the same configuration, if anything must.
    pub option: Option<String>,
    /// So many repairs of one target in so much time are worth a word, although each of them helped.
    pub healed_often: Window,
    /// The last so many percent of the month's quota are kept for faults and their ends.
    pub reserve_percent: u32,
    /// Whether a weekly digest is sent.
    pub digest: bool,
}

/// Whose units the targets name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manager {
    /// Those of the user who runs the watchdog.
    #[default]
    User,
    /// Those of the system, for an installation that serves all of it.
    System,
}

impl Manager {
    /// How a person begins a command that changes a unit, or asks for all that is known of it.
    pub fn systemctl(self) -> &'static str {
        match self {
            Self::User => "systemctl --user",
            Self::System => "sudo systemctl",
        }
    }

    /// What to type to see how the manager itself is, and what keeps it from running.
    pub fn itself(self) -> &'static str {
        match self {
            Self::User => "systemctl --user status; loginctl enable-linger",
            Self::System => "systemctl status dbus; sudo journalctl -b -u dbus",
        }
    }

    /// The directory whose disk has to have room for us.
    pub fn directory(self) -> &'static str {
        match self {
            Self::User => "~/.picoclaw",
            Self::System => "/var/lib/picoclaw-watchdog",
        }
    }

    /// How a person begins to read what a unit wrote.
    pub fn journalctl(self) -> &'static str {
        match self {
            Self::User => "journalctl --user",
            Self::System => "sudo journalctl",
        }
    }
}

/// What the core knows of one channel to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPolicy {
    /// Its name.
    pub name: Name,
    /// Whether it can be used; else why not, in words for the log.
    pub on: Result<(), String>,
    /// How bad a fault must be for it; none for a channel that only stands in for others.
    pub severities: Vec<Severity>,
    /// The channels that stand in for it when it fails.
    pub fallback: Vec<Name>,
    /// So many messages go out at once, at most, and count as one.
    pub batch: usize,
    /// The least wait between two tries: longer than one of them may take, or both could arrive.
    pub gap: Duration,
    /// Whether its messages are counted against the month's quota.
    pub metered: bool,
}

impl AlertPolicy {
    /// A message as its readers see it.
    pub fn render(&self, message: &Message<'_>) -> String {
        as_called(render(self.language, self.manager, message), self.option.as_deref())
    }

    /// Who is told of something this bad; `None` is what concerns no target. While no channel can be used, it
    /// is kept for the first.
    pub fn recipients(&self, severity: Option<Severity>) -> impl Iterator<Item = &ChannelPolicy> {
        let nobody = self.usable().is_err();
        let kept = if nobody { 1 } else { self.channels.len() };
        let wants = move |channel: &&ChannelPolicy| (nobody || channel.on.is_ok()) && channel.wants(severity);
        self.channels.iter().take(kept).filter(wants)
    }

    /// Who is told of a target: those who want something this bad, or of them those whom the target names.
    pub fn recipients_of<'p>(&'p self, target: &'p TargetPolicy) -> impl Iterator<Item = &'p ChannelPolicy> {
        let named = |channel: &&ChannelPolicy| {
            target.channels.as_ref().is_none_or(|channels| channels.contains(&channel.name))
        };
        self.recipients(Some(target.severity)).filter(named)
    }

    /// The channels that can be used.
    pub fn open(&self) -> impl Iterator<Item = &ChannelPolicy> {
        self.channels.iter().filter(|channel| channel.on.is_ok())
    }

    /// The channel of this name.
    pub fn channel(&self, name: &Name) -> Option<&ChannelPolicy> {
        self.channels.iter().find(|channel| channel.name == *name)
    }

    /// Whether anybody can be told.
    ///
    /// # Errors
    /// Why the first channel cannot be used, when none can.
    pub fn usable(&self) -> Result<(), String> {
        let first = self.channels.first().map_or(Ok(()), |channel| channel.on.clone());
        if self.open().next().is_some() { Ok(()) } else { first }
    }

    /// Whether messages on this channel are counted against the month's quota.
    pub fn is_metered(&self, name: &Name) -> bool {
        self.channel(name).is_some_and(|channel| channel.metered)
    }
}

impl ChannelPolicy {
    fn wants(&self, severity: Option<Severity>) -> bool {
        severity.map_or(!self.severities.is_empty(), |severity| self.severities.contains(&severity))
    }
}

/// The language of messages to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}
