//! Whether the directories in which actions are to change something are there, and whether we may. Nothing is changed
//! to find out.

use super::Finding;
use super::privileges::steps;
use crate::action::Do;
use crate::config::Config;
use crate::recovery::evidence::Name;
use nix::unistd::{AccessFlags, access};
use std::collections::BTreeMap;
use std::path::Path;

/// Looks at each root once, whatever number of actions it has.
pub(super) fn check(config: &Config, user: &str) -> Vec<Finding> {
    let roots: BTreeMap<&Path, &Name> =
        steps(config).filter_map(|step| Some((root(&step.act)?, &step.name))).collect();
    let count = roots.len();
    let wrong: Vec<Finding> =
        roots.into_iter().filter_map(|(root, action)| judge(root, action, user)).collect();
    match wrong.is_empty() && count > 0 {
        true => {
            vec![Finding::ok("roots", "every directory in which actions change something can be written")]
        }
        false => wrong,
    }
}

fn root(act: &Do) -> Option<&Path> {
    match act {
        Do::Files(files) => Some(&files.root),
        Do::RestartUnit(_) | Do::Run(_) | Do::Http(_) | Do::PublishFunnel(_) | Do::RestartSystemUnit(_) => {
            None
        }
        Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) | Do::Vacuum(_) | Do::All(_) => None,
    }
}

/// What is wrong with one; none when nothing is.
fn judge(root: &Path, action: &Name, user: &str) -> Option<Finding> {
    let at = root.display();
    if !root.is_dir() {
        let (what, fix) = match root.exists() {
            true => ("is no directory", format!("write another root for {action}")),
            false => {
                ("is not there", format!("mkdir -p '{at}', or write the root where the service really is"))
            }
        };
        return Some(Finding::fail("roots", format!("{at} {what}, so {action} can do nothing"), fix));
    }
    let denied = access(root, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK).err()?;
    let what = format!("{action} is to change what is in {at}, and {user} may not: {}", denied.desc());
    Some(Finding::fail("roots", what, format!("sudo setfacl -R -m u:{user}:rwX -m d:u:{user}:rwX '{at}'")))
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_root_that_is_missing_or_no_directory_is_named_with_its_action() {
        let dir = tempfile::tempdir().unwrap();
        let action = Name::parse("tidy").unwrap();
        assert_eq!(judge(dir.path(), &action, "pico"), None);
        let missing = judge(&dir.path().join("logs"), &action, "pico").unwrap();
        assert!(
            missing.grade == Grade::Fail && missing.what.ends_with("is not there, so tidy can do nothing")
        );
        std::fs::write(dir.path().join("file"), "").unwrap();
        let file = judge(&dir.path().join("file"), &action, "pico").unwrap();
        assert!(file.what.contains("is no directory"), "{file:?}");
        // Even root may not write there.
        let denied = judge(Path::new("/proc/sys/kernel/random"), &action, "pico");
        assert!(denied.is_none_or(|finding| finding.fix.unwrap().starts_with("sudo setfacl")));
    }
}
