//! What all actions together may touch, as `[allow]` says. What is not named there is refused when the configuration
//! is read, so no action needs to ask again.

use crate::section::parse;
use crate::values::UnitName;
use std::path::{Component, Path, PathBuf};

/// What actions may touch, and what they need to know to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// What `~` stands for.
    pub home: PathBuf,
    /// The directories within which files may be changed.
    pub roots: Vec<PathBuf>,
    /// The users to whom files may be given.
    pub owners: Vec<String>,
    /// The units that may be changed besides those of the user.
    pub units: Vec<UnitName>,
    /// Whether actions only say what they would do.
    pub dry_run: bool,
}

impl Allow {
    /// Reads a directory that has to be one of the roots, or beneath one.
    pub fn root(&self) -> impl Fn(&str) -> Result<PathBuf, String> {
        |text| {
            let path = without_detours(parse::path(&self.home)(text)?)?;
            match self.roots.iter().any(|root| path.starts_with(root)) {
                true => Ok(path),
                false => Err(format!("{text:?} is not allowed; {}", self.remedy(&path))),
            }
        }
    }

    fn remedy(&self, path: &Path) -> String {
        let add = format!("add {:?} to roots in [allow]", path.display().to_string());
        let roots: Vec<String> = self.roots.iter().map(|root| root.display().to_string()).collect();
        match roots.is_empty() {
            true => add,
            false => format!("{add}, or write a directory beneath {}", roots.join(", ")),
        }
    }

    /// Reads a user to whom files may be given.
    pub fn owner(&self) -> impl Fn(&str) -> Result<String, String> {
        |text| match self.owners.iter().any(|owner| owner == text) {
            true => Ok(text.to_owned()),
            false => Err(format!("{text:?} may not be made an owner; add it to owners in [allow]")),
        }
    }
}

/// A path below a root, such as `data` or `logs/old`.
///
/// # Errors
/// When it leads elsewhere, or nowhere.
pub fn below(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let wrong =
        || format!("{text:?} is not a path below the root; write something like \"data\" or \"logs/old\"");
    // Rebuilt of its parts, it has no second slash and no dot in between.
    Some(path.components().collect())
        .filter(|_| plain && !text.is_empty() && !text.contains('\0'))
        .ok_or_else(wrong)
}

/// An absolute path that leads where it seems to lead.
///
/// # Errors
/// When `..` is in it.
pub fn without_detours(path: PathBuf) -> Result<PathBuf, String> {
    match path.components().any(|part| part == Component::ParentDir)
        || path.as_os_str().as_encoded_bytes().contains(&0)
    {
        true => Err(format!("{:?} has a detour; write the path without ..", path.display().to_string())),
        false => Ok(path.components().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_beneath_a_root_is_one() {
        let allow =
            Allow { home: "/home/x".into(), roots: vec!["/home/x/app/logs".into()], ..Allow::default() };
        for good in ["~/app/logs", "/home/x/app/logs/old", "/home/x/./app//logs/"] {
            assert!(allow.root()(good).is_ok(), "{good}");
        }
        for bad in
            ["~/app", "/home/x/app/logs2", "~/app/logs/../../.ssh", "app/logs", "", "/", "~/app/logs/\0"]
        {
            assert!(allow.root()(bad).is_err(), "{bad:?}");
        }
        let told = allow.root()("/srv/a").unwrap_err();
        let hint = "add \"/srv/a\" to roots in [allow], or write a directory beneath /home/x/app/logs";
        assert_eq!(told, format!("\"/srv/a\" is not allowed; {hint}"));
    }

    #[test]
    fn a_path_below_goes_down_only() {
        assert_eq!(below("logs//old/"), Ok("logs/old".into()));
        assert_eq!(below("-rf"), Ok("-rf".into()));
        for bad in ["", ".", "..", "/etc", "a/../b", "./a", "a\0"] {
            assert!(below(bad).is_err(), "{bad:?}");
        }
    }
}
