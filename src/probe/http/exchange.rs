//! One request and its answer, over a connection of its own. It judges nothing, follows nothing and repeats
//! nothing.

use super::error::{Fault, fault};
use crate::probe::clients::{Clients, USER_AGENT, is_loopback};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::http::response::Parts;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{
    CONTENT_LENGTH, DATE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT as AGENT,
};
use reqwest::{Client, Method, Url};
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use tokio::net::TcpStream;
use url::Position;

/// What is sent.
pub struct Request {
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// The headers, beside those that every request has.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<String>,
}

// By hand, because all but the host may hold a secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} to {})", self.method, self.url.host_str().unwrap_or_default())
    }
}

impl Request {
    /// A plain question.
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: None }
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<Url>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether there was more of the body than we read.
    pub cut: bool,
}

impl Answer {
    /// A header that is plain text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A time in a header, such as `Last-Modified`.
    pub fn time(&self, name: HeaderName) -> Option<Timestamp> {
        DateTimeParser::new().parse_timestamp(self.header(name)?).ok()
    }

    /// When the server answered, by its own clock.
    pub fn date(&self) -> Option<Timestamp> {
        self.time(DATE)
    }
}

/// Sends a request and reads at most `cap` bytes of the answer's body. The caller bounds the time.
///
/// Our own machine is asked by the protocol library alone, for that is most of a healthy cycle; the rest of the world
/// has proxies and TLS, and is asked through the client that knows both.
///
/// # Errors
/// Why there is no answer.
pub async fn send(clients: &Clients, request: &Request, cap: usize) -> Result<Answer, Fault> {
    match request.url.scheme() == "http" && is_loopback(&request.url) {
        true => near(request, cap).await,
        // Boxed, since it is much bigger than what is needed for our own machine.
        false => Box::pin(far(clients, request, cap)).await,
    }
}

async fn near(request: &Request, cap: usize) -> Result<Answer, Fault> {
    let url = &request.url;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|e| fault(&e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| fault(&e))?;
    let exchange = async {
        let plain = plain(request).map_err(|error| Fault::Unclear(error.to_string()))?;
        let (head, body) = sender.send_request(plain).await.map_err(|error| fault(&error))?.into_parts();
        receive(url, head, body, cap).await
    };
    // The connection moves the bytes; what goes wrong with it is told to the exchange. Closing it says goodbye, too.
    let connection = async {
        let _ = connection.without_shutdown().await;
        pending::<Answer>().await
    };
    tokio::select! {
        answer = exchange => answer,
        never = connection => Ok(never),
    }
}

/// The request as it goes over the wire, without what only the far side needs.
fn plain(request: &Request) -> Result<hyper::Request<Full<Bytes>>, hyper::http::Error> {
    let host = &request.url[Position::BeforeHost..Position::AfterPort];
    let path = &request.url[Position::BeforePath..Position::AfterQuery];
    let body = Full::from(request.body.clone().unwrap_or_default());
    let mut plain = hyper::Request::builder().method(&request.method).uri(path).body(body)?;
    let headers = plain.headers_mut();
    headers.clone_from(&request.headers);
    headers.entry(HOST).or_insert(HeaderValue::from_str(host)?);
    headers.entry(AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    if has_length(request) {
        headers.insert(CONTENT_LENGTH, request.body.as_ref().map_or(0, String::len).into());
    }
    Ok(plain)
}

/// Some servers answer an empty body that does not say so with 411.
fn has_length(request: &Request) -> bool {
    request.body.is_some() || request.method == Method::POST
}

async fn far(clients: &Clients, request: &Request, cap: usize) -> Result<Answer, Fault> {
    send_over(clients.for_url(&request.url).map_err(Fault::Unclear)?, request, cap).await
}

/// As [`send`], over this client.
///
/// # Errors
/// Why there is no answer.
pub async fn send_over(client: &Client, request: &Request, cap: usize) -> Result<Answer, Fault> {
    let sent = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
    let sent = match &request.body {
        Some(body) => sent.body(body.clone()),
        None if has_length(request) => sent.header(CONTENT_LENGTH, 0),
        None => sent,
    };
    let (head, body) = hyper::Response::from(sent.send().await.map_err(|error| fault(&error))?).into_parts();
    receive(&request.url, head, body, cap).await
}

async fn receive<B>(asked: &Url, head: Parts, body: B, cap: usize) -> Result<Answer, Fault>
where
    B: Body<Data = Bytes, Error: Error + 'static>,
{
    let mut frames = pin!(body);
    let (mut body, mut cut) = (Vec::new(), false);
    while !cut && let Some(frame) = frames.frame().await {
        let frame = frame.map_err(|error| fault(&error))?;
        let Some(chunk) = frame.data_ref() else { continue };
        let room = cap - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        cut = chunk.len() > room;
    }
    let location = onward(asked, &head);
    Ok(Answer { status: head.status.as_u16(), location, headers: head.headers, body, cut })
}

/// Where a redirect leads, if it is one that names a place we could ask.
fn onward(asked: &Url, head: &Parts) -> Option<Url> {
    let location = head.headers.get(LOCATION).filter(|_| head.status.is_redirection())?;
    let url = asked.join(location.to_str().ok()?).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_server_is_read_in_its_own_format() {
        let dated = |text: &'static str| {
            let headers = HeaderMap::from_iter([(DATE, text.parse().unwrap())]);
            Answer { headers, ..Answer::default() }.date().map(|date| date.to_string())
        };
        assert_eq!(dated("Sun, 08 Feb 2026 13:26:33 GMT").as_deref(), Some("2026-02-08T13:26:33Z"));
        for rubbish in ["", "yesterday", "Sun, 99 Feb 2026 13:26:33 GMT"] {
            assert_eq!(dated(rubbish), None, "{rubbish}");
        }
        assert_eq!(Answer::default().date(), None);
    }

    #[test]
    fn a_request_prints_nothing_secret() {
        let url = Url::parse("https://x.example/path?token=hunter2").unwrap();
        let headers = HeaderMap::from_iter([(LOCATION, "hunter2".parse().unwrap())]);
        let request = Request { method: Method::POST, url, headers, body: Some("hunter2".to_owned()) };
        assert_eq!(format!("{request:?}"), "Request(POST to x.example)");
    }
}
