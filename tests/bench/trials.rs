//! How quick it is: to get ready, to finish a cycle while endpoints hang, to notice a death and to repair it.

use crate::common::{Machine, wait_until};
use crate::meter::cycle_times;
use crate::profile::Profile;
use crate::site::{GATEWAY, Site, WATCHDOG};
use std::thread::sleep;
use std::time::Duration;

/// Trials of each kind; the median and the ninth decile of so many are steady.
const TRIALS: usize = 20;
/// Time for some cycles of a timeout and an interval each.
const HUNG_WATCHED: Duration = Duration::from_secs(21);
/// So many endpoints that never answer are there.
const MOST_HUNG: u16 = 3;
const SOON: Duration = Duration::from_secs(20);

/// Milliseconds from the start of the process to READY.
pub(crate) fn starts(site: &Site) -> Vec<f64> {
    let took = (0..TRIALS).map(|_| site.start(&Profile::default())).collect();
    site.stop();
    took
}

/// Milliseconds of a few cycles while some of those who are asked hang, and the log of them.
pub(crate) fn hung_cycles(site: &Site, profile: &Profile) -> (Vec<f64>, String) {
    site.hang(MOST_HUNG);
    site.start(profile);
    sleep(HUNG_WATCHED);
    let log = site.log();
    site.stop();
    (cycle_times(&log), log)
}

/// Kills the gateway again and again. Milliseconds from each kill until the attempt was decided, saved and
/// logged, and until systemd started the gateway anew.
pub(crate) fn kills(site: &Site) -> (Vec<f64>, Vec<f64>) {
    site.start(&Profile::default().without_limits());
    let machine = site.machine();
    let (mut killed, mut restarted) = (Vec::new(), Vec::new());
    for trial in 0..TRIALS {
        wait_until(SOON, "the gateway counts as healthy again", || is_watched(machine, trial).then_some(()));
        let pid = machine.unit(GATEWAY, "MainPID");
        // Bash reads the clock and kills without starting a process in between.
        let stamp =
            machine.user_ok(&["bash", "-c", r#"echo "$EPOCHREALTIME"; kill -KILL "$1""#, "kill", &pid]);
        wait_until(SOON, "the gateway runs again", || {
            Some(machine.unit(GATEWAY, "MainPID")).filter(|now| *now != pid && now != "0")
        });
        killed.push(stamp.replace('.', "").parse::<f64>().unwrap());
        restarted.push(started(machine));
    }
    let noticed = attempts(machine);
    site.stop();
    (milliseconds(&killed, &noticed), milliseconds(&killed, &restarted))
}

/// Whether as many repairs as there were kills have been proven, so that the next kill is a new incident.
fn is_watched(machine: &Machine, kills: usize) -> bool {
    let script = "~/.local/bin/picoclaw-watchdog status >/dev/null && grep -c ' action=restart-gateway .* done:' \
                  ~/.picoclaw/logs/ops-watchdog.log";
    let output = machine.user(&["bash", "-c", script]);
    String::from_utf8_lossy(&output.stdout).trim().parse() == Ok(kills)
}

/// When systemd last started the gateway's process, in microseconds of the wall clock.
fn started(machine: &Machine) -> f64 {
    let object = "/org/freedesktop/systemd1/unit/picoclaw_2dgateway_2eservice";
    let service = "org.freedesktop.systemd1.Service";
    let get = [
        "busctl",
        "--user",
        "get-property",
        "org.freedesktop.systemd1",
        object,
        service,
        "ExecMainStartTimestamp",
    ];
    machine.user_ok(&get).trim_start_matches("t ").parse().unwrap()
}

/// When journald received each line that announces an attempt, in microseconds of the wall clock.
fn attempts(machine: &Machine) -> Vec<f64> {
    let journal =
        machine.user_ok(&["journalctl", "--user", "--unit", WATCHDOG, "--output", "json", "--no-pager"]);
    let announces = |line: &&str| line.contains("action=restart-gateway") && line.contains(" in the window)");
    let stamp = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["__REALTIME_TIMESTAMP"].as_str().unwrap().parse().unwrap()
    };
    journal.lines().filter(announces).map(stamp).collect()
}

fn milliseconds(from: &[f64], to: &[f64]) -> Vec<f64> {
    assert_eq!(from.len(), to.len(), "one event per kill");
    from.iter().zip(to).map(|(from, to)| (to - from) / 1e3).collect()
}
