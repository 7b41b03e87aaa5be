//! What a person can learn and try about messages: `alerts` and `alerts test`, against a LINE endpoint of ours.

use crate::common::{Home, StandIn};
use std::process::Output;

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_test_says_its_cost_and_its_fate() {
    let line = StandIn::line();
    let home = Home::new(&config(&line, true));
    let (code, text) = said(&home.ask(&["alerts", "test", "--yes"]));
    assert!(code == Some(69) && text.contains("no watchdog seems to run"), "{code:?} {text}");
    let daemon = home.start();
    daemon.cycles(2);

    let (code, text) = said(&home.ask(&["alerts", "test"]));
    assert!(code == Some(64) && text.contains("--yes sends it"), "nobody at the terminal: {code:?} {text}");
    assert!(text.contains("one of the 200 messages of LINE that are left of 200 this month"), "{text}");
    let (code, text) = said(&home.ask(&["alerts", "test", "--yes"]));
    assert!(code == Some(0) && text.contains("test #1: accepted "), "{code:?} {text}");
    assert_eq!(line.requests().len(), 1);
    assert!(line.requests()[0].body.contains("1 of the 200 left of 200"), "{}", line.requests()[0].body);

    let (code, text) = said(&home.ask(&["alerts"]));
    assert!(code == Some(0) && text.contains("  test     test "), "{text}");
    assert!(text.contains("LINE is on; 199 of 200 messages are left this month"), "{text}");
    let (_, json) = said(&home.ask(&["alerts", "--json"]));
    let view: serde_json::Value = serde_json::from_str(&json).unwrap();
    let told = (view["letters"][0]["fate"].as_str(), view["quota"]["left"].as_u64());
    assert_eq!(told, (Some("accepted"), Some(199)));
    assert!(view["letters"][0]["request_id"].as_str().unwrap().len() == 36, "{json}");
}

#[test]
fn without_a_channel_there_is_nothing_to_test() {
    let home = Home::new(&config(&StandIn::line(), false));
    let (code, text) = said(&home.ask(&["alerts", "test", "--yes"]));
    assert!(code == Some(77) && text.contains("LINE is off"), "{code:?} {text}");
    let (code, text) = said(&home.ask(&["alerts"]));
    assert!(code == Some(0) && text.contains("no message was ever raised"), "{code:?} {text}");
}

/// LINE is also what is watched: it answers, and says that nobody may ask without a token.
fn config(line: &StandIn, enabled: bool) -> String {
    let (push, info) = (line.url("/v2/bot/message/push"), line.url("/v2/bot/info"));
    format!(
        r#"
interval = "2s"
[line]
enabled = {enabled}
to = "U00000000000000000000000000000000"
token = "a-token-of-line"
endpoint = "{push}"
[[target]]
name = "line"
[[target.probe]]
name = "info"
check.http = {{ url = "{info}", expect = 401, timeout = "1s" }}
"#
    )
}
