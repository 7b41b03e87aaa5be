//! The user manager itself in trouble: no bus, or a manager that does not answer. Not knowing is no fault of the
//! gateway's, no reason to act, and no reason to be slow.

use crate::common::{Installation, UNIT, Watched};

/// Half the watchdog's patience in this configuration; a bus call has a deadline far below.
const BOUNDED_MS: u64 = 8_000;

#[test]
fn the_bus_goes_and_comes_back() {
    let Some(machine) = Watched::up("bus", &[], &Installation::default()) else { return };
    machine.user_ok(&["systemctl", "--user", "stop", "dbus.socket", "dbus.service"]);
    machine.wait("it is noticed", |log| !log.lines(&["target=bus", "action=detect"]).is_empty());
    let log = machine.cycles(3);
    assert_eq!(log.attempts("gateway"), 0, "{}", log.0);
    assert!(log.slowest_cycle_ms() < BOUNDED_MS, "{}", log.0);

    // A fault that nobody can mend now; it is confirmed, held, and mended when the bus is back.
    machine.kill_gateway();
    machine.wait("it is held", |log| {
        !log.lines(&["target=gateway", "held: the service manager cannot be asked"]).is_empty()
    });
    assert_eq!(machine.log().attempts("gateway"), 0);
    machine.user_ok(&["systemctl", "--user", "start", "dbus.socket"]);
    machine.wait_until_well();
    machine.wait_for_gateway();
    assert_eq!(machine.log().attempts("gateway"), 1, "{}", machine.tails());

    // Changes are noticed at once again, too: by the bus, in the middle of a wait.
    machine.kill_gateway();
    machine.wait("it acts", |log| log.attempts("gateway") == 2);
    machine.wait_until_well();
    assert_eq!(machine.unit(UNIT, "NRestarts"), "0", "{}", machine.tails());
}

#[test]
fn a_manager_that_does_not_answer_holds_up_nothing() {
    let Some(machine) = Watched::up("frozen", &[], &Installation::default()) else { return };
    let manager = machine.root_ok(&["pgrep", "-u", "pico", "-x", "systemd"]);
    machine.root_ok(&["kill", "-STOP", &manager]);
    machine.cycles(1);
    let log = machine.cycles(3);
    assert_eq!(log.attempts("gateway"), 0, "{}", log.0);
    assert!(log.slowest_cycle_ms() < BOUNDED_MS, "{} ms\n{}", log.slowest_cycle_ms(), log.0);
    let explained = machine.explain();
    let unit = explained.lines().find(|line| line.trim_start().starts_with("unit ")).unwrap_or_default();
    assert!(unit.contains("unknown"), "the manager must be frozen, or this shows nothing:\n{explained}");
    assert_eq!(machine.gateway_status("/health"), Some(200));
    machine.root_ok(&["kill", "-CONT", &manager]);
    machine.wait_until_well();

    machine.kill_gateway();
    machine.wait("it acts again", |log| log.attempts("gateway") == 1);
    machine.wait_until_well();
    assert!(machine.pushes().is_empty(), "{:?}", machine.pushes());
    assert_eq!(
        machine.unit(UNIT, "NRestarts"),
        "0",
        "systemd must not take it for hung\n{}",
        machine.tails()
    );
}
