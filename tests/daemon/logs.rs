//! Rules about logs, through the real binary: a line that a service writes leads to a repair, and none is lost or
//! counted twice, whatever happens to the file or to us.

use crate::common::{Home, OpsLog};
use crate::writer::{Dice, Writer};
use nix::sys::signal::Signal;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A rule whose repair is a program that leaves a mark, so that how often it ran can be counted.
const CONFIG: &str = r#"
interval = "2s"
reprobe = "200ms"
hold_off = "0s"
[[source]]
name = "app"
files = ["~/logs/app.log"]
[[target]]
name = "disk-full"
severity = "critical"
ladder = [{ action = "tidy", tries = 2 }]
window = { attempts = 2, per = "1h" }
backoff = ["0s", "1s"]
cooldown = "3s"
settle = "4s"
stable_passes = 2
stable_for = "10s"
alert_after = "1h"
[[target.probe]]
name = "log"
[target.probe.check.log]
in = ["app"]
pattern = 'No space left on device'
exclude = ['of the test']
within = "2s"
trusted = true
hits = ['OSError: [Errno 28] No space left on device']
misses = ['space left on device: 3 GB']
[action.tidy]
disruptive = false
do.run = { argv = ["sh", "-c", "echo ran >> ~/ran; exit ${EXIT:-0}"] }
"#;

struct App {
    home: Home,
    log: PathBuf,
}

impl App {
    fn new(config: &str) -> Self {
        let home = Home::new(config);
        let log = home.path("logs/app.log");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        File::create(&log).unwrap();
        Self { home, log }
    }

    fn writes(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// How often the repair ran.
    fn ran(&self) -> usize {
        fs::read_to_string(self.home.path("ran")).map(|text| text.lines().count()).unwrap_or_default()
    }

    /// What the saved state has counted.
    fn counted(&self) -> u64 {
        let state =
            fs::read_to_string(self.home.path(".picoclaw/state/watchdog/state.json")).unwrap_or_default();
        let document = state.lines().nth(1).unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        value
            .pointer("/state/scan/rules/disk-full~1log/total")
            .and_then(|total| total.as_u64())
            .unwrap_or_default()
    }
}

fn repaired(log: &OpsLog) -> bool {
    !log.lines(&["target=disk-full", "action=recovered"]).is_empty()
}

const FULL: &str = "OSError: [Errno 28] No space left on device\n";

#[test]
fn a_line_leads_to_one_repair_at_once_and_silence_proves_it() {
    let app = App::new(CONFIG);
    app.writes(FULL);
    let daemon = app.home.start();
    daemon.cycles(2);
    assert_eq!(app.ran(), 0, "what stood there before we came is not news");
    app.writes(&FULL.repeat(500));
    daemon.wait("the repair", |_| app.ran() > 0);
    let log = daemon.wait("silence proves it", repaired);
    let bundles = fs::read_dir(app.home.path(".picoclaw/state/watchdog/diagnostics")).unwrap();
    let bundle = fs::read_to_string(bundles.last().unwrap().unwrap().path()).unwrap();
    assert!(bundle.contains("disk-full/log: 500 in 2 s, 500 ever; OSError: [Errno 28]"), "{bundle}");
    assert_eq!((app.ran(), log.attempts("disk-full")), (1, 1), "{}", log.0);
    assert!(log.alerts().is_empty(), "{}", log.0);
    app.writes("No space left on device, says the author of the test\nspace left on device: 3 GB\n");
    daemon.cycles(2);
    assert_eq!(app.ran(), 1, "excluded and harmless lines");
}

#[test]
fn a_repair_that_fails_is_tried_within_its_budget_and_then_told() {
    let app = App::new(&CONFIG.replace("${EXIT:-0}", "1"));
    let daemon = app.home.start();
    daemon.cycles(1);
    let began = Instant::now();
    let log = daemon.wait("people are told", |log| {
        app.writes(&FULL.repeat(50));
        std::thread::sleep(Duration::from_millis(100));
        began.elapsed() > Duration::from_secs(8) && !log.alerts().is_empty()
    });
    assert_eq!(app.ran(), 2, "{}", log.0);
    assert!(log.lines(&["No space left on device"]).len() < 20, "no storm in the log either: {}", log.0);
}

/// Rotation while nobody looks, a restart, a kill: each line once.
#[test]
fn every_line_is_counted_once_through_rotation_and_death() {
    let app = App::new(CONFIG);
    let daemon = app.home.start();
    daemon.cycles(1);
    app.writes(&FULL.repeat(3));
    daemon.cycles(2);
    drop(daemon);
    app.writes(&FULL.repeat(4));
    fs::rename(&app.log, app.log.with_extension("log.1")).unwrap();
    app.writes(&FULL.repeat(5));
    let daemon = app.home.start();
    daemon.cycles(2);
    daemon.signal(Signal::SIGKILL);
    drop(daemon);
    app.writes(&FULL.repeat(6));
    let daemon = app.home.start();
    daemon.cycles(2);
    assert_eq!(app.counted(), 18);
}

/// A writer that writes and rotates in every way as fast as it can, and a watchdog that is killed at random.
#[test]
fn every_line_is_counted_once_whoever_is_killed_meanwhile() {
    let app = App::new(CONFIG);
    let daemon = app.home.start();
    daemon.cycles(1);
    // Gone before the next one starts, which would find the lock held.
    let mut daemon = Some(daemon);
    let mut writer = Writer::new(app.log.parent().unwrap(), " No space left on device");
    let mut deaths = 0;
    let mut death = Instant::now() + Duration::from_millis(300);
    writer.torture(&mut Dice(7), Instant::now() + Duration::from_secs(6), |dice| {
        if Instant::now() >= death {
            if let Some(daemon) = daemon.take() {
                daemon.signal(Signal::SIGKILL);
            }
            daemon = Some(app.home.start());
            deaths += 1;
            death = Instant::now() + Duration::from_millis(100 + dice.throw(500));
        }
        std::thread::sleep(Duration::from_millis(10));
    });
    let daemon = daemon.unwrap();
    println!("{} lines, {} rotations, {deaths} deaths", writer.written, writer.rotated);
    daemon.wait("all lines are counted", |_| app.counted() >= writer.written);
    daemon.cycles(2);
    assert_eq!(app.counted(), writer.written, "none twice");
}

/// With an hour between cycles it is the bell alone that brings a line: within 50 ms, and a pass.
#[test]
fn a_new_line_is_noticed_long_before_the_next_cycle() {
    let app = App::new(&CONFIG.replace("interval = \"2s\"", "interval = \"1h\""));
    let daemon = app.home.start();
    let mut took = Vec::new();
    for count in 1..=5 {
        let written = Instant::now();
        app.writes(FULL);
        daemon.wait("the line is counted and that is saved", |_| app.counted() == count);
        took.push(written.elapsed());
    }
    println!("noticed, counted and saved after {took:?}");
}

/// Where the kernel has no bell to spare, in a user namespace of our own, every cycle is the net.
#[test]
fn without_inotify_lines_are_found_all_the_same_and_why_they_are_late_is_said_once() {
    for (key, limit) in [("instances", "max_user_instances"), ("watches", "max_user_watches")] {
        let script = format!("echo 0 >/proc/sys/user/max_inotify_{key}; exec \"$@\"");
        let by = ["unshare", "-Ur", "sh", "-euc", &script, "by"];
        if !Command::new("unshare").args(&by[1..]).arg("true").status().is_ok_and(|status| status.success()) {
            eprintln!("!!!! SKIPPED: no user namespace can be had here");
            return;
        }
        let app = App::new(CONFIG);
        let daemon = app.home.start_by(&by);
        app.writes(&FULL.repeat(3));
        daemon.wait("the lines are counted", |_| app.counted() == 3);
        fs::rename(&app.log, app.home.path("logs/app.log.1")).unwrap();
        app.writes(&FULL.repeat(4));
        daemon.wait("those of the next file too", |_| app.counted() == 7);
        let log = daemon.cycles(2);
        let said = log.lines(&["level=WARN", "action=scan", limit, "picoclaw-watchdog doctor"]);
        assert_eq!(said.len(), 1, "{}", log.0);
    }
}

/// A log that is written faster than it may be read: that is said, and what is left comes later, each line once.
#[test]
fn what_is_beyond_the_budget_of_a_cycle_waits_for_the_next() {
    let app = App::new(&format!("scan.max_bytes = 65536\n{CONFIG}"));
    let daemon = app.home.start();
    daemon.cycles(1);
    let lines = 20_000;
    app.writes(&FULL.repeat(lines));
    let log = daemon
        .wait("the rest is said to wait", |log| !log.lines(&["action=scan", "more are there"]).is_empty());
    assert!(log.lines(&["action=scan"])[0].contains("see [scan] max_bytes"), "{}", log.0);
    assert!(app.counted() < lines as u64, "not all at once");
    daemon.wait("all of it is counted", |_| app.counted() >= lines as u64);
    let log = daemon.cycles(1);
    assert_eq!(app.counted(), lines as u64);
    assert!(log.lines(&["action=scan"]).len() <= log.cycles(), "said once per cycle: {}", log.0);
}

/// Other rules on the same log: what was counted stays, and it is read on from where it was read to.
#[test]
fn a_reload_that_changes_the_rules_loses_and_repeats_nothing() {
    let app = App::new(CONFIG);
    let daemon = app.home.start();
    app.writes(&FULL.repeat(3));
    daemon.cycles(1);
    assert_eq!(app.counted(), 3);
    app.home
        .configure(&CONFIG.replace("exclude = ['of the test']", "exclude = ['of the test', 'of another']"));
    app.writes(&FULL.repeat(4));
    daemon.signal(Signal::SIGHUP);
    app.writes("No space left on device of another\n");
    app.writes(&FULL.repeat(5));
    daemon.wait("the reload", |log| !log.lines(&["target=config", "action=reload", "result=OK"]).is_empty());
    daemon.wait("all of it is counted", |_| app.counted() >= 12);
    app.writes("No space left on device of another\n");
    daemon.cycles(2);
    let counted = app.counted();
    // The line of another may have come before or after the rule against it.
    assert!(counted == 12 || counted == 13, "{counted}");
}
