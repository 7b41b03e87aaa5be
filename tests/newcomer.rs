//! What somebody meets who does not know the program yet: everything switched off, a disk that is full, a state that
//! cannot be read, a configuration that was broken meanwhile. Whatever is printed then must be true.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::Home;
use serde_json::Value;
use std::fs;
use std::process::Output;
use std::time::Duration;

/// A port that is refused on every machine, and a probe of it that people are told of.
const DOWN: &str = "interval = \"2s\"\n[[target]]\nname = \"a\"\n[[target.probe]]\nname = \"port\"\n\
                    check.port = { port = 9, timeout = \"1s\" }\n";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

const OFF: &str = "switched off (enabled = false / PICOCLAW_WATCHDOG_ENABLED): nothing is watched";

#[test]
fn what_is_switched_off_is_said_everywhere() {
    let home = Home::new(&format!("enabled = false\n{DOWN}"));
    for command in [&["explain"][..], &["status"], &["once"]] {
        let output = home.ask(command);
        assert_eq!((output.status.code(), out(&output).trim_end()), (Some(1), OFF), "{command:?}");
        let told = json(&home.ask(&[command, &["--json"]].concat()));
        assert_eq!((told["off"].as_str(), told["overall"].as_str()), (Some(OFF), Some("degraded")));
    }
    let doctor = home.ask(&["doctor"]);
    assert!(out(&doctor).contains(&format!("fail    watchdog  {OFF}")), "{}", out(&doctor));
    assert!(!out(&doctor).contains("ok      watchdog"), "{}", out(&doctor));
    let report = home.path("report.md");
    home.ask(&["once", "--report", report.to_str().unwrap()]);
    assert!(fs::read_to_string(report).unwrap().contains(OFF));
}

#[test]
fn a_daemon_that_is_switched_off_shows_nothing_old() {
    let home = Home::new(DOWN);
    let daemon = home.start();
    assert_ne!(home.ask(&["status"]).status.code(), Some(69));
    home.configure(&format!("enabled = false\n{DOWN}"));
    let status = home.ask(&["status"]);
    assert!(err(&status).contains("has not read that yet"), "{}", err(&status));
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait("it says that it is off", |log| !log.lines(&["level=WARN", OFF]).is_empty());
    common::wait_until(Duration::from_secs(60), "nothing old is shown", || {
        err(&home.ask(&["status"])).is_empty().then_some(())
    });
}

#[test]
fn a_disk_that_is_full_is_said_in_one_line() {
    let home = Home::new(DOWN);
    for command in [&["check"][..], &["check", "--json"], &["explain"], &["once", "--json"]] {
        let full = fs::File::create("/dev/full").unwrap();
        let output = home.command(command).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(70), "{command:?}: {}", err(&output));
        let words = "picoclaw-watchdog: cannot print to stdout: No space left on device";
        assert!(err(&output).starts_with(words) && err(&output).lines().count() == 1, "{}", err(&output));
    }
}

#[test]
fn a_report_is_there_though_nobody_could_read_the_output() {
    let home = Home::new(DOWN);
    let report = home.path("report.md");
    let command = ["once", "--report", report.to_str().unwrap()];
    let output = home.command(&command).stdout(fs::File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(70), "{}", err(&output));
    assert!(report.exists());
    let refused = home.ask(&["once", "--report", "/nonexistent/x.md"]);
    assert_eq!(refused.status.code(), Some(64), "{}", err(&refused));
    assert_eq!(home.log().lines(&["action=end"]).len(), 1, "no second cycle was run");
}
