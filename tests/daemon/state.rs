//! The daemon's own life, where no systemd is needed: one instance, reloads, a stop in the middle of an action, a
//! crash in the middle of an action, and no secret anywhere.

use crate::common::{Home, StandIn, read, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);
/// Far less than what is under way takes; a busy machine needs a little for everything.
const STOP: Duration = Duration::from_secs(20);
const LINE_TOKEN: &str = "line-token-that-nobody-may-see";
const KICK_TOKEN: &str = "kick-token-that-nobody-may-see";

#[test]
fn the_second_instance_says_who_holds_the_lock() {
    let gateway = StandIn::gateway(&[]);
    let home = Home::new(&config(&gateway, "true", ""));
    let daemon = home.start();
    let me = format!("pid {}", daemon.pid());
    for command in ["run", "once"] {
        let output = home.ask(&[command]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(75), "{command}: {told}");
        assert!(told.contains("`run`") && told.contains(&me), "{command}: {told}");
    }
    // Looking is allowed beside it.
    assert_eq!(home.ask(&["explain"]).status.code(), Some(0));
    assert_eq!(home.ask(&["status"]).status.code(), Some(0));
    daemon.kill();
    assert_eq!(home.ask(&["once"]).status.code(), Some(0), "a lock dies with its holder");
}

#[test]
fn a_broken_file_changes_nothing_and_a_good_one_is_taken() {
    let (old, new) = (StandIn::gateway(&[]), StandIn::gateway(&[]));
    let good = config(&old, "true", "");
    let home = Home::new(&good);
    let daemon = home.start();
    home.configure(&good.replace("interval = \"2s\"", "interval = \"soon\"\nno_such_key = 1"));
    daemon.signal(Signal::SIGHUP);
    let log = daemon.wait("it is told", |log| log.alerts().contains_key("config_rejected"));
    let told = log.lines(&["target=config_rejected"])[0];
    assert!(told.contains("no_such_key") && told.contains("interval"), "all problems at once: {told}");
    assert_eq!(daemon.cycles(2).alerts()["config_rejected"], 1, "told once");
    old.steer("health-503", "");
    daemon.wait("the old file is still in force", |log| log.attempts("gateway") > 0);

    home.configure(&config(&new, "true", ""));
    daemon.signal(Signal::SIGHUP);
    daemon.wait("it is read", |log| !log.lines(&["action=reload "]).is_empty());
    daemon.wait("the new file is in force", |log| {
        log.0.lines().last().is_some_and(|line| line.contains("all well"))
    });
}

#[test]
fn a_stop_does_not_wait_for_an_action() {
    let gateway = StandIn::gateway(&[]);
    gateway.steer("health-503", "");
    let home = Home::new(&config(&gateway, "sleep", "\"60\", "));
    let mut daemon = home.start_until_attempt();
    let asked = Instant::now();
    daemon.signal(Signal::SIGTERM);
    let status = daemon.wait_for_end(STOP);
    assert!(status.success() && asked.elapsed() < STOP, "{status} after {:?}", asked.elapsed());
    assert_eq!(home.log().lines(&["action=stop "]).len(), 1);
    assert_eq!(
        home.ask(&["status"]).status.code(),
        Some(69),
        "nobody takes an old view for a running watchdog"
    );
}

#[test]
fn a_crash_in_the_middle_of_a_repair_keeps_the_budget_and_the_verification() {
    let gateway = StandIn::gateway(&[]);
    gateway.steer("health-503", "");
    let home = Home::new(&config(&gateway, "sleep", "\"60\", "));
    let daemon = home.start_until_attempt();
    daemon.kill();
    let view = explain(&home);
    assert_eq!((&view["attempts_used"], &view["phase"]), (&1.into(), &"settling".into()), "{view}");

    // The repair helped, as it were: what comes next is the verification, and no second repair.
    gateway.unsteer("health-503");
    let daemon = home.start();
    daemon.wait("it is verified", |log| log.0.lines().last().is_some_and(|line| line.contains("all well")));
    assert_eq!(home.log().attempts("gateway"), 1);
    let view = explain(&home);
    assert_eq!((&view["attempts_used"], &view["phase"]), (&1.into(), &"healthy".into()), "{view}");
}

/// As with the timer: each run is a start of its own.
#[test]
fn runs_that_cannot_save_repair_nothing_and_say_so_once() {
    let (gateway, line) = (StandIn::gateway(&[]), StandIn::line());
    let channel = format!(
        "[line]\nto = \"U00000000000000000000000000000000\"\ntoken = \"{LINE_TOKEN}\"\nendpoint = \"{}\"\n[[target]]\n",
        line.url("/v2/bot/message/push")
    );
    let home = Home::new(&config(&gateway, "true", "").replace("[[target]]\n", &channel));
    assert_eq!(home.ask(&["once"]).status.code(), Some(0));
    // A directory in the place of the temporary file: nothing can be saved, whoever we are.
    fs::create_dir(home.state().join("state.json.tmp")).unwrap();
    gateway.steer("health-503", "");
    for _ in 0..4 {
        home.ask(&["once"]);
    }
    let log = home.log();
    assert_eq!(log.attempts("gateway"), 0, "{}", log.0);
    let told = |what: &str| line.requests().iter().filter(|push| push.body.contains(what)).count();
    assert_eq!(told("the state cannot be saved"), 1, "{:?}", line.requests());
    assert!(told("repair limit reached") <= 1, "{:?}", line.requests());

    fs::remove_dir(home.state().join("state.json.tmp")).unwrap();
    gateway.unsteer("health-503");
    assert_eq!(home.ask(&["once"]).status.code(), Some(0));
    let mut kept = Vec::new();
    collect(&home.path("run"), &mut kept);
    assert!(
        !kept.iter().any(|path| path.ends_with("state.json")),
        "what is saved again needs no copy: {kept:?}"
    );
}

#[test]
fn switched_off_it_lives_and_does_nothing() {
    let gateway = StandIn::gateway(&[]);
    gateway.steer("health-503", "");
    let config = config(&gateway, "true", "");
    let home =
        Home::new(&config.replace("interval", "enabled = \"${PICOCLAW_WATCHDOG_ENABLED:-true}\"\ninterval"));
    home.write(".picoclaw/.env", "PICOCLAW_WATCHDOG_ENABLED=false\n");
    let once = home.ask(&["once"]);
    assert!(
        once.status.code() == Some(1) && String::from_utf8_lossy(&once.stdout).contains("switched off"),
        "{once:?}"
    );
    let mut daemon = home.start_without_a_cycle();
    wait_until(SOON, "it has started", || {
        Some(()).filter(|()| !home.log().lines(&["action=start "]).is_empty())
    });
    // Two reloads are two turns of the loop; a pass would have been made in either.
    for turn in 1..=2 {
        daemon.signal(Signal::SIGHUP);
        daemon.wait("it has turned", |log| log.lines(&["action=reload "]).len() == turn);
    }
    assert_eq!((home.log().cycles(), home.log().attempts("gateway")), (0, 0));
    home.write(".picoclaw/.env", "");
    daemon.signal(Signal::SIGHUP);
    daemon.wait("it watches again", |log| log.attempts("gateway") > 0);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait_for_end(SOON).success());
}

/// Everything that may print is made to print: a fault, a repair with its bundle, an alert, a kick.
#[test]
fn no_secret_is_anywhere_but_where_it_was_written() {
    let (gateway, line) = (StandIn::gateway(&[]), StandIn::line());
    let home = Home::new("");
    let logs = format!("logs = [\"{}\"]\n", home.path("gateway.log").display());
    home.write("gateway.log", &format!("the gateway says {LINE_TOKEN}\n"));
    let channel = format!(
        "[line]\nto = \"U00000000000000000000000000000000\"\ntoken = \"${{PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN}}\"\n\
         endpoint = \"{}\"\n[kick]\nenabled = true\ntoken = \"${{PICOCLAW_WATCHDOG_KICK_TOKEN}}\"\n\
         [kick.actions]\nrestart_gateway = {{ recover = \"gateway\" }}\n[[target]]\n{logs}",
        line.url("/v2/bot/message/push")
    );
    home.configure(&config(&gateway, "sh", "\"-c\", \"env; exit 1\", ").replace("[[target]]\n", &channel));
    home.write(
        ".picoclaw/.env",
        &format!("PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN={LINE_TOKEN}\nPICOCLAW_WATCHDOG_KICK_TOKEN={KICK_TOKEN}\n"),
    );
    let daemon = home.start_with(&[("PICOCLAW_WATCHDOG_KICK_TOKEN", KICK_TOKEN)]);
    assert_eq!(home.ask(&["kick", "restart_gateway"]).status.code(), Some(0));
    gateway.steer("health-503", "");
    line.wait_for_requests(SOON, 1);
    daemon.wait("a bundle was taken", |log| !log.lines(&["action=diagnostics"]).is_empty());

    let argv = read(Path::new(&format!("/proc/{}/cmdline", daemon.pid())));
    assert!(argv.contains("run") && !argv.contains(LINE_TOKEN) && !argv.contains(KICK_TOKEN), "{argv}");
    let mut files = Vec::new();
    for place in [".picoclaw/state", ".picoclaw/logs", "run"] {
        collect(&home.path(place), &mut files);
    }
    let bundles = files.iter().filter(|path| path.to_string_lossy().contains("diagnostics")).count();
    assert!(bundles > 0 && files.iter().any(|path| path.ends_with("state.json")), "{files:?}");
    files.push(home.path("stderr"));
    for path in files {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        assert!(!text.contains(LINE_TOKEN) && !text.contains(KICK_TOKEN), "{}:\n{text}", path.display());
    }
    for push in line.requests() {
        assert!(!push.body.contains(LINE_TOKEN) && !push.body.contains(KICK_TOKEN), "{push:?}");
    }
}

/// A gateway without a unit, whose repair is a command.
fn config(gateway: &StandIn, program: &str, arguments: &str) -> String {
    format!(
        r#"
interval = "2s"
reprobe = "100ms"
[[target]]
name = "gateway"
ladder = [{{ action = "repair", tries = 3 }}]
backoff = ["0s", "1s"]
settle = "1s"
[[target.probe]]
name = "health"
fail_after = 2
check.http = {{ url = "{}", timeout = "1s" }}
[action.repair]
do.run = {{ argv = ["{program}", {arguments}], timeout = "120s" }}
"#,
        gateway.url("/health")
    )
}

fn explain(home: &Home) -> serde_json::Value {
    let output = home.ask(&["explain", "--json"]);
    let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    view["targets"][0].clone()
}

fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
