//! Ollama: the addresses that watchdogs ask, with two models loaded. Control files: `down-500`, `hang`.

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use crate::http::{Answer, Reply, Request, serve};
use anyhow::Result;

const V1_MODELS: &str = r#"{"object":"list","data":[{"id":"chat-v1:latest","object":"model","created":1771545600,"owned_by":"library"},{"id":"worker-v1:latest","object":"model","created":1771545600,"owned_by":"library"}]}"#;
const TAGS: &str = r#"{"models":[{"name":"chat-v1:latest","model":"chat-v1:latest","modified_at":"2026-02-20T00:00:00Z","size":4700000000,"digest":"c0ffee","details":{"format":"gguf","family":"llama"}},{"name":"worker-v1:latest","model":"worker-v1:latest","modified_at":"2026-02-20T00:00:00Z","size":2000000000,"digest":"decaf","details":{"format":"gguf","family":"llama"}}]}"#;
const PS: &str = r#"{"models":[{"name":"chat-v1:latest","model":"chat-v1:latest","size":5200000000,"size_vram":5200000000,"digest":"c0ffee","details":{"format":"gguf","family":"llama"},"expires_at":"2318-01-01T00:00:00Z","context_length":8192},{"name":"worker-v1:latest","model":"worker-v1:latest","size":2400000000,"size_vram":2400000000,"digest":"decaf","details":{"format":"gguf","family":"llama"},"expires_at":"2318-01-01T00:00:00Z","context_length":8192}]}"#;

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
        return Answer::Reply(Reply::json(500, r#"{"error":"llama runner process has terminated"}"#));
    }
    Answer::Reply(match request.path.as_str() {
        "/" => Reply::text(200, "Ollama is running"),
        "/api/version" => Reply::json(200, r#"{"version":"0.33.0"}"#),
        "/api/tags" => Reply::json(200, TAGS),
        "/api/ps" => Reply::json(200, PS),
        "/v1/models" => Reply::json(200, V1_MODELS),
        _ => Reply::text(404, "404 page not found"),
    })
}
