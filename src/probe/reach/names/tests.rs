//! What resolvers say, and one that says it over HTTP.

use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

fn understood(body: &str) -> Result<Result<Found, String>, String> {
    understand(body.as_bytes(), "gw.tail1234.ts.net")
}

/// A resolver that answers this to whoever asks properly.
pub(in crate::probe::reach) fn resolver(body: &str) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dns-query", listener.local_addr().unwrap());
    let body = body.to_owned();
    thread::spawn(move || {
        for mut visitor in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && visitor.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head);
            let asked = head.starts_with("GET /dns-query?name=") && head.contains("&type=A ");
            let status = if asked && head.contains("accept: application/dns-json") { 200 } else { 400 };
            drop(write!(visitor, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    Url::parse(&url).unwrap()
}

async fn resolved(resolver: Option<&Url>, host: &str) -> Result<Found, Reading> {
    resolve(&Clients::new(), resolver, host, 443, Duration::from_secs(20)).await
}

/// An answer with this address, as Cloudflare writes it.
pub(in crate::probe::reach) fn answer(address: &str) -> String {
    let question = r#"{"Status":0,"TC":false,"RD":true,"Question":[{"name":"gw.tail1234.ts.net","type":1}],"#;
    let alias = r#"{"name":"gw.tail1234.ts.net","type":5,"TTL":60,"data":"edge.ts.net."}"#;
    format!(
        r#"{question}"Answer":[{alias},{{"name":"edge.ts.net","type":1,"TTL":300,"data":"{address}"}}]}}"#
    )
}

#[test]
fn addresses_are_read_past_aliases_and_kept_within_bounds() {
    let found = understood(&answer("192.0.2.7")).unwrap().unwrap();
    assert_eq!(found.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
    let lasts = |ttl: &str| {
        let body = format!(r#"{{"Status":0,"Answer":[{{"type":1,"TTL":{ttl},"data":"192.0.2.7"}}]}}"#);
        understood(&body).unwrap().unwrap().lasts.as_secs()
    };
    assert_eq!([lasts("0"), lasts("300"), lasts("604800")], [30, 300, 3600]);
    let record = r#"{"type":1,"TTL":9,"data":"192.0.2.7"}"#;
    let many = format!(r#"{{"Status":0,"Answer":[{}]}}"#, vec![record; 100].join(","));
    assert_eq!(understood(&many).unwrap().unwrap().addresses.len(), MAX_ADDRESSES);
}

#[test]
fn no_such_name_is_an_answer_and_trouble_is_not() {
    for none in [r#"{"Status":3}"#, r#"{"Status":0}"#, r#"{"Status":0,"Answer":[{"type":5,"data":"a."}]}"#] {
        let why = understood(none).unwrap().unwrap_err();
        assert_eq!(why, "gw.tail1234.ts.net has no address on the internet; a new name may take hours");
    }
    let inside = understood(&answer("100.101.102.103")).unwrap().unwrap_err();
    assert!(inside.ends_with("only one within the tailnet"), "{inside}");
    assert_eq!(understood(r#"{"Status":2}"#), Err("it answers with DNS error 2".to_owned()));
    for garbage in ["", "<html>", "[]", r#"{"Status":"0"}"#, r#"{"Status":0,"Answer":7}"#] {
        assert!(understood(garbage).unwrap_err().starts_with("its answer is not understood"), "{garbage}");
    }
}

#[test]
fn addresses_of_the_tailnet_are_known() {
    for own in ["100.64.0.0", "100.127.255.255", "fd7a:115c:a1e0::1"] {
        assert!(is_tailnet(own.parse().unwrap()), "{own}");
    }
    for other in ["100.63.255.255", "100.128.0.0", "192.0.2.1", "fd7a:115c:a1e1::1", "2001:db8::1"] {
        assert!(!is_tailnet(other.parse().unwrap()), "{other}");
    }
}

#[tokio::test]
async fn the_resolver_counts_and_the_system_only_in_its_silence() {
    let works = resolver(&answer("192.0.2.7"));
    assert_eq!(resolved(Some(&works), "localhost").await.unwrap().addresses[0].to_string(), "192.0.2.7");
    let gone = resolved(Some(&resolver(r#"{"Status":3}"#)), "localhost").await;
    assert!(matches!(gone, Err(Reading::Fail(_))), "{gone:?}");
    for silent in [Url::parse("http://127.0.0.1:9/").unwrap(), resolver("<html>")] {
        let found = resolved(Some(&silent), "localhost").await.unwrap();
        assert!(found.addresses[0].is_loopback(), "{found:?}");
    }
    let nobody = resolved(Some(&Url::parse("http://127.0.0.1:9/").unwrap()), "no-such-name.invalid").await;
    let Err(Reading::Unknown(why)) = nobody else { panic!("{nobody:?}") };
    assert!(
        why.starts_with("where no-such-name.invalid is cannot be found out: 127.0.0.1: connection refused; "),
        "{why}"
    );
    assert!(resolved(None, "localhost").await.unwrap().addresses[0].is_loopback());
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let long = resolver(&format!("{{{}", " ".repeat(100_000)));
    let why = ask(&Clients::new(), &long, "a.example").await.unwrap_err();
    assert_eq!(why, "its answer is longer than 16384 bytes");
}
