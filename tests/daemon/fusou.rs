//! `config/fusou.toml` as it is shipped, against a stand-in that answers as Cloudflare and Supabase do.

use crate::common::{Home, repository};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

/// What is answered to a request whose line or body has these words, and what was asked.
#[derive(Default)]
struct Clouds {
    answers: BTreeMap<&'static str, String>,
    asked: Vec<String>,
}

struct Site {
    home: Home,
    clouds: Arc<Mutex<Clouds>>,
}

const ALL_WELL: [(&str, &str); 9] = [
    (
        "/metrics",
        r#"{"success":true,"errors":[],"messages":[],"result":{"backlog_count":0,"backlog_bytes":0,"oldest_message_timestamp_ms":0}}"#,
    ),
    (
        "/queues/0123456789abcdef ",
        r#"{"success":true,"errors":[],"result":{"queue_name":"dev-kc-compaction-queue","consumers_total_count":1,"settings":{"delivery_paused":false}}}"#,
    ),
    (
        "queueMessageOperationsAdaptiveGroups",
        r#"{"data":{"viewer":{"accounts":[{"queueMessageOperationsAdaptiveGroups":[]}]}},"errors":null}"#,
    ),
    (
        "FROM buffer_logs",
        r#"{"success":true,"errors":[],"result":[{"success":true,"results":[{"waiting":0,"oldest":null}],"meta":{}}]}"#,
    ),
    (
        "FROM archived_files",
        r#"{"success":true,"errors":[],"result":[{"success":true,"results":[{"left_behind":0}],"meta":{}}]}"#,
    ),
    ("/rest/v1/", "[]"),
    ("/workflows/", r#"{"success":true,"errors":[],"result":[]}"#),
    ("/api/battle-data/health", r#"{"status":"ok","service":"battle_data"}"#),
    ("GET / ", r#"{"status":"ok","service":"fusou-ingest"}"#),
];

impl Site {
    fn new() -> Self {
        let home = Home::new(&fs::read_to_string(repository().join("config/fusou.toml")).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answers = ALL_WELL.into_iter().map(|(words, body)| (words, body.to_owned())).collect();
        let clouds = Arc::new(Mutex::new(Clouds { answers, asked: Vec::new() }));
        let known = Arc::clone(&clouds);
        thread::spawn(move || {
            for visitor in listener.incoming() {
                let known = Arc::clone(&known);
                thread::spawn(move || answer(visitor.unwrap(), &known));
            }
        });
        home.write(
            ".picoclaw/.env",
            &format!(
                "FUSOU_CF_API={base}\nFUSOU_SUPABASE_URL={base}\nFUSOU_WEB_URL={base}\nFUSOU_WORKER_URL={base}\n\
                 FUSOU_CF_ACCOUNT=account\nFUSOU_CF_API_TOKEN=cloud-hunter2\nFUSOU_QUEUE_ID=0123456789abcdef\n\
                 FUSOU_D1_DATABASE=database\nFUSOU_SUPABASE_KEY=base-hunter2\nFUSOU_WORKFLOW=data-compaction-workflow\n"
            ),
        );
        Self { home, clouds }
    }

    /// Another answer to what has these words.
    fn with(words: &'static str, body: &str) -> Self {
        let site = Self::new();
        site.clouds.lock().unwrap().answers.insert(words, body.to_owned());
        site
    }

    fn once(&self) -> String {
        let output = self.home.ask(&["once"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("hunter2"), "{said}");
        said
    }

    #[track_caller]
    fn says(&self, words: &str) {
        let said = self.once();
        assert!(said.contains(words), "{words}: {said}");
    }
}

fn answer(visitor: TcpStream, clouds: &Mutex<Clouds>) {
    let mut reader = BufReader::new(&visitor);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let asked = format!("{}{}", line, String::from_utf8_lossy(&body));
    let mut clouds = clouds.lock().unwrap();
    // The longest words that fit: those of one table before those of all.
    let found = clouds
        .answers
        .iter()
        .filter(|(words, _)| asked.contains(**words))
        .max_by_key(|(words, _)| words.len());
    let (status, said) = found.map_or((404, String::new()), |(_, said)| (200, said.clone()));
    clouds.asked.push(asked);
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let length = said.len();
    // Who was asked and goes away is no fault of the answer.
    let _ = write!(
        &visitor,
        "HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{said}"
    );
}

/// Milliseconds since 1970, so many minutes and a half ago: the time of a server is cut to whole seconds.
fn ago(minutes: u64) -> u128 {
    let at = SystemTime::now() - Duration::from_secs(60 * minutes + 30);
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

#[test]
fn a_pipeline_that_works_is_well_and_is_only_looked_at() {
    let site = Site::new();
    let output = site.home.ask(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !said.contains("error") && !said.contains("warning"), "{said}");
    let output = site.home.ask(&["once"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let clouds = site.clouds.lock().unwrap();
    assert_eq!(clouds.asked.len(), 12, "{:#?}", clouds.asked);
    let asked = clouds.asked.concat();
    assert!(!asked.contains("/pull") && !asked.contains("purge") && !asked.contains("{now"), "{asked}");
}

#[test]
fn a_queue_that_is_stuck_is_told_by_its_oldest_message() {
    let metrics = |backlog: u32, oldest: u128| {
        format!(
            r#"{{"success":true,"result":{{"backlog_count":{backlog},"backlog_bytes":9,"oldest_message_timestamp_ms":{oldest}}}}}"#
        )
    };
    Site::with("/metrics", &metrics(3, ago(40))).says("/result/oldest_message_timestamp_ms is 40 min");
    Site::with("/metrics", &metrics(3, 0)).says("/result/oldest_message_timestamp_ms is 0: it is not known");
    Site::with("/metrics", &metrics(1001, ago(1))).says("/result/backlog_count is 1001, more than 1000");
    let none =
        r#"{"success":true,"result":{"consumers_total_count":0,"settings":{"delivery_paused":false}}}"#;
    Site::with("/queues/0123456789abcdef ", none).says("/result/consumers_total_count is 0, less than 1");
    let paused = none.replace("false", "true").replace("count\":0", "count\":1");
    Site::with("/queues/0123456789abcdef ", &paused)
        .says("/result/settings/delivery_paused is true, not false");
}

#[test]
fn dead_letters_and_failed_runs_are_told() {
    let groups = r#"{"data":{"viewer":{"accounts":[{"queueMessageOperationsAdaptiveGroups":[{"count":4,"dimensions":{"datetimeMinute":"2026-07-24T00:00:00Z"}}]}]}},"errors":null}"#;
    Site::with("queueMessageOperationsAdaptiveGroups", groups).says(r#"has 1 entries ([{"count":4"#);
    let failed = r#"[{"status":"dlq_failure","error_step":"validate-dataset","error_message":"Dataset validation failed"}]"#;
    Site::with("status=in.(failure,dlq_failure)", failed).says("the body has 1 entries");
    let errored = r#"{"success":true,"result":[{"id":"w1","status":"errored"}]}"#;
    Site::with("/workflows/", errored).says("/result has 1 entries");
}

#[test]
fn uploads_that_are_never_filed_or_compacted_are_told() {
    let rows = |oldest: u128| {
        format!(
            r#"{{"success":true,"result":[{{"success":true,"results":[{{"waiting":7,"oldest":{oldest}}}]}}]}}"#
        )
    };
    Site::with("FROM buffer_logs", &rows(ago(200))).says("/result/0/results/0/oldest is 3 h 20 min");
    Site::with("FROM buffer_logs", &rows(ago(100))).says("/result/0/results/0/oldest is 1 h 40 min");
    let stuck = r#"{"success":true,"result":[{"success":true,"results":[{"left_behind":2}]}]}"#;
    Site::with("FROM archived_files", stuck).says("/result/0/results/0/left_behind is 2, more than 0");
    let needed = r#"[{"id":"5f0c","last_compacted_at":null}]"#;
    Site::with("compaction_needed=is.true", needed).says(r#"the body has 1 entries ([{"id":"5f0c""#);
    Site::with("compaction_in_progress=is.true", r#"[{"id":"5f0c"}]"#)
        .says("(failure 1, 12 make it a fault)");
    Site::with("status=in.(pending,queued)", r#"[{"id":"1","status":"pending"}]"#)
        .says("the body has 1 entries");
}
