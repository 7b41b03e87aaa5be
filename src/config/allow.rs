//! Reads `[allow]`: what actions may touch at all. What would be no limit, or would let an action destroy the system
//! or us, is refused here.

use super::plan::Plan;
use super::{Manager, Paths};
use crate::action::Action;
use crate::action::allow::{Allow, without_detours};
use crate::section::{Section, parse};
use crate::values::UnitName;
use std::path::{Path, PathBuf};

/// What holds so much else that naming it would allow nearly everything.
const BROAD: &[&str] = &["/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/var"];

/// What belongs to the system, with all that is in it. No service keeps there what may be cleaned or mended.
const OF_THE_SYSTEM: &[&str] =
    &["/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr"];

/// Reads the table, and `dry_run` beside it.
pub(super) fn read(root: &mut Section<'_>, home: &Path, paths: &Paths) -> Allow {
    let dry_run = root.or("dry_run", false, parse::flag);
    if dry_run {
        let hint = "write dry_run = false when that is what is wanted";
        root.warn(&root.spot("dry_run"), "no action changes anything, each only says what it would do", hint);
    }
    let read = root.table("allow", |allow| {
        let roots = allow.list("roots", |text| allowed_root(text, home, &paths.state));
        let owners = allow.list("owners", owner);
        let units = allow.list("units", UnitName::parse);
        Some((roots.unwrap_or_default(), owners.unwrap_or_default(), units.unwrap_or_default()))
    });
    let (roots, owners, units) = read.unwrap_or_default();
    Allow { home: home.to_owned(), roots, owners, units, dry_run }
}

/// Reports every action that changes a unit beyond what is allowed. A name in an action is not enough, so that a slip or
/// a copied example cannot reach what nobody thought of.
pub(super) fn check(root: &Section<'_>, plan: &Plan, allow: &Allow, manager: Manager) {
    for entry in &plan.actions {
        let action = entry.action.as_ref();
        let own = || action.and_then(Action::own_unit).filter(|_| manager == Manager::System);
        let unit = action.and_then(Action::system_unit).or_else(own);
        if let Some(unit) = unit.filter(|unit| !allow.units.contains(unit)) {
            let hint = format!("write units = [\"{unit}\"] under [allow], or add it there");
            root.error(&entry.spot, format!("{unit} is not among the units that may be changed"), hint);
        }
    }
}

fn allowed_root(text: &str, home: &Path, state: &Path) -> Result<PathBuf, String> {
    let path = without_detours(parse::path(home)(text)?)?;
    let refuse =
        |why: &str| Err(format!("{text:?} is refused, for {why}; write the very directories that are meant"));
    if home.starts_with(&path) || BROAD.iter().any(|broad| path == Path::new(broad)) {
        return refuse("nearly everything is beneath it");
    }
    if OF_THE_SYSTEM.iter().any(|system| path.starts_with(system)) {
        return refuse("it belongs to the system");
    }
    if state.starts_with(&path) || path.starts_with(state) {
        return refuse("what the watchdog remembers is kept there");
    }
    Ok(path)
}

fn owner(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
    // The longest that Linux has.
    const LONGEST: usize = 32;
    if text == "root" {
        return Err("\"root\" is refused, for no service could use what root owns; leave it out".to_owned());
    }
    match !text.is_empty() && text.len() <= LONGEST && !text.starts_with('-') && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not the name of a user; write something like \"www-data\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SourceFile, Sources, compile};

    #[test]
    fn what_would_be_no_limit_is_no_root() {
        let (home, state) = (Path::new("/home/x"), Path::new("/home/x/.picoclaw/state/watchdog"));
        let said = |text: &str| allowed_root(text, home, state);
        for good in ["~/mirai/backend/logs", "/var/log/mirai", "/tmp", "/srv/app/uploads"] {
            assert!(said(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("/", "nearly everything"),
            ("/home", "nearly everything"),
            ("~", "nearly everything"),
            ("/var/", "nearly everything"),
            ("/etc", "the system"),
            ("/etc/nginx", "the system"),
            ("~/.picoclaw", "the watchdog remembers"),
            ("~/.picoclaw/state/watchdog/fix-backups", "the watchdog remembers"),
            ("/srv/../etc", "detour"),
            ("logs", "absolute"),
        ] {
            assert!(said(bad).unwrap_err().contains(why), "{bad}: {:?}", said(bad));
        }
    }

    #[test]
    fn files_are_given_to_users_and_never_to_root() {
        assert!(owner("www-data").is_ok() && owner("_apt").is_ok());
        for bad in ["root", "", "-R", "a b", "x:y", "../x"] {
            assert!(owner(bad).is_err(), "{bad}");
        }
    }

    fn problems(allow: &str) -> Vec<String> {
        let text = format!(
            "[[target]]\nname = \"a\"\nunit = \"a\"\nladder = [{{ action = \"db\" }}]\n\
             [action.db]\ndo.restart-system-unit = {{ unit = \"postgresql\" }}\n{allow}"
        );
        problems_of(text)
    }

    fn problems_of(text: String) -> Vec<String> {
        let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
        let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
        compiled.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_listed_units_of_the_system_may_be_restarted() {
        assert_eq!(problems("[allow]\nunits = [\"redis\", \"postgresql.service\"]\n"), [""; 0]);
        for allow in ["", "[allow]\n", "[allow]\nunits = [\"postgresql@15-main\"]\n"] {
            let told = problems(allow);
            assert!(told.len() == 1 && told[0].starts_with("w.toml:5:"), "{told:?}");
            let why = "postgresql.service is not among the units that may be changed; write units = \
                       [\"postgresql.service\"] under [allow]";
            assert!(told[0].contains(why), "{told:?}");
        }
        let told = problems("[allow]\nunits = [\"../x\"]\n");
        assert!(told.iter().any(|told| told.contains("is not a unit name")), "{told:?}");
    }

    #[test]
    fn where_all_units_are_the_system_s_all_have_to_be_listed() {
        let with = |line: &str| {
            problems_of(format!(
                "{line}\n[[target]]\nname = \"a\"\nunit = \"a\"\nladder = [{{ action = \"a\" }}]\n\
                 [action.a]\ndo.restart-unit = {{ unit = \"a\" }}\n"
            ))
        };
        assert_eq!(with("manager = \"user\""), [""; 0]);
        let told = with("manager = \"system\"");
        assert!(told.len() == 1 && told[0].contains("a.service is not among the units"), "{told:?}");
        assert_eq!(with("manager = \"system\"\nallow.units = [\"a\"]"), [""; 0]);
        assert!(with("manager = \"init\"")[0].contains("write \"user\" or \"system\""));
    }
}
