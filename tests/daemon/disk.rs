//! A state directory that takes nothing: the limits can then not be kept across a crash, so the watchdog makes one
//! repair per window at most, says so, and goes on as before once it can write.

use crate::common::{Installation, Watched};

const STATE: &str = "/home/pico/.picoclaw/state/watchdog";
/// Long enough to hold the whole story; the second fault comes within it.
const ENV: &str = "PICOCLAW_WATCHDOG_RESTART_WINDOW_SEC=45\n";

#[test]
fn a_read_only_state_directory() {
    let Some(machine) = up("readonly") else { return };
    machine.root_ok(&["mount", "--bind", STATE, STATE]);
    machine.root_ok(&["mount", "-o", "remount,bind,ro", STATE]);
    one_repair_per_window(&machine, "Read-only file system");
    machine.root_ok(&["umount", STATE]);
    all_is_as_before(&machine);
}

#[test]
fn a_full_disk() {
    let Some(machine) = up("full") else { return };
    // The same files on a disk that has no room for one more.
    machine.root_ok(&[
        "bash",
        "-euc",
        r#"
        mkdir /disk; mount -t tmpfs -o size=256k,mode=700 tmpfs /disk; cp -a "$1/." /disk; chown pico: /disk
        mount --move /disk "$1"; rmdir /disk
        dd if=/dev/zero of="$1/filler" bs=1k count=1000 status=none || true"#,
        "fill",
        STATE,
    ]);
    one_repair_per_window(&machine, "No space left on device");
    machine.root_ok(&["rm", &format!("{STATE}/filler")]);
    all_is_as_before(&machine);
}

fn up(name: &str) -> Option<Watched> {
    Watched::up(name, &[], &Installation { env: ENV, ..Installation::default() })
}

#[track_caller]
fn one_repair_per_window(machine: &Watched, why: &str) {
    machine.kill_gateway();
    machine.wait("the first fault is repaired", |log| !log.lines(&["attempt 1 done"]).is_empty());
    machine.wait_until_well();
    let body = machine.wait_for_push("the state cannot be saved");
    assert!(body.contains(why) && body.contains("one repair per window"), "{body}");
    machine.kill_gateway();
    let held = "the state cannot be saved: one attempt per window";
    machine.wait("the second is held", |log| !log.lines(&["target=gateway", held]).is_empty());
    let log = machine.wait("and made when the window has gone by", |log| log.attempts("gateway") == 2);
    let begun = log.attempt_seconds();
    assert!(begun[1] - begun[0] >= 44, "{begun:?}");
    machine.wait_until_well();
    let log = machine.log();
    assert_eq!(log.alerts()["state_not_durable"], 1, "{}", log.0);
    assert!(log.lines(&["target=kick"]).is_empty(), "nobody has asked for anything: {}", log.0);
}

#[track_caller]
fn all_is_as_before(machine: &Watched) {
    machine.wait_for_push("watchdog: recovered by itself after");
    machine.kill_gateway();
    machine.wait("the next repair waits for no window", |log| log.attempts("gateway") == 3);
    machine.wait_until_well();
    assert!(
        machine.read(&format!("{STATE}/state.json")).contains("\"attempts\":3"),
        "{}",
        machine.read(&format!("{STATE}/state.json"))
    );
}
