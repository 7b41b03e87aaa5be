//! Ollama: the addresses that watchdogs ask, with two models loaded.
//!
//! Control files: `hang` (accepts and never answers), `down-500`, `refuse-host` (403, as to a foreign host name),
//! `no-models` (none was ever pulled), `missing` (content: a model that is not there), `unloaded` (nothing is in
//! memory), `gpu-lost`, `stuck` (content: seconds since its time was over), `busy` (503 to generations),
//! `generate-hang`, `generate-500`.

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use crate::http::{Answer, Reply, Request, serve};
use anyhow::Result;
use serde_json::{Value, json};

/// Name and size of each model.
const MODELS: [(&str, u64); 2] = [("chat-v1:latest", 4_700_000_000), ("worker-v1:latest", 2_000_000_000)];
/// When it was all pulled.
const CREATED: &str = "2026-02-20T00:00:00Z";
const CREATED_SECONDS: u64 = 1_771_545_600;
/// How Ollama writes "never", for models that are kept in memory.
const NEVER: &str = "2318-01-01T00:00:00Z";

/// Starts the server.
pub(crate) fn start(mut args: Args) -> Result<()> {
    let port = args.parsed("--port", 11434)?;
    let control = Control::new(args.value("--control")?);
    args.done()?;
    announce(&[serve(port, move |request| answer(&control, request))?]);
    Ok(())
}

fn answer(control: &Control, request: &Request) -> Answer {
    if control.has("hang") {
        return Answer::Hang;
    }
    if control.has("down-500") {
        return Answer::Reply(error(500, "llama runner process has terminated"));
    }
    if control.has("refuse-host") {
        return Answer::Reply(Reply::text(403, ""));
    }
    Answer::Reply(match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/") => Reply::text(200, "Ollama is running"),
        ("GET" | "HEAD", "/api/version") => Reply::json(200, r#"{"version":"0.33.0"}"#),
        ("GET" | "HEAD", "/api/tags") => Reply::json(200, tags(control).to_string()),
        ("GET", "/api/ps") => Reply::json(200, ps(control).to_string()),
        ("GET", "/v1/models") => Reply::json(200, v1_models(control).to_string()),
        ("POST", "/api/generate") if control.has("generate-hang") => return Answer::Hang,
        ("POST", "/api/generate") => generate(control, &request.body),
        _ => Reply::text(404, "404 page not found"),
    })
}

/// The models that were pulled.
fn pulled(control: &Control) -> Vec<(&'static str, u64)> {
    let missing = control.text("missing").unwrap_or_default();
    MODELS.into_iter().filter(|(name, _)| !control.has("no-models") && *name != missing).collect()
}

fn tags(control: &Control) -> Value {
    let entry = |(name, size): (&str, u64)| {
        json!({
            "name": name, "model": name, "modified_at": CREATED, "size": size, "digest": "c0ffee",
            "details": details(),
        })
    };
    json!({ "models": pulled(control).into_iter().map(entry).collect::<Vec<_>>() })
}

/// Without a model, the list is null and not empty.
fn v1_models(control: &Control) -> Value {
    let entry = |(name, _): (&str, u64)| json!({ "id": name, "object": "model", "created": CREATED_SECONDS, "owned_by": "library" });
    let data: Vec<Value> = pulled(control).into_iter().map(entry).collect();
    json!({ "object": "list", "data": if data.is_empty() { Value::Null } else { data.into() } })
}

fn ps(control: &Control) -> Value {
    let expires_at = match control.text("stuck").map(|text| text.parse().unwrap_or(3_600)) {
        Some(ago) => {
            let now = jiff::Timestamp::now().as_second();
            jiff::Timestamp::from_second(now - ago).map_or(NEVER.to_owned(), |at| at.to_string())
        }
        None => NEVER.to_owned(),
    };
    let entry = |(name, size): (&str, u64)| {
        let vram = if control.has("gpu-lost") { 0 } else { size };
        json!({
            "name": name, "model": name, "size": size, "size_vram": vram, "digest": "c0ffee",
            "details": details(), "expires_at": expires_at, "context_length": 8192,
        })
    };
    let loaded = if control.has("unloaded") { Vec::new() } else { pulled(control) };
    json!({ "models": loaded.into_iter().map(entry).collect::<Vec<_>>() })
}

fn generate(control: &Control, body: &str) -> Reply {
    let order: Value = serde_json::from_str(body).unwrap_or_default();
    let Some(name) = order["model"].as_str() else { return error(400, "missing request body") };
    if !pulled(control).iter().any(|(known, _)| *known == name) {
        return error(404, &format!("model \"{name}\" not found, try pulling it first"));
    }
    if control.has("busy") {
        return error(503, "server busy, please try again.  maximum pending requests exceeded");
    }
    if control.has("generate-500") {
        return error(500, "llama runner process has terminated: CUDA error");
    }
    let answer = json!({
        "model": name, "created_at": CREATED, "response": "p", "done": true, "done_reason": "length",
        "total_duration": 41_000_000, "eval_count": 1,
    });
    Reply::json(200, answer.to_string())
}

fn details() -> Value {
    json!({ "parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"] })
}

fn error(status: u16, text: &str) -> Reply {
    Reply::json(status, json!({ "error": text }).to_string())
}
