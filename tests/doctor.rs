//! `doctor` from outside: what it finds on a host, the commands that it names, and that those mend what it found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::{GATEWAY, Home, Installation, Machine, StandIn, UNIT, Watched, watchdog_binary};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;
use std::thread;

/// What was found about one thing.
struct Report(Option<i32>, Value, String);

impl Report {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let read = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Self(output.status.code(), read, text)
    }

    #[track_caller]
    fn about(&self, about: &str) -> (&str, &str, &str) {
        let findings = self.1["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["about"] == about);
        let found = found.unwrap_or_else(|| panic!("nothing about {about}: {}", self.2));
        let text = |key: &str| found[key].as_str().unwrap_or_default();
        (text("grade"), text("what"), text("fix"))
    }
}

fn config(line: &StandIn, to: &str) -> String {
    let push = line.url("/v2/bot/message/push");
    format!(
        "interval = \"2s\"\n[line]\nto = \"{to}\"\ntoken = \"a-token-of-line\"\nendpoint = \"{push}\"\n\
         [[target]]\nname = \"a\"\n[[target.probe]]\nname = \"port\"\ncheck.port = {{ port = 9, timeout = \"1s\" }}\n"
    )
}

const SOMEBODY: &str = "U00000000000000000000000000000000";

#[test]
fn line_is_asked_for_everything_and_sends_nothing() {
    let line = StandIn::line();
    let home = Home::new(&config(&line, SOMEBODY));
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    assert_eq!(report.1["schema"], 1);
    assert_eq!(report.about("line").0, "ok", "{}", report.2);
    assert_eq!(report.about("recipient"), ("ok", "messages go to a person", ""));
    assert_eq!(report.about("message").0, "ok", "{}", report.2);
    assert_eq!(report.about("quota").1, "200 of 200 messages are left this month");
    assert_eq!((report.about("state").0, report.about("log").0), ("ok", "ok"), "{}", report.2);
    assert!(line.requests().is_empty(), "nothing was sent");
    assert!(!report.2.contains("a-token-of-line") && !report.2.contains(SOMEBODY), "{}", report.2);

    line.steer("blocked", "");
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    assert_eq!((report.about("recipient").0, report.0), ("fail", Some(2)), "{}", report.2);
    line.steer("api", "401");
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    let (grade, what, fix) = report.about("line");
    assert!(
        grade == "fail" && what.contains("invalid token") && fix.contains("issue a new token"),
        "{}",
        report.2
    );
    for (trouble, grade) in [("500", "unknown"), ("429-rate", "unknown"), ("close", "unknown")] {
        line.steer("api", trouble);
        let report = Report::of(&home.ask(&["doctor", "--json"]));
        assert_eq!(report.about("line").0, grade, "{trouble}: {}", report.2);
    }
}

#[test]
fn without_a_bus_and_with_a_bad_configuration_it_says_so_all_the_same() {
    let home = Home::new("intervall = \"2s\"\n[[target]]\nname = \"a\"\nunit = \"a\"\n");
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    assert_eq!((report.0, report.1["overall"].as_str()), (Some(2), Some("fail")));
    let (grade, what, fix) = report.about("config");
    assert!(grade == "fail" && what.contains("unknown key") && fix.contains("interval"), "{}", report.2);
    let (grade, _, fix) = report.about("bus");
    assert!(grade == "fail" && fix.contains("XDG_RUNTIME_DIR"), "{}", report.2);
    assert_eq!(report.about("watchdog").0, "unknown", "{}", report.2);

    let told = String::from_utf8(home.ask(&["doctor"]).stdout).unwrap();
    assert!(told.contains("fail    config    ") && told.contains("                  fix: "), "{told}");
}

/// A store that answers everything so.
fn store(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // One read is enough: a question has no body.
            let _ = stream.read(&mut [0; 8192]);
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    url
}

fn published(tailnet: &StandIn, store: &str) -> String {
    let at = tailnet.control_dir().display().to_string();
    let daemon = format!("socket = \"{at}/tailscaled.sock\", program = \"{at}/tailscale\"");
    format!(
        "[[target]]\nname = \"tailscale\"\n\
         [[target.probe]]\nname = \"node\"\ncheck.tailscale = {{ {daemon} }}\n\
         [[target]]\nname = \"funnel\"\nsettle = \"70s\"\nladder = [{{ action = \"publish\" }}, {{ action = \"cycle\" }}]\n\
         [[target.probe]]\nname = \"published\"\ncheck.funnel = {{ {daemon} }}\n\
         [action.publish]\ndo.publish-funnel = {{ {daemon}, elevate = [\"{at}/sudo\", \"-n\"] }}\n\
         [action.cycle]\ndo.publish-funnel = {{ how = \"cycle\", {daemon}, elevate = [\"{at}/sudo\", \"-n\"] }}\n\
         [[target]]\nname = \"backup\"\n[[target.probe]]\nname = \"age\"\n\
         check.object = {{ endpoint = \"{store}\", bucket = \"b\", access_key = \"a-key-of-r2\", \
         secret_key = \"a-secret-of-r2\", marker = \".last-sync\", max_age = \"20m\" }}\n"
    )
}

#[test]
fn the_node_is_asked_what_it_may_and_who_may_order_it_about() {
    let tailnet = StandIn::tailscaled();
    let home = Home::new(&published(&tailnet, &store("404 Not Found", "")));
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    assert_eq!(report.about("tailscale"), ("ok", "connected, tailscale 1.102.2", ""));
    assert_eq!(report.about("rights").0, "ok", "{}", report.2);

    tailnet.steer("no-caps", "");
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    let (grade, what, fix) = report.about("tailscale");
    assert_eq!((grade, what), ("fail", "HTTPS is off for the tailnet"), "{}", report.2);
    assert!(fix.contains("admin console"), "{fix}");
    tailnet.steer("backend", "NeedsLogin");
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    assert_eq!(report.about("tailscale"), ("fail", "logged out", "run `tailscale up`"));
    let served = tailnet.control_dir().join("serve.json");
    assert!(!served.exists(), "nothing is published to find out");
}

#[test]
fn the_store_is_asked_whether_it_lets_us_look() {
    let tailnet = StandIn::tailscaled();
    let asked = |status, body| {
        let report =
            Report::of(&Home::new(&published(&tailnet, &store(status, body))).ask(&["doctor", "--json"]));
        assert!(!report.2.contains("a-secret-of-r2") && !report.2.contains("a-key-of-r2"), "{}", report.2);
        let (grade, what, fix) = report.about("backup");
        (grade.to_owned(), what.to_owned(), fix.to_owned())
    };
    let (grade, what, fix) = asked("403 Forbidden", "<Error><Code>SignatureDoesNotMatch</Code></Error>");
    assert!(grade == "fail" && what.contains("the secret key does not belong to the access key"), "{what}");
    assert!(fix.contains("PICOCLAW_WATCHDOG_R2_SECRET_ACCESS_KEY"), "{fix}");
    let (grade, what, _) = asked("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>");
    assert!(grade == "fail" && what.contains("the key may not read this bucket"), "{what}");
    let (grade, what, _) = asked("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>");
    assert!(grade == "fail" && what.contains("no such bucket"), "{what}");
    // Of the backup itself, not of this host.
    let (grade, what, _) =
        asked("200 OK\r\nDate: Sun, 08 Feb 2026 14:40:00 GMT", "2026-02-08T13:26:33+00:00");
    assert!(grade == "ok" && what.contains("stale: .last-sync is 1 h 13 min old"), "{grade} {what}");
    assert_eq!(asked("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>").0, "ok");
    assert_eq!(asked("503 Slow Down", "").0, "unknown");
}

/// A rule about this source, and an action that has something to do in this directory.
fn scanned(source: &str, root: &str) -> String {
    format!(
        "[allow]\nroots = [\"{root}\"]\n[[source]]\nname = \"app\"\n{source}\n[[target]]\nname = \"rule\"\n\
         ladder = [{{ action = \"tidy\" }}]\n[[target.probe]]\nname = \"log\"\n[target.probe.check.log]\n\
         in = [\"app\"]\npattern = 'disk is full'\ntrusted = true\nhits = ['disk is full']\nmisses = ['all is well']\n\
         [action.tidy]\ndisruptive = false\ndo.clean = {{ root = \"{root}\", match = [\"*.old\"], older_than = \"2d\" }}\n\
         [[target]]\nname = \"cache\"\n[[target.probe]]\nname = \"ping\"\ncheck.redis = {{ port = 1, timeout = \"1s\" }}\n"
    )
}

#[test]
fn logs_roots_and_servers_are_looked_at_before_they_are_needed() {
    let home = Home::new("");
    let (logs, root) = (home.path("logs/*.log"), home.path("tmp"));
    let (logs, root) = (logs.display().to_string(), root.display().to_string());
    home.configure(&scanned(&format!("files = [\"{logs}\"]"), &root));
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    assert_eq!(
        (report.about("logs").0, report.about("logs").1),
        ("warn", &*format!("app: there is no file {logs}"))
    );
    let (grade, what, fix) = report.about("roots");
    assert_eq!((grade, what), ("fail", &*format!("{root} is not there, so tidy can do nothing")));
    assert!(fix.starts_with("mkdir -p "), "{fix}");
    let (grade, what, fix) = report.about("redis");
    assert!(grade == "warn" && what.starts_with("cache/ping: connection refused"), "{what}");
    assert!(fix.contains("correct host, port, socket"), "{fix}");
    assert_eq!(report.about("inotify").0, "ok", "{}", report.2);

    std::fs::create_dir_all(home.path("logs")).unwrap();
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(home.path("logs/app.log"), "").unwrap();
    let report = Report::of(&home.ask(&["doctor", "--json"]));
    assert_eq!((report.about("logs").0, report.about("roots").0), ("ok", "ok"), "{}", report.2);
}

/// What doctor finds on a machine.
fn examined(machine: &Watched) -> Report {
    Report::of(&machine.user(&[".local/bin/picoclaw-watchdog", "doctor", "--json"]))
}

#[track_caller]
fn mend(machine: &Watched, command: &str) {
    machine.user_ok(&["bash", "-euc", command]);
}

/// Only the doctor reads it so soon: this machine has no Tailscale that the daemon could watch.
const PUBLISHES: &str =
    "echo PICOCLAW_WATCHDOG_WEBHOOK_URL=http://127.0.0.1:18791/webhook/line >> .picoclaw/.env";

/// What doctor finds with another configuration.
fn examined_with(machine: &Machine, config: &str) -> Report {
    machine.write("/home/pico/other.toml", config);
    Report::of(&machine.user(&["./picoclaw-watchdog", "doctor", "--json", "--config", "other.toml"]))
}

#[test]
fn what_a_user_may_not_read_is_named_and_the_command_mends_it() {
    let Some(machine) = Machine::up_or_skip("doctor-logs") else { return };
    machine.put(&watchdog_binary(), "/home/pico/picoclaw-watchdog");
    let secret = scanned("files = [\"/srv/closed/logs/app.log\"]", "/var/log");
    machine.root_ok(&[
        "bash",
        "-c",
        "mkdir -p /srv/closed/logs; touch /srv/closed/logs/app.log; chmod 700 /srv/closed",
    ]);
    let report = examined_with(&machine, &secret);
    assert_eq!(
        (report.about("logs").0, report.about("logs").1),
        ("fail", "app: pico may not read /srv/closed")
    );
    let (grade, what, _) = report.about("roots");
    assert!(
        grade == "fail" && what.starts_with("tidy is to change what is in /var/log, and pico may not"),
        "{what}"
    );

    // Nobody reads the journal of the system who is not in its group.
    let journal = scanned("journal = [\"cron.service\"]\nuser = false", "/tmp");
    let report = examined_with(&machine, &journal);
    let (grade, what, fix) = report.about("logs");
    assert_eq!((grade, what), ("fail", "app: pico may not read the journal of the system"), "{}", report.2);
    machine.root_ok(&["bash", "-c", fix.strip_prefix("sudo ").unwrap().split(',').next().unwrap()]);
    assert_eq!(examined_with(&machine, &journal).about("logs").0, "ok");
    assert_eq!(examined_with(&machine, &journal).about("roots").0, "ok");
}

/// A sudo that asks nobody. It only ever lists.
const SUDO: &str = "#!/bin/bash\n[[ $1 == -n && $2 == -l ]]\n";

#[test]
fn what_it_names_mends_what_it_found() {
    let Some(machine) = Watched::up("doctor", &[], &Installation::default()) else {
        return;
    };
    mend(&machine, PUBLISHES);
    machine.write("/home/pico/sudo", SUDO);
    machine.root_ok(&["install", "-m755", "/home/pico/sudo", "/usr/local/bin/sudo"]);
    let report = examined(&machine);
    for good in ["linger", "bus", "watchdog", "rights", "line", "recipient", "quota", "state", "log"] {
        assert_eq!(report.about(good).0, "ok", "{good}: {}", report.2);
    }
    // The unit of the test was never enabled.
    let (grade, _, fix) = report.about("gateway");
    assert_eq!((grade, fix), ("warn", "systemctl --user enable picoclaw-gateway.service"), "{}", report.2);
    mend(&machine, fix);
    assert_eq!(examined(&machine).about("gateway").0, "ok");

    machine.user_ok(&["systemctl", "--user", "disable", UNIT]);
    machine.root_ok(&["rm", "/var/lib/systemd/linger/pico"]);
    machine.drop_in(GATEWAY, "[Service]\nRestart=always\nRestartSec=100ms\n");
    machine.user_ok(&["chmod", "666", ".picoclaw/.env"]);
    let report = examined(&machine);
    assert_eq!(report.0, Some(2), "{}", report.2);
    assert_eq!(report.about("linger").0, "fail", "{}", report.2);
    for (about, grade) in [("watchdog", "fail"), ("gateway", "warn")] {
        let (found, _, fix) = report.about(about);
        assert_eq!(found, grade, "{about}: {}", report.2);
        mend(&machine, fix);
    }
    let writable = report.1["findings"].as_array().unwrap();
    let fix = writable
        .iter()
        .filter_map(|finding| finding["fix"].as_str())
        .find(|fix| fix.starts_with("chmod go-w"));
    mend(&machine, fix.unwrap());
    // The machine has no polkit that could ask pico for leave.
    machine.root_ok(&["bash", "-c", report.about("linger").2]);
    let report = examined(&machine);
    for good in ["linger", "watchdog", "gateway"] {
        assert_eq!(report.about(good).0, "ok", "{good}: {}", report.2);
    }
}

#[test]
fn hardening_that_defeats_sudo_is_seen_in_the_process_itself() {
    let Some(machine) = Watched::up("hardened", &[], &Installation::default()) else {
        return;
    };
    mend(&machine, PUBLISHES);
    machine.write("/home/pico/sudo", SUDO);
    machine.root_ok(&["install", "-m755", "/home/pico/sudo", "/usr/local/bin/sudo"]);
    // It implies what it does not say.
    machine.drop_in(UNIT, "[Service]\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n");
    machine.user_ok(&["systemctl", "--user", "restart", UNIT]);
    let report = examined(&machine);
    let (grade, what, fix) = report.about("rights");
    assert!(grade == "fail" && what.contains("hardening"), "{}", report.2);
    assert!(fix.starts_with("sudo tailscale set --operator=pico"), "{fix}");
}
