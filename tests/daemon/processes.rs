//! Repairs of processes, under a real user manager and against a real PostgreSQL: who may be ended and is, who may
//! not be and is left alone, who is asked to reload, and a database that is cleaned up.

use crate::common::{GATEWAY, Installation, Machine, UNIT, Watched, wait_until, watchdog_binary};
use std::time::Duration;

const RESTART: &str = r#"do.restart-unit = { unit = "${PICOCLAW_WATCHDOG_GATEWAY_SERVICE:-picoclaw-gateway.service}", timeout = "20s" }"#;
const FREE: &str = r#"do.all = ["who-listens", "free-port"]
[action.who-listens]
do.check-port = { port = 18790, unit = "picoclaw-gateway.service" }
[action.free-port]
do.kill-listener = { port = 18790, unit = "picoclaw-gateway.service", grace = "500ms" }"#;

#[test]
fn a_hung_listener_is_ended_and_a_stranger_on_its_port_is_not() {
    let gateway_service = "Restart=on-failure\nRestartSec=100ms\nTimeoutStopSec=1";
    let stubborn =
        Installation { gateway_options: "--ignore-term", gateway_service, ..Installation::default() };
    let changes = [(RESTART, FREE), (r#"start_allowance = "4s""#, r#"start_allowance = "30s""#)];
    let Some(machine) = Watched::up("listener", &changes, &stubborn) else { return };
    machine.steer_gateway("hang", "");
    let log =
        machine.wait("it is ended", |log| !log.lines(&["SIGKILL, for SIGTERM did not help"]).is_empty());
    machine.unsteer_gateway("hang");
    let told = log.lines(&["restart-gateway", "who-listens: port 18790 is held by stand-in (pid "]);
    assert!(!told.is_empty() && told[0].contains("user pico, picoclaw-gateway.service)"), "{}", log.0);
    machine.wait_until_well();
    assert_eq!(machine.unit(GATEWAY, "NRestarts"), "1", "{}", machine.tails());

    machine.user_ok(&["systemctl", "--user", "stop", UNIT, GATEWAY]);
    let control = "/home/pico/stranger";
    let stranger = ["systemd-run", "--user", "--unit=stranger", "stand-in", "gateway", "--control", control];
    machine.user_ok(&stranger);
    machine.user_ok(&["systemctl", "--user", "start", UNIT]);
    machine.wait("it is refused", |log| {
        let refused = "stranger.service), not by picoclaw-gateway.service. Nothing was ended";
        !log.lines(&["free-port: port 18790 is held by stand-in", refused]).is_empty()
    });
    assert_eq!(machine.unit("stranger.service", "ActiveState"), "active");
}

/// A target that is always down, so that its action is tried at once.
fn always_down(action: &str) -> String {
    format!(
        "interval = \"2s\"\n[[target]]\nname = \"app\"\nsettle = \"15s\"\nladder = [{{ action = \"repair\" }}]\n\
         [[target.probe]]\nname = \"port\"\nfail_after = 1\ncheck.port = {{ port = 9, timeout = \"1s\" }}\n\
         [action.repair]\n{action}\n"
    )
}

/// One pass over it as pico, and what the log says of the action.
fn repaired(machine: &Machine, action: &str) -> String {
    machine.write("/home/pico/.picoclaw/watchdog.toml", &always_down(action));
    machine.user_ok(&["rm", "-rf", ".picoclaw/state", ".picoclaw/logs"]);
    machine.user(&["picoclaw-watchdog", "once"]);
    let log = machine.read("/home/pico/.picoclaw/logs/ops-watchdog.log");
    log.lines().filter(|line| line.contains("action=repair")).collect::<Vec<_>>().join("\n")
}

#[test]
fn only_who_handles_a_signal_is_sent_one() {
    let Some(machine) = Machine::up_or_skip("signal") else { return };
    machine.put(&watchdog_binary(), "/usr/local/bin/picoclaw-watchdog");
    let app = "trap 'touch ~/reloaded' HUP; while true; do sleep 0.1; done";
    machine.user_ok(&["systemd-run", "--user", "--unit=app", "bash", "-c", app]);
    machine.user_ok(&["systemd-run", "--user", "--unit=plain", "sleep", "600"]);
    // Its handler is set a moment after the start.
    wait_until(Duration::from_secs(60), "the signal is sent", || {
        let told = repaired(&machine, "do.signal-unit = { unit = \"app.service\", signal = \"HUP\" }");
        told.contains("SIGHUP sent to the main process of app.service").then_some(())
    });
    let reloaded = || machine.user(&["test", "-e", "reloaded"]).status.success().then_some(());
    wait_until(Duration::from_secs(60), "it has reloaded", reloaded);
    let told = repaired(&machine, "do.signal-unit = { unit = \"plain.service\" }");
    assert!(told.contains("plain.service: its main process does not handle SIGHUP"), "{told}");
    assert_eq!(machine.unit("plain.service", "ActiveState"), "active");
}

#[test]
fn databases_are_cleaned_up_with_a_password_that_nobody_sees() {
    let server = ["/etc/postgresql/15/main"];
    let Some(machine) = Machine::up_with_or_skip("vacuum", &server) else { return };
    machine.put(&watchdog_binary(), "/usr/local/bin/picoclaw-watchdog");
    machine.root_ok(&["systemctl", "start", "postgresql@15-main.service"]);
    let role = "create role keeper login superuser password 'p@ss word'";
    machine.root_ok(&["runuser", "-u", "postgres", "--", "psql", "-qc", role]);
    let vacuum = |password: &str| {
        let url = format!("postgresql://keeper:{password}@127.0.0.1/");
        repaired(&machine, &format!("do.vacuum = {{ url = \"{url}\", timeout = \"15s\" }}"))
    };
    let told = vacuum("p%40ss%20word");
    assert!(told.contains("the databases were cleaned up"), "{told}");
    let told = vacuum("wrong-one");
    assert!(told.contains("password authentication failed") && !told.contains("wrong-one"), "{told}");
}
