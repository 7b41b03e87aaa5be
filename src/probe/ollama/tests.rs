//! The real answers of Ollama, and a server that breaks off or stays silent.

use super::*;
use crate::probe::nobody::nobody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const V1: &str = r#"{"object":"list","data":[{"id":"chat-v1:latest","object":"model","created":1771545600,"owned_by":"library"}]}"#;
const NOW: i64 = 1_795_356_000;

fn probe(ask: Ask) -> Ollama {
    Ollama {
        base: Url::parse("http://127.0.0.1:11434").unwrap(),
        ask,
        models: vec![Model::parse("chat-v1").unwrap()],
        gpu: true,
        stuck_after: Duration::from_secs(300),
        timeout: Duration::from_secs(2),
    }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.into(), date: None }
}

/// An entry of `/api/ps` that is to be unloaded so many seconds after now.
fn ps(name: &str, vram: u64, left: i64) -> String {
    let expires = jiff::Timestamp::from_second(NOW + left).unwrap();
    format!(
        r#"{{"name":"{name}","model":"{name}","size":5200,"size_vram":{vram},"digest":"c0ffee","details":{{"format":"gguf"}},"expires_at":"{expires}","context_length":8192}}"#
    )
}

fn in_memory(entries: &[String]) -> Reading {
    let body = format!(r#"{{"models":[{}]}}"#, entries.join(","));
    probe(Ask::Loaded).all_well(&judge::loaded(&reply(200, &body)).unwrap(), NOW)
}

fn fails(reading: Reading, words: &str) {
    assert!(matches!(&reading, Reading::Fail(why) if why.contains(words)), "{words}: {reading:?}");
}

fn unknown(reading: Reading, words: &str) {
    assert!(matches!(&reading, Reading::Unknown(why) if why.contains(words)), "{words}: {reading:?}");
}

#[test]
fn a_missing_model_is_told_with_the_command() {
    let there = judge::models(&reply(200, V1)).unwrap();
    assert_eq!(
        probe(Ask::Answers).all_there(&there, "0.33.0"),
        Reading::Pass("version 0.33.0 has chat-v1:latest".to_owned())
    );
    let mut more = probe(Ask::Answers);
    more.models.push(Model::parse("hf.co/a/worker:Q4").unwrap());
    fails(more.all_there(&there, "0.33.0"), "there is chat-v1:latest; run `ollama pull hf.co/a/worker:Q4`");
    // What it says when it has none.
    let none = judge::models(&reply(200, r#"{"object":"list","data":null}"#)).unwrap();
    fails(probe(Ask::Answers).all_there(&none, "0.33.0"), "there is no model");
}

#[test]
fn names_match_as_ollama_matches_them() {
    let same = |a: &str, b: &str| Model::parse(a) == Model::parse(b);
    assert!(
        same("chat-v1", "chat-v1:latest") && same("Chat-V1", "chat-v1") && same("h:1/a/b", "h:1/a/b:latest")
    );
    assert!(!same("chat-v1:7b", "chat-v1") && !same("chat", "chat-v1"));
    for bad in ["", "a b", "a\n", "x;y", &"a".repeat(201)] {
        assert!(Model::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_in_memory_is_told_apart() {
    let well = ps("chat-v1:latest", 5200, 240);
    assert_eq!(in_memory(std::slice::from_ref(&well)), Reading::Pass("loaded: chat-v1:latest".to_owned()));
    fails(in_memory(&[]), "chat-v1:latest is not loaded");
    fails(in_memory(&[ps("other:latest", 5200, 240)]), "chat-v1:latest is not loaded");
    fails(in_memory(&[ps("chat-v1:latest", 0, 240)]), "the GPU is lost: chat-v1:latest");
    fails(
        in_memory(&[ps("chat-v1:latest", 5200, -301)]),
        "chat-v1:latest is stuck: its time was over 5 min 1 s ago",
    );
    // An answer under way keeps it a little beyond its time.
    assert!(matches!(in_memory(&[ps("chat-v1:latest", 5200, -300)]), Reading::Pass(_)));
    // Somebody else's model may be wherever it likes.
    assert!(matches!(in_memory(&[well, ps("other:latest", 0, -9_999)]), Reading::Pass(_)));
}

#[test]
fn a_model_that_is_being_loaded_has_no_time_yet_and_is_not_stuck() {
    for unset in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon", ""] {
        let entry = ps("chat-v1:latest", 5200, 0);
        let body = entry.replace(&jiff::Timestamp::from_second(NOW).unwrap().to_string(), unset);
        assert!(matches!(in_memory(&[body]), Reading::Pass(_)), "{unset}");
    }
    let offset = ps("chat-v1:latest", 5200, 0).replace("Z\"", "+09:00\"");
    fails(in_memory(&[offset]), "is stuck: its time was over 9 h");
}

#[test]
fn without_a_list_all_that_is_loaded_counts_and_without_a_gpu_none_is_missed() {
    let entry = judge::loaded(&reply(200, &format!(r#"{{"models":[{}]}}"#, ps("x:1", 0, 60)))).unwrap();
    let any = Ollama { models: Vec::new(), ..probe(Ask::Loaded) };
    fails(any.all_well(&entry, NOW), "the GPU is lost: x:1");
    assert!(matches!(any.all_well(&[], NOW), Reading::Pass(_)));
    let cpu = Ollama { gpu: false, ..any };
    assert!(matches!(cpu.all_well(&entry, NOW), Reading::Pass(_)));
}

#[test]
fn every_status_has_its_own_reason() {
    let served = |status, body| probe(Ask::Answers).served(VERSION, &reply(status, body)).unwrap_err();
    fails(
        served(500, r#"{"error":"llama runner process has terminated"}"#),
        "gave 500: llama runner process",
    );
    fails(served(404, "404 page not found"), "/api/version gave 404");
    fails(served(502, "<html>"), "gave 502");
    unknown(served(403, ""), "OLLAMA_HOST=0.0.0.0");
    unknown(
        served(503, r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#),
        "busy",
    );
    unknown(served(401, ""), "401");
    unknown(served(302, ""), "302");
    let token = |status, body| probe(Ask::Generate).token(&reply(status, body), &Model::parse("m").unwrap());
    fails(
        token(500, r#"{"error":"CUDA error"}"#).unwrap_err(),
        "m:latest is loaded, but does not generate: 500: CUDA",
    );
    fails(token(200, r#"{"error":"half way"}"#).unwrap_err(), "200: half way");
    unknown(token(503, r#"{"error":"server busy"}"#).unwrap_err(), "busy");
    unknown(
        token(404, r#"{"error":"model \"m\" not found, try pulling it first"}"#).unwrap_err(),
        "went away",
    );
    unknown(token(400, r#"{"error":"\"m\" does not support generate"}"#).unwrap_err(), "does not support");
    assert!(token(200, r#"{"model":"m","response":"p","done":true}"#).is_ok());
}

#[test]
fn garbage_is_somebody_else_on_the_port() {
    let deep = "[".repeat(100_000);
    for body in ["", "<html>", "null", "7", r#"{"models":7}"#, r#"{"version":1,"data":{}}"#, &deep] {
        fails(judge::version(&reply(200, body)).unwrap_err(), "not Ollama's");
    }
    for body in
        ["", "<html>", "null", "[[", r#"{"models":7,"data":7}"#, r#"{"models":[7],"data":[7]}"#, &deep]
    {
        fails(judge::models(&reply(200, body)).unwrap_err(), "not Ollama's");
        fails(judge::loaded(&reply(200, body)).unwrap_err(), "not Ollama's");
    }
    let forged = judge::version(&reply(200, r#"{"version":"1\n\u001b[31m"}"#)).unwrap();
    assert!(!forged.contains(['\n', '\u{1b}']), "{forged:?}");
}

#[test]
fn a_generation_keeps_what_the_runner_has() {
    let loaded =
        judge::loaded(&reply(200, &format!(r#"{{"models":[{}]}}"#, ps("chat-v1:latest", 1, 1)))).unwrap();
    let order = one_token(&Model::parse("chat-v1").unwrap(), &loaded[0]);
    assert!(order.get("keep_alive").is_none(), "{order}");
    assert_eq!(order["options"], json!({ "num_predict": 1, "num_ctx": 8192 }));
}

/// Answers each connection with the next of these; an empty one stays silent.
async fn server(answers: Vec<String>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            socket.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() {
                open.push(socket);
            }
        }
        std::future::pending::<()>().await;
    });
    url
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 14:00:00 GMT\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "current_thread")]
async fn two_requests_share_one_deadline() {
    let short = Duration::from_secs(2);
    let base = server(vec![ok(r#"{"version":"0.33.0"}"#), String::new()]).await;
    let asked = Ollama { base, timeout: short, ..probe(Ask::Answers) };
    let began = Instant::now();
    fails(asked.check(&Clients::new()).await, "no answer from /v1/models within");
    assert!(began.elapsed() < short * 5, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "current_thread")]
async fn a_hanging_generation_is_not_a_hanging_api() {
    let entry = ps("chat-v1:latest", 5200, 240);
    let base = server(vec![ok(&format!(r#"{{"models":[{entry}]}}"#)), String::new()]).await;
    let asked = Ollama { base, timeout: Duration::from_secs(2), ..probe(Ask::Generate) };
    fails(asked.check(&Clients::new()).await, "generation hangs while the API answers");
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_not_loaded_is_not_asked() {
    // A second request would find nobody, and fail.
    let base = server(vec![ok(r#"{"models":[]}"#)]).await;
    let asked = Ollama { base, ..probe(Ask::Generate) };
    let told = "chat-v1:latest is not loaded, so it was not asked".to_owned();
    assert_eq!(asked.check(&Clients::new()).await, Reading::Pass(told));
    assert_eq!(asked.needs_every(), Some(GENERATE_EVERY));
}

#[tokio::test(flavor = "current_thread")]
async fn a_runner_is_late_by_the_clock_of_its_own_machine() {
    // Our clock is years away from the one in the answer, by which all is well.
    let entry = ps("chat-v1:latest", 5200, 0);
    let stamp = jiff::Timestamp::from_second(NOW).unwrap().to_string();
    let body = format!(r#"{{"models":[{}]}}"#, entry.replace(&stamp, "2010-11-06T08:49:00Z"));
    let answer = ok(&body).replace("Sun, 22 Nov 2026 14:00:00 GMT", "Sat, 06 Nov 2010 08:49:37 GMT");
    let base = server(vec![answer]).await;
    let asked = Ollama { base, ..probe(Ask::Loaded) };
    let reading = asked.check(&Clients::new()).await;
    assert!(matches!(reading, Reading::Pass(_)), "{reading:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_connection_is_named() {
    let base = Url::parse(&format!("http://{}", nobody())).unwrap();
    let asked = Ollama { base, ..probe(Ask::Answers) };
    assert_eq!(
        asked.check(&Clients::new()).await,
        Reading::Fail("Ollama is unreachable: connection refused".to_owned())
    );
}
