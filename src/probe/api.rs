//! One request to an API over HTTP, for probes that know what they talk to: its status and the beginning of
//! its body, on a connection of its own. It judges nothing and retries nothing.

use super::clients::Clients;
use super::http::error::Fault;
use super::http::exchange;
use crate::values::{Secret, one_line};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Bytes read of a body: two thousand models of Ollama, or a hundred times what LINE says.
const BODY_CAP: usize = 256 * 1024;
/// Characters shown of what an answer says of its error.
const SAID_CHARS: usize = 160;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// `GET`, or `POST`.
    pub(super) method: Method,
    /// Where.
    pub(super) url: Url,
    /// Sent as bearer token, if there is one.
    pub(super) token: Option<Secret>,
    /// Sent as the body.
    pub(super) json: Option<Value>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The body, or its beginning.
    pub(super) body: Vec<u8>,
    /// When the server says that it answered, as Unix seconds on its own clock.
    pub(super) date: Option<i64>,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The service did not serve; the text says how.
    Theirs(String),
    /// It could not be asked properly, which proves nothing about it.
    Unclear(String),
    /// Nothing, or not all of it, came in time.
    Late,
}

impl Request {
    /// A plain question.
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, token: None, json: None }
    }

    /// An order with its particulars.
    pub(super) fn post(url: Url, json: Value) -> Self {
        Self { method: Method::POST, json: Some(json), ..Self::get(url) }
    }

    /// The same, by somebody who may.
    pub(super) fn by(self, token: &Secret) -> Self {
        Self { token: Some(token.clone()), ..self }
    }

    /// Asks. Redirects are not followed: an API has none.
    pub(super) async fn ask(self, clients: &Clients, deadline: Instant) -> Result<Reply, Silence> {
        match timeout_at(deadline, self.exchange(clients)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Fault::Theirs(how))) => Err(Silence::Theirs(how)),
            Ok(Err(Fault::Unclear(why))) => Err(Silence::Unclear(why)),
            Err(_) => Err(Silence::Late),
        }
    }

    async fn exchange(self, clients: &Clients) -> Result<Reply, Fault> {
        let mut headers = HeaderMap::new();
        let value = |text: String| HeaderValue::from_str(&text).map_err(|e| Fault::Unclear(e.to_string()));
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, value(format!("Bearer {}", token.expose()))?);
        }
        if self.json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = self.json.map(|json| json.to_string());
        let request = exchange::Request { method: self.method, url: self.url, headers, body };
        let answer = exchange::send(clients, &request, BODY_CAP).await?;
        let date = answer.date().map(|date| date.as_second());
        Ok(Reply { status: answer.status, body: answer.body, date })
    }
}

impl Reply {
    /// What the body says of its error, in the forms that are known: `{"error": "…"}`, `{"error": {"message": "…"}}`
    /// and `{"message": "…"}`; empty when it is none of these.
    pub(super) fn said(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let places = ["/error/message", "/error", "/message"];
        let said = places.iter().find_map(|place| body.pointer(place)?.as_str());
        one_line(said.unwrap_or_default(), SAID_CHARS)
    }

    /// The status and what the body says of it: `500: llama runner process has terminated`.
    pub(super) fn told(&self) -> String {
        let said = self.said();
        if said.is_empty() { self.status.to_string() } else { format!("{}: {said}", self.status) }
    }
}

/// When the whole of a probe must be over.
pub(super) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_error_is_understood() {
        let said = |body: &str| Reply { status: 500, body: body.into(), date: None }.told();
        assert_eq!(said(r#"{"error":"no\nmore"}"#), "500: no\\nmore");
        assert_eq!(said(r#"{"error":{"message":"gone","type":"api_error"}}"#), "500: gone");
        assert_eq!(said(r#"{"message":"Not found"}"#), "500: Not found");
        for nothing in ["", "<html>", "{}", "[]", r#"{"error":7}"#] {
            assert_eq!(said(nothing), "500", "{nothing}");
        }
    }
}
