//! What becomes of every answer that a store can give. The bodies are those that R2 and Cloudflare send; the
//! signatures are tried against a real server in `tests/objects.rs`.

use super::store::Entry;
use super::*;
use crate::section::{Source, Variables, read};

use reqwest::header::{DATE, HeaderMap};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

const NOW: &str = "2026-02-08T13:26:33Z";
const DATED: &str = "Sun, 08 Feb 2026 13:26:33 GMT";

const R2: &str = r#"
account = "abc"
bucket = "moltbot-data"
access_key = "an-access-key"
secret_key = "hunter2-secret"
max_age = "20m"
"#;
const MARKER: &str = "marker = \".last-sync\"\n";
const DUMPS: &str = "prefixes = [\"daily/\"]\nshrink = 50\nmin_size = 1000\n";
const REST: &str = r#"
account = "abc"
bucket = "moltbot-data"
api_token = "hunter2-token"
max_age = "20m"
marker = ".last-sync"
"#;

fn reading(text: &str) -> (Option<Object>, Vec<String>) {
    let variables = Variables::new();
    let (object, findings) = read(Source { file: "f", text, variables: &variables }, Object::read);
    (object.flatten(), findings.problems.iter().map(ToString::to_string).collect())
}

fn object(text: &str) -> Object {
    let (object, problems) = reading(text);
    assert_eq!(problems, [""; 0]);
    object.unwrap()
}

fn s3() -> Object {
    object(&format!("{R2}{MARKER}"))
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn refused(object: &Object, status: u16, body: &str) -> Reading {
    let headers = HeaderMap::from_iter([(DATE, DATED.parse().unwrap())]);
    let answer = Answer { status, headers, body: body.into(), ..Answer::default() };
    object.refused(&answer, ".last-sync", time(NOW))
}

fn error(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>Something.</Message></Error>"
    )
}

fn unknown(reading: &Reading) -> &str {
    let Reading::Unknown(text) = reading else { panic!("{reading:?}") };
    text
}

fn fails(reading: &Reading) -> &str {
    let Reading::Fail(text) = reading else { panic!("{reading:?}") };
    text
}

#[test]
fn only_a_missing_object_is_the_backup_s_failure() {
    let missing = refused(&s3(), 404, &error("NoSuchKey"));
    assert_eq!(fails(&missing), "there is no .last-sync in moltbot-data: no backup yet, or another key");
    let misconfigured = [
        (404, "NoSuchBucket", "there is no such bucket: check its name, the account and the jurisdiction"),
        (400, "InvalidBucketName", "no bucket can have this name"),
        (401, "Unauthorized", "the access key is not known, or was revoked"),
        (403, "AccessDenied", "the key may not read this bucket"),
        (403, "SignatureDoesNotMatch", "the secret key does not belong to the access key"),
        (403, "NotEntitled", "R2 is not switched on for this account"),
        (400, "ExpiredRequest", "it has expired: check the token, and the clock of this machine"),
        (403, "SomethingNew", "the key or token may not read this bucket"),
    ];
    for (status, code, told) in misconfigured {
        let host = "abc.r2.cloudflarestorage.com";
        let told = format!("misconfigured probe: moltbot-data at {host}: {status} {code}: {told}");
        assert_eq!(unknown(&refused(&s3(), status, &error(code))), told);
    }
    let busy = refused(&s3(), 429, &error("TooManyRequests"));
    assert_eq!(unknown(&busy), "429: abc.r2.cloudflarestorage.com is asked too often");
    let away = refused(&s3(), 503, &error("ServiceUnavailable"));
    assert!(unknown(&away).starts_with("503 ServiceUnavailable: abc.r2"), "{away:?}");
}

#[test]
fn cloudflare_s_numbers_mean_the_same() {
    let rest = object(REST);
    let body = |code: u32, says: &str| {
        format!(
            r#"{{"success":false,"errors":[{{"code":{code},"message":"{says}"}}],"messages":[],"result":null}}"#
        )
    };
    let missing = refused(&rest, 404, &body(10007, "The specified key does not exist."));
    assert!(fails(&missing).starts_with("there is no .last-sync in moltbot-data"), "{missing:?}");
    let bucket = refused(&rest, 404, &body(10006, "The specified bucket does not exist."));
    assert!(unknown(&bucket).contains("404 NoSuchBucket: there is no such bucket"), "{bucket:?}");
    let token = refused(&rest, 401, &body(10000, "Authentication error"));
    assert!(
        unknown(&token).ends_with("401 code 10000: the key or token is wrong, or has expired"),
        "{token:?}"
    );
}

#[test]
fn what_is_no_store_is_not_taken_for_an_empty_one() {
    for body in ["", "<html>404</html>", "{}", "\u{fffd}<Error><Code>", &"<".repeat(9999)] {
        let why = "404 without a code: this is no object store";
        assert!(unknown(&refused(&s3(), 404, body)).ends_with(why), "{body}");
        assert!(unknown(&refused(&object(REST), 404, body)).ends_with(why), "{body}");
    }
    let location = "https://team.cloudflareaccess.com/login?kid=hunter2".parse().ok();
    let login = Answer { status: 302, location, ..Answer::default() };
    let login = s3().refused(&login, "x", time(NOW));
    assert!(unknown(&login).contains("redirected to https://team.cloudflareaccess.com/login:"), "{login:?}");
}

#[test]
fn a_clock_that_is_wrong_is_called_so() {
    let at = |ours: &str| {
        let headers = HeaderMap::from_iter([(DATE, DATED.parse().unwrap())]);
        let answer = Answer { status: 403, headers, body: error("AccessDenied").into(), ..Answer::default() };
        s3().refused(&answer, "x", time(ours))
    };
    let behind = "our clock is 2 h behind that of abc.r2.cloudflarestorage.com: set it";
    assert!(unknown(&at("2026-02-08T11:26:33Z")).starts_with(behind));
    assert!(unknown(&at("2026-02-08T13:41:34Z")).starts_with("our clock is 15 min 1 s ahead of that"));
    assert!(unknown(&at("2026-02-08T13:41:33Z")).contains("AccessDenied"), "as far as signatures bear");
}

fn found(object: &Object, at: &str, size: u64, before: &[u64]) -> Reading {
    let (at, date) = (time(at), Some(time(NOW)));
    let found = Found { what: "x".to_owned(), at, size: Some(size), before: before.to_vec(), date };
    object.judge(&found).unwrap_or_else(|reading| reading)
}

#[test]
fn age_has_a_limit_and_a_time_to_come_is_no_age() {
    let fresh = found(&s3(), "2026-02-08T13:06:33Z", 0, &[]);
    assert_eq!(fresh, Reading::Pass("fresh: x is 20 min old".to_owned()));
    let stale = found(&s3(), "2026-02-08T13:06:32Z", 0, &[]);
    assert_eq!(fails(&stale), "stale: x is 20 min 1 s old, more than 20 min");
    assert!(unknown(&found(&s3(), "2026-02-08T14:26:33Z", 0, &[])).contains("1 h in the future"));
}

#[test]
fn what_is_fresh_may_be_too_small_all_the_same() {
    let dumps = object(&format!("{R2}{DUMPS}"));
    let sized = |size, before: &[u64]| found(&dumps, NOW, size, before);
    assert_eq!(fails(&sized(999, &[])), "x is fresh, but too small: 999 bytes, less than 1000");
    assert!(matches!(sized(1000, &[]), Reading::Pass(_)));
    let usual = [10_000, 9_000, 1, 11_000, 10_500];
    assert!(matches!(sized(5_000, &usual), Reading::Pass(_)), "half of the median is still enough");
    let told = "x is fresh, but shrunk: 4999 bytes, less than 50 % of 10000, the median of the 5 before it";
    assert_eq!(fails(&sized(4_999, &usual)), told);
    assert!(fails(&sized(1000, &[u64::MAX])).contains("shrunk"));
}

const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>daily/</Prefix>
<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b/+=</NextContinuationToken>
<Contents><Key>daily/</Key><LastModified>2026-02-09T00:00:00.000Z</LastModified><Size>0</Size></Contents>
<Contents><Key>daily/a&amp;b.gz</Key><LastModified>2026-02-08T13:00:00.123Z</LastModified>
<ETag>&quot;x&quot;</ETag><Size>5</Size><Owner><ID>1</ID></Owner></Contents></ListBucketResult>"#;

#[test]
fn lists_are_read_in_both_languages() {
    let page = s3().store.page(LIST.as_bytes()).unwrap();
    let entry = |key: &str, at: &str| Entry { key: key.to_owned(), at: time(at), size: 5 };
    assert_eq!(page.entries, [entry("daily/a&b.gz", "2026-02-08T13:00:00.123Z")], "a folder is no backup");
    assert_eq!(page.next.as_deref(), Some("a&b/+="));
    let list = r#"{"success":true,"errors":[],"messages":[],"result":[{"key":"k","size":5,"etag":"e",
        "last_modified":"2026-02-08T13:00:00.000Z","storage_class":"Standard"}],"result_info":{"cursor":"c","per_page":1}}"#;
    let page = object(REST).store.page(list.as_bytes()).unwrap();
    assert_eq!(page, Page { entries: vec![entry("k", "2026-02-08T13:00:00Z")], next: Some("c".to_owned()) });
    let rubbish =
        ["", "<html/>", "null", "<ListBucketResult><Contents></Contents></ListBucketResult>", "[1]"];
    for body in rubbish {
        assert!(
            s3().store.page(body.as_bytes()).is_err() && object(REST).store.page(body.as_bytes()).is_err()
        );
    }
}

/// Answers every visitor with this, after its head; gives its address.
fn say(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut visitor in listener.incoming().flatten() {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && visitor.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            visitor.write_all(answer(&String::from_utf8_lossy(&head)).as_bytes()).ok();
        }
    });
    address
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nDate: {DATED}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn ask_at(address: &str, rest: &str) -> Reading {
    let text = R2.replace("account = \"abc\"", &format!("endpoint = \"{address}\"")) + rest;
    object(&text).ask(&Clients::new()).await
}

#[tokio::test]
async fn a_marker_holds_a_time_or_is_broken() {
    let holding = async |content: &'static str| ask_at(&say(move |_| ok(content)), MARKER).await;
    let fresh = holding("2026-02-08T22:20:33+09:00\n").await;
    assert_eq!(fresh, Reading::Pass("fresh: .last-sync is 6 min old".to_owned()));
    assert!(fails(&holding("2026-02-08T12:00:00+00:00\n").await).starts_with("stale: "));
    assert!(fails(&holding("\n").await).starts_with(".last-sync is empty"));
    let local = holding("2026-02-08T12:00:00").await;
    assert_eq!(fails(&local), ".last-sync holds no time with its offset, but \"2026-02-08T12:00:00\"");
    let none = ask_at(&say(|_| ok("x")), "marker = \"m\"\ncontent = \"none\"\n").await;
    assert_eq!(unknown(&none), "the answer does not say when m was last modified");
    let modified = |_: &str| ok("x").replace("\r\n\r\n", &format!("\r\nLast-Modified: {DATED}\r\n\r\n"));
    let modified = ask_at(&say(modified), "marker = \"m\"\ncontent = \"none\"\n").await;
    assert_eq!(modified, Reading::Pass("fresh: m is 0 s old".to_owned()));
}

#[tokio::test]
async fn cloudflare_is_asked_with_the_token_and_the_jurisdiction() {
    let api = say(|head| {
        let wanted = "GET /v4/accounts/abc/r2/buckets/moltbot-data/objects/.last-sync HTTP/1.1";
        let head = head.to_ascii_lowercase();
        let good = head.starts_with(&wanted.to_ascii_lowercase())
            && head.contains("authorization: bearer hunter2-token")
            && head.contains("cf-r2-jurisdiction: eu");
        if good { ok(NOW) } else { "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_owned() }
    });
    let rest = object(&format!("{REST}api = \"{api}/v4\"\njurisdiction = \"eu\"\n"));
    assert_eq!(rest.ask(&Clients::new()).await, Reading::Pass("fresh: .last-sync is 0 s old".to_owned()));
}

#[tokio::test]
async fn a_store_that_is_away_or_silent_proves_nothing() {
    let away = ask_at("http://127.0.0.1:1", MARKER).await;
    assert_eq!(unknown(&away), "127.0.0.1 cannot be reached: connection refused");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let silent = ask_at(&address, "marker = \"m\"\ntimeout = \"200ms\"\n").await;
    assert_eq!(unknown(&silent), "no full answer within 0.2 s");
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let endless = ask_at(&say(|_| ok(LIST)), "prefixes = [\"daily/\"]\n").await;
    assert!(
        unknown(&endless).contains("more than 20 pages under daily/: name a narrower prefix"),
        "{endless:?}"
    );
    let huge = say(|_| ok(&" ".repeat(PAGE_CAP + 1)));
    let huge = ask_at(&huge, "prefixes = [\"daily/\"]\n").await;
    assert!(unknown(&huge).contains("longer than the 2097152 bytes we read"), "{huge:?}");
}

#[tokio::test]
async fn nothing_under_all_prefixes_is_a_backup_that_is_missing() {
    let empty = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>";
    let reading = ask_at(&say(|_| ok(empty)), "prefixes = [\"a/\", \"b/\"]\n").await;
    assert_eq!(fails(&reading), "nothing in moltbot-data under a/, b/: no backup yet, or another prefix");
}

#[tokio::test]
async fn a_prefix_may_hold_the_day() {
    let empty = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>";
    let yesterday =
        || (Timestamp::now() - std::time::Duration::from_secs(86_400)).strftime("%Y-%m-%d").to_string();
    let before = yesterday();
    let reading = ask_at(&say(|_| ok(empty)), "prefixes = [\"blog/daily/{now-1d:date}/\"]\n").await;
    let told = |day: &str| {
        format!("nothing in moltbot-data under blog/daily/{day}/: no backup yet, or another prefix")
    };
    assert!([told(&before), told(&yesterday())].contains(&fails(&reading).to_owned()), "{reading:?}");
    assert!(reading_of_bad_prefix().contains("{now-1:date} is not a time; write {now}"));
}

fn reading_of_bad_prefix() -> String {
    reading(&format!("{R2}prefixes = [\"x/{{now-1:date}}/\"]\n")).1.join("\n")
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let problem = |text: &str| reading(text).1.join("\n");
    let with = |more: &str| problem(&format!("{R2}{more}"));
    let without = |line: &str, more: &str| {
        let rest: Vec<&str> = R2.lines().filter(|kept| !kept.starts_with(line)).collect();
        problem(&format!("{}\n{more}", rest.join("\n")))
    };
    let told = [
        (with(""), "nothing tells of the backup; write marker"),
        (with("marker = \"a\"\nprefixes = [\"b\"]"), "both marker and prefixes tell"),
        (with("marker = \"a\"\nshrink = 5"), "f:8:10: error: shrink: only a list of objects has a history"),
        (with("marker = \"a/../b\""), "is not the key of an object"),
        (with("prefixes = []"), "there are 0 prefixes; write 1 to 16"),
        (with("prefixes = [\"a\"]\ncontent = \"none\""), "only a marker holds a time"),
        (with("marker = \"a\"\nendpoint = \"https://x.example\""), "account makes one, too"),
        (with("marker = \"a\"\njurisdiction = \"moon\""), "write eu, fedramp, us"),
        (without("account", "marker = \"a\""), "it is not said which store; add account"),
        (without("account", "marker = \"a\"\nendpoint = \"https://x/b\""), "more than an endpoint"),
        (
            without("account", "marker = \"a\"\nendpoint = \"https://x\"\njurisdiction = \"eu\""),
            "the endpoint has its own",
        ),
        (without("secret_key", "marker = \"a\""), "secret_key is missing or empty; add secret_key"),
        (without("max_age", "marker = \"a\""), "max_age is missing"),
        (problem(&format!("{REST}region = \"auto\"")), "region: it belongs to S3"),
    ];
    for (said, told) in told {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!format!("{:?}", [s3(), object(REST)]).contains("hunter2"));
}
