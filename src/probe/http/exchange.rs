//! One request and its answer, over a connection of its own. It judges nothing, follows nothing and repeats
//! nothing.

use super::error::{Fault, fault};
use crate::probe::clients::Clients;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_LENGTH, DATE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Method, Response, Url};
use std::fmt;

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
/// # Errors
/// Why there is no answer.
pub async fn send(clients: &Clients, request: &Request, cap: usize) -> Result<Answer, Fault> {
    let client = clients.for_url(&request.url).map_err(Fault::Unclear)?;
    let sent = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
    let sent = match &request.body {
        Some(body) => sent.body(body.clone()),
        // The library leaves the length of an empty body out, and some servers answer that with 411.
        None if request.method == Method::POST => sent.header(CONTENT_LENGTH, 0),
        None => sent,
    };
    receive(sent.send().await.map_err(fault)?, cap).await
}

async fn receive(mut response: Response, cap: usize) -> Result<Answer, Fault> {
    let (status, location) = (response.status().as_u16(), onward(&response));
    let headers = std::mem::take(response.headers_mut());
    let (mut body, mut cut) = (Vec::new(), false);
    while !cut && let Some(chunk) = response.chunk().await.map_err(fault)? {
        let room = cap - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        cut = chunk.len() > room;
    }
    Ok(Answer { status, location, headers, body, cut })
}

/// Where a redirect leads, if it is one that names a place we could ask.
fn onward(response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    let url = response.url().join(location.to_str().ok()?).ok()?;
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
