//! LINE's push endpoint, with its retry keys, and what a check of the account or of the webhook asks.
//!
//! Every push is recorded as one line of JSON in `--record FILE`, before the client hears of it. The control file
//! `answer` steers: `500`, `429-quota`, `429-rate`, `401`, `400`, `hang`, `close` (hangs up without accepting),
//! `lost-200` (accepts, and hangs up without saying so). Without it, pushes are accepted. The file `api` does the
//! same for all other questions; what else steers those is said in `line/channel.rs`.

mod channel;

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use crate::http::{Answer, Reply, Request, serve};
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

struct Line {
    control: Control,
    book: Mutex<Book>,
}

struct Book {
    record: File,
    /// What was accepted, by retry key: the request's id and the messages' ids.
    accepted: BTreeMap<String, (String, Value)>,
    pushes: usize,
    used: usize,
    /// Test calls of the webhook.
    tests: usize,
}

/// One push as the tests read it back.
#[derive(Serialize)]
struct Recorded<'a> {
    epoch_ms: i64,
    /// Whether there was a bearer token; the token itself is nobody's business.
    authorization: bool,
    retry_key: Option<&'a str>,
    content_type: Option<&'a str>,
    /// The exact text.
    body: &'a str,
    /// Whether it counts as sent.
    accepted: bool,
    /// What the client was told; none when it heard nothing.
    status: Option<u16>,
}

/// Starts the server.
pub(crate) fn start(mut args: Args) -> Result<()> {
    let port = args.parsed("--port", 18792)?;
    let control = Control::new(args.value("--control")?);
    let path = args.value("--record")?.context("--record FILE is missing")?;
    args.done()?;
    let record = File::options().create(true).append(true).open(&path).context(path)?;
    let book = Book { record, accepted: BTreeMap::new(), pushes: 0, used: 0, tests: 0 };
    let line = Line { control, book: Mutex::new(book) };
    announce(&[serve(port, move |request| line.answer(request))?]);
    Ok(())
}

impl Line {
    fn answer(&self, request: &Request) -> Answer {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v2/bot/message/push") => book.push(request, self.control.text("answer").as_deref()),
            _ => self.question(request, &mut book),
        }
    }
}

impl Line {
    /// Everything but pushes.
    fn question(&self, request: &Request, book: &mut Book) -> Answer {
        if !authorized(request) {
            return Answer::Reply(unauthorized());
        }
        match self.control.text("api").as_deref() {
            None | Some("") => Answer::Reply(channel::answer(&self.control, request, book)),
            Some("hang") => Answer::Hang,
            Some("close") => Answer::Close,
            Some(code) => Answer::Reply(refusal(code)),
        }
    }
}

impl Book {
    fn push(&mut self, request: &Request, steered: Option<&str>) -> Answer {
        self.pushes += 1;
        let used = self.used;
        let id = format!("00000000-0000-4000-8000-{:012}", self.pushes);
        let answer = match steered {
            None | Some("") => Answer::Reply(self.judge(request, &id)),
            Some("lost-200") => {
                self.judge(request, &id);
                Answer::Close
            }
            Some("close") => Answer::Close,
            Some("hang") => Answer::Hang,
            Some(code) => Answer::Reply(refusal(code)),
        };
        let answer = match answer {
            Answer::Reply(reply) => Answer::Reply(reply.with("X-Line-Request-Id", id)),
            Answer::Close | Answer::Hang => answer,
        };
        self.write(request, self.used > used, &answer);
        answer
    }

    /// What LINE itself makes of a push: refused, accepted, or accepted before.
    fn judge(&mut self, request: &Request, id: &str) -> Reply {
        if !authorized(request) {
            return unauthorized();
        }
        let messages = match count_messages(&request.body) {
            Ok(count) => count,
            Err(property) => return body_error(property),
        };
        let key = request.header("x-line-retry-key");
        if let Some((first_id, sent)) = key.and_then(|key| self.accepted.get(key)) {
            let body = json!({ "message": "The retry key is already accepted", "sentMessages": sent });
            return Reply::json(409, body.to_string()).with("X-Line-Accepted-Request-Id", first_id);
        }
        self.used += 1;
        let sent = (0..messages)
            .map(|n| json!({ "id": format!("{}{n}", self.pushes), "quoteToken": "q" }))
            .collect();
        if let Some(key) = key {
            self.accepted.insert(key.to_owned(), (id.to_owned(), Value::Array(Vec::clone(&sent))));
        }
        Reply::json(200, json!({ "sentMessages": sent }).to_string())
    }

    fn write(&mut self, request: &Request, accepted: bool, answer: &Answer) {
        let recorded = Recorded {
            epoch_ms: jiff::Timestamp::now().as_millisecond(),
            authorization: authorized(request),
            retry_key: request.header("x-line-retry-key"),
            content_type: request.header("content-type"),
            body: &request.body,
            accepted,
            status: match answer {
                Answer::Reply(reply) => Some(reply.status()),
                Answer::Close | Answer::Hang => None,
            },
        };
        // One write per line, so that a reader never sees half of it.
        let written = serde_json::to_string(&recorded).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|line| self.record.write_all((line + "\n").as_bytes())) {
            eprintln!("stand-in: the record cannot be written: {error}");
        }
    }
}

/// The number of messages, or the property that LINE would complain about.
fn count_messages(body: &str) -> Result<usize, &'static str> {
    let push: Value = serde_json::from_str(body).map_err(|_| "body")?;
    if push["to"].as_str().is_none_or(str::is_empty) {
        return Err("to");
    }
    check_messages(&push)
}

fn check_messages(push: &Value) -> Result<usize, &'static str> {
    let messages =
        push["messages"].as_array().filter(|list| (1..=5).contains(&list.len())).ok_or("messages")?;
    // LINE counts UTF-16 code units.
    let good = |text: &str| (1..=5_000).contains(&text.encode_utf16().count());
    if messages.iter().all(|message| message["type"] == "text" && message["text"].as_str().is_some_and(good))
    {
        return Ok(messages.len());
    }
    Err("messages[0].text")
}

fn authorized(request: &Request) -> bool {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| !token.is_empty())
}

fn refusal(code: &str) -> Reply {
    match code {
        "429-quota" => error(429, "You have reached your monthly limit."),
        "429-rate" => error(429, "The API rate limit has been exceeded. Try again later."),
        "401" => unauthorized(),
        "400" => error(400, "Failed to send messages"),
        "403" => error(403, "Access to this API is not available for your account"),
        _ => error(500, "Internal Server Error"),
    }
}

fn unauthorized() -> Reply {
    error(
        401,
        "Authentication failed due to the following reason: invalid token. Confirm that the access token in the authorization header is valid.",
    )
}

fn body_error(property: &str) -> Reply {
    let details = json!([{ "message": "May not be empty", "property": property }]);
    Reply::json(400, json!({ "message": "The request body has 1 error(s)", "details": details }).to_string())
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({ "message": message }).to_string())
}
