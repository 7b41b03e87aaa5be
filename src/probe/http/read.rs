//! Reads an HTTP probe from the configuration.

use super::{AgeCondition, BODY_CAP, Call, Http, JsonCondition};
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
        let call = Call::read(section, Method::GET);
        let expect = section.list("expect", parse::within(100..=599)).unwrap_or_else(|| vec![200]);
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, span());
        let slow_after = section.opt("slow_after", span());
        let follow_redirects = section.or("follow_redirects", false, parse::flag);
        let json = section.tables("json", JsonCondition::read);
        let age = section.table("age", AgeCondition::read);
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
        let call = match json.is_empty() && age.is_none() {
            true => call?,
            false => call?.for_json(),
        };
        Some(Self {
            call,
            expect,
            timeout,
            slow_after,
            body_cap: BODY_CAP,
            follow_redirects,
            json,
            age,
            blame,
        })
    }
}
