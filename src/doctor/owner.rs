//! Whose the system-wide watchdog is. State and lock are kept by user, so whoever else calls its commands speaks to a
//! watchdog of their own that nobody runs.

use super::Finding;
use super::ask::{self, Properties, property};
use crate::recovery::policy::Manager;

/// The user of the installed system-wide watchdog, when that is not who runs this; none too when nothing is known.
pub async fn other(manager: Manager) -> Option<String> {
    match manager {
        Manager::User => None,
        Manager::System => {
            let told = ask::unit(manager, super::units::SERVICE, "LoadState,User").await.ok()?;
            judge(&told, &ask::user().0)
        }
    }
}

fn judge(told: &Properties, us: &str) -> Option<String> {
    // A unit that names nobody runs as root.
    let owner = Some(property(told, "User")).filter(|user| !user.is_empty()).unwrap_or("root");
    (property(told, "LoadState") == "loaded" && owner != us).then(|| owner.to_owned())
}

/// The command that does the same for its watchdog, with the arguments of this one.
pub fn command<S: AsRef<str>>(owner: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let quoted = |argument: S| {
        let argument = argument.as_ref();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=@,".contains(c);
        match !argument.is_empty() && argument.chars().all(is_plain) {
            true => argument.to_owned(),
            false => format!("'{}'", argument.replace('\'', r"'\''")),
        }
    };
    let arguments: Vec<String> = arguments.into_iter().map(quoted).collect();
    let sudo = if ask::user().1 == 0 { "" } else { "sudo " };
    format!("{sudo}runuser -u {owner} -- picoclaw-watchdog {}", arguments.join(" "))
}

/// What is found for one user says nothing about another.
pub(super) async fn check(manager: Manager) -> Option<Finding> {
    let owner = other(manager).await?;
    let what = format!(
        "the watchdog of this machine runs as {owner}, and this looks with the eyes of {}",
        ask::user().0
    );
    Some(Finding::fail("watchdog", what, command(&owner, std::env::args().skip(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_watchdog_of_somebody_else_is_foreign() {
        let told = |load: &str, user: &str| ask::pairs(&format!("LoadState={load}\nUser={user}\n"));
        assert_eq!(judge(&told("loaded", "w"), "root").as_deref(), Some("w"));
        assert_eq!(judge(&told("loaded", ""), "pico").as_deref(), Some("root"));
        assert_eq!(judge(&told("loaded", "w"), "w"), None);
        assert_eq!(judge(&told("not-found", ""), "pico"), None, "none is installed");
    }

    #[test]
    fn the_command_can_be_copied() {
        let told = command("w", ["pause", "all", "--for", "2h", "--reason", "it's me"]);
        assert!(
            told.ends_with(r"runuser -u w -- picoclaw-watchdog pause all --for 2h --reason 'it'\''s me'"),
            "{told}"
        );
    }
}
