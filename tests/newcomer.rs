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

/// The same, and an action that changes nothing.
fn mended() -> String {
    let target = "[[target]]\nname = \"a\"\nladder = [{ action = \"mend\", tries = 3 }]\n";
    DOWN.replace("[[target]]\nname = \"a\"\n", target)
        .replace("name = \"port\"", "name = \"port\"\nfail_after = 1")
        + "[action.mend]\ndo.run = { argv = [\"true\"] }\n"
}

#[test]
fn explain_charges_nothing_for_what_it_did_not_do() {
    let home = Home::new(&mended());
    let told = home.ask(&["explain", "--json"]);
    let target = &json(&told)["targets"][0];
    assert_eq!(
        (target["attempts_used"].as_u64(), target["phase"].as_str()),
        (Some(0), Some("failing")),
        "{told:?}"
    );
    assert_eq!(target["frees_in_s"], Value::Null);
    let text = out(&home.ask(&["explain"]));
    assert!(text.contains("do mend now") && text.contains("0 of 3 attempts used in 10 min;"), "{text}");
    assert!(text.contains("next: mend, which would be attempt 1 of 3"), "{text}");
}

#[test]
fn what_a_running_watchdog_could_not_save_is_heeded() {
    let home = Home::new(&mended());
    // A directory in the place of the file that is written first: nothing can be saved, whoever we are.
    fs::create_dir_all(home.state().join("state.json.tmp/x")).unwrap();
    let _daemon = home.start();
    let why = "the running watchdog cannot save its state";
    let explain = home.ask(&["explain"]);
    assert!(err(&explain).contains(why), "{}", err(&explain));
    assert!(!out(&explain).contains("do mend now") && out(&explain).contains("3 of 3"), "{}", out(&explain));
    let alerts = out(&home.ask(&["alerts"]));
    assert!(alerts.starts_with(why) && !alerts.contains("no message was ever raised"), "{alerts}");
    assert!(json(&home.ask(&["alerts", "--json"]))["unsaved"].as_str().unwrap().starts_with(why));
    assert!(out(&home.ask(&["status"])).contains("the running watchdog cannot save it"));
}

#[test]
fn a_history_that_cannot_be_read_is_not_an_empty_one() {
    let home = Home::new(DOWN);
    assert!(err(&home.ask(&["explain", "--id", "1"])).contains("nothing is recorded yet"));
    fs::create_dir_all(home.state().join("history/history.jsonl")).unwrap();
    for command in [&["explain", "--id", "1"][..], &["simulate", "--from-history"]] {
        let output = home.ask(command);
        assert_eq!(output.status.code(), Some(70), "{output:?}");
        assert!(
            err(&output).starts_with("reading ") && !err(&output).contains("nothing"),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn json_is_json_wherever_it_is_taken() {
    let home = Home::new("");
    let listed = json(&home.ask(&["simulate", "--list", "--json"]));
    assert_eq!(listed["schema"], 1);
    assert!(
        listed["scenarios"].as_array().unwrap().iter().any(|one| one["name"] == "S4" && one["title"] != "")
    );
    let kicks = "PICOCLAW_WATCHDOG_KICK_ENABLED=true\nPICOCLAW_WATCHDOG_KICK_TOKEN=0123456789abcdefghij\n";
    fs::remove_file(home.path(".picoclaw/watchdog.toml")).unwrap();
    home.write(".picoclaw/.env", kicks);
    let queued = json(&home.ask(&["kick", "restart_gateway", "--no-wait", "--json"]));
    assert_eq!((queued["schema"].as_u64(), queued["outcome"].as_str()), (Some(1), Some("queued")));
    let refused = home.ask(&["kick", "restart_gateway", "--source", "a b"]);
    assert_eq!(refused.status.code(), Some(64), "{}", err(&refused));
    let rule = "[[source]]\nname = \"s\"\nfiles = [\"/tmp/none.log\"]\n[[target]]\nname = \"a\"\n[[target.probe]]\n\
                name = \"log\"\n[target.probe.check.log]\nin = [\"s\"]\npattern = 'No space'\nhits = ['No space']\n\
                misses = ['fine']\nleast = 1\nwithin = \"60s\"\n";
    home.configure(rule);
    for arguments in [&["logtest", "--json"][..], &["logtest", "No space", "--json"]] {
        let told = json(&home.ask(arguments));
        assert_eq!(
            (told["schema"].as_u64(), told["rules"][0]["rule"].as_str()),
            (Some(1), Some("a/log")),
            "{told}"
        );
    }
}

#[test]
fn a_watchdog_that_was_killed_is_gone_at_once() {
    let home = Home::new(DOWN);
    let daemon = home.start();
    daemon.kill();
    let status = home.ask(&["status"]);
    assert_eq!(status.status.code(), Some(69), "{}", out(&status));
}

#[test]
fn a_file_that_is_broken_now_hides_nothing_that_runs() {
    let home = Home::new(DOWN);
    let daemon = home.start();
    home.configure(&format!("# A warning and an error.\nintervall = \"2s\"\n{DOWN}"));
    let status = home.ask(&["status"]);
    assert!(err(&status).contains("intervall") && err(&status).contains("goes on under"), "{}", err(&status));
    assert!(out(&status).contains("port 9") && out(&status).contains("seen "), "{}", out(&status));
    assert!([Some(1), Some(2)].contains(&status.status.code()), "{status:?}");
    let name = json(&home.ask(&["status", "--json"]))["targets"][0]["name"].as_str().unwrap().to_owned();
    for target in [name.as_str(), "all"] {
        let paused = home.ask(&["pause", target, "--for", "1h"]);
        assert!(paused.status.success() && out(&paused).contains("paused until"), "{paused:?}");
    }
    assert!(home.ask(&["resume", "all"]).status.success());
    let unknown = home.ask(&["pause", "nobody", "--for", "1h"]);
    assert_eq!(unknown.status.code(), Some(64), "{unknown:?}");
    assert!(home.ask(&["alerts"]).status.success());
    let explained = home.ask(&["explain"]);
    assert!(
        explained.status.code() == Some(78) && err(&explained).contains("watchdog status"),
        "{explained:?}"
    );
    daemon.kill();
    assert_eq!(home.ask(&["status"]).status.code(), Some(78), "nobody runs, so there is nothing to show");
}

#[test]
fn what_keeps_a_new_configuration_out_is_named_and_nothing_else() {
    let home = Home::new(DOWN);
    let daemon = home.start();
    let warned = DOWN.replace("[[target]]", "[line]\nto = \"\"\ntoken = \"x\"\n[[target]]");
    home.configure(&format!("intervall = \"2s\"\n{warned}"));
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    let log =
        daemon.wait("it is refused", |log| !log.lines(&["the new configuration cannot be used"]).is_empty());
    let told = log.lines(&["the new configuration cannot be used"]).join("\n");
    assert!(told.contains("intervall") && !told.contains("warning"), "{told}");
}

#[test]
fn a_time_zone_that_nobody_knows_is_said() {
    for zone in ["Asia/Nowhere", "Mars/Base"] {
        let home = Home::new(&format!("{DOWN}[log]\ntimezone = \"{zone}\"\n"));
        let told = out(&home.ask(&["check"]));
        assert!(told.contains("warning: ") && told.contains(zone) && told.contains("in UTC"), "{told}");
    }
    let home = Home::new(&format!("{DOWN}[log]\ntimezone = \"Asia/Tokyo\"\n"));
    assert!(!out(&home.ask(&["check"])).contains("UTC"));
}

#[test]
fn a_command_to_copy_names_the_configuration_that_was_named() {
    let home = Home::new(DOWN);
    home.write("other.toml", "intervall = 1\n");
    let file = home.path("other.toml");
    let refused = home.ask(&["explain", "--config", file.to_str().unwrap()]);
    let wanted = format!("`picoclaw-watchdog --config {} check`", file.display());
    assert!(err(&refused).contains(&wanted), "{}", err(&refused));
}
