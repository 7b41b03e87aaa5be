//! Whether user services run without a login, and whether their manager can be reached.

use super::Finding;
use crate::recovery::policy::Manager;
use crate::systemd::Bus;
use crate::values::UnitName;
use std::io;
use std::path::Path;

/// A file for each user who lingers (loginctl(1)).
const LINGER: &str = "/var/lib/systemd/linger";

/// Whether the user's services live without a login; those of the system do.
pub(super) fn linger(manager: Manager, user: &str) -> Vec<Finding> {
    if manager == Manager::System {
        return Vec::new();
    }
    vec![judge_linger(
        Path::new(LINGER).join(user).try_exists(),
        Path::new("/run/systemd/system").is_dir(),
        user,
    )]
}

fn judge_linger(flag: io::Result<bool>, systemd: bool, user: &str) -> Finding {
    match flag {
        _ if !systemd => Finding::unknown("linger", "this machine is not run by systemd"),
        Ok(true) => Finding::ok("linger", "services of this user start at boot and stay after a logout"),
        Ok(false) => Finding::fail(
            "linger",
            "services of this user end at the logout and do not start at boot, the watchdog among them",
            format!("loginctl enable-linger {user}"),
        ),
        Err(error) => Finding::unknown("linger", format!("{LINGER} cannot be read: {error}")),
    }
}

/// Whether the service manager answers.
pub(super) async fn bus(manager: Manager, uid: u32) -> Vec<Finding> {
    // Any unit will do, and this one every manager has.
    let Ok(unit) = UnitName::parse("default.target") else { return Vec::new() };
    let bus = match manager {
        Manager::User => Bus::user(),
        Manager::System => Bus::system(),
    };
    vec![judge_bus(manager, bus.facts(&unit).await.map(drop), uid)]
}

fn judge_bus(manager: Manager, answer: Result<(), String>, uid: u32) -> Finding {
    let (whose, fix) = match manager {
        Manager::User => (
            "the user's service manager",
            format!(
                "export XDG_RUNTIME_DIR=/run/user/{uid}; if it says the same then, sudo systemctl start \
                 user@{uid}.service"
            ),
        ),
        Manager::System => ("the system's service manager", "sudo systemctl restart dbus.socket".to_owned()),
    };
    match answer {
        Ok(()) => Finding::ok("bus", format!("{whose} answers")),
        Err(why) => Finding::fail("bus", format!("{whose} cannot be asked: {why}"), fix),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn lingering_is_read_off_its_flag() {
        assert_eq!(judge_linger(Ok(true), true, "pico").grade, Grade::Ok);
        let missing = judge_linger(Ok(false), true, "pico");
        assert_eq!(
            (missing.grade, missing.fix.as_deref()),
            (Grade::Fail, Some("loginctl enable-linger pico"))
        );
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(judge_linger(Err(denied), true, "pico").grade, Grade::Unknown);
        assert_eq!(judge_linger(Ok(false), false, "pico").grade, Grade::Unknown);
    }

    #[test]
    fn a_bus_that_is_gone_is_told_with_the_way_to_it() {
        let gone = judge_bus(Manager::User, Err("no user bus".to_owned()), 1000);
        assert!(gone.grade == Grade::Fail && gone.fix.unwrap().contains("/run/user/1000"));
        assert_eq!(judge_bus(Manager::User, Ok(()), 1000).grade, Grade::Ok);
        let gone = judge_bus(Manager::System, Err("no bus".to_owned()), 0);
        assert!(gone.what.starts_with("the system's") && !gone.fix.unwrap().contains("user"));
    }
}
