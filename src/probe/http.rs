//! A request over HTTP: what it asks, and what a good answer is.

use crate::recovery::evidence::Name;
use crate::section::{Section, parse};
use std::time::Duration;

/// Long enough for a busy machine, short enough not to hold up the pass.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Less than a timer can tell apart from nothing.
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);

/// An hour, as the longest interval; the configuration compares it with the real one.
const MOST_TIMEOUT: Duration = Duration::from_secs(3600);

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Where to ask; http or https, without credentials.
    pub url: String,
    /// How to ask.
    pub method: Method,
    /// The status codes of a good answer.
    pub expect: Vec<u16>,
    /// The longest that the whole answer may take.
    pub timeout: Duration,
    /// An answer that takes longer is good, but said to be slow.
    pub slow_after: Option<Duration>,
    /// Whether to go where a redirect points, instead of taking it for the answer.
    pub follow_redirects: bool,
    /// What the body must say.
    pub json: Vec<JsonCondition>,
    /// Failing checks in the body whose name matches are the fault of another target.
    pub blame: Vec<(String, Name)>,
}

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST with an empty body.
    Post,
}

impl Method {
    fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_uppercase().as_str() {
            "GET" => Ok(Self::Get),
            "POST" => Ok(Self::Post),
            _ => Err(format!("{text:?} is not a method that is spoken; write GET or POST")),
        }
    }
}

/// Something that the body must say.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonCondition {
    /// Where in the body, as RFC 6901 has it: `/status`; empty for the whole.
    pub pointer: String,
    /// What must stand there.
    pub equals: serde_json::Value,
}

impl JsonCondition {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let pointer = section.need("pointer", |text| match text.is_empty() || text.starts_with('/') {
            true => Ok(text.to_owned()),
            false => Err(format!("{text:?} is not a JSON pointer; write something like \"/status\"")),
        });
        let equals = section.json("equals");
        Some(Self { pointer: pointer?, equals: equals? })
    }
}

impl Http {
    /// Reads `check.http = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let span = || parse::span(LEAST_TIMEOUT..=MOST_TIMEOUT);
        let url = section.need("url", parse::url);
        let method = section.or("method", Method::Get, Method::parse);
        let expect = section.list("expect", parse::within(100..=599)).unwrap_or_else(|| vec![200]);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, span());
        let slow_after = section.opt("slow_after", span());
        let follow_redirects = section.or("follow_redirects", false, parse::flag);
        let json = section.tables("json", JsonCondition::read);
        let blame = section.map("blame", Name::parse);
        if expect.is_empty() {
            section.error(
                &section.spot("expect"),
                "no answer would be good",
                "write the expected status, like 200",
            );
        }
        Some(Self { url: url?.into(), method, expect, timeout, slow_after, follow_redirects, json, blame })
    }
}
