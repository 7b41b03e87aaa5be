//! Requests of people, against the real daemon: taken at once, answered where the caller can read it, and refused
//! in every way in which they should be. The cycle is an hour long here, so that only the doorbell can be heard.

use crate::common::{Home, StandIn, wait_until};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TOKEN: &str = "kick-token-0123456789";
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_good_kick_acts_at_once_and_is_answered() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), true);
    let _daemon = home.start();
    let output = home.ask(&["kick", "restart_gateway", "--source", "line:U0123"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("restart_gateway: do restart now (attempt 1"), "{told}");
    assert!(home.path("acted").exists(), "the answer comes after the act");

    for source in ["one", "two", "three"] {
        // At once, or it would take an hour.
        assert!(home.ask(&["kick", "check_gateway", "--source", source]).status.success());
    }

    let log = home.log();
    assert_eq!(log.lines(&["target=kick ", "action=restart_gateway", "line:U0123"]).len(), 1, "{log:?}");
    assert_eq!(log.attempts("gateway"), 1);
    assert!(!log.0.contains(TOKEN));
    assert_eq!(
        fs::metadata(home.state().join("kick_request.result")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(leftovers(&home), ["kick_request.result"]);
}

#[test]
fn what_is_no_good_request_does_nothing_and_says_why() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), true);
    let daemon = home.start();
    let now = now();
    let refused: &[(&str, String, u32, &str)] = &[
        ("expired", format!("restart_gateway|{TOKEN}|cli|{}\n", now - 121), 0o600, "it expired"),
        (
            "from the future",
            format!("restart_gateway|{TOKEN}|cli|{}\n", now + 300),
            0o600,
            "ahead of our clock",
        ),
        ("readable by others", format!("restart_gateway|{TOKEN}|cli|{now}\n"), 0o644, "its mode is 644"),
        ("unknown", format!("rm_everything|{TOKEN}|cli|{now}\n"), 0o600, "unknown action"),
        ("garbage", "\u{1}\u{2}||".to_owned(), 0o600, "not of the form"),
        ("forged", format!("restart_gateway|wrong-token-0123456|cli|{now}\n"), 0o600, "wrong token"),
    ];
    for (what, line, mode, why) in refused {
        put(&home, line, *mode);
        let told = answer(&home);
        assert!(told.contains(&format!("refused: {why}")) || told.contains(why), "{what}: {told}");
        assert!(told.contains("refused"), "{what}: {told}");
    }
    symlinked(&home);
    let log = daemon.wait("forgery is told", |log| log.alerts().contains_key("kick_auth_failed"));
    assert_eq!(log.alerts()["kick_auth_failed"], 1, "{log:?}");
    assert_eq!(log.attempts("gateway"), 0, "{log:?}");
    assert!(!home.path("acted").exists() && !log.0.contains(TOKEN));
}

/// A link to a perfect request: whoever made it need not be who owns what it points to.
fn symlinked(home: &Home) {
    home.write("perfect", &format!("restart_gateway|{TOKEN}|cli|{}\n", now()));
    symlink(home.path("perfect"), home.state().join("kick_request")).unwrap();
    let told = answer(home);
    assert!(told.contains("symbolic link"), "{told}");
    assert!(home.path("perfect").exists());
}

#[test]
fn a_replay_is_refused_even_after_a_restart() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), true);
    let daemon = home.start();
    let line = format!("restart_gateway|{TOKEN}|cli|{}\n", now());
    put(&home, &line, 0o600);
    assert!(answer(&home).contains("do restart now"));
    put(&home, &line, 0o600);
    assert!(answer(&home).contains("it was accepted before"));
    daemon.kill();
    let _daemon = home.start();
    put(&home, &line, 0o600);
    assert!(answer(&home).contains("it was accepted before"));
    assert_eq!(home.log().attempts("gateway"), 1);
}

#[test]
fn a_source_cannot_write_the_log_and_kicks_have_a_budget_of_their_own() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), true);
    let _daemon = home.start();
    let now = now();
    put(&home, &format!("restart_gateway|{TOKEN}|line:U1\" level=ERROR $(x)|{now}\n"), 0o600);
    assert!(answer(&home).contains("line:U1levelERRORx"));
    put(&home, &format!("restart_gateway|{TOKEN}|second|{now}\n"), 0o600);
    let second = answer(&home);
    assert!(second.contains("attempt 2"), "{second}");
    put(&home, &format!("restart_gateway|{TOKEN}|third|{now}\n"), 0o600);
    let third = answer(&home);
    assert!(third.contains("the budget of kicks is spent (2 per 10 min)"), "{third}");
    let output = home.ask(&["kick", "check_gateway", "--source", "fourth"]);
    assert!(
        String::from_utf8(output.stdout).unwrap().contains("check_gateway: gateway:"),
        "looking costs nothing"
    );
}

#[test]
fn a_kick_finds_its_token_anywhere_but_on_the_command_line() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), true);
    let _daemon = home.start();
    home.write("token", &format!("{TOKEN}\n"));
    home.write(".picoclaw/.env", "");
    let asked = ["kick", "check_gateway", "--source"];
    let none = home.ask(&[&asked[..], &["nobody"]].concat());
    assert_eq!(none.status.code(), Some(64), "{none:?}");
    let mut piped = home.command(&[&asked[..], &["stdin", "--token-stdin"]].concat());
    let piped = piped.stdin(fs::File::open(home.path("token")).unwrap()).output().unwrap();
    assert_eq!(piped.status.code(), Some(0), "{piped:?}");
    let mut given = home.command(&[&asked[..], &["environment"]].concat());
    let given = given.env("PICOCLAW_WATCHDOG_KICK_TOKEN", TOKEN).output().unwrap();
    assert_eq!(given.status.code(), Some(0), "{given:?}");
    let mut wrong = home.command(&[&asked[..], &["wrong"]].concat());
    let wrong = wrong.env("PICOCLAW_WATCHDOG_KICK_TOKEN", "wrong-token-0123456").output().unwrap();
    assert_eq!(wrong.status.code(), Some(77), "{wrong:?}");
}

#[test]
fn kicks_that_are_off_are_refused() {
    let gateway = StandIn::gateway(&[]);
    let home = home(&gateway.url("/health"), false);
    let _daemon = home.start();
    put(&home, &format!("restart_gateway|{TOKEN}|cli|{}\n", now()), 0o600);
    assert!(answer(&home).contains("kicks are switched off"));
    assert_eq!(home.log().attempts("gateway"), 0);
}

/// The token is in `.env`, as on a real machine; the repair leaves a mark.
fn home(health: &str, enabled: bool) -> Home {
    let home = Home::new("");
    let mark = home.path("acted");
    home.configure(&format!(
        r#"
interval = "1h"
[kick]
enabled = {enabled}
token = "${{PICOCLAW_WATCHDOG_KICK_TOKEN:-}}"
window = {{ attempts = 2, per = "10m" }}
[kick.actions]
restart_gateway = {{ recover = "gateway" }}
check_gateway = {{ check = "gateway" }}
[[target]]
name = "gateway"
window = {{ attempts = 9, per = "10m" }}
ladder = [{{ action = "restart", tries = 9 }}]
[[target.probe]]
name = "health"
check.http = {{ url = "{health}", timeout = "1s" }}
[action.restart]
do.run = {{ argv = ["touch", "{}"] }}
"#,
        mark.display()
    ));
    home.write(".picoclaw/.env", &format!("PICOCLAW_WATCHDOG_KICK_TOKEN={TOKEN}\n"));
    home
}

/// As the old script does: written beside its place and renamed into it.
fn put(home: &Home, line: &str, mode: u32) {
    fs::remove_file(home.state().join("kick_request.result")).ok();
    home.write("new", line);
    fs::set_permissions(home.path("new"), fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(home.path("new"), home.state().join("kick_request")).unwrap();
}

#[track_caller]
fn answer(home: &Home) -> String {
    let result = home.state().join("kick_request.result");
    let text = wait_until(SOON, "the kick is answered", || fs::read_to_string(&result).ok());
    fs::remove_file(result).unwrap();
    text
}

/// What lies where requests are put.
fn leftovers(home: &Home) -> Vec<String> {
    let is_kick = |path: &Path| path.to_string_lossy().contains("kick_request");
    let entries = fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| is_kick(path))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
