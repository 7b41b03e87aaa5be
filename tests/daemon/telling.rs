//! Mail, webhooks and `alerts.log` beside LINE: each gets its own copy, once, and one stands in for another.

use crate::common::{Home, KeptPort, StandIn, repository};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Longer than a mail waits for its second try.
const SECOND_TRY: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(60);

/// A target that is down and that nothing can mend, LINE, and more channels.
fn config(target: &StandIn, line: &StandIn, line_keys: &str, channels: &str) -> String {
    format!(
        r#"
interval = "2s"
reprobe = "200ms"
{channels}
[line]
to = "U00000000000000000000000000000000"
token = "a-token-of-line"
endpoint = "{}"
{line_keys}
[[target]]
name = "ollama"
severity = "error"
stable_passes = 1
alerts = {{ failing = "ollama_remote_outage" }}
[[target.probe]]
name = "models"
fail_after = 1
check.http = {{ url = "{}", timeout = "1s" }}
"#,
        line.url("/v2/bot/message/push"),
        target.url("/v1/models")
    )
}

fn email(port: u16) -> String {
    format!(
        r#"
[email]
host = "localhost"
port = {port}
ca = "{}"
user = "watchdog"
password = "hunter2"
from = "Watchdog <w@example.org>"
to = "me@example.org"
"#,
        repository().join("tests/fixtures/tls/ca.der").display()
    )
}

fn down() -> StandIn {
    let ollama = StandIn::ollama();
    ollama.steer("down-500", "");
    ollama
}

#[test]
fn a_mail_server_that_is_down_and_comes_back_gets_each_message_once() {
    let (ollama, line, kept) = (down(), StandIn::line(), KeptPort::new());
    let port = kept.port();
    let home = Home::new(&config(&ollama, &line, "", &email(port)));
    let daemon = home.start();
    assert!(
        line.wait_for_requests(SOON, 1)[0].body.contains("nothing here can repair it"),
        "LINE need not wait"
    );
    daemon.wait("the mail waits", |log| !log.lines(&["alerts waiting: 1"]).is_empty());
    daemon.kill();
    let daemon = home.start();
    let smtp = StandIn::smtp(&["--port", &port.to_string()]);
    let mails = smtp.wait_for_messages(SECOND_TRY, 1);
    let data = mails[0]["data"].as_str().unwrap();
    assert!(data.contains("Subject: [WATCHDOG] ollama: down, and nothing here can repair it."), "{data}");
    assert_eq!((mails[0]["tls"].as_bool(), mails[0]["user"].as_bool()), (Some(true), Some(true)));
    ollama.unsteer("down-500");
    let mails = smtp.wait_for_messages(SOON, 2);
    assert!(mails[1]["data"].as_str().unwrap().contains("recovered by itself after"), "{mails:?}");
    daemon.cycles(3);
    assert_eq!(smtp.received().len(), 2);
    let listed = String::from_utf8(home.ask(&["alerts"]).stdout).unwrap();
    assert_eq!(listed.lines().filter(|line| line.contains("  email ")).count(), 2, "{listed}");
}

#[test]
fn who_stands_in_for_line_is_written_to_when_line_refuses() {
    let (ollama, line, smtp) = (down(), StandIn::line(), StandIn::smtp(&[]));
    line.steer("answer", "400");
    let channels = email(smtp.address().port()) + "severities = []\n";
    let home = Home::new(&config(&ollama, &line, "fallback = [\"email\"]", &channels));
    let daemon = home.start();
    let mails = smtp.wait_for_messages(SOON, 1);
    let data = mails[0]["data"].as_str().unwrap().replace("=\r\n", "");
    assert!(data.contains("because line has not taken it"), "{data}");
    ollama.unsteer("down-500");
    let mails = smtp.wait_for_messages(SOON, 2);
    assert!(mails[1]["data"].as_str().unwrap().contains("recovered by itself"), "{mails:?}");
    daemon.cycles(3);
    assert_eq!((smtp.received().len(), line.requests().len()), (2, 1));
}

#[test]
fn webhooks_and_the_file_get_their_own_form_and_what_they_asked_for() {
    let (ollama, line) = (down(), StandIn::line());
    let [ntfy, grave] = [StandIn::hook(), StandIn::hook()];
    let home = Home::new("");
    let file = home.path("logs/alerts.log");
    let channels = format!(
        "[log]\ntimezone = \"JST-9\"\n[alerts]\nlog = \"{}\"\n[[webhook]]\nname = \"phone\"\nformat = \"ntfy\"\nurl = \"{}\"\n\
         [[webhook]]\nname = \"grave\"\nurl = \"{}\"\nseverities = \"critical\"\n",
        file.display(),
        ntfy.url("/topic-hunter2"),
        grave.url("/"),
    );
    home.configure(&config(&ollama, &line, "", &channels));
    let daemon = home.start();
    let got = ntfy.wait_for_messages(SOON, 1);
    assert_eq!(
        (&got[0]["headers"]["title"], &got[0]["headers"]["priority"]),
        (&"ollama".into(), &"4".into())
    );
    assert!(got[0]["body"].as_str().unwrap().starts_with("[WATCHDOG] ollama: down, "), "{got:?}");
    daemon
        .wait("the file has its line", |_| fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
    let text = fs::read_to_string(&file).unwrap();
    let alert: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&alert["severity"], &alert["key"]), (&"error".into(), &"ollama_remote_outage".into()));
    assert!(alert["timestamp"].as_str().unwrap().ends_with("+09:00"), "{alert}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let log = daemon.cycles(2);
    assert_eq!(grave.received().len(), 0, "an error is not critical");
    assert!(!log.0.contains("hunter2"), "{}", log.0);

    let output = home.ask(&["alerts", "test", "--channel", "grave"]);
    assert!(output.status.success(), "{output:?}");
    assert!(grave.received()[0]["body"].as_str().unwrap().contains("it arrived"), "{:?}", grave.received());
    assert_eq!(home.ask(&["alerts", "test", "--channel", "nobody"]).status.code(), Some(64));
}
