//! One request and its answer, over a connection of its own.
//!
//! Our own machine is asked by the protocol library alone, with nothing in between: that is the healthy cycle,
//! and it takes a third less of it. The rest of the world has proxies and TLS, and is asked through the client
//! that knows both. Judges nothing.

use super::error::{Fault, fault};
use super::{Answer, shown};
use crate::probe::clients::{Clients, USER_AGENT, is_loopback};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::header::{CONTENT_LENGTH, HOST, HeaderMap, USER_AGENT as AGENT};
use reqwest::{Method, StatusCode, Url};
use std::error::Error;
use std::future::pending;
use std::pin::pin;
use tokio::net::TcpStream;
use url::Position;

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body, or its beginning.
    pub(super) body: Vec<u8>,
    /// Whether there was more of it.
    pub(super) cut: bool,
}

impl Reply {
    /// The part of it that is judged.
    pub(super) fn into_answer(self, onward: Option<Url>) -> Answer {
        let location = onward.map(|url| shown(&url));
        Answer { status: self.status.as_u16(), location, body: self.body, cut: self.cut }
    }
}

/// Asks, and reads at most so many bytes of the body. Redirects are not followed.
pub(super) async fn fetch(clients: &Clients, method: &Method, url: &Url, cap: usize) -> Result<Reply, Fault> {
    match url.scheme() == "http" && is_loopback(url) {
        true => near(method, url, cap).await,
        false => far(clients, method, url, cap).await,
    }
}

async fn near(method: &Method, url: &Url, cap: usize) -> Result<Reply, Fault> {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|e| fault(&e))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| fault(&error))?;
    let request = request(method, url).map_err(|error| Fault::Unclear(error.to_string()))?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await.map_err(|error| fault(&error))?.into_parts();
        receive(head.status, head.headers, body, cap).await
    };
    // The connection moves the bytes; what goes wrong with it is told to the exchange.
    let connection = async {
        let _ = connection.await;
        pending::<Reply>().await
    };
    tokio::select! {
        reply = exchange => reply,
        never = connection => Ok(never),
    }
}

fn request(method: &Method, url: &Url) -> Result<hyper::Request<Empty<Bytes>>, hyper::http::Error> {
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let request = hyper::Request::builder().method(method).uri(path).header(HOST, host);
    let request = request.header(AGENT, USER_AGENT);
    // Some servers answer an empty body without its length with 411.
    let request = if *method == Method::POST { request.header(CONTENT_LENGTH, 0) } else { request };
    request.body(Empty::new())
}

async fn far(clients: &Clients, method: &Method, url: &Url, cap: usize) -> Result<Reply, Fault> {
    let client = clients.for_url(url).map_err(Fault::Unclear)?;
    let request = client.request(method.clone(), url.clone());
    let request = if *method == Method::POST { request.header(CONTENT_LENGTH, 0) } else { request };
    let response = request.send().await.map_err(|error| fault(&error))?;
    let (head, body) = hyper::Response::from(response).into_parts();
    receive(head.status, head.headers, body, cap).await
}

async fn receive<B>(status: StatusCode, headers: HeaderMap, body: B, cap: usize) -> Result<Reply, Fault>
where
    B: Body<Data = Bytes, Error: Error + 'static>,
{
    let mut body_stream = pin!(body);
    let mut body = Vec::new();
    while let Some(frame) = body_stream.frame().await {
        let frame = frame.map_err(|error| fault(&error))?;
        let Some(chunk) = frame.data_ref() else { continue };
        let room = cap - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(Reply { status, headers, body, cut: true });
        }
    }
    Ok(Reply { status, headers, body, cut: false })
}
