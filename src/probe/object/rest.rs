//! Cloudflare's own API for R2: a bearer token instead of signatures, and answers in JSON. Slower to change
//! hands than S3 keys, and the only way where an organisation gives out API tokens alone.

use super::store::{Entry, PAGE, Page, escaped, query};
use crate::probe::http::exchange::Request;
use crate::values::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;

const JURISDICTION: HeaderName = HeaderName::from_static("cf-r2-jurisdiction");

/// Cloudflare's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The base of its addresses.
    pub api: Url,
    /// The account.
    pub account: String,
    /// The jurisdiction of the bucket, if it has one: without it, such a bucket is not to be seen.
    pub jurisdiction: Option<String>,
    /// A token that may read it.
    pub token: Secret,
}

impl Rest {
    /// The question for an object.
    pub(super) fn get(&self, bucket: &str, key: &str) -> Result<Request, String> {
        self.request(bucket, &format!("/{}", escaped(key, true)), "")
    }

    /// The question for a page of a list.
    pub(super) fn list(&self, bucket: &str, prefix: &str, cursor: Option<&str>) -> Result<Request, String> {
        let most = PAGE.to_string();
        let parts = [("cursor", cursor), ("per_page", Some(most.as_str())), ("prefix", Some(prefix))];
        self.request(bucket, "", &query(&parts))
    }

    fn request(&self, bucket: &str, key: &str, query: &str) -> Result<Request, String> {
        let (mut url, base) = (self.api.clone(), self.api.path().trim_end_matches('/'));
        let (account, bucket) = (escaped(&self.account, false), escaped(bucket, false));
        let path = format!("{base}/accounts/{account}/r2/buckets/{bucket}/objects{key}");
        url.set_path(&path);
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        let mut token: HeaderValue = format!("Bearer {}", self.token.expose())
            .parse()
            .map_err(|_| "the API token is not plain text".to_owned())?;
        token.set_sensitive(true);
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, token)]);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(jurisdiction) = self.jurisdiction.as_ref().and_then(|name| name.parse().ok()) {
            headers.insert(JURISDICTION, jurisdiction);
        }
        Ok(Request { method: Method::GET, url, headers, body: None })
    }
}

#[derive(Deserialize)]
struct List {
    success: bool,
    result: Vec<Item>,
    result_info: Option<Info>,
}

#[derive(Deserialize)]
struct Item {
    key: String,
    size: u64,
    last_modified: String,
}

#[derive(Deserialize)]
struct Info {
    cursor: Option<String>,
    is_truncated: Option<bool>,
}

/// A page of a list; none when the body is something else.
pub(super) fn page(body: &[u8]) -> Option<Page> {
    let list: List = serde_json::from_slice(body).ok().filter(|list: &List| list.success)?;
    let entry =
        |item: Item| Some(Entry { at: item.last_modified.parse().ok()?, key: item.key, size: item.size });
    let entries = list.result.into_iter().map(entry).collect::<Option<Vec<_>>>()?;
    let info = list.result_info.filter(|info| info.is_truncated != Some(false));
    let next = info.and_then(|info| info.cursor).filter(|cursor| !cursor.is_empty());
    Some(Page { entries, next })
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    code: u32,
}

/// The code of an error, in the words that S3 has for the same number.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let code = refusal.errors.first()?.code;
    let word = match code {
        10002 => "Unauthorized",
        10003 => "AccessDenied",
        10006 => "NoSuchBucket",
        10007 => "NoSuchKey",
        10018 => "ExpiredRequest",
        10035 => "SignatureDoesNotMatch",
        10042 => "NotEntitled",
        _ => return Some(format!("code {code}")),
    };
    Some(word.to_owned())
}
