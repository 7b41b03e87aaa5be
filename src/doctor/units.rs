//! The units that are watched, and our own: whether they are there, start at boot, and are restarted in a way
//! that agrees with ours.

use super::Finding;
use super::ask::{self, Properties, property, span};
use crate::config::Config;
use crate::recovery::policy::{Manager, TargetPolicy};
use crate::recovery::time::Age;
use std::time::Duration;

const PROPERTIES: &str = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,Restart,RestartUSec,StartLimitBurst,StartLimitIntervalUSec,Type,WatchdogUSec";
pub(super) const SERVICE: &str = "picoclaw-watchdog.service";
const TIMER: &str = "picoclaw-watchdog.timer";

/// The units of all targets.
pub(super) async fn watched(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (target, unit) in &config.units {
        let Some(policy) = config.policy.target(target) else { continue };
        findings.extend(match ask::unit(config.manager, unit.as_str(), PROPERTIES).await {
            Ok(told) => judge_watched(config.manager, unit.as_str(), &told, policy),
            Err(why) => vec![Finding::unknown(target.as_str(), format!("{unit} is not known: {why}"))],
        });
    }
    findings
}

fn judge_watched(manager: Manager, unit: &str, told: &Properties, policy: &TargetPolicy) -> Vec<Finding> {
    let about = policy.name.as_str();
    if let Some(finding) = unusable(manager, about, unit, told) {
        return vec![finding];
    }
    let found = [
        asleep_after_boot(manager, about, unit, told),
        stale(manager, about, unit, told),
        gives_up_at_once(manager, about, unit, told),
        refuses_ours(manager, unit, told, policy),
    ];
    let mut found: Vec<Finding> = found.into_iter().flatten().collect();
    if found.is_empty() {
        let by_itself = match property(told, "Restart") {
            "no" | "" => "systemd does not restart it by itself, so the watchdog does",
            _ => "systemd restarts it when it dies, and the watchdog when it hangs",
        };
        found.push(Finding::ok(about, format!("{unit}: {by_itself}")));
    }
    found
}

/// What cannot be started cannot be kept alive.
fn unusable(manager: Manager, about: &str, unit: &str, told: &Properties) -> Option<Finding> {
    let systemctl = manager.systemctl();
    let (what, fix) = match property(told, "LoadState") {
        "loaded" => return None,
        "not-found" => (
            format!("there is no unit {unit}"),
            match manager {
                Manager::User => format!(
                    "{systemctl} list-unit-files '*claw*', and name the right one in \
                     PICOCLAW_WATCHDOG_GATEWAY_SERVICE or in `unit`"
                ),
                Manager::System => format!("{systemctl} list-unit-files, and name the right one in `unit`"),
            },
        ),
        "masked" => (format!("{unit} is masked"), format!("{systemctl} unmask {unit}")),
        state => (format!("{unit} cannot be loaded: {state}"), format!("{systemctl} status {unit}")),
    };
    Some(Finding::fail(about, what, fix))
}

fn asleep_after_boot(manager: Manager, about: &str, unit: &str, told: &Properties) -> Option<Finding> {
    let what = format!("{unit} does not start at boot");
    (property(told, "UnitFileState") == "disabled")
        .then(|| Finding::warn(about, what, format!("{} enable {unit}", manager.systemctl())))
}

fn stale(manager: Manager, about: &str, unit: &str, told: &Properties) -> Option<Finding> {
    let what = format!("the file of {unit} was changed and not read again");
    (property(told, "NeedDaemonReload") == "yes")
        .then(|| Finding::warn(about, what, format!("{} daemon-reload", manager.systemctl())))
}

/// So many starts in so much time, and systemd refuses more.
fn start_limit(told: &Properties) -> Option<(u32, Duration)> {
    let burst = property(told, "StartLimitBurst").parse().ok().filter(|burst| *burst > 0)?;
    Some((burst, span(property(told, "StartLimitIntervalUSec")).filter(|per| !per.is_zero())?))
}

/// systemd's own restarts come so fast that the limit is reached before anything could have changed.
fn gives_up_at_once(manager: Manager, about: &str, unit: &str, told: &Properties) -> Option<Finding> {
    let (burst, per) = start_limit(told)?;
    let gap = span(property(told, "RestartUSec"))?;
    let is_restarted = !matches!(property(told, "Restart"), "no" | "");
    (is_restarted && gap * burst < per).then(|| {
        let what = format!("systemd restarts {unit} after {} and gives up after {burst} crashes", Age(gap));
        let enough = (per / burst).as_secs() + 1;
        Finding::warn(about, what, drop_in(manager, unit, &format!("[Service]\\nRestartSec={enough}")))
    })
}

/// Our restarts count against the unit's limit, too.
fn refuses_ours(manager: Manager, unit: &str, told: &Properties, policy: &TargetPolicy) -> Option<Finding> {
    let (burst, per) = start_limit(told)?;
    let ours: u32 = policy.ladder.iter().map(|rung| rung.tries).sum();
    let ours = ours.min(policy.window.attempts);
    // The first start is the one that went wrong.
    let refused = ours.checked_sub(burst)?.checked_add(1)?;
    let until_refused: Duration = policy.backoff.iter().take(burst as usize).sum();
    (until_refused < per).then(|| {
        let what = format!(
            "systemd refuses more than {burst} starts of {unit} in {}, and so {refused} of our {ours} restarts",
            Age(per)
        );
        let enough = ours + 2;
        Finding::warn(policy.name.as_str(), what, drop_in(manager, unit, &format!("[Unit]\\nStartLimitBurst={enough}")))
    })
}

/// The command that adds some lines to a unit.
fn drop_in(manager: Manager, unit: &str, lines: &str) -> String {
    let (directory, sudo, write) = match manager {
        Manager::User => (format!("~/.config/systemd/user/{unit}.d"), "", ">"),
        Manager::System => (format!("/etc/systemd/system/{unit}.d"), "sudo ", "| sudo tee "),
    };
    let reload = format!("{} daemon-reload", manager.systemctl());
    format!("{sudo}mkdir -p {directory} && printf '{lines}\\n' {write}{directory}/watchdog.conf && {reload}")
}

/// Our own units, in whichever mode.
pub(super) async fn watchdog(manager: Manager) -> Vec<Finding> {
    let (service, timer) =
        tokio::join!(ask::unit(manager, SERVICE, PROPERTIES), ask::unit(manager, TIMER, PROPERTIES));
    match (service, timer) {
        (Ok(service), Ok(timer)) => judge_ours(manager, &service, &timer),
        (Err(why), _) | (_, Err(why)) => {
            vec![Finding::unknown("watchdog", format!("its own units are not known: {why}"))]
        }
    }
}

fn judge_ours(manager: Manager, service: &Properties, timer: &Properties) -> Vec<Finding> {
    if property(timer, "UnitFileState") == "enabled" {
        return vec![judge_timer(manager, timer)];
    }
    if property(service, "LoadState") != "loaded" {
        let what = format!("{SERVICE} is not installed");
        let install = match manager {
            Manager::User => "make install-watchdog && make enable-watchdog".to_owned(),
            Manager::System => format!("sudo make install-system && sudo systemctl enable --now {SERVICE}"),
        };
        return vec![Finding::fail("watchdog", what, install)];
    }
    let enabled = property(service, "UnitFileState") == "enabled";
    let active = property(service, "ActiveState") == "active";
    let found = [
        (!enabled).then(|| {
            let what = "the watchdog does not start at boot";
            Finding::fail("watchdog", what, format!("{} enable {SERVICE}", manager.systemctl()))
        }),
        (!active).then(|| {
            let what = "the watchdog is not running";
            Finding::fail("watchdog", what, format!("{} restart {SERVICE}", manager.systemctl()))
        }),
        stale(manager, "watchdog", SERVICE, service),
        unguarded(manager, service),
        start_limit(service).map(|_| {
            let what = "systemd gives up on the watchdog when it crashes in a loop, and that is silence";
            Finding::warn("watchdog", what, drop_in(manager, SERVICE, "[Unit]\\nStartLimitIntervalSec=0"))
        }),
    ];
    let found: Vec<Finding> = found.into_iter().flatten().collect();
    if found.is_empty() {
        return vec![Finding::ok(
            "watchdog",
            "it runs, starts at boot, and systemd restarts it when it hangs",
        )];
    }
    found
}

fn judge_timer(manager: Manager, timer: &Properties) -> Finding {
    match property(timer, "ActiveState") {
        "active" => Finding::ok("watchdog", "its timer runs and starts at boot"),
        _ => Finding::fail(
            "watchdog",
            "its timer is not running",
            format!("{} start {TIMER}", manager.systemctl()),
        ),
    }
}

/// The daemon raises the limit to fit its own interval; it cannot raise what is switched off, nor be heard when the
/// unit's type has no ear for it.
fn unguarded(manager: Manager, service: &Properties) -> Option<Finding> {
    let (kind, restart) = (property(service, "Type"), property(service, "Restart"));
    // Of a unit that was loaded and never started systemd says `infinity`, whatever stands in its file.
    let limit = property(service, "WatchdogUSec");
    let is_told = property(service, "ActiveState") == "active" || limit != "infinity";
    let watched = !is_told || span(limit).is_some_and(|limit| !limit.is_zero());
    let what = match (kind, restart) {
        ("notify" | "notify-reload", "always") if watched => return None,
        ("notify" | "notify-reload", "always") => "WatchdogSec= is not set".to_owned(),
        ("notify" | "notify-reload", other) => format!("Restart={other}"),
        (other, _) => format!("Type={other}"),
    };
    let what = format!("systemd would not restart the watchdog whenever it hangs or dies: {what}");
    let lines = "[Service]\\nType=notify\\nRestart=always\\nRestartSec=5\\nWatchdogSec=180";
    Some(Finding::warn("watchdog", what, drop_in(manager, SERVICE, lines)))
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::config::{BUILT_IN, Sources, compile};

    fn policy() -> TargetPolicy {
        assert!(BUILT_IN.contains("restart-gateway"));
        let sources = Sources { home: "/home/x".into(), ..Sources::default() };
        compile(&sources).config.unwrap().policy.targets.remove(0)
    }

    /// As systemd 252 prints a good unit, with some lines changed.
    fn told(changes: &[(&str, &str)]) -> Properties {
        let mut told = ask::pairs(
            "Type=simple\nRestart=always\nRestartUSec=5s\nWatchdogUSec=0\nLoadState=loaded\nActiveState=active\n\
             UnitFileState=enabled\nNeedDaemonReload=no\nStartLimitIntervalUSec=10s\nStartLimitBurst=5\n",
        );
        told.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        told
    }

    fn judged(changes: &[(&str, &str)]) -> (Grade, String, String) {
        let Finding { grade, what, fix, .. } =
            judge_watched(Manager::User, "g.service", &told(changes), &policy()).remove(0);
        (grade, what, fix.unwrap_or_default())
    }

    #[test]
    fn a_unit_that_cannot_run_is_a_failure() {
        assert_eq!(judged(&[]).0, Grade::Ok);
        assert_eq!(judged(&[("Restart", "no"), ("RestartUSec", "100ms")]).0, Grade::Ok);
        assert_eq!(judged(&[("LoadState", "not-found")]).1, "there is no unit g.service");
        assert_eq!(judged(&[("LoadState", "masked")]).2, "systemctl --user unmask g.service");
        assert_eq!(judged(&[("LoadState", "bad-setting")]).0, Grade::Fail);
    }

    #[test]
    fn a_unit_that_runs_only_today_is_warned_of() {
        let (grade, _, fix) = judged(&[("UnitFileState", "disabled")]);
        assert_eq!((grade, fix.as_str()), (Grade::Warn, "systemctl --user enable g.service"));
        assert_eq!(judged(&[("NeedDaemonReload", "yes")]).2, "systemctl --user daemon-reload");
        // One that others pull in is never enabled itself.
        assert_eq!(judged(&[("UnitFileState", "static")]).0, Grade::Ok);
    }

    #[test]
    fn a_unit_of_the_system_is_mended_by_its_own_commands() {
        let fix = |changes| {
            judge_watched(Manager::System, "db.service", &told(changes), &policy()).remove(0).fix.unwrap()
        };
        assert_eq!(fix(&[("LoadState", "masked")]), "sudo systemctl unmask db.service");
        assert_eq!(fix(&[("UnitFileState", "disabled")]), "sudo systemctl enable db.service");
        assert_eq!(
            fix(&[("RestartUSec", "100ms")]),
            "sudo mkdir -p /etc/systemd/system/db.service.d && printf '[Service]\\nRestartSec=3\\n' | sudo tee \
             /etc/systemd/system/db.service.d/watchdog.conf && sudo systemctl daemon-reload"
        );
    }

    #[test]
    fn a_limit_that_is_reached_in_a_second_is_named() {
        let (grade, what, fix) = judged(&[("RestartUSec", "100ms")]);
        assert!(grade == Grade::Warn && what.contains("gives up after 5 crashes"), "{what}");
        assert!(fix.contains("RestartSec=3") && fix.contains("daemon-reload"), "{fix}");
        assert_eq!(judged(&[("RestartUSec", "100ms"), ("StartLimitIntervalUSec", "0")]).0, Grade::Ok);
    }

    #[test]
    fn a_limit_below_our_own_ladder_is_named() {
        // The built-in ladder: three restarts, after 0, 10 and 30 s.
        let tight = [("StartLimitBurst", "3"), ("StartLimitIntervalUSec", "1min"), ("RestartUSec", "30s")];
        let (grade, what, fix) = judged(&tight);
        assert!(grade == Grade::Warn && what.contains("1 of our 3 restarts"), "{what}");
        assert!(fix.contains("StartLimitBurst=5"), "{fix}");
        let four = [("StartLimitBurst", "4"), ("StartLimitIntervalUSec", "1min"), ("RestartUSec", "30s")];
        assert_eq!(judged(&four).0, Grade::Ok);
        // Forty seconds of our own waits outlast ten.
        assert_eq!(judged(&[("StartLimitBurst", "3"), ("StartLimitIntervalUSec", "10s")]).0, Grade::Ok);
    }

    fn ours(service: &[(&str, &str)], timer: &[(&str, &str)]) -> Vec<(Grade, String)> {
        let good = [
            ("Type", "notify"),
            ("WatchdogUSec", "3min"),
            ("StartLimitIntervalUSec", "0"),
            ("Restart", "always"),
        ];
        let off = [("UnitFileState", "disabled"), ("ActiveState", "inactive")];
        let findings =
            judge_ours(Manager::User, &told(&[&good, service].concat()), &told(&[&off, timer].concat()));
        findings.into_iter().map(|finding| (finding.grade, finding.what)).collect()
    }

    #[test]
    fn our_own_unit_is_held_to_what_we_install() {
        assert_eq!(ours(&[], &[])[0].0, Grade::Ok);
        for (change, words) in [
            (("LoadState", "not-found"), "not installed"),
            (("UnitFileState", "disabled"), "does not start at boot"),
            (("ActiveState", "failed"), "is not running"),
            (("WatchdogUSec", "0"), "WatchdogSec= is not set"),
            (("WatchdogUSec", "infinity"), "WatchdogSec= is not set"),
            (("Type", "simple"), "Type=simple"),
            (("Restart", "on-failure"), "Restart=on-failure"),
            (("StartLimitIntervalUSec", "10s"), "crashes in a loop"),
        ] {
            let findings = ours(&[change], &[]);
            assert!(findings.len() == 1 && findings[0].1.contains(words), "{change:?}: {findings:?}");
        }
    }

    #[test]
    fn what_systemd_does_not_know_yet_is_no_fault() {
        let fresh = [("ActiveState", "inactive"), ("WatchdogUSec", "infinity")];
        let findings = ours(&fresh, &[]);
        assert!(findings.len() == 1 && findings[0].1.contains("is not running"), "{findings:?}");
    }

    #[test]
    fn the_timer_is_as_good_as_the_daemon() {
        let on = [("UnitFileState", "enabled"), ("ActiveState", "active")];
        assert_eq!(ours(&[("ActiveState", "inactive")], &on)[0].0, Grade::Ok);
        assert_eq!(ours(&[], &on[..1])[0].0, Grade::Fail);
    }
}
