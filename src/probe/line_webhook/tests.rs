//! What LINE says of a webhook, in the words of its documents, and what it makes of rubbish.

use super::*;

fn probe() -> LineWebhook {
    LineWebhook {
        token: Secret::new("a-token"),
        endpoint: Url::parse(LINE).unwrap(),
        host: "box.tail1234.ts.net".to_owned(),
        test: true,
        timeout: DEFAULT_TIMEOUT,
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.into(), date: None }
}

fn set(status: u16, body: &str) -> Reading {
    probe().leads_to(&reply(status, body)).map_or_else(|reading| reading, Reading::Pass)
}

fn tested(body: &str) -> String {
    probe().tested(&reply(200, body)).unwrap_err().detail().to_owned()
}

#[test]
fn a_webhook_that_is_off_or_leads_elsewhere_fails() {
    let ours = r#"{"endpoint":"https://BOX.tail1234.ts.net/webhook/line","active":true}"#;
    assert_eq!(set(200, ours), Reading::Pass("https://BOX.tail1234.ts.net/webhook/line".to_owned()));
    let off = ours.replace("true", "false");
    assert!(matches!(set(200, &off), Reading::Fail(why) if why.contains("switched off")));
    for other in
        ["https://old.tail1234.ts.net/webhook/line", "https://box.tail1234.ts.net.evil.example/", "?"]
    {
        let body = format!(r#"{{"endpoint":"{other}","active":true}}"#);
        assert!(matches!(set(200, &body), Reading::Fail(why) if why.contains(other)), "{other}");
    }
    assert!(matches!(set(404, r#"{"message":"Not found"}"#), Reading::Fail(_)));
    let anywhere = LineWebhook { host: String::new(), ..probe() };
    assert!(anywhere.leads_to(&reply(200, r#"{"endpoint":"https://x.example/","active":true}"#)).is_ok());
}

#[test]
fn what_is_lines_own_affair_is_unknown() {
    for status in [400, 401, 403, 429, 500, 503] {
        assert!(matches!(set(status, r#"{"message":"no"}"#), Reading::Unknown(_)), "{status}");
        assert!(matches!(probe().judge_given(Some(status)), Reading::Unknown(_)), "{status}");
    }
    for garbage in ["", "<html>", "7", r#"{"endpoint":7}"#, r#"{"success":1,"endpoint":"https://a.b/"}"#] {
        assert!(matches!(set(200, garbage), Reading::Unknown(_)), "{garbage}");
        assert!(matches!(probe().tested(&reply(200, garbage)), Err(Reading::Unknown(_))), "{garbage}");
    }
    assert!(matches!(probe().tested(&reply(429, "{}")), Err(Reading::Unknown(_))));
    for silence in [Silence::Late, Silence::Theirs("x".into()), Silence::Unclear("x".into())] {
        assert!(matches!(probe().unanswered(silence), Reading::Unknown(_)));
    }
}

#[test]
fn a_failed_test_names_the_hop() {
    let failed = |status: i64, reason: &str| {
        tested(&format!(
            r#"{{"success":false,"timestamp":"2026-11-22T12:00:00.0Z","statusCode":{status},"reason":"{reason}","detail":"d"}}"#
        ))
    };
    assert!(failed(0, "COULD_NOT_CONNECT").contains("Funnel"));
    assert!(failed(-1, "REQUEST_TIMEOUT").contains("longer than LINE waits"));
    assert!(failed(502, "ERROR_STATUS_CODE").contains("gateway behind it"));
    assert!(failed(403, "ERROR_STATUS_CODE").contains("channel secret"));
    assert!(failed(404, "ERROR_STATUS_CODE").ends_with("(ERROR_STATUS_CODE 404: d)"));
    assert!(failed(0, "SOMETHING_NEW").contains("SOMETHING_NEW: d"));
    let good = r#"{"success":true,"timestamp":"2026-11-22T12:00:00.0Z","statusCode":200,"reason":"OK","detail":"200"}"#;
    assert_eq!(probe().tested(&reply(200, good)), Ok(200));
    assert_eq!(probe().tested(&reply(200, &good.replace(r#""success":true,"#, ""))), Ok(200));
    assert!(tested(r#"{"statusCode":0,"reason":"REQUEST_TIMEOUT","detail":""}"#).contains("longer"));
}

#[test]
fn the_host_may_be_given_as_the_url_of_the_webhook() {
    assert_eq!(host("https://Box.tail1234.ts.net:8443/webhook/line").as_deref(), Ok("box.tail1234.ts.net"));
    assert_eq!(host("Box.tail1234.ts.net").as_deref(), Ok("box.tail1234.ts.net"));
    assert_eq!(host("").as_deref(), Ok(""), "any will do");
    for bad in ["box.ts.net/webhook", "box.ts.net:8443", "ftp://box.ts.net/", "https://"] {
        assert!(host(bad).is_err(), "{bad}");
    }
}

#[test]
fn only_a_test_call_needs_a_pace_of_its_own() {
    assert_eq!(probe().needs_every(), Some(Duration::from_secs(300)));
    assert_eq!(LineWebhook { test: false, ..probe() }.needs_every(), None);
    assert!(probe().is_external());
}
