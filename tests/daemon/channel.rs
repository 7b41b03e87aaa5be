//! What becomes of an alert when LINE does not simply take it: nothing is lost, nothing is sent twice, and every
//! retry is the same bytes under the same key.

use crate::common::{Home, KeptPort, Recorded, StandIn};
use std::thread;
use std::time::Duration;

/// The first retry comes 15 s after the first try, the second 20 s after that; the rest is for a busy machine.
const ONE_RETRY: Duration = Duration::from_secs(60);
/// Longer than the first retry would take, at a cycle every 2 s.
const CYCLES_PAST_A_RETRY: usize = 9;
/// What the endpoint says first, what is recorded of every try, and what is said of it at last.
type Row = (&'static str, &'static [(bool, Option<u16>)], &'static str);

/// All at once, because each of them mostly waits.
#[test]
fn every_answer_of_line_is_taken_for_what_it_is() {
    let retried: &[Row] = &[
        ("500", &[(false, Some(500)), (true, Some(200))], "push_sent"),
        ("429-rate", &[(false, Some(429)), (true, Some(200))], "push_sent"),
        ("close", &[(false, None), (true, Some(200))], "push_sent"),
        ("hang", &[(false, None), (true, Some(200))], "push_sent"),
        // LINE had taken it: the retry is told so by a 409, and nobody reads it twice.
        ("lost-200", &[(true, None), (false, Some(409))], "push_sent"),
    ];
    let final_at_once: &[Row] = &[
        ("401", &[(false, Some(401))], "refuses the channel access token"),
        ("400", &[(false, Some(400))], "push_refused"),
        ("429-quota", &[(false, Some(429))], "alerts waiting: 1"),
    ];
    thread::scope(|scope| {
        for row in retried {
            scope.spawn(move || is_retried_once(*row));
        }
        for row in final_at_once {
            scope.spawn(move || is_not_retried(*row));
        }
    });
}

#[track_caller]
fn is_retried_once((answer, tries, said): Row) {
    let line = StandIn::line();
    line.steer("answer", answer);
    let home = Home::new(&one_that_is_down(&line.url("/v2/bot/message/push")));
    let daemon = home.start();
    line.wait_for_requests(Duration::from_secs(60), 1);
    assert!(home.log().lines(&["push_sent"]).is_empty(), "{answer}: not accepted yet");
    line.unsteer("answer");
    daemon.wait_within(ONE_RETRY, answer, |log| !log.lines(&[said]).is_empty());
    daemon.cycles(3);
    assert_eq!(told(&line.requests()), tries, "{answer}");
    assert_identical(&line.requests());
}

#[track_caller]
fn is_not_retried((answer, tries, said): Row) {
    let line = StandIn::line();
    line.steer("answer", answer);
    let home = Home::new(&one_that_is_down(&line.url("/v2/bot/message/push")));
    let daemon = home.start();
    daemon.wait(answer, |log| !log.lines(&[said]).is_empty());
    daemon.cycles(CYCLES_PAST_A_RETRY);
    assert_eq!(told(&line.requests()), tries, "{answer}");
    assert!(home.log().lines(&["push_sent"]).is_empty(), "{answer}: nothing counts as sent");
}

#[test]
fn line_is_gone_for_a_while_and_then_hears_of_the_fault_and_of_its_end() {
    let kept = KeptPort::new();
    let port = kept.port();
    let ollama = StandIn::ollama();
    ollama.steer("down-500", "");
    let config = one_that_is_down(&format!("http://127.0.0.1:{port}/v2/bot/message/push"));
    let home = Home::new(&config.replace(NOBODY, &ollama.url("/v1/models")));
    let daemon = home.start();
    daemon.wait("an alert waits", |log| !log.lines(&["action=end", "alerts waiting: 1"]).is_empty());
    // What was raised is not lost with the process either.
    daemon.kill();
    let daemon = home.start();
    ollama.unsteer("down-500");
    daemon.wait("the end of the fault waits too", |log| !log.lines(&["alerts waiting: 2"]).is_empty());

    let line = StandIn::line_on(port);
    let pushes = line.wait_for_requests(ONE_RETRY, 2);
    assert_eq!(told(&pushes), [(true, Some(200)), (true, Some(200))]);
    assert!(pushes[0].body.contains("nothing here can repair it"), "the fault first: {pushes:#?}");
    assert!(pushes[1].body.contains("recovered by itself after"), "{pushes:#?}");
    assert_ne!(pushes[0].retry_key, pushes[1].retry_key);
    assert_eq!(daemon.cycles(3).alerts()["ollama_remote_outage"], 2);
    assert_eq!(line.requests().len(), 2);
}

#[test]
fn a_channel_that_is_half_configured_loses_nothing_and_counts_nothing_as_sent() {
    let line = StandIn::line();
    let whole = one_that_is_down(&line.url("/v2/bot/message/push"));
    let home = Home::new(&whole.replace("token = \"a-token-of-line\"", "token = \"\""));
    let checked = String::from_utf8(home.ask(&["check"]).stdout).unwrap();
    assert!(checked.contains("LINE stays off: there is no token"), "{checked}");
    let daemon = home.start();
    daemon
        .wait("it is said in the log", |log| !log.lines(&["skip_notify", "ollama_remote_outage"]).is_empty());
    assert!(daemon.cycles(3).lines(&["push_sent"]).is_empty());

    home.configure(&whole);
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    let pushes = line.wait_for_requests(Duration::from_secs(60), 1);
    assert_eq!(told(&pushes), [(true, Some(200))]);
}

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9/";

/// A target that is down and that nothing can mend.
fn one_that_is_down(endpoint: &str) -> String {
    format!(
        r#"
interval = "2s"
reprobe = "200ms"
[line]
to = "U00000000000000000000000000000000"
token = "a-token-of-line"
endpoint = "{endpoint}"
[[target]]
name = "ollama"
stable_passes = 1
alerts = {{ failing = "ollama_remote_outage" }}
[[target.probe]]
name = "models"
fail_after = 1
check.http = {{ url = "{NOBODY}", timeout = "1s" }}
"#
    )
}

pub(crate) fn told(pushes: &[Recorded]) -> Vec<(bool, Option<u16>)> {
    pushes.iter().map(|push| (push.accepted, push.status)).collect()
}

#[track_caller]
pub(crate) fn assert_identical(pushes: &[Recorded]) {
    let key = pushes[0].retry_key.as_ref().unwrap();
    assert_eq!(key.len(), 36, "a UUID: {key}");
    for push in pushes {
        assert_eq!((&push.body, push.retry_key.as_ref()), (&pushes[0].body, Some(key)));
        assert!(push.authorization && push.content_type.as_deref() == Some("application/json"), "{push:?}");
    }
}
