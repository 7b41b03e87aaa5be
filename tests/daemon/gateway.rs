//! The whole line under a real user manager, as an unprivileged user who installed it with make: what becomes of a
//! gateway that dies, hangs, cannot start, starts slowly, or has lost its port.

use crate::common::{GATEWAY, Installation, OpsLog, Watched, wait_until};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(90);

#[test]
fn a_gateway_that_is_killed_or_hangs_is_restarted_and_nobody_is_told() {
    let Some(machine) = Watched::install("killed", &[], &Installation::default()) else { return };
    machine.start_gateway();
    machine.enable();
    // `systemctl restart` has come back, and it does only at READY.
    assert!(machine.log().cycles() > 0, "ready before the first cycle:\n{}", machine.tails());
    assert_ne!(machine.unit("picoclaw-watchdog.service", "StatusText"), "");
    machine.wait_until_well();
    assert_eq!(machine.unit("picoclaw-watchdog.service", "StatusText"), "all well (gateway)");

    let invocation = machine.unit(GATEWAY, "InvocationID");
    machine.kill_gateway();
    let log = machine.wait("it was restarted", |log| !log.lines(&["attempt 1 done"]).is_empty());
    assert_eq!(
        log.lines(&["target=gateway", "attempt 1 (1 of 3 in the window): unit: it failed (signal)"]).len(),
        1,
        "{}",
        log.0
    );
    assert_eq!(log.lines(&["target=gateway", "action=diagnostics"]).len(), 1);
    machine.wait_until_well();
    assert_ne!(machine.unit(GATEWAY, "InvocationID"), invocation);

    machine.user_ok(&["systemctl", "--user", "kill", "--signal=STOP", GATEWAY]);
    let log = machine.wait("the hang was confirmed", |log| !log.lines(&["attempt 2 done"]).is_empty());
    assert!(!log.lines(&["attempt 2 (2 of 3 in the window)", "health: "]).is_empty(), "{}", log.0);
    machine.wait_until_well();
    machine.wait_for_gateway();
    assert_eq!(machine.cycles(2).attempts("gateway"), 2);
    assert!(machine.pushes().is_empty() && machine.log().alerts().is_empty(), "{:?}", machine.pushes());
}

/// A cycle takes an hour here: only systemd's word and the doorbell of the kick file can be heard.
#[test]
fn a_death_and_a_kick_are_noticed_at_once_and_no_secret_shows() {
    let env = "PICOCLAW_WATCHDOG_INTERVAL_SEC=3600\nPICOCLAW_WATCHDOG_KICK_ENABLED=true\n\
               PICOCLAW_WATCHDOG_KICK_TOKEN=kick-token-of-the-tests\n";
    let Some(machine) = Watched::up("noticed", &[], &Installation { env, ..Installation::default() }) else {
        return;
    };
    machine.kill_gateway();
    machine.wait("it was restarted", |log| !log.lines(&["attempt 1 done"]).is_empty());
    machine.wait_for_gateway();
    machine.wait("it is verified", |log| {
        log.lines(&["target=gateway", "action="])
            .last()
            .is_some_and(|line| line.contains("healthy; nothing to do"))
    });

    let told =
        machine.user_ok(&["make", "-C", "src", "watchdog-kick", "ACTION=restart_gateway", "SOURCE=line:U1"]);
    assert!(told.contains("restart_gateway: do restart-gateway now (attempt 2 in the window): "), "{told}");
    assert!(told.contains("picoclaw-gateway.service restarted"), "{told}");
    assert_eq!((machine.log().attempts("gateway"), machine.log().cycles()), (2, 2), "{}", machine.tails());

    // Where they may stand: in .env, and in our own list of what to look for.
    machine.write("/home/pico/secrets", "line-token-of-the-tests\nkick-token-of-the-tests\n");
    let script = "! grep -rlFf ~/secrets ~/.picoclaw/state ~/.picoclaw/logs ~/line $XDG_RUNTIME_DIR/picoclaw-watchdog /proc/[0-9]*/cmdline &&
                  ! journalctl --user --no-pager | grep -Ff ~/secrets && ls ~/.picoclaw/state/watchdog/diagnostics && grep -cFf ~/secrets ~/.picoclaw/.env";
    let told = machine.user_ok(&["bash", "-c", script]);
    assert!(told.contains("-gateway-2.txt") && told.ends_with("\n2"), "bundles, and both in .env: {told}");
}

#[test]
fn a_gateway_that_exits_at_once_is_tried_twice_and_then_people_are_told() {
    // The single tries that follow are held by the window too, so it is short.
    let env = "PICOCLAW_WATCHDOG_RESTART_WINDOW_SEC=12\n";
    let options = Installation { gateway_options: "--exit-at-once 3", env, ..Installation::default() };
    let Some(machine) = Watched::install("exits", &[], &options) else { return };
    machine.user_ok(&["systemctl", "--user", "start", GATEWAY]);
    machine.enable();
    let body = machine.wait_for_push("gateway: repairs do not help");
    assert!(body.contains("exit-code") && body.contains("Tried: ") && body.contains("journalctl"), "{body}");
    let log = machine.log();
    // A single try follows soon.
    let before = OpsLog(log.0.split("alert_raised").next().unwrap_or_default().to_owned());
    let starts = before.attempt_seconds();
    assert_eq!(starts.len(), 2, "two changed nothing: {}", log.0);
    assert!(starts[1] - starts[0] >= 1, "the backoff is kept: {starts:?}");
    assert!(log.alerts().contains_key("gateway_restart_failed"), "{:?}", log.alerts());

    // A person mends it; one of the single tries that go on finds that out.
    let unit = ".config/systemd/user/picoclaw-gateway.service";
    machine.user_ok(&["sed", "-i", "s/--exit-at-once 3//", unit]);
    machine.user_ok(&["systemctl", "--user", "daemon-reload"]);
    machine.wait_for_push("It was: ");
    let log = machine.log();
    assert!((3..=5).contains(&log.attempts("gateway")), "{}", log.0);
}

#[test]
fn a_slow_start_costs_exactly_one_restart() {
    // The default of the tests, 4 s, would not do; a busy machine may take much longer than 9.5 s.
    let changes = [
        (r#"start_allowance = "4s""#, r#"start_allowance = "30s""#),
        (r#"settle = "2s""#, r#"settle = "1s""#),
    ];
    let options = Installation { gateway_options: "--start-delay 9470", ..Installation::default() };
    let Some(machine) = Watched::up("slow", &changes, &options) else { return };
    machine.kill_gateway();
    machine.wait("it waits for the start", |log| !log.lines(&["target=gateway", "verifying"]).is_empty());
    machine.wait_until_well();
    let log = machine.cycles(2);
    assert_eq!(log.attempts("gateway"), 1, "{}", log.0);
    assert!(machine.pushes().is_empty(), "{:?}", machine.pushes());
}

#[test]
fn a_port_that_somebody_else_has_is_named_and_no_storm_follows() {
    let Some(machine) = Watched::install("port", &[], &Installation::default()) else { return };
    machine.user_ok(&["systemd-run", "--user", "--quiet", "--unit=thief", "stand-in", "listen", "18790"]);
    wait_until(SOON, "the thief listens", || {
        machine.user(&["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/18790"]).status.success().then_some(())
    });
    machine.user_ok(&["systemctl", "--user", "start", GATEWAY]);
    machine.enable();
    let body = machine.wait_for_push("repairs do not help");
    assert!(
        body.contains("port 18790 is held by stand-in (pid ") && body.contains("not by picoclaw-gateway"),
        "{body}"
    );
    let explained = machine.explain();
    assert!(explained.contains("port 18790 is held by stand-in"), "{explained}");
    // Two that changed nothing, and one single try may have come due.
    assert!(machine.cycles(3).attempts("gateway") <= 3, "{}", machine.tails());

    machine.user_ok(&["systemctl", "--user", "stop", "thief"]);
    machine.user_ok(&["systemctl", "--user", "restart", GATEWAY]);
    machine.wait_for_push("It was: ");
}

/// Something else is asked in the same pass and lets it wait for 15 s; the gateway does not wait for it.
#[test]
fn a_death_in_the_middle_of_a_long_pass_is_answered_at_once() {
    let hung = "[[target]]\nname = \"hung\"\n[[target.probe]]\nname = \"get\"\n\
                check.http = { url = \"http://127.0.0.1:18900/\", timeout = \"15s\" }\n\n# --- Ollama: watched";
    let options = Installation { env: "PICOCLAW_WATCHDOG_INTERVAL_SEC=20\n", ..Installation::default() };
    let Some(machine) = Watched::install("midst", &[("# --- Ollama: watched", hung)], &options) else {
        return;
    };
    machine.user_ok(&["systemd-run", "--user", "--quiet", "--unit=hung", "stand-in", "listen", "18900"]);
    machine.start_gateway();
    machine.enable();
    let waiting = ["ss", "-Htn", "state", "established", "dport = :18900"];
    wait_until(SOON, "it waits for the answer", || {
        (!machine.user_ok(&waiting).trim().is_empty()).then_some(())
    });
    machine.kill_gateway();
    // In far less time than the pass would take.
    wait_until(Duration::from_secs(10), "it is restarted", || {
        (machine.log().attempts("gateway") == 1).then_some(())
    });
    machine.wait_for_gateway();
}
