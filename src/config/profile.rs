//! The gateway generations as named profiles: what differs between them, as values of the same variables that a
//! person could set. So a profile is nothing but defaults, `check` shows where each value comes from, and whoever
//! sets a variable keeps the last word.

use crate::section::{Origin, Variable, Variables};

/// A generation of the picoclaw gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Profile {
    /// February 2026: the webhook on a port of its own, `/ready` says nothing of others.
    #[default]
    Picoclaw,
    /// The same ports; `/ready` is 503 while a check named `ollama…` fails, and says so.
    PicoclawMain,
    /// March 2026, the clean architecture: one port for everything, a unit of another name.
    Rencrow,
    /// `sipeed/picoclaw`: one port; up to v0.2.9 its `/ready` is 503 for ever.
    Upstream,
}

/// On one server with everything else.
const SHARED_PORT: (&str, &str) = ("PICOCLAW_WATCHDOG_LINE_WEBHOOK_PORT", "18790");

impl Profile {
    /// Reads its name.
    ///
    /// # Errors
    /// A sentence with all names.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "picoclaw" => Ok(Self::Picoclaw),
            "picoclaw-main" => Ok(Self::PicoclawMain),
            "rencrow" => Ok(Self::Rencrow),
            "upstream" => Ok(Self::Upstream),
            _ => Err(format!("{text:?} is no profile; write picoclaw, picoclaw-main, rencrow or upstream")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Picoclaw => "picoclaw",
            Self::PicoclawMain => "picoclaw-main",
            Self::Rencrow => "rencrow",
            Self::Upstream => "upstream",
        }
    }

    /// What it sets; the first two are what the file's own defaults say.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Picoclaw | Self::PicoclawMain => &[],
            Self::Rencrow => &[
                ("PICOCLAW_WATCHDOG_GATEWAY_SERVICE", "picoclaw.service"),
                ("PICOCLAW_WATCHDOG_GATEWAY_LOG", "picoclaw.log"),
                SHARED_PORT,
                ("PICOCLAW_WATCHDOG_WEBHOOK_PATH", "/webhook"),
                ("PICOCLAW_WATCHDOG_WEBHOOK_EXPECT", "404"),
                // It repeats all checks of /health and says nothing that /health does not say better.
                ("PICOCLAW_WATCHDOG_READY_ENABLED", "false"),
            ],
            Self::Upstream => &[SHARED_PORT],
        }
    }

    /// Adds what it sets, below everything that a person has set to something.
    pub(super) fn underlay(self, variables: &mut Variables) {
        for (name, value) in self.settings() {
            let known = variables.get(*name).is_some_and(|variable| !variable.value.is_empty());
            if !known {
                let origin = Origin::Profile(self.name());
                variables.insert((*name).to_owned(), Variable { value: (*value).to_owned(), origin });
            }
        }
    }
}
