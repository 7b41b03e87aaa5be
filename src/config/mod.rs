//! Turns the configuration, the environment and the `.env` file into a [`Policy`] and the settings of the
//! shell, or into a list of *all* that is wrong. It opens files only in [`Sources::gather`], starts
//! nothing, and decides nothing about recovery.
//!
//! [`compile()`] is pure, so `check`, the daemon and the tests see the same result for the same sources.

mod allow;
pub mod cadence;
mod channels;
mod check;
mod compile;
pub mod dotenv;
mod lifesign;
mod logs;
mod mirai;
mod plan;
mod profile;
mod rules;
mod sequence;
mod settings;
mod sources;
mod target;
mod variables;

pub use crate::section::{Problem, Severity};
pub use compile::{Compiled, compile};
pub use sources::{SourceFile, Sources};
pub use variables::Mention;

use crate::action::Action;
use crate::logscan;
use crate::notify::Way;
use crate::probe::Probe;
use crate::probe::reference::Reference;
use crate::recovery::evidence::{KickWish, Name};
use crate::recovery::policy::{Manager, Policy};
use crate::recovery::text;
use crate::values::{Secret, UnitName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The documented default, which serves a picoclaw gateway when there is no file.
pub const BUILT_IN: &str = include_str!("../../config/watchdog.toml");

/// Why nobody is written to on LINE where the configuration does not speak of it.
pub const NO_LINE: &str = "there is no [line]";

/// What is said where a person has switched everything off.
pub const SWITCHED_OFF: &str =
    "switched off (enabled = false / PICOCLAW_WATCHDOG_ENABLED): nothing is watched";

/// All that the program needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whether to watch at all; a person may switch everything off with one variable.
    pub enabled: bool,
    /// The file that the command line names, if it does.
    pub flag: Option<PathBuf>,
    /// Whose units the targets name.
    pub manager: Manager,
    /// What the core may know.
    pub policy: Policy,
    /// Where things are kept.
    pub paths: Paths,
    /// How the log is kept.
    pub log: LogSettings,
    /// Whether and how people are written to on LINE.
    pub line: LineSettings,
    /// How the other channels are reached that are on.
    pub ways: BTreeMap<Name, Way>,
    /// Where a sign of life goes; none when nobody waits for one.
    pub lifesign: Option<LifeSignSettings>,
    /// Whether and how people may ask for something.
    pub kick: KickSettings,
    /// All probes that are on, in the order of the file.
    pub probes: Vec<Probe>,
    /// What is read of logs, and what is looked for in them.
    pub scan: logscan::Plan,
    /// What is asked while something external fails, to tell it from a line that is down.
    pub references: Vec<Reference>,
    /// The units of the targets that have one.
    pub units: Vec<(Name, UnitName)>,
    /// What can be done.
    pub actions: BTreeMap<Name, Action>,
    /// Log files of targets, whose tails go into a diagnostics bundle.
    pub logs: BTreeMap<Name, Vec<PathBuf>>,
    /// What is switched off.
    pub off: Vec<Off>,
    /// What must be masked in every text that leaves the program.
    pub secrets: Vec<Secret>,
}

/// A text in which every command of ours that a person may copy reads the configuration that this program reads.
pub fn as_called(text: &str, flag: Option<&Path>) -> String {
    text::as_called(text.to_owned(), flag.map(option).as_deref())
}

/// The option that names a file, as a shell reads it.
fn option(file: &Path) -> String {
    let file = file.display().to_string();
    let is_plain = file.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    let file = if is_plain { file } else { format!("'{}'", file.replace('\'', r"'\''")) };
    format!("--config {file}")
}

/// Something that is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Off {
    /// What: `target[funnel]`, `line`.
    pub what: String,
    /// Why, in words.
    pub why: String,
}

/// Where things are kept; all absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The gateway's own directory, `PICO_HOME`.
    pub home: PathBuf,
    /// The directory of the state document, the lock and the diagnostics.
    pub state: PathBuf,
    /// The log file.
    pub log: PathBuf,
}

/// How the log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The time zone of its stamps: an IANA name such as `Asia/Tokyo`; empty for the machine's own.
    pub timezone: String,
    /// The size at which a new file is begun.
    pub max_bytes: u64,
    /// How many old files are kept.
    pub keep: u32,
}

/// Whether and how people are written to on LINE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineSettings {
    /// They are not.
    Off {
        /// Why, in words.
        reason: String,
    },
    /// They are.
    On {
        /// The push endpoint.
        endpoint: String,
        /// The user, group or room.
        to: String,
        /// The channel access token.
        token: Secret,
    },
}

/// Where a sign of life goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeSignSettings {
    /// The address, a good URL; whoever knows it can give signs in our name.
    pub url: Secret,
    /// The least time between two signs.
    pub every: Duration,
}

/// Whether and how people may ask for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KickSettings {
    /// Whether they may.
    pub enabled: bool,
    /// What they have to know.
    pub token: Secret,
    /// Where the predecessor's kick script leaves its request.
    pub file: PathBuf,
    /// What each request means; those about targets that are off are left out.
    pub actions: BTreeMap<String, KickWish>,
}

#[cfg(test)]
mod tests {
    use super::{Sources, as_called, compile};
    use crate::recovery::text::Message;
    use std::path::Path;
    use std::time::Duration;

    #[test]
    fn commands_to_copy_name_the_file() {
        let text =
            "sees it (picoclaw-watchdog doctor --print-sudoers); systemctl status picoclaw-watchdog.service";
        assert_eq!(as_called(text, None), text);
        let called = as_called(text, Some(Path::new("/etc/w.toml")));
        assert!(
            called.contains("(picoclaw-watchdog --config /etc/w.toml doctor --print-sudoers)"),
            "{called}"
        );
        assert!(called.ends_with("systemctl status picoclaw-watchdog.service"), "{called}");
        let named = "runuser -u w -- picoclaw-watchdog status --config /etc/w.toml";
        assert_eq!(as_called(named, Some(Path::new("/etc/w.toml"))), named);
        let called = as_called("picoclaw-watchdog check", Some(Path::new("/a b's")));
        assert_eq!(called, r"picoclaw-watchdog --config '/a b'\''s' check");
    }

    #[test]
    fn a_message_names_the_file_of_who_writes_it() {
        let flag = Some("/etc/w.toml".into());
        let sources = Sources { home: "/home/pico".into(), flag, ..Sources::default() };
        let alerts = compile(&sources).config.unwrap().policy.alerts;
        let message = Message::OwnTrouble { key: "state", text: "broken", age: Duration::ZERO };
        let text = alerts.render(&message);
        assert!(text.contains("picoclaw-watchdog --config /etc/w.toml doctor"), "{text}");
    }
}
