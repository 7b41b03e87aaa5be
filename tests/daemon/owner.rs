//! What only the owner can ask for: pauses through the inbox, and the story of an action from the history. The
//! cycle is an hour long where only the doorbell may be heard.

use crate::common::{Home, StandIn, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
/// Nobody listens on the port of "discard".
const DEAD: &str = "http://127.0.0.1:9/health";

#[test]
fn a_pause_is_taken_at_once_and_so_is_its_end() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), "1h");
    let daemon = home.start();
    let told = home.ask(&["pause", "gateway", "--for", "2h", "--reason", "an \"upgrade\""]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(text(&told).starts_with("gateway is paused until 2"), "{told:?}");
    let log = daemon.wait("it is logged", |log| !log.lines(&["action=pause"]).is_empty());
    assert_eq!(log.lines(&["target=gateway", "action=pause", "for 2 h: an \\\"upgrade\\\""]).len(), 1);
    assert_eq!(waiting(&home), 0);
    let mode = fs::metadata(home.state().join("inbox")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    let told = home.ask(&["resume", "all", "--json"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let json: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&json["taken"], &json["paused"]), (&true.into(), &serde_json::json!([])));
    daemon.wait("it is logged", |log| !log.lines(&["target=all", "action=resume"]).is_empty());
}

#[test]
fn an_order_waits_for_the_next_cycle_where_nobody_runs() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), "1h");
    let told = home.ask(&["pause", "all", "--for", "30m"]);
    assert_eq!(told.status.code(), Some(69), "{told:?}");
    assert!(text(&told).contains("it counts from the next cycle of the watchdog or its timer"), "{told:?}");
    assert!(home.ask(&["explain"]).status.success());
    assert_eq!(waiting(&home), 1, "who only looks takes nothing");
    assert!(home.ask(&["once"]).status.success());
    assert_eq!(waiting(&home), 0);
    assert_eq!(home.log().lines(&["target=all", "action=pause"]).len(), 1);
}

#[test]
fn a_pause_needs_a_target_and_an_end() {
    let home = home(DEAD, "1h");
    for bad in [
        &["pause", "gateway"][..],
        &["pause", "--for", "2h"],
        &["pause", "gatway", "--for", "2h"],
        &["pause", "gateway", "--for", "31d"],
        &["pause", "gateway", "--for", "2"],
        &["resume", "gatway"],
        &["resume"],
    ] {
        assert_eq!(home.ask(bad).status.code(), Some(64), "{bad:?}");
    }
    assert!(!home.state().join("inbox").exists());
}

#[test]

fn what_is_paused_is_not_repaired_until_the_pause_ends() {
    let home = home(DEAD, "1s");
    assert_eq!(home.ask(&["pause", "gateway", "--for", "1h"]).status.code(), Some(69));
    let daemon = home.start();
    let log = daemon.cycles(3);
    assert_eq!(log.attempts("gateway"), 0, "{log:?}");
    let status = home.ask(&["status"]);
    assert!(text(&status).contains("paused     gateway is paused until"), "{status:?}");
    assert!(home.ask(&["resume", "gateway"]).status.success());
    daemon.wait("it is repaired", |log| log.attempts("gateway") > 0);
}

#[test]
fn an_action_can_be_explained_by_its_id_after_the_watchdog_is_gone() {
    let home = home(DEAD, "1s");
    let daemon = home.start();
    let log = daemon.wait("it was tried", |log| !log.lines(&["attempt 1 done"]).is_empty());
    assert_eq!(log.lines(&["target=gateway", "action=restart id=1 detail=\"attempt 1 (1 of 9"]).len(), 1);
    assert_eq!(log.lines(&["action=restart id=1 detail=\"attempt 1 done"]).len(), 1, "{log:?}");
    let story = || Some(text(&home.ask(&["explain", "--id", "1"]))).filter(|told| told.contains("\ndone: "));
    wait_until(SOON, "its outcome is recorded", story);
    daemon.kill();

    let told = text(&home.ask(&["explain", "--id", "1"]));
    for words in [
        "action 1: restart for gateway, 2",
        "because health: connection refused; do restart now (attempt 1 in the window)",
        "connection refused (failure 2, 2 make it a fault)",
        "1 of 9 attempts used in 10 min",
        "done: exit code 0",
    ] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    let json = home.ask(&["explain", "--id", "1", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["id"], &json["verdict"]["name"]), (&1.into(), &"gateway".into()));
    assert_eq!(json["outcome"]["word"], "done");

    let unknown = home.ask(&["explain", "--id", "99"]);
    assert_eq!(unknown.status.code(), Some(69), "{unknown:?}");
    let why = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(why.contains("there is no action 99: the history begins 2"), "{why}");
    assert_eq!(home.ask(&["explain", "gateway", "--id", "1"]).status.code(), Some(64));
}

#[test]
fn explain_says_what_it_would_do_and_who_depends_on_whom() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), "1h");
    let told = text(&home.ask(&["explain", "gateway"]));
    assert!(told.contains("next: restart (try 1 of 9), once health fails 2 times in a row"), "{told}");
    assert!(told.contains("needed by webhook"), "{told}");
    let told = text(&home.ask(&["explain", "webhook"]));
    assert!(told.contains("depends on gateway (ok)"), "{told}");
}

/// A gateway with a repair that does nothing, and something that depends on it.
fn home(health: &str, interval: &str) -> Home {
    let timeout = if interval == "1h" { "10s" } else { "500ms" };
    Home::new(&format!(
        r#"
interval = "{interval}"
reprobe = "200ms"
[[target]]
name = "gateway"
window = {{ attempts = 9, per = "10m" }}
backoff = ["0s", "1m"]
ladder = [{{ action = "restart", tries = 9 }}]
[[target.probe]]
name = "health"
fail_after = 2
check.http = {{ url = "{health}", timeout = "{timeout}" }}
[[target]]
name = "webhook"
depends_on = ["gateway"]
[[target.probe]]
name = "health"
check.http = {{ url = "{health}", timeout = "{timeout}" }}
[action.restart]
do.run = {{ argv = ["true"] }}
"#
    ))
}

fn waiting(home: &Home) -> usize {
    fs::read_dir(home.state().join("inbox")).unwrap().count()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_reader_that_goes_away_is_no_defect() {
    let home = Home::new("");
    fs::remove_file(home.path(".picoclaw/watchdog.toml")).unwrap();
    let mut child =
        home.command(&["simulate", "S5"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{output:?}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
