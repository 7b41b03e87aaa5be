//! The stage itself: before a test blames the watchdog, these show that the machine, the stand-ins, the units
//! and the Makefile do what the other tests take for granted.

mod common;

use common::{Installation, Machine, StandIn, exchange, install, status, wait_until};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
const GATEWAY: &str = "picoclaw-gateway.service";

#[test]
fn line_records_every_push_and_knows_its_retry_keys() {
    let line = StandIn::line();
    let first = push(&line, "key-1");
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    let id = header(&first, "X-Line-Request-Id");
    let again = push(&line, "key-1");
    assert!(again.starts_with("HTTP/1.1 409 "), "{again}");
    assert_eq!(header(&again, "X-Line-Accepted-Request-Id"), id);

    let told: Vec<_> = line.requests().iter().map(|push| (push.accepted, push.status)).collect();
    assert_eq!(told, [(true, Some(200)), (false, Some(409))]);
    let push = &line.requests()[0];
    assert!(push.authorization);
    assert_eq!((push.retry_key.as_deref(), push.body.as_str()), (Some("key-1"), BODY));
}

#[test]
fn a_lost_answer_is_a_push_that_was_accepted() {
    let line = StandIn::line();
    line.steer("answer", "lost-200");
    assert_eq!(push(&line, "key-1"), "");
    line.steer("answer", "429-quota");
    assert!(push(&line, "key-2").contains("You have reached your monthly limit."));
    line.unsteer("answer");
    assert!(push(&line, "key-1").starts_with("HTTP/1.1 409 "));

    let told: Vec<_> = line.requests().iter().map(|push| (push.accepted, push.status)).collect();
    assert_eq!(told, [(true, None), (false, Some(429)), (false, Some(409))]);
}

#[test]
fn a_gateway_answers_as_its_generation_does() {
    // Generation, codes of: /health, /ready, GET webhook, unsigned POST webhook.
    let generations = [
        ("g0", "/webhook/line", [200, 200, 405, 403]),
        ("g1", "/webhook/line", [200, 200, 405, 403]),
        ("g2", "/webhook", [200, 200, 404, 401]),
        ("u", "/webhook/line", [200, 503, 405, 403]),
    ];
    for (generation, webhook, codes) in generations {
        let gateway = StandIn::gateway(&["--generation", generation]);
        let seen = [
            status(gateway.address(), "GET", "/health"),
            status(gateway.address(), "GET", "/ready"),
            status(gateway.webhook_address(), "GET", webhook),
            status(gateway.webhook_address(), "POST", webhook),
        ];
        assert_eq!(seen, codes, "{generation}");
    }
}

#[test]
fn a_gateway_can_be_steered_while_it_runs() {
    let gateway = StandIn::gateway(&["--generation", "g1"]);
    gateway.steer("ready-503", "");
    let ready = exchange(gateway.address(), "GET /ready HTTP/1.1\r\n\r\n");
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.contains(r#""name":"ollama","status":"fail""#),
        "{ready}"
    );
    gateway.unsteer("ready-503");
    assert_eq!(status(gateway.address(), "GET", "/ready"), 200);
}

#[test]
fn systemd_sees_a_gateway_die() {
    let Some(machine) = Machine::up_or_skip("die") else { return };
    install(&machine, &Installation::default());
    machine.user_ok(&["systemctl", "--user", "start", GATEWAY]);
    wait_until(SOON, "the gateway answers", || machine.gateway_status("/health").filter(|code| *code == 200));
    machine.steer_gateway("health-503", "");
    assert_eq!(machine.gateway_status("/health"), Some(503));

    machine.user_ok(&["systemctl", "--user", "kill", "--signal=KILL", GATEWAY]);
    wait_until(SOON, "systemd calls it failed", || {
        Some(machine.unit(GATEWAY, "ActiveState")).filter(|state| state == "failed")
    });
    assert_eq!(machine.unit(GATEWAY, "Result"), "signal");
    assert_eq!(machine.gateway_status("/health"), None);
    let journal = machine.user_ok(&["journalctl", "--user", "--no-pager", "-u", GATEWAY]);
    assert!(journal.contains("status=9/KILL"), "{journal}");
}

#[test]
fn make_installs_what_systemd_accepts() {
    let Some(machine) = Machine::up_or_skip("make") else { return };
    let told = install(&machine, &Installation::default());
    assert!(told.contains("make enable-watchdog"), "{told}");
    assert_eq!(machine.user_ok(&["stat", "-c%a", ".picoclaw/state/watchdog", ".picoclaw/logs"]), "700\n700");
    for unit in ["picoclaw-watchdog.service", "picoclaw-watchdog-once.service", "picoclaw-watchdog.timer"] {
        let output = machine.user(&["systemd-analyze", "--user", "verify", unit]);
        assert!(output.status.success() && output.stderr.is_empty(), "{unit}: {output:?}");
    }
    assert!(machine.unit("picoclaw-watchdog.service", "ExecStart").contains("/home/pico/.local/bin/"));
}

#[test]
fn the_two_modes_are_never_on_together() {
    let Some(machine) = Machine::up_or_skip("modes") else { return };
    install(&machine, &Installation::default());
    // The units are on trial here, not the program: this script is ready at once, and lives. Only its child
    // can say so, hence the drop-in.
    let drop_in = "/home/pico/.config/systemd/user/picoclaw-watchdog.service.d/script.conf";
    machine.write(drop_in, "[Service]\nNotifyAccess=all\n");
    machine.write("/home/pico/.local/bin/ready", READY);
    machine.user_ok(&["install", "-m755", ".local/bin/ready", ".local/bin/picoclaw-watchdog"]);
    let modes = || {
        let active = |unit| machine.unit(unit, "ActiveState");
        (active("picoclaw-watchdog.service"), active("picoclaw-watchdog.timer"))
    };
    let (on, off) = (|| "active".to_owned(), || "inactive".to_owned());
    machine.user_ok(&["systemctl", "--user", "daemon-reload"]);
    machine.user_ok(&["make", "-C", "src", "enable-watchdog", "MODE=timer"]);
    assert_eq!(modes(), (off(), on()));
    machine.user_ok(&["make", "-C", "src", "enable-watchdog"]);
    assert_eq!(modes(), (on(), off()));
    // A pass by hand ends with 1 here: that is no failure of the unit, and it must not stop the daemon.
    machine.user_ok(&["systemctl", "--user", "start", "picoclaw-watchdog-once.service"]);
    assert_eq!(modes(), (on(), off()));
    // Also when somebody goes round make.
    machine.user_ok(&["systemctl", "--user", "start", "picoclaw-watchdog.timer"]);
    assert_eq!(modes(), (off(), on()));
    machine.user_ok(&["make", "-C", "src", "disable-watchdog"]);
    assert_eq!(modes(), (off(), off()));
}

const READY: &str = "#!/bin/bash\n[[ $1 == run ]] || exit 1\nsystemd-notify --ready\nexec sleep 600\n";
const BODY: &str = r#"{"to":"U1","messages":[{"type":"text","text":"[WATCHDOG] テスト"}]}"#;

fn push(line: &StandIn, key: &str) -> String {
    let length = BODY.len();
    exchange(
        line.address(),
        &format!(
            "POST /v2/bot/message/push HTTP/1.1\r\nAuthorization: Bearer t\r\nX-Line-Retry-Key: {key}\r\n\
             Content-Length: {length}\r\n\r\n{BODY}"
        ),
    )
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("(no such header)")
}
