//! A server to which messages are posted: ntfy, Slack, Discord or anything else.
//!
//! Every request is recorded as one line of JSON in `--record FILE`. The control file `answer` holds the status that is
//! given instead of 200, and after a space what it says in `Retry-After`; `hang` and `close` give none.

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use crate::http::{Answer, Reply, Request, serve};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write;

/// What is worth recording of a request.
const HEADERS: [&str; 6] = ["authorization", "content-type", "idempotency-key", "priority", "tags", "title"];

/// Starts the server.
pub(crate) fn start(mut args: Args) -> Result<()> {
    let port = args.parsed("--port", 18794)?;
    let control = Control::new(args.value("--control")?);
    let path = args.value("--record")?.context("--record FILE is missing")?;
    args.done()?;
    let record = File::options().create(true).append(true).open(&path).context(path)?;
    let answer = move |request: &Request| {
        let answer = match control.text("answer").as_deref() {
            Some("hang") => Answer::Hang,
            Some("close") => Answer::Close,
            steered => {
                let steered = steered.unwrap_or("200");
                let (status, wait) =
                    steered.split_once(' ').map_or((steered, None), |(status, wait)| (status, Some(wait)));
                let echo =
                    format!("{} {}", request.path, request.header("authorization").unwrap_or_default());
                let reply = Reply::text(status.parse().unwrap_or(200), echo);
                Answer::Reply(match wait {
                    Some(wait) => reply.with("Retry-After", wait),
                    None => reply,
                })
            }
        };
        let header = |name: &&str| Some((name.to_string(), json!(request.header(name)?)));
        let headers: Map<String, Value> = HEADERS.iter().filter_map(header).collect();
        let line = json!({ "path": request.path, "headers": headers, "body": request.body });
        if let Err(error) = (&record).write_all(format!("{line}\n").as_bytes()) {
            eprintln!("stand-in: the record cannot be written: {error}");
        }
        answer
    };
    announce(&[serve(port, answer)?]);
    Ok(())
}
