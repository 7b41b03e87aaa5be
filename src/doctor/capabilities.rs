//! What sudo cannot give: rights that a process needs itself, to change files of others or to end their processes. They
//! are capabilities of our own unit, which only the manager of the system can grant.

use super::Finding;
use super::ask::{self, property};
use super::privileges::steps;
use crate::action::Do;
use crate::action::files::What;
use crate::action::listener::Rightful;
use crate::config::Config;
use crate::recovery::policy::Manager;
use std::collections::BTreeSet;

const UNIT: &str = "picoclaw-watchdog.service";
/// To give a file away, and to set the mode of one that is another's.
const FOR_OWNERS: [&str; 2] = ["CAP_CHOWN", "CAP_FOWNER"];
/// To see which process holds a socket of another's, and to end it.
const FOR_LISTENERS: [&str; 2] = ["CAP_KILL", "CAP_SYS_PTRACE"];

/// The capabilities that the configured actions need when `user` carries them out, in the order of their names.
pub(super) fn needed(config: &Config, user: &str) -> BTreeSet<&'static str> {
    if user == "root" {
        return BTreeSet::new();
    }
    steps(config).flat_map(|step| of(&step.act, config.manager, user)).collect()
}

fn of(act: &Do, manager: Manager, user: &str) -> Vec<&'static str> {
    match act {
        Do::Files(files) => match &files.what {
            What::Permissions(permissions) => {
                let foreign = permissions.owner.as_deref().is_some_and(|owner| owner != user);
                if foreign && !permissions.check_only { FOR_OWNERS.to_vec() } else { Vec::new() }
            }
            What::Clean(_) | What::Rotate(_) | What::CreateDirs(_) | What::RestoreJson(_) => Vec::new(),
        },
        Do::KillListener(kill) => {
            let foreign = match &kill.rightful {
                Rightful::User(owner) => owner != user,
                // A unit of the user's own manager runs as the user.
                Rightful::Unit(_) => manager == Manager::System,
            };
            if foreign { FOR_LISTENERS.to_vec() } else { Vec::new() }
        }
        Do::RestartUnit(_) | Do::Run(_) | Do::Http(_) | Do::PublishFunnel(_) => Vec::new(),
        Do::RestartSystemUnit(_) | Do::SignalUnit(_) | Do::CheckPort(_) => Vec::new(),
        Do::Vacuum(_) | Do::All(_) => Vec::new(),
    }
}

/// The drop-in that grants them, as a comment; nothing when none is needed.
pub(super) fn drop_in(config: &Config, user: &str, comment: &str) -> String {
    let needed = needed(config, user);
    if needed.is_empty() {
        return String::new();
    }
    let names = Vec::from_iter(needed).join(" ");
    format!(
        "{comment} Not by this file: what changes files or processes of others itself needs capabilities, which only a\n\
         {comment} watchdog of the system can have. Write with: sudo systemctl edit {UNIT}\n\
         {comment}   [Service]\n{comment}   AmbientCapabilities={names}\n{comment}   CapabilityBoundingSet={names}\n"
    )
}

/// Whether our unit has them.
pub(super) async fn check(config: &Config, user: &str) -> Option<Finding> {
    let needed = needed(config, user);
    if needed.is_empty() {
        return None;
    }
    let asked = match config.manager {
        Manager::User => Err("a unit of a user cannot have them".to_owned()),
        Manager::System => ask::unit(Manager::System, UNIT, "AmbientCapabilities").await,
    };
    Some(judge(&needed, asked.map(|unit| property(&unit, "AmbientCapabilities").to_owned())))
}

fn judge(needed: &BTreeSet<&str>, granted: Result<String, String>) -> Finding {
    let missing = |granted: &str| {
        let has = |name: &str| granted.split_whitespace().any(|one| one.eq_ignore_ascii_case(name));
        needed.iter().filter(|name| !has(name)).copied().collect::<Vec<_>>().join(" ")
    };
    let what = match granted {
        Ok(granted) if missing(&granted).is_empty() => {
            return Finding::ok(
                "rights",
                format!("{UNIT} may change what belongs to others, as its actions do"),
            );
        }
        Ok(granted) => {
            format!("actions change what belongs to others, and {UNIT} has no {}", missing(&granted))
        }
        Err(why) => format!("actions change what belongs to others, which takes {}: {why}", missing("")),
    };
    Finding::warn(
        "rights",
        what,
        "picoclaw-watchdog doctor --print-sudoers prints what to write into its unit",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::config::{SourceFile, Sources, compile};

    fn config(manager: &str, act: &str) -> Config {
        let text = format!(
            "manager = \"{manager}\"\n[allow]\nroots = [\"/srv/app\"]\nowners = [\"www-data\"]\n[[target]]\n\
             name = \"a\"\nunit = \"a\"\nsettle = \"8m\"\nladder = [{{ action = \"x\" }}]\n[action.x]\n{act}\n"
        );
        let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
        let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
        compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems))
    }

    #[test]
    fn what_belongs_to_others_takes_capabilities() {
        let mend = "do.permissions = { root = \"/srv/app\", paths = [\"a\"], owner = \"www-data\" }";
        let kill = "do.kill-listener = { port = 80, user = \"www-data\" }";
        let unit = "do.kill-listener = { port = 80, unit = \"nginx\" }";
        let names = |manager: &str, act: &str, user: &str| {
            Vec::from_iter(needed(&config(manager, act), user)).join(" ")
        };
        assert_eq!(names("system", mend, "pico"), "CAP_CHOWN CAP_FOWNER");
        assert_eq!(names("user", kill, "pico"), "CAP_KILL CAP_SYS_PTRACE");
        assert_eq!(names("system", unit, "pico"), "CAP_KILL CAP_SYS_PTRACE");
        for (manager, act, user) in [
            ("user", unit, "pico"),
            ("system", mend, "root"),
            ("system", mend, "www-data"),
            ("system", kill, "www-data"),
            ("system", &mend.replace(" }", ", check_only = true }"), "pico"),
            ("system", "do.run = { argv = [\"id\"] }", "pico"),
        ] {
            assert_eq!(names(manager, act, user), "", "{manager} {act} {user}");
            assert_eq!(drop_in(&config(manager, act), user, "#"), "");
        }
        let text = drop_in(&config("system", mend), "pico", "#");
        assert!(text.contains("#   AmbientCapabilities=CAP_CHOWN CAP_FOWNER\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    }

    #[test]
    fn a_unit_that_has_them_is_well() {
        let needed = BTreeSet::from(FOR_OWNERS);
        assert_eq!(judge(&needed, Ok("cap_chown cap_fowner cap_kill".to_owned())).grade, Grade::Ok);
        let finding = judge(&needed, Ok("cap_chown".to_owned()));
        assert!(finding.grade == Grade::Warn && finding.what.ends_with("has no CAP_FOWNER"), "{finding:?}");
        let finding = judge(&needed, Err("a unit of a user cannot have them".to_owned()));
        assert!(finding.what.contains("takes CAP_CHOWN CAP_FOWNER: a unit of a user"), "{finding:?}");
    }
}
