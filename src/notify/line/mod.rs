//! The LINE Messaging API: pushes finished texts to one recipient and says what LINE made of it. It must
//! not retry, wait or choose: a second try uses the same key and the byte-identical body, and when to make
//! one is the core's decision.

mod account;
mod answer;
mod quota;

pub use account::Said;
pub use answer::classify;

use crate::recovery::evidence::Delivery;
use crate::values::{Secret, mask, one_line};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder, Response};
use serde::Serialize;
use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Where LINE takes pushes.
pub const PUSH_ENDPOINT: &str = "https://api.line.me/v2/bot/message/push";
/// LINE takes so many texts in one push, and counts a push once per recipient.
pub const TEXTS_MAX: usize = 5;
/// From the first byte sent to the last one read, and some more: the least wait before a second try.
pub const GAP: Duration = Duration::from_secs(15);
/// LINE's limit of a text, in UTF-16 code units.
const TEXT_UNITS_MAX: usize = 5_000;
/// From the first byte sent to the last one read. LINE answers well within a second.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer of LINE has some hundred bytes.
const REPLY_BYTES_MAX: usize = 16 << 10;
const REASON_CHARS_MAX: usize = 300;
const ID_CHARS_MAX: usize = 80;

/// A channel and a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The push endpoint, [`PUSH_ENDPOINT`] unless told otherwise.
    pub endpoint: String,
    /// The channel access token.
    pub token: Secret,
    /// The user, group or room.
    pub to: String,
}

#[derive(Serialize)]
struct Push<'a> {
    to: &'a str,
    messages: Vec<Text<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'a str,
    text: &'a str,
}

impl Line {
    /// The request body for up to five texts, to be kept and sent unchanged at every try. A text too long for
    /// LINE is cut. LINE counts the whole push as one message per recipient.
    pub fn compose(&self, texts: &[&str]) -> String {
        let texts: Vec<String> = texts.iter().map(|text| cut(text)).collect();
        let messages = texts.iter().map(|text| Text { r#type: "text", text }).collect();
        // Strings in a struct always serialise; the empty body would be refused by LINE, not lost.
        serde_json::to_string(&Push { to: &self.to, messages }).unwrap_or_default()
    }

    /// Pushes `body` under `retry_key` (a UUID) and says what became of it. Takes at most ten seconds.
    pub async fn send(&self, client: &Client, body: &str, retry_key: &str) -> Delivery {
        self.send_within(SEND_TIMEOUT, client, body, retry_key).await
    }

    async fn send_within(&self, limit: Duration, client: &Client, body: &str, retry_key: &str) -> Delivery {
        let deadline = Instant::now() + limit;
        let request = client
            .post(&self.endpoint)
            .bearer_auth(self.token.expose())
            .header(CONTENT_TYPE, "application/json")
            .header("X-Line-Retry-Key", retry_key)
            .body(body.to_owned());
        let delivery = match timeout_at(deadline, request.send()).await {
            Err(_) => Delivery::Retry(format!("LINE did not answer within {} s", limit.as_secs_f32())),
            Ok(Err(error)) => failed(error),
            Ok(Ok(response)) => judge(response, deadline).await,
        };
        self.presentable(delivery)
    }

    /// Whatever LINE or a proxy echoed, a reason shows neither the token nor the recipient. Masked before it
    /// is cut, or half of them could remain.
    fn presentable(&self, delivery: Delivery) -> Delivery {
        let secrets = [self.token.clone(), Secret::new(&self.to)];
        let tidy = |text: String, max_chars| one_line(&mask(&text, &secrets), max_chars);
        match delivery {
            Delivery::Accepted { request_id } => {
                Delivery::Accepted { request_id: tidy(request_id, ID_CHARS_MAX) }
            }
            Delivery::Retry(reason) => Delivery::Retry(tidy(reason, REASON_CHARS_MAX)),
            Delivery::Later { reason, seconds } => {
                Delivery::Later { reason: tidy(reason, REASON_CHARS_MAX), seconds }
            }
            Delivery::QuotaSpent(reason) => Delivery::QuotaSpent(tidy(reason, REASON_CHARS_MAX)),
            Delivery::Refused(reason) => Delivery::Refused(tidy(reason, REASON_CHARS_MAX)),
        }
    }
}

/// The status and the headers are LINE's answer. A body that does not end, or not in time, is judged by what
/// has come of it.
async fn judge(mut response: Response, deadline: Instant) -> Delivery {
    let header =
        |headers: &HeaderMap, name| headers.get(name).and_then(|id| id.to_str().ok().map(str::to_owned));
    let id = header(response.headers(), "x-line-request-id");
    let accepted_id = header(response.headers(), "x-line-accepted-request-id");
    let body = read(&mut response, deadline).await;
    classify(response.status().as_u16(), id.as_deref(), accepted_id.as_deref(), &body)
}

/// Asks LINE a question that is not a push, and gives the head of its answer, or why there is none.
async fn answered(request: RequestBuilder, deadline: Instant) -> Result<Response, String> {
    let answer = timeout_at(deadline, request.send()).await.map_err(|_| "LINE did not answer in time")?;
    answer.map_err(|error| match failed(error) {
        Delivery::Retry(why) | Delivery::Refused(why) | Delivery::QuotaSpent(why) => why,
        Delivery::Later { reason, .. } => reason,
        Delivery::Accepted { .. } => "LINE cannot be asked".to_owned(),
    })
}

/// What comes of a body in time, at most [`REPLY_BYTES_MAX`] of it.
async fn read(response: &mut Response, deadline: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    let filling = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(REPLY_BYTES_MAX - body.len())]);
            if body.len() == REPLY_BYTES_MAX {
                break;
            }
        }
    };
    let _ = timeout_at(deadline, filling).await;
    body
}

/// A request that got no answer. What it could not even build is wrong for ever; all else may pass.
fn failed(error: reqwest::Error) -> Delivery {
    if error.is_builder() {
        let sentence = "the request to LINE cannot be built: check that PICOCLAW_WATCHDOG_LINE_PUSH_ENDPOINT is a URL \
             and that the channel access token is one line of plain characters";
        return Delivery::Refused(sentence.to_owned());
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Delivery::Retry(format!("LINE cannot be reached: {cause}"))
}

/// At most [`TEXT_UNITS_MAX`] UTF-16 units, the last an ellipsis when something is missing. Whole characters
/// are counted, so that no surrogate pair is split.
fn cut(text: &str) -> String {
    if text.encode_utf16().count() <= TEXT_UNITS_MAX {
        return text.to_owned();
    }
    let mut units = '…'.len_utf16();
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= TEXT_UNITS_MAX
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::nobody::nobody;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    const TOKEN: &str = "tok/en+1234567890==";
    const TO: &str = "U0123456789abcdef0123456789abcdef";
    const KEY: &str = "123e4567-e89b-12d3-a456-426614174000";
    const SHORT: Duration = Duration::from_secs(2);

    pub(super) fn line(endpoint: &str) -> Line {
        Line { endpoint: endpoint.to_owned(), token: Secret::new(TOKEN), to: TO.to_owned() }
    }

    pub(super) fn client() -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }

    /// Reads one request, head and body.
    async fn request(socket: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        loop {
            socket.read_buf(&mut bytes).await.unwrap();
            let text = String::from_utf8(bytes.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return text;
            }
        }
    }

    /// A LINE that gives one answer, verbatim, and keeps the connection open for as long as it is wanted.
    async fn answering(answer: impl Into<Vec<u8>>) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/push", listener.local_addr().unwrap());
        let answer = answer.into();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let request = request(&mut socket).await;
            let _ = socket.write_all(&answer).await;
            let _ = socket.read(&mut [0]).await;
            request
        });
        (endpoint, server)
    }

    /// Where nobody listens.
    pub(super) fn closed() -> String {
        format!("http://{}/push", nobody())
    }

    async fn delivery_of(answer: impl Into<Vec<u8>>) -> Delivery {
        let (endpoint, _server) = answering(answer).await;
        let line = line(&endpoint);
        line.send_within(SHORT, &client(), &line.compose(&["hello"]), KEY).await
    }

    fn http(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
    }

    pub(super) fn kind(delivery: &Delivery) -> &'static str {
        match delivery {
            Delivery::Accepted { .. } => "accepted",
            Delivery::Retry(_) => "retry",
            Delivery::Later { .. } => "later",
            Delivery::QuotaSpent(_) => "quota",
            Delivery::Refused(_) => "refused",
        }
    }

    pub(super) fn accepted(id: &str) -> Delivery {
        Delivery::Accepted { request_id: id.to_owned() }
    }

    pub(super) fn reason(delivery: Delivery) -> String {
        match delivery {
            Delivery::Accepted { request_id } => panic!("accepted as {request_id}"),
            Delivery::Retry(text) | Delivery::QuotaSpent(text) | Delivery::Refused(text) => text,
            Delivery::Later { reason, .. } => reason,
        }
    }

    #[test]
    fn the_body_is_exact() {
        let body = line("").compose(&["[WATCHDOG] \"a\"\n\u{1}b😀"]);
        let expected = r#"{"to":"U0123456789abcdef0123456789abcdef","messages":[{"type":"text","text":"[WATCHDOG] \"a\"\n\u0001b😀"}]}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn several_texts_are_one_push() {
        let body = line("").compose(&["a", "b"]);
        assert!(
            body.ends_with(r#""messages":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#),
            "{body}"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let units = |text: &str| text.encode_utf16().count();
        assert_eq!(cut(&"a".repeat(5_000)), "a".repeat(5_000));
        assert_eq!(cut(&"a".repeat(5_001)), "a".repeat(4_999) + "…");
        assert_eq!(cut(&"😀".repeat(2_500)), "😀".repeat(2_500));
        assert_eq!(cut(&"😀".repeat(2_501)), "😀".repeat(2_499) + "…");
        assert_eq!(units(&cut(&("a".to_owned() + &"😀".repeat(3_000)))), 5_000);
        assert!(units(&cut(&"\r\n字😀e\u{301}".repeat(9_000))) <= 5_000);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_request_is_what_line_documents() {
        let ok = http("200 OK", "x-line-request-id: abc-1\r\n", r#"{"sentMessages":[{"id":"1"}]}"#);
        let (endpoint, server) = answering(ok).await;
        let line = line(&endpoint);
        let body = line.compose(&["hello"]);
        assert_eq!(line.send(&client(), &body, KEY).await, accepted("abc-1"));
        let request = server.await.unwrap().to_lowercase();
        for part in [
            "post /push http/1.1\r\n".to_owned(),
            format!("\r\nauthorization: bearer {}\r\n", TOKEN.to_lowercase()),
            format!("\r\nx-line-retry-key: {KEY}\r\n"),
            "\r\ncontent-type: application/json\r\n".to_owned(),
            format!("\r\n\r\n{}", body.to_lowercase()),
        ] {
            assert!(request.contains(&part), "{part:?} in {request:?}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_echoed_is_neither_token_nor_recipient() {
        let escaped = TOKEN.replace('/', "\\/");
        let body = format!(r#"{{"message":"{}{escaped} for {TO}\u001b[31m"}}"#, "x".repeat(271));
        let text = reason(delivery_of(http("500 Oops", "", &body)).await);
        assert!(text.contains("***") && !text.contains("tok") && !text.contains("U01"), "{text}");
        assert!(!text.contains('\u{1b}') && text.chars().count() <= REASON_CHARS_MAX + 1, "{text}");
        let echo = format!("x-line-request-id: {TOKEN}\r\n");
        assert_eq!(delivery_of(http("200 OK", &echo, "{}")).await, accepted("***"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn broken_answers_end_in_time_and_mean_try_again() {
        let hang = delivery_of("").await;
        assert_eq!(hang, Delivery::Retry("LINE did not answer within 2 s".to_owned()));
        for answer in ["garbage\r\n\r\n", "HTTP/1.1 200", "HTTP/1.1 99999 x\r\n\r\n", "\u{0}\u{0}\r\n\r\n"] {
            assert_eq!(kind(&delivery_of(answer).await), "retry", "{answer:?}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_status_is_an_answer_however_its_body_ends() {
        assert_eq!(
            delivery_of("HTTP/1.1 200 OK\r\nx-line-request-id: a\r\nContent-Length: 9\r\n\r\n{").await,
            accepted("a")
        );
        let endless = "HTTP/1.1 200 OK\r\nx-line-request-id: a\r\n\r\n".to_owned() + &"x".repeat(8 << 20);
        let started = Instant::now();
        let (endpoint, _server) = answering(endless).await;
        assert_eq!(line(&endpoint).send(&client(), "{}", KEY).await, accepted("a"));
        assert!(started.elapsed() < SEND_TIMEOUT / 2, "the cap ended it, not the deadline");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_never_left_is_told_apart() {
        let closed = closed();
        let text = reason(line(&closed).send(&client(), "{}", KEY).await);
        assert!(text.starts_with("LINE cannot be reached: ") && text.contains("refused"), "{text}");
        assert_eq!(kind(&line("not a url").send(&client(), "{}", KEY).await), "refused");
        let bad = Line { token: Secret::new("two\nlines"), ..line(&closed) };
        let refused = bad.send(&client(), "{}", KEY).await;
        assert_eq!(kind(&refused), "refused");
        assert!(!reason(refused).contains("two"));
    }
}
