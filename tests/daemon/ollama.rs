//! Ollama away, crippled or stuck: each is called by its name, and none of them is the gateway's fault.

use crate::common::{Home, KeptPort, StandIn};
use picoclaw_watchdog::probe::clients::Clients;
use picoclaw_watchdog::probe::ollama::{Ask, Model, Ollama};
use picoclaw_watchdog::recovery::evidence::Reading;
use std::time::Duration;

/// A gateway that is not ready while Ollama is away, as the real one; what would restart it leaves a mark.
fn config(gateway: &StandIn, ollama: &str, line: &StandIn, ladder: &str) -> String {
    let (health, ready) = (gateway.url("/ready"), gateway.url("/ready"));
    let push = line.url("/v2/bot/message/push");
    format!(
        r#"
interval = "2s"
reprobe = "200ms"
hold_off = "0s"
[line]
to = "U00000000000000000000000000000000"
token = "a-token-of-line"
endpoint = "{push}"
[[target]]
name = "gateway"
ladder = [{{ action = "restart-gateway" }}]
alert_after = "1s"
settle = "1s"
[[target.probe]]
name = "health"
check.http = {{ url = "{health}", timeout = "1s", blame = {{ "ollama*" = "ollama" }} }}
[[target.probe]]
name = "ready"
role = "readiness"
check.http = {{ url = "{ready}", timeout = "1s", blame = {{ "ollama*" = "ollama" }} }}
[[target]]
name = "ollama"
alert_after = "1s"
settle = "1s"
{ladder}
[[target.probe]]
name = "answers"
fail_after = 2
check.ollama = {{ url = "{ollama}", models = ["chat-v1", "worker-v1"], timeout = "1500ms" }}
[[target.probe]]
name = "loaded"
fail_after = 2
check.ollama = {{ url = "{ollama}", ask = "loaded", models = ["chat-v1"], gpu = true, timeout = "1500ms" }}
[action.restart-gateway]
do.run = {{ argv = ["true"] }}
"#
    )
}

#[test]
fn ollama_away_is_told_once_and_never_restarts_the_gateway() {
    let (gateway, line) = (StandIn::gateway(&["--generation", "g1"]), StandIn::line());
    let kept = KeptPort::new();
    let ollama = StandIn::ollama_on(kept.port());
    // The predecessor's variable names the list of models.
    let home = Home::new(&config(&gateway, &ollama.url("/v1/models"), &line, ""));
    let daemon = home.start();
    daemon.wait("all is well", |log| !log.lines(&["action=end ", "all well"]).is_empty());

    drop(ollama);
    gateway.steer("ready-503", "");
    daemon.wait("its absence is named", |log| {
        !log.lines(&["target=ollama ", "Ollama is unreachable: connection refused"]).is_empty()
    });
    let told = line.wait_for_requests(Duration::from_secs(20), 1);
    assert!(told[0].body.contains("ollama"), "{}", told[0].body);
    let log = daemon.cycles(3);
    assert_eq!((log.attempts("gateway"), line.requests().len()), (0, 1), "{}", log.0);

    let _back = StandIn::ollama_on(kept.port());
    gateway.unsteer("ready-503");
    daemon.wait("its end is known", |log| !log.lines(&["target=ollama ", "action=recovered"]).is_empty());
    // A message that follows another within a minute waits for that minute to end.
    let told = line.wait_for_requests(Duration::from_secs(80), 2);
    assert!(told[1].body.contains("ollama"), "{}", told[1].body);
    let log = daemon.cycles(1);
    assert_eq!((log.attempts("gateway"), line.requests().len()), (0, 2), "{}", log.0);
}

#[test]
fn who_believes_that_a_restart_of_the_gateway_cures_ollama_gets_one() {
    let (gateway, line) = (StandIn::gateway(&["--generation", "g1"]), StandIn::line());
    let ollama = StandIn::ollama();
    let ladder = r#"ladder = [{ action = "restart-gateway", tries = 1 }]"#;
    let home = Home::new(&config(&gateway, &ollama.url(""), &line, ladder));
    let daemon = home.start();
    ollama.steer("down-500", "");
    let told = line.wait_for_requests(Duration::from_secs(20), 1);
    assert!(told[0].body.contains("ollama"), "{}", told[0].body);
    let log = daemon.cycles(3);
    assert_eq!((log.attempts("ollama"), log.attempts("gateway")), (1, 0), "{}", log.0);
    assert_eq!(line.requests().len(), 1, "from then on nothing is done and nothing more is said");
}

/// Every way in which the stand-in fails, and what the log says of it.
const FAILURES: &[(&str, &str, &str)] = &[
    ("hang", "", "no answer from /api/version within"),
    ("down-500", "", "/api/version gave 500: llama runner process has terminated"),
    ("no-models", "", "there is no model; run `ollama pull chat-v1:latest`"),
    ("missing", "worker-v1:latest", "the model worker-v1:latest is missing, there is chat-v1:latest"),
    ("unloaded", "", "chat-v1:latest is not loaded"),
    ("gpu-lost", "", "the GPU is lost: chat-v1:latest"),
    ("stuck", "3600", "chat-v1:latest is stuck: its time was over"),
];

#[test]
fn the_log_calls_every_failure_by_its_name() {
    let (gateway, line) = (StandIn::gateway(&[]), StandIn::line());
    let ollama = StandIn::ollama();
    let home = Home::new(&config(&gateway, &ollama.url(""), &line, ""));
    let daemon = home.start();
    for (file, content, words) in FAILURES {
        ollama.steer(file, content);
        daemon.wait(words, |log| !log.lines(&["target=ollama ", words]).is_empty());
        ollama.unsteer(file);
        let known = home.log().0.len();
        daemon.wait("all is well again", |log| {
            log.0[known..].lines().any(|line| line.contains("action=end ") && line.contains("all well"))
        });
    }
    // What is wrong with our question is not Ollama's failure; it is told when it lasts, and shown at once.
    ollama.steer("refuse-host", "");
    daemon.cycles(1);
    let status = String::from_utf8(home.ask(&["status"]).stdout).unwrap();
    assert!(status.contains("refuses the host name 127.0.0.1"), "{status}");
}

/// Asks a stand-in for a token, steered by one file.
async fn token(ollama: &StandIn, file: &str) -> Reading {
    let probe = Ollama {
        base: ollama.url("/").parse().unwrap(),
        ask: Ask::Generate,
        models: vec![Model::parse("chat-v1").unwrap()],
        gpu: false,
        stuck_after: Duration::from_secs(300),
        timeout: Duration::from_millis(if file.contains("hang") { 2_000 } else { 20_000 }),
    };
    ollama.steer(file, "");
    let reading = probe.check(&Clients::new()).await;
    ollama.unsteer(file);
    reading
}

#[tokio::test]
async fn a_generation_fails_in_ways_of_its_own() {
    let ollama = StandIn::ollama();
    let fail = |reading: Reading, words: &str| {
        assert!(matches!(&reading, Reading::Fail(why) if why.contains(words)), "{reading:?}");
    };
    fail(token(&ollama, "generate-hang").await, "generation hangs while the API answers");
    fail(token(&ollama, "generate-500").await, "does not generate: 500: llama runner");
    fail(token(&ollama, "hang").await, "no answer from /api/ps");
    let busy = token(&ollama, "busy").await;
    assert!(matches!(&busy, Reading::Unknown(why) if why.starts_with("busy")), "{busy:?}");
    let unloaded = token(&ollama, "unloaded").await;
    assert!(matches!(&unloaded, Reading::Pass(why) if why.contains("was not asked")), "{unloaded:?}");
    let well = token(&ollama, "no-such-fault").await;
    assert!(matches!(&well, Reading::Pass(why) if why.contains("gave a token")), "{well:?}");
}
