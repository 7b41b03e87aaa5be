//! Mail and webhooks against real servers on real sockets: what goes over the wire, and what each answer means.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

mod common;

use common::{StandIn, repository};
use jiff::tz::TimeZone;
use picoclaw_watchdog::notify::Way;
use picoclaw_watchdog::notify::email::{Email, Server, Tls};
use picoclaw_watchdog::notify::webhook::{Format, Webhook};
use picoclaw_watchdog::probe::clients::Clients;
use picoclaw_watchdog::recovery::evidence::{Delivery, Name};
use picoclaw_watchdog::recovery::outbox::{Fate, Kind, Letter};
use picoclaw_watchdog::recovery::policy::Severity;
use picoclaw_watchdog::recovery::time::Timestamp;
use picoclaw_watchdog::values::Secret;
use serde_json::json;
use std::sync::Arc;

const KEY: &str = "123e4567-e89b-12d3-a456-426614174000";

fn letter() -> Letter {
    Letter {
        id: 1,
        channel: Name::parse("email").unwrap(),
        key: "gateway_limit".to_owned(),
        kind: Kind::Fault,
        severity: Severity::Critical,
        target: Name::parse("gateway").ok(),
        incident: 7,
        text: "[WATCHDOG] gateway: 停止しています。\n.\nLook: explain".to_owned(),
        raised: Timestamp(0),
        raised_wall: 1_771_556_400,
        push: Some(1),
        retry_key: KEY.to_owned(),
        body: None,
        first_try: None,
        tries: 1,
        last_answer: String::new(),
        passed_on: false,
        fate: Fate::Pending,
    }
}

fn server(smtp: &StandIn, tls: Tls) -> Server {
    Server {
        host: "localhost".to_owned(),
        port: smtp.address().port(),
        tls,
        ca: Some(repository().join("tests/fixtures/tls/ca.der")),
        user: if tls == Tls::None { String::new() } else { "watchdog".to_owned() },
        password: Secret::new("hunter2"),
        from: "Watchdog <w@example.org>".parse().unwrap(),
    }
}

fn mail(server: Server) -> Way {
    Way::Email(Email { server: Arc::new(server), to: "me@example.org".parse().unwrap() })
}

/// As the daemon does it: composed once, then sent.
fn send(way: &Way) -> Delivery {
    let body = way.compose(&[&letter()], &TimeZone::UTC);
    let letter = Letter { body: Some(body), ..letter() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(way.send(&Clients::new(), &letter))
}

fn why(delivery: Delivery) -> String {
    match delivery {
        Delivery::Accepted { request_id } => panic!("accepted as {request_id}"),
        Delivery::Retry(why) => format!("retry {why}"),
        Delivery::Later { reason, seconds } => format!("later {seconds} {reason}"),
        Delivery::Refused(why) => format!("refused {why}"),
        Delivery::QuotaSpent(why) => format!("quota {why}"),
    }
}

#[test]
fn mail_arrives_private_and_whole() {
    for (options, tls) in
        [(&[][..], Tls::StartTls), (&["--implicit"][..], Tls::Implicit), (&[][..], Tls::None)]
    {
        let smtp = StandIn::smtp(options);
        let sent = send(&mail(server(&smtp, tls)));
        assert_eq!(sent, Delivery::Accepted { request_id: "queued as 1".to_owned() }, "{tls:?}");
        let [got] = &smtp.received()[..] else { panic!("{:?}", smtp.received()) };
        let private = tls != Tls::None;
        assert_eq!((&got["tls"], &got["user"]), (&json!(private), &json!(private)), "{tls:?}");
        assert_eq!(got["from"], "MAIL FROM:<w@example.org>");
        assert_eq!(got["to"], json!(["RCPT TO:<me@example.org>"]));
        let data = got["data"].as_str().unwrap();
        assert!(data.contains(&format!("Message-ID: <{KEY}@example.org>\r\n")), "{data}");
        assert!(data.contains("\r\nSubject: [WATCHDOG] gateway: =?utf-8?b?"), "{data}");
    }
}

#[test]
fn every_answer_of_a_mail_server_is_taken_for_what_it_is() {
    let rows = [
        ("greet", "554 go away", "refused localhost: 554 go away"),
        ("greet", "421 too busy", "retry localhost: 421 too busy"),
        ("auth", "535 wrong password", "refused localhost: 535 wrong password"),
        ("auth", "454 later", "retry localhost: 454 later"),
        ("rcpt", "550 no such user hunter2", "refused localhost: 550 no such user ***"),
        ("rcpt", "451 greylisted", "retry localhost: 451 greylisted"),
        ("data", "552 too big", "refused localhost: 552 too big"),
        ("data", "452 no room", "retry localhost: 452 no room"),
    ];
    let smtp = StandIn::smtp(&[]);
    let way = mail(server(&smtp, Tls::StartTls));
    for (place, reply, meaning) in rows {
        smtp.steer(place, reply);
        assert_eq!(why(send(&way)), meaning, "{place}");
        smtp.unsteer(place);
    }
    assert_eq!(smtp.received().len(), 0);
    smtp.steer("lost", "");
    assert!(why(send(&way)).starts_with("retry "), "the answer is lost, the message perhaps not");
    assert_eq!(smtp.received().len(), 1);
}

#[test]
fn nothing_is_sent_to_whom_it_is_not_meant_for() {
    let smtp = StandIn::smtp(&[]);
    let good = server(&smtp, Tls::StartTls);
    let stranger = Server { ca: None, ..good.clone() };
    assert!(
        why(send(&mail(stranger))).starts_with("retry localhost: "),
        "a certificate that nobody vouches for"
    );
    let other_name = Server { host: "127.0.0.1".to_owned(), ..good.clone() };
    assert!(why(send(&mail(other_name))).starts_with("retry 127.0.0.1: "), "a certificate for another name");
    let no_ca = Server { ca: Some("/nonexistent/ca.pem".into()), ..good.clone() };
    assert!(why(send(&mail(no_ca))).contains("reading the certificates of /nonexistent/ca.pem"));
    smtp.steer("no-starttls", "");
    assert!(why(send(&mail(good.clone()))).contains("STARTTLS is not supported"), "never in the clear");
    assert_eq!(smtp.received().len(), 0);
    drop(smtp);
    assert!(why(send(&mail(good))).starts_with("retry localhost: "), "nobody is there");
}

fn hook(server: &StandIn, format: Format) -> Way {
    Way::Webhook(Webhook {
        url: Secret::new(server.url("/T000/B000/path-that-is-a-token")),
        format,
        headers: vec![("authorization".parse().unwrap(), Secret::new("Bearer tk_hunter2"))],
    })
}

#[test]
fn each_form_of_webhook_is_exact() {
    let server = StandIn::hook();
    let sent = [Format::Ntfy, Format::Slack, Format::Discord, Format::Json]
        .map(|format| send(&hook(&server, format)));
    let accepted = Delivery::Accepted { request_id: String::new() };
    assert_eq!(sent, [accepted.clone(), accepted.clone(), accepted.clone(), accepted]);
    let got = server.received();
    assert_eq!(
        got[0],
        json!({
            "path": "/T000/B000/path-that-is-a-token",
            "headers": { "authorization": "Bearer tk_hunter2", "content-type": "text/plain; charset=utf-8",
                "idempotency-key": KEY, "priority": "5", "tags": "rotating_light", "title": "gateway" },
            "body": "[WATCHDOG] gateway: 停止しています。\n.\nLook: explain",
        })
    );
    assert_eq!(got[1]["body"], r#"{"text":"[WATCHDOG] gateway: 停止しています。\n.\nLook: explain"}"#);
    assert_eq!(
        got[2]["body"],
        r#"{"allowed_mentions":{"parse":[]},"content":"[WATCHDOG] gateway: 停止しています。\n.\nLook: explain"}"#
    );
    let body: serde_json::Value = serde_json::from_str(got[3]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["severity"], &body["id"]), (&json!("critical"), &json!(KEY)));
    assert!(got[1..].iter().all(|got| got["headers"]["content-type"] == "application/json"));
}

#[test]
fn every_answer_of_a_webhook_is_taken_for_what_it_is_and_shows_no_secret() {
    let server = StandIn::hook();
    for (answer, meaning) in [
        ("204", None),
        ("429", Some("retry 127.0.0.1: 429: ")),
        ("429 1.5", Some("later 2 127.0.0.1: 429, it wants 2 s of peace: ")),
        ("503 86400", Some("later 86400 127.0.0.1: 503, ")),
        ("429 tomorrow", Some("retry 127.0.0.1: 429: ")),
        ("404 30", Some("refused 127.0.0.1: 404: ")),
        ("500", Some("retry 127.0.0.1: 500: ")),
        ("302", Some("retry 127.0.0.1: 302: ")),
        ("401", Some("refused 127.0.0.1: 401: ")),
        ("404", Some("refused 127.0.0.1: 404: ")),
        ("close", Some("retry 127.0.0.1: ")),
    ] {
        server.steer("answer", answer);
        let delivery = send(&hook(&server, Format::Json));
        let Some(meaning) = meaning else {
            assert!(matches!(delivery, Delivery::Accepted { .. }), "{answer}: {delivery:?}");
            continue;
        };
        let said = why(delivery);
        assert!(said.starts_with(meaning), "{answer}: {said}");
        assert!(!said.contains("token") && !said.contains("hunter2"), "{said}");
    }
}
