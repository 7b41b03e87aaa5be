//! The watchdog itself under systemd: killed, hung, stopped, told to read its configuration again, and in the mode in
//! which nothing stays resident.

use crate::common::{GATEWAY, Installation, UNIT, Watched};

/// A gateway that hangs and ignores SIGTERM: its restart takes as long as systemd's patience with it.
const STUBBORN: Installation<'_> = Installation {
    gateway: GATEWAY,
    gateway_options: "--ignore-term",
    gateway_service: "TimeoutStopSec=8",
    env: "",
};

#[test]
fn killed_in_the_middle_of_a_restart_it_keeps_the_budget_and_verifies() {
    let Some(machine) = Watched::install("crash", &[], &STUBBORN) else { return };
    machine.drop_in(UNIT, "[Service]\nRestartSec=500ms\n");
    machine.start_gateway();
    machine.enable();
    machine.wait_until_well();
    machine.steer_gateway("hang", "");
    machine.wait("a restart is under way", |log| !log.lines(&["action=diagnostics", "attempt 1"]).is_empty());
    // In one call, for each costs its time on a busy machine.
    let kill = "until [[ $(systemctl --user show --value -p ActiveState \"$1\") == deactivating ]]; do sleep 0.02; done
        rm ~/control/hang; systemctl --user kill --signal=KILL \"$2\"";
    machine.user_ok(&["bash", "-euc", kill, "kill", GATEWAY, UNIT]);
    machine.wait("it is back", |log| log.lines(&["action=start "]).len() == 2);
    machine.wait_until_well();
    let log = machine.cycles(2);
    assert_eq!(log.attempts("gateway"), 1, "{}", log.0);
    assert!(log.lines(&["attempt 1 done"]).is_empty(), "it was killed before that");
    assert!(machine.explain().contains("1 of 3 attempts used"), "{}", machine.explain());
    assert!(machine.pushes().is_empty(), "{:?}", machine.pushes());
}

#[test]
fn hung_it_is_brought_back_by_systemd() {
    // The least that the program asks for is twice a cycle and its longest pass: 22 s here.
    let actions = [(r#"timeout = "20s" }"#, r#"timeout = "1s" }"#)];
    let Some(machine) = Watched::install("hung", &actions, &Installation::default()) else { return };
    machine.drop_in(UNIT, "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\nRestartSec=500ms\n");
    machine.start_gateway();
    machine.enable();
    machine.wait_until_well();
    let asked: u64 = machine.unit(UNIT, "WatchdogUSec").trim_end_matches('s').parse().unwrap();
    assert!((10..=25).contains(&asked), "the unit's 2 s would be too short for a pass: {asked} s");
    machine.user_ok(&["systemctl", "--user", "kill", "--kill-who=main", "--signal=STOP", UNIT]);
    machine.wait("it is back", |log| log.lines(&["action=start "]).len() == 2);
    machine.wait_until_well();
    let journal = machine.user_ok(&["journalctl", "--user", "--no-pager", "-u", UNIT]);
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    assert_eq!(machine.unit(UNIT, "NRestarts"), "1");
}

/// A name that is looked up cannot be given up, and takes a minute here.
#[test]
fn a_stop_does_not_wait_for_a_name_server_that_is_silent() {
    let far = "[[target]]\nname = \"far\"\n[[target.probe]]\nname = \"get\"\n\
               check.http = { url = \"http://far.example/\", timeout = \"1s\" }\n\n# --- Ollama: watched";
    let changes = [("# --- Ollama: watched", far)];
    let Some(machine) = Watched::install("names", &changes, &Installation::default()) else { return };
    let silent = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.9', 53)); \
                  open('/run/silent', 'w'); [s.recv(512) for _ in iter(int, 1)]";
    machine.root_ok(&["systemd-run", "--quiet", "--unit=silent", "python3", "-c", silent]);
    machine.root_ok(&["bash", "-c", "until [[ -e /run/silent ]]; do sleep 0.05; done"]);
    let script = "printf 'nameserver 127.0.0.9\\noptions timeout:30 attempts:2\\n' >/run/resolv.conf &&
                  mount --bind /run/resolv.conf \"$(readlink -f /etc/resolv.conf)\"";
    machine.root_ok(&["bash", "-c", script]);
    machine.start_gateway();
    machine.enable();
    machine.wait("the name is asked for", |log| !log.lines(&["target=far "]).is_empty());
    let asked = std::time::Instant::now();
    machine.user_ok(&["systemctl", "--user", "stop", UNIT]);
    assert!(asked.elapsed().as_secs() < 8, "systemd waits for 10 s: {:?}", asked.elapsed());
    assert_eq!(machine.unit(UNIT, "Result"), "success");
}

#[test]
fn a_stop_is_obeyed_in_the_middle_of_a_restart_and_a_reload_is_told() {
    // Longer than a stop may take: whoever waits for the restart is too late.
    let stubborn = Installation { gateway_service: "TimeoutStopSec=30", ..STUBBORN };
    let Some(machine) = Watched::up("stop", &[], &stubborn) else { return };
    machine.user_ok(&["systemctl", "--user", "reload", UNIT]);
    machine.wait("it has reloaded", |log| !log.lines(&["action=reload "]).is_empty());
    machine.wait("systemd knows", |_| machine.unit(UNIT, "ActiveState") == "active");
    machine.write("/home/pico/.picoclaw/watchdog.toml", "interval = 3\n");
    machine.user_ok(&["systemctl", "--user", "reload", UNIT]);
    let body = machine.wait_for_push("the new configuration cannot be used, the old one stays");
    assert!(body.contains("watchdog.toml:1:"), "the place of the mistake: {body}");
    machine.steer_gateway("hang", "");
    machine.wait("the old one is in force", |_| machine.unit(GATEWAY, "ActiveState") == "deactivating");

    let asked = std::time::Instant::now();
    machine.user_ok(&["systemctl", "--user", "stop", UNIT]);
    assert!(asked.elapsed().as_secs() < 15, "{:?}", asked.elapsed());
    assert_eq!(
        (machine.unit(UNIT, "Result"), machine.unit(UNIT, "ActiveState")),
        ("success".to_owned(), "inactive".to_owned())
    );
    // And with this file it does not start at all, nor is it started for ever.
    let refused = machine.user(&["systemctl", "--user", "start", UNIT]);
    assert!(!refused.status.success());
    assert_eq!(
        (machine.unit(UNIT, "ExecMainStatus"), machine.unit(UNIT, "ActiveState")),
        ("78".to_owned(), "failed".to_owned())
    );
}

#[test]
fn the_timer_mode_repairs_too_and_never_beside_the_daemon() {
    let Some(machine) = Watched::up("timer", &[], &Installation::default()) else { return };
    // By hand beside the daemon: it says who holds the lock, and the daemon goes on.
    let beside = machine.user(&[".local/bin/picoclaw-watchdog", "once"]);
    let told = String::from_utf8_lossy(&beside.stderr).into_owned();
    assert_eq!(beside.status.code(), Some(75), "{told}");
    assert!(told.contains(&machine.unit(UNIT, "MainPID")), "{told}");

    // Added to the minute of the timer itself; what comes first counts.
    machine.drop_in(
        "picoclaw-watchdog.timer",
        "[Timer]\nOnActiveSec=1s\nOnUnitActiveSec=2s\nAccuracySec=100ms\n",
    );
    machine.user_ok(&["make", "-C", "src", "enable-watchdog", "MODE=timer"]);
    assert_eq!(machine.unit(UNIT, "ActiveState"), "inactive");
    machine.cycles(2);
    machine.kill_gateway();
    machine.wait("a pass has repaired it", |log| !log.lines(&["attempt 1 done"]).is_empty());
    machine.wait_until_well();
    assert_eq!(machine.log().attempts("gateway"), 1);
    assert_eq!(machine.log().lines(&["action=start "]).len(), 1, "the daemon was started once, by us");
    assert!(machine.pushes().is_empty(), "{:?}", machine.pushes());
}
