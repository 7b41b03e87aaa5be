//! Whether user services run without a login, and whether their manager can be reached.

use super::Finding;
use crate::systemd::Bus;
use crate::values::UnitName;
use std::io;
use std::path::Path;

/// A file for each user who lingers (loginctl(1)).
const LINGER: &str = "/var/lib/systemd/linger";

/// Whether the user's services live without a login.
pub(super) fn linger(user: &str) -> Vec<Finding> {
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

/// Whether the user's service manager answers.
pub(super) async fn bus(uid: u32) -> Vec<Finding> {
    // Any unit will do, and this one every user manager has.
    let Ok(unit) = UnitName::parse("default.target") else { return Vec::new() };
    let answer = Bus::user().facts(&unit).await.map(drop);
    vec![judge_bus(answer, uid)]
}

fn judge_bus(answer: Result<(), String>, uid: u32) -> Finding {
    match answer {
        Ok(()) => Finding::ok("bus", "the user's service manager answers"),
        Err(why) => Finding::fail(
            "bus",
            format!("the user's service manager cannot be asked: {why}"),
            format!(
                "export XDG_RUNTIME_DIR=/run/user/{uid}; if it says the same then, sudo systemctl start \
                 user@{uid}.service"
            ),
        ),
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
        let gone = judge_bus(Err("no user bus".to_owned()), 1000);
        assert!(gone.grade == Grade::Fail && gone.fix.unwrap().contains("/run/user/1000"));
        assert_eq!(judge_bus(Ok(()), 1000).grade, Grade::Ok);
    }
}
