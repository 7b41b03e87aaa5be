//! The watchdog of a whole system: installed with make as its own user, watching a real PostgreSQL as the shipped
//! example says, and allowed exactly what it prints itself.

use crate::common::{Machine, OpsLog, copy_sources, repository, wait_until_showing, watchdog_binary};
use std::fs;
use std::time::Duration;

const DATABASE: &str = "postgresql@15-main.service";
const UNIT: &str = "picoclaw-watchdog.service";
const CONFIG: &str = "/etc/picoclaw-watchdog/watchdog.toml";
const LOG: &str = "/var/lib/picoclaw-watchdog/.picoclaw/logs/ops-watchdog.log";
const PROGRAM: &str = "/usr/local/bin/picoclaw-watchdog";
const SUDOERS: &str = "/etc/sudoers.d/picoclaw-watchdog";
const RULES: &str = "/etc/polkit-1/rules.d/50-picoclaw-watchdog.rules";
/// A database needs three seconds for a restart, and five machines may be busy at once.
const SOON: Duration = Duration::from_secs(60);

/// Of the shipped example, what would take minutes. Single tries go on, so that one of them comes after the rights.
const SHORTENED: &[(&str, &str)] = &[
    ("manager = \"system\"", "manager = \"system\"\ninterval = \"2s\"\nreprobe = \"300ms\""),
    ("settle = \"60s\"", "settle = \"8s\"\nbackoff = [\"0s\"]\nhalf_open = [\"3s\"]"),
    ("{ port = 5432 }", "{ port = 5432, timeout = \"1s\" }"),
];

/// A machine with both running in it.
struct System(Machine);

impl System {
    /// `drop_in` is added to the unit before its first start.
    fn up(name: &str, drop_in: &str) -> Option<Self> {
        let needed = ["/usr/bin/sudo", "/usr/bin/pkcheck", "/etc/postgresql/15/main"];
        let system = Self(Machine::up_with_or_skip(name, &needed)?);
        system.install(drop_in);
        Some(system)
    }

    fn install(&self, drop_in: &str) {
        let machine = &self.0;
        let built = "/usr/local/lib/picoclaw-watchdog/picoclaw-watchdog";
        machine.put(&watchdog_binary(), built);
        copy_sources(machine);
        let binary = format!("BINARY={built}");
        let told = machine.root_ok(&["make", "-C", "/home/pico/src", "install-system", &binary]);
        assert!(told.contains("doctor --print-sudoers"), "{told}");
        self.write(CONFIG, &config());
        if !drop_in.is_empty() {
            self.write("/etc/systemd/system/picoclaw-watchdog.service.d/strict.conf", drop_in);
            machine.root_ok(&["systemctl", "daemon-reload"]);
        }
        machine.root_ok(&["systemctl", "start", DATABASE]);
        machine.root_ok(&["systemctl", "enable", "--now", UNIT]);
        self.wait("all is well at first", |log| !log.lines(&["action=end ", "all well"]).is_empty());
    }

    /// Writes a file as root, for everybody to read.
    fn write(&self, to: &str, content: &str) {
        let script = r#"mkdir -p "${1%/*}"; printf %s "$2" >"$1"; chmod 644 "$1""#;
        self.0.root_ok(&["bash", "-euc", script, "write", to, content]);
    }

    /// What the watchdog's own user gets from a command of the watchdog.
    fn doctor(&self, option: &str) -> String {
        let argv =
            ["runuser", "-u", "picoclaw-watchdog", "--", PROGRAM, "doctor", option, "--config", CONFIG];
        self.0.root_ok(&argv) + "\n"
    }

    fn property(&self, unit: &str, property: &str) -> String {
        self.0.root_ok(&["systemctl", "show", "--value", "-p", property, unit])
    }

    fn wait(&self, what: &str, is_so: impl Fn(&OpsLog) -> bool) -> OpsLog {
        let log = || OpsLog(self.0.read(LOG));
        let tails = || log().0 + &self.0.root_ok(&["journalctl", "--no-pager", "-n", "40"]);
        wait_until_showing(SOON, what, tails, || Some(log()).filter(&is_so))
    }

    /// As the kernel does when memory is short.
    fn kill_database(&self) {
        self.0.root_ok(&["systemctl", "kill", "--signal=KILL", DATABASE]);
    }

    fn wait_until_restarted(&self) {
        self.wait("it is restarted", |log| !log.lines(&["restarted, it is active"]).is_empty());
        assert_eq!(self.property(DATABASE, "ActiveState"), "active");
    }

    /// Whether the daemon can ever gain rights.
    fn no_new_privileges(&self) -> String {
        let status = format!("/proc/{}/status", self.property(UNIT, "MainPID"));
        self.0.root_ok(&["sed", "-n", "s/NoNewPrivs:\\t//p", &status])
    }
}

fn config() -> String {
    let mut text = fs::read_to_string(repository().join("config/system.toml")).unwrap();
    for (from, to) in SHORTENED {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// The settings that the unit's own comment recommends to those who do without sudo.
fn strict() -> String {
    let unit = fs::read_to_string(repository().join("systemd/system/picoclaw-watchdog.service")).unwrap();
    let comment = unit.split_once("strict.conf:\n").unwrap().1.split_once("[Install]").unwrap().0;
    let lines: Vec<&str> = comment.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    assert!(lines[0] == "[Service]" && lines.len() > 15, "{lines:?}");
    lines.join("\n") + "\n"
}

#[test]
fn a_unit_of_the_system_is_restarted_through_sudo_once_it_may() {
    let Some(system) = System::up("sudo", "") else { return };
    let machine = &system.0;
    let verified = machine.root(&["systemd-analyze", "verify", UNIT]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    assert_eq!(machine.root_ok(&["ps", "-o", "user:20=", "-C", "picoclaw-watchd"]), "picoclaw-watchdog");
    assert_eq!(system.no_new_privileges(), "0");

    // It may not, and says what is missing.
    system.kill_database();
    let line = format!(
        "sudoers lacks `picoclaw-watchdog ALL=(root) NOPASSWD: /usr/bin/systemctl reset-failed {DATABASE}, \
         /usr/bin/systemctl restart {DATABASE}`"
    );
    let log = system.wait("it is refused", |log| !log.lines(&[&line]).is_empty());
    assert!(!log.lines(&["Interactive authentication required"]).is_empty(), "{}", log.0);
    assert_eq!(system.property(DATABASE, "ActiveState"), "failed");

    // What it prints is what it needs, and nothing else.
    let printed = system.doctor("--print-sudoers");
    assert_eq!(printed.lines().filter(|line| !line.starts_with('#')).count(), 1, "{printed}");
    system.write(SUDOERS, &printed);
    machine.root_ok(&["chmod", "440", SUDOERS]);
    machine.root_ok(&["visudo", "-c", "-f", SUDOERS]);
    let as_watchdog = |verb: &str, unit: &str| {
        let sudo = ["runuser", "-u", "picoclaw-watchdog", "--", "sudo", "-n", "-l", "systemctl", verb, unit];
        machine.root(&sudo).status.success()
    };
    assert!(as_watchdog("restart", DATABASE));
    assert!(!as_watchdog("stop", DATABASE) && !as_watchdog("restart", "dbus.service"));

    system.wait_until_restarted();
}

#[test]
fn without_sudo_polkit_allows_the_same_to_a_unit_that_is_strictly_confined() {
    let Some(system) = System::up("polkit", &strict()) else { return };
    assert_eq!(system.no_new_privileges(), "1");
    // Found before it is needed.
    let report =
        system.0.root(&["runuser", "-u", "picoclaw-watchdog", "--", PROGRAM, "doctor", "--config", CONFIG]);
    let told = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(told.contains("the hardening of picoclaw-watchdog.service forbids sudo to restart"), "{told}");

    system.write(RULES, &system.doctor("--print-polkit"));
    system.kill_database();
    system.wait_until_restarted();
    let refused =
        ["runuser", "-u", "picoclaw-watchdog", "--", "systemctl", "--no-ask-password", "stop", DATABASE];
    assert!(!system.0.root(&refused).status.success(), "the rule allows a restart and no more");
}

#[test]
fn uninstalling_leaves_what_a_person_wrote() {
    let Some(system) = System::up("uninstall", "") else { return };
    let machine = &system.0;
    let told = machine.root_ok(&["make", "-C", "/home/pico/src", "uninstall-system"]);
    assert!(told.contains("/etc/picoclaw-watchdog"), "{told}");
    for gone in [PROGRAM, "/etc/systemd/system/picoclaw-watchdog.service"] {
        assert!(!machine.root(&["test", "-e", gone]).status.success(), "{gone}");
    }
    machine.root_ok(&["test", "-s", CONFIG]);
    machine.root_ok(&["test", "-s", LOG]);
}

/// How much of the host an attacker would have through the unit, by systemd's own account: tenths of a point.
#[test]
fn the_unit_is_as_confined_as_its_actions_allow() {
    let unit = fs::read_to_string(repository().join("systemd/system/picoclaw-watchdog.service")).unwrap();
    let strict = unit.replace("[Install]", &format!("{}[Install]", strict().replace("[Service]\n", "")));
    let dir = tempfile::tempdir().unwrap();
    for (name, text, threshold) in [("with-sudo", unit, "63"), ("strict", strict, "16")] {
        let file = dir.path().join(format!("{name}.service"));
        fs::write(&file, text).unwrap();
        let mut analyze = std::process::Command::new("systemd-analyze");
        analyze.args(["security", "--offline=yes", "--no-pager", "--threshold", threshold]).arg(&file);
        let output = analyze.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}: {}", told.lines().last().unwrap_or_default());
    }
}
