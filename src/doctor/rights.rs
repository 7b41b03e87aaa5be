//! The right to order Tailscale about, as its operator or through `sudo -n`, and to restart units of the system; and
//! whether the hardening of our own unit takes sudo away. `sudo -l` lists, and runs nothing.

use super::ask::{self, property};
use super::privileges::steps;
use super::{Finding, capabilities};
use crate::action::funnel::PublishFunnel;
use crate::action::restart_system_unit::RestartSystemUnit;
use crate::action::{Do, sudo};
use crate::config::Config;
use crate::recovery::policy::Manager;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

const SERVICE: &str = "picoclaw-watchdog.service";

/// What is known of the rights that one command needs.
struct Rights<'a> {
    manager: Manager,
    user: &'a str,
    argv: &'a [String],
    /// Whether the user is Tailscale's operator; none when that is not known.
    operator: Option<bool>,
    /// Whether sudo would run it without a password.
    sudo: Result<(), String>,
    /// Whether the watchdog's own process may gain rights at all.
    hardened: Option<bool>,
}

/// Looks at every command that needs more rights than ours.
pub(super) async fn check(config: &Config, user: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut publishing = Vec::new();
    for action in steps(config) {
        match &action.act {
            Do::Run(run) if is_sudo(&run.argv) || is_tailscale(&run.argv) => {
                findings.push(for_command(config.manager, user, &run.argv).await);
            }
            Do::PublishFunnel(funnel) => publishing.push(funnel),
            Do::Run(_) | Do::Http(_) | Do::RestartUnit(_) | Do::Files(_) => {}
            Do::RestartSystemUnit(restart) => findings.push(for_unit(user, restart).await),
            Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) | Do::Vacuum(_) | Do::All(_) => {}
        }
    }
    findings.extend(for_publishing(user, &publishing).await);
    findings.extend(capabilities::check(config, user).await);
    findings
}

async fn for_command(manager: Manager, user: &str, argv: &[String]) -> Finding {
    let sudo = ["sudo", "-n"].map(str::to_owned);
    let prefs = ["tailscale", "debug", "prefs"].map(str::to_owned).to_vec();
    let (operator, sudo, hardened) =
        tokio::join!(operator(user, prefs), allowed(&sudo, bare(argv)), hardened());
    judge(&Rights { manager, user, argv, operator, sudo, hardened })
}

async fn for_unit(user: &str, restart: &RestartSystemUnit) -> Finding {
    let sudo = ["sudo", "-n"].map(str::to_owned);
    let commands = restart.commands();
    let allowed = async {
        for command in &commands {
            allowed(&sudo, command).await?;
        }
        Ok(())
    };
    let (sudo, hardened) = tokio::join!(allowed, hardened());
    judge_unit(user, restart, sudo, hardened)
}

/// Whether polkit allows it cannot be asked without trying.
fn judge_unit(
    user: &str,
    restart: &RestartSystemUnit,
    sudo: Result<(), String>,
    hardened: Option<bool>,
) -> Finding {
    let unit = &restart.unit;
    let only = "so only a rule of polkit's can allow it, which shows when it is tried";
    let fix = "picoclaw-watchdog doctor --print-polkit";
    match sudo {
        _ if user == "root" => Finding::ok("rights", format!("root may restart {unit}")),
        _ if hardened == Some(true) => {
            let what = format!("the hardening of {SERVICE} forbids sudo to restart {unit}, {only}");
            Finding::warn("rights", what, fix)
        }
        Ok(()) => Finding::ok("rights", format!("sudo restarts {unit} without a password")),
        Err(why) => {
            let what = format!("sudo does not restart {unit} without a password ({why}), {only}");
            Finding::warn("rights", what, format!("{fix}, or {}", install_sudoers()))
        }
    }
}

/// Several actions publish, and one answer is enough for all of them.
async fn for_publishing(user: &str, actions: &[&PublishFunnel]) -> Option<Finding> {
    let first = actions.first()?;
    let commands: BTreeSet<Vec<String>> = actions.iter().flat_map(|action| action.commands()).collect();
    let commands: Vec<Vec<String>> = commands.into_iter().collect();
    let prefs = first.daemon.command(&["debug", "prefs"], Duration::ZERO).argv;
    let sudo = async {
        for command in &commands {
            allowed(&first.elevate, command).await?;
        }
        Ok(())
    };
    let (operator, sudo, hardened) = tokio::join!(operator(user, prefs), sudo, hardened());
    let operator = if user == "root" { Some(true) } else { operator };
    Some(judge_publishing(user, operator, sudo, hardened))
}

/// Whether sudo, called so, would run a command without asking for a password.
///
/// # Errors
/// Why not, or why that is not known.
async fn allowed(sudo: &[String], command: &[String]) -> Result<(), String> {
    if !is_sudo(sudo) {
        return Err("it is not to be tried with sudo".to_owned());
    }
    let list = ["-l", "--"].map(str::to_owned);
    ask::said([sudo, &list, command].concat()).await.map(drop)
}

/// Whether Tailscale obeys this user without sudo.
async fn operator(user: &str, prefs: Vec<String>) -> Option<bool> {
    let prefs = ask::said(prefs).await.ok()?;
    let prefs: serde_json::Value = serde_json::from_str(&prefs).ok()?;
    Some(prefs.get("OperatorUser").and_then(|name| name.as_str()) == Some(user))
}

/// Whether our running daemon can never gain rights; if it does not run, whether its unit says so. The process is
/// the better witness, because many directives imply it.
async fn hardened() -> Option<bool> {
    let wanted = "MainPID,NoNewPrivileges";
    let told = match ask::unit(Manager::User, SERVICE, wanted).await {
        Ok(told) => told,
        // Without a manager of our own, ours can only be a unit of the system.
        Err(_) => ask::unit(Manager::System, SERVICE, wanted).await.ok()?,
    };
    let pid = property(&told, "MainPID");
    if !matches!(pid, "" | "0") {
        return sudo::no_new_privileges(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?);
    }
    Some(property(&told, "NoNewPrivileges") == "yes")
}

fn judge(rights: &Rights<'_>) -> Finding {
    let Rights { manager, user, argv, operator, sudo, hardened } = rights;
    let make_operator = format!("sudo tailscale set --operator={user}");
    let plain = bare(argv).join(" ");
    if !is_sudo(argv) {
        return match operator {
            Some(true) => Finding::ok("rights", format!("{user} is Tailscale's operator")),
            Some(false) => {
                Finding::fail("rights", format!("Tailscale does not obey {user}: `{plain}`"), make_operator)
            }
            None => Finding::unknown(
                "rights",
                "whom Tailscale obeys is not known: `tailscale debug prefs` failed",
            ),
        };
    }
    if *hardened == Some(true) {
        let what = format!("the hardening of {SERVICE} forbids new rights, and so sudo: `{plain}`");
        let fix = if is_tailscale(argv) {
            format!("{make_operator}, and leave sudo -n out of the action's argv")
        } else {
            let systemctl = manager.systemctl();
            format!("{systemctl} revert {SERVICE} && {systemctl} restart {SERVICE}")
        };
        return Finding::fail("rights", what, fix);
    }
    match (sudo, operator) {
        (Ok(()), _) => Finding::ok("rights", format!("sudo runs `{plain}` without a password")),
        (Err(why), Some(true)) if is_tailscale(argv) => Finding::fail(
            "rights",
            format!("sudo does not run `{plain}` ({why}), but Tailscale obeys {user} without it"),
            "leave \"sudo\", \"-n\" out of the action's argv",
        ),
        (Err(why), _) if is_tailscale(argv) => {
            Finding::fail("rights", format!("sudo asks for a password before `{plain}` ({why})"), {
                format!(
                    "{make_operator}, and leave sudo -n out of the action's argv; or {}",
                    install_sudoers()
                )
            })
        }
        (Err(why), _) => Finding::fail(
            "rights",
            format!("sudo asks for a password before `{plain}` ({why})"),
            install_sudoers(),
        ),
    }
}

/// What publishes tries it as ourselves first, and then with sudo.
fn judge_publishing(
    user: &str,
    operator: Option<bool>,
    sudo: Result<(), String>,
    hardened: Option<bool>,
) -> Finding {
    let make_operator = format!("sudo tailscale set --operator={user}");
    let obeys = match operator {
        Some(true) => return Finding::ok("rights", format!("{user} may publish: Tailscale obeys")),
        Some(false) => format!("Tailscale does not obey {user}"),
        None => format!("whether Tailscale obeys {user} is not known"),
    };
    match sudo {
        _ if hardened == Some(true) => {
            let what = format!("{obeys}, and the hardening of {SERVICE} forbids new rights, and so sudo");
            Finding::fail("rights", what, make_operator)
        }
        Ok(()) => Finding::ok("rights", "sudo runs what publishes the webhook, without a password"),
        Err(why) => {
            let what = format!("nobody may publish: {obeys}, and without a password sudo does not ({why})");
            Finding::fail("rights", what, format!("{make_operator}; or {}", install_sudoers()))
        }
    }
}

/// The command that allows exactly what is configured, through the editor that refuses a broken file.
fn install_sudoers() -> String {
    format!("{} | sudo EDITOR=tee visudo -f /etc/sudoers.d/picoclaw-watchdog", sudo::PRINT)
}

pub(super) fn is_sudo(argv: &[String]) -> bool {
    argv.first().is_some_and(|program| program.rsplit('/').next() == Some("sudo"))
}

/// The command without sudo and its options.
pub(super) fn bare(argv: &[String]) -> &[String] {
    let skipped =
        if is_sudo(argv) { 1 + argv[1..].iter().take_while(|arg| arg.starts_with('-')).count() } else { 0 };
    &argv[skipped..]
}

fn is_tailscale(argv: &[String]) -> bool {
    bare(argv).first().is_some_and(|program| program.rsplit('/').next() == Some("tailscale"))
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn judged(argv: &str, operator: Option<bool>, sudo: bool, hardened: Option<bool>) -> (Grade, String) {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        let sudo = if sudo { Ok(()) } else { Err("sudo: a password is required".to_owned()) };
        let finding =
            judge(&Rights { manager: Manager::User, user: "pico", argv: &argv, operator, sudo, hardened });
        (finding.grade, finding.fix.unwrap_or_default())
    }

    const SUDO: &str = "sudo -n tailscale funnel --bg 18791";

    #[test]
    fn sudo_is_good_unless_it_asks_or_is_forbidden() {
        assert_eq!(judged(SUDO, Some(false), true, Some(false)).0, Grade::Ok);
        assert_eq!(judged(SUDO, None, true, None).0, Grade::Ok);
        let (grade, fix) = judged(SUDO, Some(false), false, Some(false));
        assert!(grade == Grade::Fail && fix.contains("--operator=pico"), "{fix}");
        assert!(fix.contains("doctor --print-sudoers | sudo"), "{fix}");
        let (grade, fix) = judged(SUDO, Some(true), true, Some(true));
        assert!(grade == Grade::Fail && fix.starts_with("sudo tailscale set --operator=pico"), "{fix}");
        let (grade, fix) = judged(SUDO, Some(true), false, Some(false));
        assert!(grade == Grade::Fail && fix.contains("leave"), "{fix}");
    }

    #[test]
    fn an_operator_needs_no_sudo() {
        let plain = "/usr/bin/tailscale funnel --bg 18791";
        assert_eq!(judged(plain, Some(true), false, Some(true)).0, Grade::Ok);
        assert_eq!(judged(plain, Some(false), true, None).1, "sudo tailscale set --operator=pico");
        assert_eq!(judged(plain, None, false, None).0, Grade::Unknown);
    }

    #[test]
    fn any_other_command_needs_its_own_line() {
        let (grade, fix) = judged("sudo -n systemctl restart ollama", Some(true), false, None);
        assert!(grade == Grade::Fail && fix.contains("doctor --print-sudoers | sudo"), "{fix}");
        assert!(judged("sudo systemctl restart ollama", None, true, Some(true)).1.contains("revert"));
    }

    fn publishing(operator: Option<bool>, sudo: bool, hardened: Option<bool>) -> (Grade, String) {
        let sudo = if sudo { Ok(()) } else { Err("sudo: a password is required".to_owned()) };
        let finding = judge_publishing("pico", operator, sudo, hardened);
        (finding.grade, finding.fix.unwrap_or_default())
    }

    #[test]
    fn publishing_needs_an_operator_or_sudo() {
        assert_eq!(publishing(Some(true), false, Some(true)).0, Grade::Ok);
        assert_eq!(publishing(Some(false), true, Some(false)).0, Grade::Ok);
        assert_eq!(publishing(None, true, None).0, Grade::Ok);
        let (grade, fix) = publishing(Some(false), true, Some(true));
        assert_eq!((grade, fix.as_str()), (Grade::Fail, "sudo tailscale set --operator=pico"));
        let (grade, fix) = publishing(None, false, None);
        assert!(
            grade == Grade::Fail
                && fix.starts_with("sudo tailscale set --operator=pico; or picoclaw-watchdog"),
            "{fix}"
        );
    }

    #[tokio::test]
    async fn sudo_is_asked_only_where_it_would_be_used() {
        let doas = ["doas".to_owned()];
        assert!(allowed(&doas, &["tailscale".to_owned()]).await.is_err());
        assert!(allowed(&[], &["tailscale".to_owned()]).await.is_err());
    }

    #[test]
    fn a_unit_of_the_system_takes_root_or_sudo_or_perhaps_polkit() {
        let unit = crate::values::UnitName::parse("db").unwrap();
        let restart = RestartSystemUnit { unit, timeout: Duration::from_secs(1), kill_after: None };
        let judged = |user, sudo: bool, hardened| {
            let sudo = if sudo { Ok(()) } else { Err("a password is required".to_owned()) };
            let finding = judge_unit(user, &restart, sudo, hardened);
            (finding.grade, finding.fix.unwrap_or_default())
        };
        assert_eq!(judged("root", false, Some(true)).0, Grade::Ok);
        assert_eq!(judged("pico", true, Some(false)).0, Grade::Ok);
        let polkit = "picoclaw-watchdog doctor --print-polkit".to_owned();
        assert_eq!(judged("pico", true, Some(true)), (Grade::Warn, polkit));
        let (grade, fix) = judged("pico", false, None);
        assert!(grade == Grade::Warn && fix.contains("--print-sudoers"), "{fix}");
    }
}
