//! What systemd or a person does to the gateway's unit, under a real user manager: what is theirs is left to them, and
//! what nobody else does is done.

use crate::common::{GATEWAY, Installation, UNIT, Watched, wait_until};
use std::time::Duration;

const FILE: &str = ".config/systemd/user/picoclaw-gateway.service";

#[test]
fn a_unit_that_is_missing_is_said_and_never_restarted() {
    let Some(machine) = Watched::install("missing", &[], &Installation::default()) else { return };
    machine.user_ok(&["mv", FILE, "kept"]);
    machine.user_ok(&["systemctl", "--user", "daemon-reload"]);
    machine.enable();
    let body = machine.wait_for_push("systemd knows no such unit");
    assert!(body.contains("only a person can help"), "{body}");
    let explained = machine.explain();
    assert!(explained.contains("systemd knows no such unit"), "{explained}");
    assert_eq!(machine.cycles(3).attempts("gateway"), 0, "{}", machine.tails());
    assert_eq!(machine.pushes().len(), 1, "said once: {:?}", machine.pushes());

    machine.user_ok(&["mv", "kept", FILE]);
    machine.user_ok(&["systemctl", "--user", "daemon-reload"]);
    machine.start_gateway();
    machine.wait_for_push("It was: ");
}

#[test]
fn a_unit_that_a_person_stopped_or_masked_is_left_alone_and_said_once() {
    // Without a cooldown the same thing may be said again after it was over, which a second stop shows.
    let env = "PICOCLAW_WATCHDOG_ALERT_COOLDOWN_SEC=0\n";
    let Some(machine) = Watched::up("stopped", &[], &Installation { env, ..Installation::default() }) else {
        return;
    };
    machine.user_ok(&["systemctl", "--user", "stop", GATEWAY]);
    let body = machine.wait_for_push("gateway: left alone, because a person stopped it");
    assert!(body.contains("systemctl --user start picoclaw-gateway.service"), "{body}");
    let log = machine.cycles(4);
    assert_eq!((log.attempts("gateway"), machine.pushes().len()), (0, 1), "{}", log.0);
    assert!(machine.explain().contains("left alone: a person stopped it"));

    machine.start_gateway();
    machine.wait_until_well();
    machine.user_ok(&["systemctl", "--user", "stop", GATEWAY]);
    // It waits for the minute in which messages gather.
    wait_until(Duration::from_secs(90), "it is said again", || (machine.pushes().len() == 2).then_some(()));
    machine.user_ok(&["mv", FILE, "kept"]);
    machine.user_ok(&["systemctl", "--user", "mask", GATEWAY]);
    machine.wait("the mask is seen", |log| {
        !log.lines(&["target=gateway", "left alone: a person masked it"]).is_empty()
    });
    let log = machine.cycles(3);
    assert_eq!((log.attempts("gateway"), machine.pushes().len()), (0, 2), "{}", log.0);

    machine.user_ok(&["systemctl", "--user", "unmask", GATEWAY]);
    machine.user_ok(&["mv", "kept", FILE]);
    machine.user_ok(&["systemctl", "--user", "daemon-reload"]);
    machine.start_gateway();
    machine.wait_until_well();
    assert_eq!(machine.log().attempts("gateway"), 0, "{}", machine.tails());
}

#[test]
fn what_systemd_restarts_by_itself_is_left_to_it() {
    let gateway_service = "Restart=always\nRestartSec=4";
    let options = Installation { gateway_service, ..Installation::default() };
    let Some(machine) = Watched::up("auto", &[], &options) else { return };
    machine.kill_gateway();
    machine.wait("it says that it waits", |log| {
        !log.lines(&["target=gateway", "systemd restarts it by itself"]).is_empty()
    });
    machine.wait_until_well();
    let log = machine.cycles(2);
    assert_eq!((log.attempts("gateway"), machine.unit(GATEWAY, "NRestarts").as_str()), (0, "1"), "{}", log.0);
    assert!(machine.pushes().is_empty(), "{:?}", machine.pushes());
}

#[test]
fn a_unit_at_its_start_limit_is_forgiven_first() {
    // One start by hand, one by systemd, and the limit is reached: systemd refuses every further start.
    let gateway_service =
        "Restart=on-failure\nRestartSec=100ms\n[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2";
    let options = Installation { gateway_service, ..Installation::default() };
    let Some(machine) = Watched::up("limit", &[], &options) else { return };
    machine.user_ok(&["systemctl", "--user", "stop", UNIT]);
    // How many starts it still has depends on whether systemd forgot some when it was reloaded.
    let state = || machine.unit(GATEWAY, "ActiveState");
    for restarts in 1..=3 {
        if state() == "active" {
            machine.kill_gateway();
            let restarts = restarts.to_string();
            machine.wait("systemd has answered", |_| {
                state() == "failed" || (machine.unit(GATEWAY, "NRestarts") == restarts && state() == "active")
            });
        }
    }
    let refused = machine.user(&["systemctl", "--user", "start", GATEWAY]);
    assert!(!refused.status.success(), "systemd must refuse, or this shows nothing");
    // Not `make enable-watchdog`: that reloads systemd, and a reload forgets the count of starts.
    machine.user_ok(&["systemctl", "--user", "start", UNIT]);
    machine.wait_until_well();
    machine.wait_for_gateway();
    assert_eq!(machine.log().attempts("gateway"), 1, "{}", machine.tails());
    assert!(machine.pushes().is_empty(), "{:?}", machine.pushes());
}
