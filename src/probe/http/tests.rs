//! Real servers on loopback, each a thread that treats its visitors as the test says.

use super::*;
use crate::probe::excuse::Excuse;
use crate::probe::nobody::nobody;
use crate::probe::{Answer as Answered, Check, Probe};
use crate::recovery::evidence::Name;
use reqwest::Method;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const LONG: Duration = Duration::from_secs(20);

/// Serves every connection with `treat`, which is handed the connection and the head of the request.
fn serve_at(address: &str, treat: impl Fn(TcpStream, String) + Send + 'static) -> Url {
    let listener = TcpListener::bind(address).unwrap();
    let url = format!("http://{}/health?token=hunter2", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut visitor in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && visitor.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            treat(visitor, String::from_utf8_lossy(&head).into_owned());
        }
    });
    Url::parse(&url).unwrap()
}

fn serve(treat: impl Fn(TcpStream, String) + Send + 'static) -> Url {
    serve_at("127.0.0.1:0", treat)
}

/// A server that sends these bytes and closes.
fn say(text: impl Into<String>) -> Url {
    let text = text.into();
    serve(move |mut visitor, _| drop(visitor.write_all(text.as_bytes())))
}

fn response(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn probe(url: Url) -> Http {
    Http::plain(Call::plain(Method::GET, url), &[200], LONG)
}

async fn read(probe: &Http) -> Reading {
    probe.check(&Clients::new()).await.reading
}

fn fails(reading: Reading) -> String {
    let Reading::Fail(text) = reading else { panic!("{reading:?}") };
    text
}

fn unknown(reading: Reading) -> String {
    let Reading::Unknown(text) = reading else { panic!("{reading:?}") };
    text
}

fn passes(reading: Reading) -> String {
    let Reading::Pass(text) = reading else { panic!("{reading:?}") };
    text
}

fn closed() -> Url {
    Url::parse(&format!("http://{}/", nobody())).unwrap()
}

fn with_condition(url: Url) -> Http {
    Http {
        json: vec![JsonCondition { pointer: "/status".to_owned(), wanted: Wanted::AnyOf(vec![json!("ok")]) }],
        ..probe(url)
    }
}

fn blaming(url: Url) -> Http {
    let rule = BlameRule { pattern: "ollama*".to_owned(), target: Name::parse("ollama").unwrap() };
    Http { blame: vec![rule], ..probe(url) }
}

#[tokio::test]
async fn a_good_answer_says_how_long_it_took() {
    let text = passes(read(&probe(say(response(200, "ok")))).await);
    assert!(text.starts_with("200 in ") && text.ends_with(" ms"), "{text}");
    let slow = Http { slow_after: Some(Duration::ZERO), ..probe(say(response(200, "ok"))) };
    assert!(passes(read(&slow).await).starts_with("200, slow: "));
    let webhook = Http { expect: vec![405..=405, 200..=204], ..probe(say(response(405, ""))) };
    assert!(passes(read(&webhook).await).starts_with("405 in "));
}

#[tokio::test]
async fn ipv6_works_and_post_is_sent_without_a_body() {
    let echo = |mut visitor: TcpStream, head: String| {
        let good = head.starts_with("POST ") && head.contains("content-length: 0");
        let status = if good { 403 } else { 500 };
        drop(visitor.write_all(response(status, "").as_bytes()));
    };
    let post = Http {
        call: Call::plain(Method::POST, serve_at("[::1]:0", echo)),
        expect: vec![403..=403],
        ..probe(closed())
    };
    passes(read(&post).await);
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own() {
    let keep_alive = serve(|mut visitor, head| {
        let named = head.contains("user-agent: picoclaw-watchdog/");
        drop(visitor.write_all(response(if named { 200 } else { 400 }, "").as_bytes()));
        // A second request on this connection would never be answered.
        thread::spawn(move || drop(visitor.read_to_end(&mut Vec::new())));
    });
    let (clients, probe) = (Clients::new(), probe(keep_alive));
    for _ in 0..3 {
        passes(probe.check(&clients).await.reading);
    }
}

#[tokio::test]
async fn those_who_do_not_serve_fail_with_a_short_reason() {
    assert_eq!(fails(read(&probe(closed())).await), "connection refused");
    let closing = fails(read(&probe(serve(|visitor, _| drop(visitor)))).await);
    assert_eq!(closing, "it closed the connection without a full answer");
    assert_eq!(fails(read(&probe(say("220 smtp ready\r\n"))).await), "its answer is not HTTP");
    let cut = fails(read(&probe(say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))).await);
    assert_eq!(cut, "it closed the connection in the middle of its answer");
    assert_eq!(fails(read(&probe(say(response(503, "")))).await), "503");
}

#[tokio::test]
async fn a_reset_is_called_so() {
    // Closing with unread bytes makes the kernel send a reset.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (visitor, _) = listener.accept().unwrap();
        visitor.peek(&mut [0]).unwrap();
    });
    assert_eq!(fails(read(&probe(Url::parse(&url).unwrap())).await), "connection reset");
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut visitor, _) = listener.accept().unwrap();
        visitor.write_all(b"HTTP/1.1 400 speak plainly\r\n\r\n").unwrap();
        drop(visitor.read_to_end(&mut Vec::new()));
    });
    let text = fails(read(&probe(Url::parse(&url).unwrap())).await);
    assert!(text.starts_with("TLS: "), "{text}");
}

/// Sends `text` and then a byte every few milliseconds, for as long as anybody listens.
fn trickle(text: &'static str) -> Url {
    serve(move |mut visitor, _| {
        let mut going = visitor.write_all(text.as_bytes());
        while going.is_ok() {
            thread::sleep(Duration::from_millis(5));
            going = visitor.write_all(b"x");
        }
    })
}

#[tokio::test]
async fn the_deadline_covers_the_whole_exchange() {
    let silent = serve(|mut visitor, _| drop(visitor.read_to_end(&mut Vec::new())));
    let slow_head = trickle("HTTP/1.1 200 OK\r\nX-Slow: ");
    let slow_body = trickle("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
    for url in [silent, slow_head, slow_body] {
        let started = Instant::now();
        let hasty = Http { timeout: Duration::from_millis(300), ..probe(url) };
        assert_eq!(fails(read(&hasty).await), "no full answer within 300 ms");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_and_only_json_needs_the_rest() {
    let endless = || {
        serve(|mut visitor, _| {
            let mut going = visitor.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while going.is_ok() {
                going = visitor.write_all(&[b' '; 4096]);
            }
        })
    };
    passes(read(&probe(endless())).await);
    let reading = read(&with_condition(endless())).await;
    assert_eq!(unknown(reading), "200, but the body is longer than the 65536 bytes we read");
}

#[tokio::test]
async fn a_login_page_or_a_quota_proves_nothing() {
    let redirect = say(
        "HTTP/1.1 302 X\r\nLocation: https://me:pw@login.example/in?next=secret\r\nContent-Length: 0\r\n\r\n",
    );
    let told =
        "misconfigured probe: 302, redirected to https://login.example/in: is a login page in front of it?";
    assert_eq!(unknown(read(&probe(redirect)).await), told);
    for status in [401, 403, 407, 429, 304] {
        assert!(unknown(read(&probe(say(response(status, "")))).await).contains(&status.to_string()));
    }
}

#[tokio::test]
async fn redirects_are_followed_when_asked_for_but_not_for_ever() {
    let there = say(response(200, "ok"));
    let here = say(format!("HTTP/1.1 301 X\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"));
    let follow = |url| Http { follow_redirects: true, ..probe(url) };
    passes(read(&follow(here)).await);
    let circle = say("HTTP/1.1 302 X\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(unknown(read(&follow(circle)).await), "more than 5 redirects");
}

#[tokio::test]
async fn conditions_on_json_name_what_they_found() {
    let ask = async |body: &str| read(&with_condition(say(response(200, body)))).await;
    passes(ask(r#"{"status":"ok"}"#).await);
    assert_eq!(fails(ask(r#"{"status":"down"}"#).await), "200, but /status is \"down\", not \"ok\"");
    assert_eq!(fails(ask("[]").await), "200, but there is no /status");
    assert_eq!(fails(ask("ok").await), "200, but the body is not JSON");
}

#[tokio::test]
async fn a_fault_of_ollama_is_not_the_gateway_s() {
    let ask = async |status, body: &str| blaming(say(response(status, body))).check(&Clients::new()).await;
    let ollama_down =
        r#"{"status":"not ready","checks":{"ollama":{"status":"fail","message":"unreachable"}}}"#;
    let Answered { reading, blames, .. } = ask(503, ollama_down).await;
    assert_eq!(passes(reading), "503, but only blamed checks fail: ollama");
    assert_eq!((blames.len(), blames[0].reason.as_str()), (1, "ollama: unreachable"));

    let both = r#"{"checks":[{"name":"ollama_connection","status":"down"},{"name":"disk","status":"down"}]}"#;
    let Answered { reading, blames, .. } = ask(503, both).await;
    assert_eq!((fails(reading).as_str(), blames.len()), ("503: disk: down", 1));

    let degraded = r#"{"status":"degraded","checks":[{"name":"ollama_models","status":"degraded"}]}"#;
    let Answered { reading, blames, .. } = ask(200, degraded).await;
    assert!(passes(reading).starts_with("200 in "));
    assert_eq!(blames[0].target.as_str(), "ollama");

    let Answered { reading, blames, .. } = ask(503, r#"{"ready":false}"#).await;
    assert_eq!((fails(reading).as_str(), blames.len()), ("503", 0));
}

#[tokio::test]
async fn a_hundred_thousand_checks_are_more_than_we_read() {
    let check = r#"{"name":"ollama_x","status":"down"}"#;
    let body = format!(r#"{{"checks":[{}]}}"#, vec![check; 100_000].join(","));
    let Answered { reading, blames, .. } = blaming(say(response(503, &body))).check(&Clients::new()).await;
    assert_eq!((fails(reading).as_str(), blames.len()), ("503", 0));
}

/// Proxy variables cannot be set in this process without `unsafe`, so the test runs itself once more with them.
#[tokio::test]
async fn a_proxy_of_the_environment_is_for_others_only() {
    if let Ok(here) = std::env::var("TEST_LOOPBACK_URL") {
        passes(read(&probe(Url::parse(&here).unwrap())).await);
        let abroad = Url::parse("http://gateway.example/").unwrap();
        let proxied = Http { expect: vec![299..=299], ..probe(abroad) };
        passes(read(&proxied).await);
        return;
    }
    let here = say(response(200, "ok"));
    let proxy = say(response(299, "proxied"));
    let test = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "probe::http::tests::a_proxy_of_the_environment_is_for_others_only"])
        .envs([
            ("TEST_LOOPBACK_URL", here.as_str()),
            ("HTTP_PROXY", proxy.as_str()),
            ("http_proxy", proxy.as_str()),
        ])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
}

/// As [`response`], at a time by the server's clock.
fn dated(body: &str) -> String {
    response(200, body).replacen(" X\r\n", " X\r\nDate: Sun, 08 Feb 2026 13:26:33 GMT\r\n", 1)
}

#[tokio::test]
async fn one_of_several_values_will_do_and_is_named() {
    let asleep = |body: &'static str| {
        let any_of = vec![json!("not_running"), json!("not_responding")];
        let json = vec![JsonCondition { pointer: "/status".to_owned(), wanted: Wanted::AnyOf(any_of) }];
        Http { json, ..probe(say(response(200, body))) }
    };
    let text = passes(read(&asleep(r#"{"ok":false,"status":"not_running"}"#)).await);
    assert!(text.ends_with(r#"ms, /status is "not_running""#), "{text}");
    let running = fails(read(&asleep(r#"{"ok":true,"status":"running"}"#)).await);
    assert_eq!(running, r#"200, but /status is "running", not "not_running" or "not_responding""#);
}

#[tokio::test]
async fn a_time_in_the_body_is_as_old_as_the_server_says() {
    let synced = async |answer: String| {
        let age =
            AgeCondition { pointer: "/lastSync".to_owned(), max: Duration::from_secs(1200), only_if: None };
        read(&Http { age: Some(age), ..probe(say(answer)) }).await
    };
    let at = async |value: &str| synced(dated(&format!(r#"{{"lastSync":{value}}}"#))).await;
    let fresh = passes(at(r#""2026-02-08T22:20:33+09:00""#).await);
    assert!(fresh.ends_with("ms, /lastSync is 6 min old"), "{fresh}");
    let stale = fails(at(r#""2026-02-08T13:06:32+00:00""#).await);
    assert_eq!(stale, "200, but /lastSync is 20 min 1 s old, more than 20 min");
    assert_eq!(fails(at("null").await), "200, but /lastSync is null: it has not happened yet");
    assert_eq!(fails(synced(dated("{}")).await), "200, but there is no /lastSync");
    assert_eq!(
        fails(at("7").await),
        "200, but /lastSync is 7, not a time with its offset, nor one since 1970"
    );
    assert!(unknown(at(r#""2026-02-08T23:26:33Z""#).await).contains("/lastSync lies 10 h in the future"));
    // The same moment, as databases write it.
    for epoch in ["1770557193", "1770557193000", "1770557193.5", "\"1770557193\""] {
        let fresh = passes(at(epoch).await);
        assert!(fresh.ends_with("/lastSync is 0 s old"), "{epoch}: {fresh}");
    }
    assert!(fails(at("1770555992").await).ends_with("is 20 min 1 s old, more than 20 min"));
    assert_eq!(unknown(at("0").await), "200, but /lastSync is 0: it is not known");
    let undated = synced(response(200, r#"{"lastSync":"2026-02-08T13:06:32Z"}"#)).await;
    assert_eq!(unknown(undated), "200, but the answer has no Date, so the age of /lastSync cannot be told");
}

#[tokio::test]
async fn numbers_and_lists_keep_within_bounds() {
    let within = |pointer: &str, min: Option<i64>, max: Option<i64>| JsonCondition {
        pointer: pointer.to_owned(),
        wanted: Wanted::Within(min.map(Into::into), max.map(Into::into)),
    };
    let ask = async |condition: &JsonCondition, body: &str| {
        read(&Http { json: vec![condition.clone()], ..probe(say(response(200, body))) }).await
    };
    let backlog = within("/n", Some(1), Some(100));
    assert!(passes(ask(&backlog, r#"{"n":100}"#).await).ends_with("ms, /n is 100"));
    assert_eq!(fails(ask(&backlog, r#"{"n":100.5}"#).await), "200, but /n is 100.5, more than 100");
    assert_eq!(fails(ask(&backlog, r#"{"n":"0"}"#).await), "200, but /n is \"0\", less than 1");
    assert_eq!(fails(ask(&backlog, r#"{"n":null}"#).await), "200, but /n is null, which is no number");
    assert_eq!(fails(ask(&backlog, "{}").await), "200, but there is no /n");
    let none = within("", None, Some(0));
    assert!(passes(ask(&none, "[]").await).ends_with("ms, the body is empty"));
    let told = fails(ask(&none, r#"[{"id":"a"}]"#).await);
    assert_eq!(told, r#"200, but the body has 1 entries ([{"id":"a"}]), more than 0"#);
}

#[tokio::test]
async fn only_what_is_there_can_be_old() {
    let only_if =
        JsonCondition { pointer: "/backlog".to_owned(), wanted: Wanted::Within(Some(1.into()), None) };
    let age =
        AgeCondition { pointer: "/oldest".to_owned(), max: Duration::from_secs(900), only_if: Some(only_if) };
    let ask = async |body: &str| read(&Http { age: Some(age.clone()), ..probe(say(dated(body))) }).await;
    assert!(passes(ask(r#"{"backlog":0,"oldest":0}"#).await).ends_with(" ms"));
    assert_eq!(unknown(ask(r#"{"backlog":3,"oldest":0}"#).await), "200, but /oldest is 0: it is not known");
    let told = fails(ask(r#"{"backlog":3,"oldest":1770555593000}"#).await);
    assert_eq!(told, "200, but /oldest is 26 min 40 s old, more than 15 min");
}

fn excuse_of(http: Http) -> Excuse {
    Excuse { check: Check::Http(http), bound: None, every: None }
}

#[tokio::test]
async fn a_failure_may_be_excused_and_is_told_all_the_same() {
    let name = |text| Name::parse(text).unwrap();
    let ask = async |excuse: Http| {
        let (check, excuses) = (Check::Http(probe(say(response(503, "")))), vec![excuse_of(excuse)]);
        let probe = Probe { target: name("backup"), name: name("age"), check, excuses };
        probe.ask(&Clients::new(), None).await.reading
    };
    let excused = passes(ask(probe(say(response(200, "")))).await);
    assert!(excused.starts_with("503, but excused: 200 in "), "{excused}");
    assert_eq!(fails(ask(probe(say(response(500, "")))).await), "503");
    assert_eq!(
        fails(ask(probe(say(response(302, "")))).await),
        "503",
        "an excuse that proves nothing is none"
    );
}

#[tokio::test]
async fn nobody_is_asked_for_an_excuse_while_all_is_well() {
    let name = |text| Name::parse(text).unwrap();
    let (check, excuses) = (Check::Http(probe(say(response(200, "")))), vec![excuse_of(probe(closed()))]);
    let probe = Probe { target: name("backup"), name: name("age"), check, excuses };
    assert!(passes(probe.ask(&Clients::new(), None).await.reading).starts_with("200 in "));
    assert_eq!(probe.timeout(), LONG * 2);
}
