//! The S3 API: signed questions in path style, and answers in XML.

use super::sign::{Key, sign};
use super::store::{Entry, PAGE, Page, escaped, query};
use super::xml;
use crate::probe::http::exchange::Request;
use crate::values::Secret;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

/// A server that speaks S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    /// Its address, without a path.
    pub endpoint: Url,
    /// The region that signatures name; `auto` for R2.
    pub region: String,
    /// The id of the key. It names the key and is no secret, and nobody has to read it.
    pub access_key: Secret,
    /// The key.
    pub secret_key: Secret,
}

impl S3 {
    /// The question for an object.
    pub(super) fn get(&self, bucket: &str, key: &str, now: Timestamp) -> Result<Request, String> {
        self.request(&format!("/{}/{}", escaped(bucket, false), escaped(key, true)), "", now)
    }

    /// The question for a page of a list. A signature needs the parts of the query in their order.
    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<Request, String> {
        let most = PAGE.to_string();
        let parts = [
            ("continuation-token", cursor),
            ("list-type", Some("2")),
            ("max-keys", Some(most.as_str())),
            ("prefix", Some(prefix)),
        ];
        self.request(&format!("/{}", escaped(bucket, false)), &query(&parts), now)
    }

    fn request(&self, path: &str, query: &str, now: Timestamp) -> Result<Request, String> {
        let mut url = self.endpoint.clone();
        url.set_path(path);
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        let key = Key { id: &self.access_key, secret: &self.secret_key, region: &self.region };
        let mut headers = HeaderMap::new();
        for (name, value) in sign(&key, &url, now) {
            let mut value: reqwest::header::HeaderValue =
                value.parse().map_err(|_| "the access key is not plain text".to_owned())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Request { method: Method::GET, url, headers, body: None })
    }
}

/// A page of a list; none when the body is something else.
pub(super) fn page(body: &[u8]) -> Option<Page> {
    let text = std::str::from_utf8(body).ok()?;
    let list = xml::element(text, "ListBucketResult")?;
    let entries = xml::elements(list, "Contents").map(entry).collect::<Option<Vec<_>>>()?;
    let next = xml::element(list, "NextContinuationToken").map(xml::unescaped);
    Some(Page { entries, next })
}

fn entry(contents: &str) -> Option<Entry> {
    Some(Entry {
        key: xml::unescaped(xml::element(contents, "Key")?),
        at: xml::element(contents, "LastModified")?.trim().parse().ok()?,
        size: xml::element(contents, "Size")?.trim().parse().ok()?,
    })
}

/// The code of an error document.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    xml::element(xml::element(&text, "Error")?, "Code").map(|code| code.trim().to_owned())
}
