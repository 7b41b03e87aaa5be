//! A moltworker whose backup grows old, behind Cloudflare Access: the age is judged, never what it says of itself.

use crate::common::{Home, OpsLog, StandIn};
use nix::sys::signal::Signal;
use std::time::Duration;

/// The age by the worker's own word, with the questions that wake it kept for when the backup looks stale.
fn config(molt: &StandIn) -> String {
    let text = r#"
interval = "2s"
reprobe = "300ms"
hold_off = "0s"
[[target]]
name = "backup"
ladder = [{ action = "back-up-now", tries = 2 }]
window = { attempts = 2, per = "10m" }
backoff = ["0s"]
settle = "3m"
stable_passes = 2
stable_for = "5s"
alert_after = "3s"
[[target.probe]]
name = "age"
fail_after = 2
[target.probe.check.http]
url = "BASE/api/admin/storage"
headers = { "CF-Access-Client-Id" = "stand-in.access", "CF-Access-Client-Secret" = "${CF_SECRET}" }
age = { pointer = "/lastSync", max = "20m" }
timeout = "600ms"
[[target.probe.excuse]]
for = "30d"
every = "6h"
http = { url = "BASE/api/status", json = [{ pointer = "/status", any_of = ["not_running"] }], timeout = "400ms" }
[[target.probe.excuse]]
for = "15m"
http = { url = "BASE/api/status", json = [{ pointer = "/status", any_of = ["not_responding"] }], timeout = "400ms" }
[action.back-up-now]
disruptive = false
[action.back-up-now.do.http]
url = "BASE/api/admin/storage/sync"
headers = { "CF-Access-Client-Id" = "stand-in.access", "CF-Access-Client-Secret" = "${CF_SECRET}" }
timeout = "3m"
only_if.http = { url = "BASE/api/status", json = [{ pointer = "/status", equals = "running" }] }
"#;
    text.replace("BASE", &molt.url(""))
}

fn home(molt: &StandIn) -> Home {
    let home = Home::new(&config(molt));
    home.write(".picoclaw/.env", "CF_SECRET=cfast_stand-in\n");
    home
}

fn requests(molt: &StandIn, line: &str) -> usize {
    molt.record().lines().filter(|request| *request == line).count()
}

const SYNC: &str = "POST /api/admin/storage/sync";
const STATUS: &str = "GET /api/status";

fn repaired(log: &OpsLog) -> bool {
    !log.lines(&["target=backup", "action=recovered"]).is_empty()
}

#[test]
fn a_stale_backup_is_made_anew_and_the_pass_does_not_wait() {
    let molt = StandIn::moltworker();
    let home = home(&molt);
    let daemon = home.start();
    daemon.cycles(1);
    assert_eq!(requests(&molt, STATUS), 0, "a fresh backup is no reason to wake anybody");

    molt.steer("sync-takes", "5000");
    molt.steer("last-sync", "3600");
    let asked = "under way: asked; it may take up to 3 min, and the probes tell whether it helped";
    daemon.wait("it is asked to back up", |log| !log.lines(&["action=back-up-now", asked]).is_empty());
    // It takes five seconds, in which all else goes on.
    let log = daemon.cycles(2);
    assert!(!repaired(&log) && log.slowest_cycle_ms() < 4_500, "{}", log.0);
    let log = daemon.wait("the backup is fresh again", repaired);
    assert_eq!((requests(&molt, SYNC), log.attempts("backup")), (1, 1), "{}", log.0);
    let ended = ["target=backup action=back-up-now id=1", "200, says: ", "Sync completed successfully"];
    let ended = ended.map(|words| words.replace("backup action", "backup result=OK action"));
    assert_eq!(log.lines(&ended.each_ref().map(String::as_str)).len(), 1, "{}", log.0);
    let told = String::from_utf8(home.ask(&["explain", "--id", "1"]).stdout).unwrap();
    assert!(told.contains("done: 200, says: "), "what came of it, and not that it was begun: {told}");
    assert!(!log.0.contains("cfast_stand-in"), "{}", log.0);
}

#[test]
fn a_lie_is_quoted_and_not_believed_and_two_are_enough() {
    let molt = StandIn::moltworker();
    let home = home(&molt);
    let hasty = config(&molt).replace("settle = \"3m\"", "settle = \"4s\"");
    home.configure(&hasty.replace("timeout = \"3m\"", "timeout = \"2s\""));
    molt.steer("sync-lies", "");
    molt.steer("last-sync", "3600");
    let daemon = home.start();
    let log = daemon.wait_within(Duration::from_secs(40), "people are told", |log| !log.alerts().is_empty());
    assert_eq!(requests(&molt, SYNC), 2, "{}", log.0);
    assert!(!repaired(&log) && !log.lines(&["Sync completed successfully"]).is_empty(), "{}", log.0);
    assert!(!log.lines(&["skip_notify", "/lastSync is 1 h"]).is_empty(), "{}", log.0);
}

#[test]
fn who_is_asleep_is_not_blamed() {
    let molt = StandIn::moltworker();
    let home = home(&molt);
    molt.steer("last-sync", "86400");
    molt.steer("status", "not_running");
    let daemon = home.start();
    let log = daemon.cycles(4);
    assert!(log.attempts("backup") == 0 && log.alerts().is_empty(), "{}", log.0);
    assert_eq!(requests(&molt, SYNC), 0);
    let said = String::from_utf8_lossy(&home.ask(&["status"]).stdout).into_owned();
    assert!(said.contains("but excused: 200") && said.contains(r#"/status is "not_running""#), "{said}");

    assert_eq!(requests(&molt, STATUS), 1, "a sleeper is asked once in six hours");
    drop(daemon);
    let daemon = home.start();
    daemon.cycles(2);
    assert_eq!(requests(&molt, STATUS), 1, "and a new daemon knows what it said");
}

#[test]
fn a_start_excuses_for_minutes_and_nothing_for_ever() {
    // Three months old, asleep: beyond the month.
    let molt = StandIn::moltworker();
    let first = home(&molt);
    molt.steer("last-sync", "7776000");
    molt.steer("status", "not_running");
    let daemon = first.start();
    daemon.wait("a failure is seen", |log| !log.lines(&["target=backup", "/lastSync is 90 d"]).is_empty());
    drop(daemon);
    // Half an hour old, and starting; then it starts for ever, and is blamed.
    let molt = StandIn::moltworker();
    let second = home(&molt);
    molt.steer("last-sync", "1800");
    molt.steer("status", "not_responding");
    let daemon = second.start();
    let log = daemon.cycles(3);
    assert!(log.attempts("backup") == 0 && log.alerts().is_empty(), "{}", log.0);
    molt.steer("last-sync", "7200");
    daemon.wait("it is blamed", |log| !log.lines(&["target=backup", "/lastSync is 2 h"]).is_empty());
}

#[test]
fn a_login_page_is_our_misconfiguration() {
    let molt = StandIn::moltworker();
    let home = home(&molt);
    molt.steer("login", "");
    let daemon = home.start();
    let log = daemon.cycles(3);
    assert_eq!(
        (log.attempts("backup"), requests(&molt, SYNC), requests(&molt, STATUS)),
        (0, 0, 0),
        "{}",
        log.0
    );
    let said = String::from_utf8_lossy(&home.ask(&["status"]).stdout).into_owned();
    let told = "misconfigured probe: 302, redirected to https://team.cloudflareaccess.com/";
    assert!(said.contains(told) && !said.contains("kid="), "{said}");
}

#[test]
fn nothing_is_sent_to_who_does_not_run() {
    let molt = StandIn::moltworker();
    let home = home(&molt);
    molt.steer("last-sync", "3600");
    molt.steer("status", "error");
    let daemon = home.start();
    let log = daemon
        .wait("it was not asked", |log| !log.lines(&["failed: not asked: 200, but /status is"]).is_empty());
    assert_eq!(requests(&molt, SYNC), 0, "{}", log.0);
}

#[test]
fn the_end_of_the_daemon_does_not_wait_for_a_backup() {
    let molt = StandIn::moltworker();
    let home = home(&molt);
    molt.steer("last-sync", "3600");
    molt.steer("sync-takes", "60000");
    let mut daemon = home.start();
    daemon.wait("it is asked to back up", |log| !log.lines(&["under way: asked"]).is_empty());
    // A new configuration changes nothing for what is under way.
    daemon.signal(Signal::SIGHUP);
    let log = daemon.wait("it is read again", |log| !log.lines(&["action=reload"]).is_empty());
    assert!(log.lines(&["action=back-up-now", "ended after"]).is_empty(), "{}", log.0);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait_for_end(Duration::from_secs(20)).success());
}

#[test]
fn a_single_run_waits_for_the_backup_that_it_has_asked_for() {
    let molt = StandIn::moltworker();
    let home = home(&molt);
    molt.steer("last-sync", "3600");
    molt.steer("sync-takes", "2000");
    home.ask(&["once"]);
    let log = home.log();
    assert_eq!(
        log.lines(&["target=backup", "result=OK", "ended after", "Sync completed successfully"]).len(),
        1,
        "{}",
        log.0
    );
}
