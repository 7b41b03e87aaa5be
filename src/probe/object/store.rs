//! The two ways to ask for objects, behind one set of questions: the S3 API, and Cloudflare's own.

use super::rest::Rest;
use super::s3::S3;
use crate::probe::http::exchange::Request;
use crate::values::Secret;
use jiff::Timestamp;
use reqwest::Url;

/// Objects on one page of a list: as many as S3 gives.
pub(super) const PAGE: usize = 1000;
/// Bytes read of a page: a thousand keys of their longest, 1 KiB, and as much around each.
pub(super) const PAGE_CAP: usize = 2 * 1024 * 1024;

/// Where objects are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// Anything that speaks S3.
    S3(S3),
    /// Cloudflare R2 through Cloudflare's REST API.
    Rest(Rest),
}

/// One object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Timestamp,
    pub(super) size: u64,
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// How to ask for the next one, if there is one.
    pub(super) next: Option<String>,
}

impl Store {
    /// Where it answers, for its host.
    pub fn url(&self) -> &Url {
        match self {
            Self::S3(s3) => &s3.endpoint,
            Self::Rest(rest) => &rest.api,
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::S3(s3) => vec![&s3.access_key, &s3.secret_key],
            Self::Rest(rest) => vec![&rest.token],
        }
    }

    /// The question for an object.
    pub(super) fn get(&self, bucket: &str, key: &str, now: Timestamp) -> Result<Request, String> {
        match self {
            Self::S3(s3) => s3.get(bucket, key, now),
            Self::Rest(rest) => rest.get(bucket, key),
        }
    }

    /// The question for a page of the objects under a prefix.
    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Request, String> {
        match self {
            Self::S3(s3) => s3.list(bucket, prefix, cursor, now),
            Self::Rest(rest) => rest.list(bucket, prefix, cursor),
        }
    }

    /// Reads a page. Folders that some programs write as empty objects are not part of any backup.
    pub(super) fn page(&self, body: &[u8]) -> Result<Page, String> {
        let page = match self {
            Self::S3(_) => super::s3::page(body),
            Self::Rest(_) => super::rest::page(body),
        };
        let mut page = page.ok_or("no list: is that the right endpoint?")?;
        page.entries.retain(|entry| !entry.key.ends_with('/'));
        Ok(page)
    }

    /// The code of an error, in the words of S3.
    pub(super) fn code(&self, body: &[u8]) -> Option<String> {
        match self {
            Self::S3(_) => super::s3::code(body),
            Self::Rest(_) => super::rest::code(body),
        }
    }
}

/// A text as part of a URL: what is not a letter, a digit or `-._~` is escaped, and so is `/` in a query.
pub(super) fn escaped(text: &str, keep_slash: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            b'/' if keep_slash => escaped.push('/'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Names and values as a query, in the order in which they are given.
pub(super) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    given.map(|(name, value)| format!("{name}={}", escaped(value, false))).collect::<Vec<_>>().join("&")
}
