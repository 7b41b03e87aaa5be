//! A made-up history, and what is told of it.

use super::*;
use crate::host::history::VERSION;

fn line(at: u64, json: &str) -> Line {
    let wall = 1_771_556_400 + at;
    let text = format!(r#"{{"v":{VERSION},"at":{},"wall":{wall},{json}}}"#, at * 1000);
    serde_json::from_str(&text).unwrap()
}

fn attempt(at: u64, id: u64) -> Line {
    let verdict = r#"{"name":"gateway","grade":"critical","health":"unhealthy","reason":"","summary":"","phase":"failing",
        "ruling":"do restart now","attempts_used":1,"attempts_allowed":3,"window_s":600,"frees_in_s":null,"next_in_s":null,
        "incident":{"id":7,"age_s":2,"told":false},"probes":[]}"#;
    line(
        at,
        &format!(
            r#""is":"attempt","id":{id},"action":"restart","why":"health: refused","verdict":{verdict}"#
        ),
    )
}

#[test]
fn an_action_is_told_from_its_reason_to_its_end() {
    let lines = [
        attempt(1, 17),
        line(2, r#""is":"outcome","id":17,"word":"done","detail":"restarted""#),
        line(
            3,
            r#""is":"letter","letter":5,"key":"gateway_limit","kind":"fault","target":"gateway","incident":7,"text":"down\nfor long""#,
        ),
        line(
            4,
            r#""is":"fate","letter":5,"fate":{"is":"accepted","request_id":"r1","at":4000,"wall":1771556404}"#,
        ),
        line(5, r#""is":"closed","target":"ollama","incident":6,"lasted_ms":1,"how":"recovered by itself""#),
        line(
            9,
            r#""is":"closed","target":"gateway","incident":7,"lasted_ms":8000,"how":"was repaired by restart""#,
        ),
    ];
    let story = story(&lines, 17).unwrap();
    let outcome = story.outcome.as_ref().unwrap();
    assert_eq!((outcome.word.as_str(), outcome.after_ms), ("done", 1000));
    assert_eq!(story.then.as_ref().unwrap().text, "incident 7 was over: gateway was repaired by restart");
    assert_eq!(story.alerts.len(), 1);
    assert_eq!(fate(&story.alerts[0]), "accepted, request r1");
    assert!(super::story(&lines, 18).is_none());
}

#[test]
fn what_did_not_help_shows_what_followed_and_the_newest_number_counts() {
    let lines = [attempt(1, 1), attempt(50, 1), attempt(60, 2)];
    let story = story(&lines, 1).unwrap();
    assert_eq!(story.at, 1_771_556_450, "a state that was lost counts anew");
    assert!(story.outcome.is_none(), "killed in the middle");
    assert_eq!(story.then.unwrap().text, "action 2 followed: restart, because health: refused");
}
