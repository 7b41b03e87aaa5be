//! Reads an HTTP probe from the configuration.

use super::{BODY_CAP, Http, JsonCondition};
use crate::probe::checks::BlameRule;
use crate::recovery::evidence::Name;
use crate::section::{Section, parse};
use reqwest::Method;
use std::time::Duration;

/// Long enough for a busy machine, short enough not to hold up the pass.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// Less than a timer can tell apart from nothing.
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);
/// An hour, as the longest interval; the configuration compares it with the real one.
const MOST_TIMEOUT: Duration = Duration::from_secs(3600);

impl Http {
    /// Reads `check.http = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let span = || parse::span(LEAST_TIMEOUT..=MOST_TIMEOUT);
        let url = section.need("url", parse::url);
        let method = section.or("method", Method::GET, method);
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
        let expect = expect.into_iter().map(|status| status..=status).collect();
        let blame = blame.into_iter().map(|(pattern, target)| BlameRule { pattern, target }).collect();
        let url = url?;
        Some(Self {
            url,
            method,
            expect,
            timeout,
            slow_after,
            body_cap: BODY_CAP,
            follow_redirects,
            json,
            blame,
        })
    }
}

/// `GET` or `POST`.
pub(in crate::probe) fn method(text: &str) -> Result<Method, String> {
    match text.to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        _ => Err(format!("{text:?} is not a method that is spoken; write GET or POST")),
    }
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
