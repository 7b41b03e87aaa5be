//! Reads `[allow]`: what actions may touch at all. What would be no limit, or would let an action destroy the system
//! or us, is refused here.

use super::Paths;
use crate::action::allow::{Allow, without_detours};
use crate::section::{Section, parse};
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
        Some((roots.unwrap_or_default(), owners.unwrap_or_default()))
    });
    let (roots, owners) = read.unwrap_or_default();
    Allow { home: home.to_owned(), roots, owners, dry_run }
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
}
