//! Signatures of AWS, version 4, in headers, for requests without a body. Pure: the time is an argument.

use crate::values::Secret;
use jiff::Timestamp;
use reqwest::Url;
use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};

/// The SHA-256 of nothing.
const NO_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// The headers that are signed, in the order of their names.
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

/// Who signs.
pub(super) struct Key<'a> {
    pub(super) id: &'a Secret,
    pub(super) secret: &'a Secret,
    pub(super) region: &'a str,
}

/// The headers that make a `GET` of this URL a signed one. Path and query have to be escaped as S3 wants it,
/// and the query has to be in order.
pub(super) fn sign(key: &Key<'_>, url: &Url, now: Timestamp) -> [(&'static str, String); 3] {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/{}/s3/aws4_request", &time[..8], key.region);
    let what = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(&canonical(url, &time)));
    let signature = hex(mac(&derived(key, &time[..8]), &what).as_ref());
    let id = key.id.expose();
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope},SignedHeaders={SIGNED},Signature={signature}");
    [("authorization", authorization), ("x-amz-content-sha256", NO_BODY.to_owned()), ("x-amz-date", time)]
}

/// The request in the one form in which both sides write it down.
fn canonical(url: &Url, time: &str) -> String {
    let (host, path, query) = (host(url), url.path(), url.query().unwrap_or_default());
    format!(
        "GET\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{NO_BODY}\nx-amz-date:{time}\n\n{SIGNED}\n{NO_BODY}"
    )
}

/// The host as the library sends it: with its port unless that is the usual one.
fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// The key of one day, region and service.
fn derived(key: &Key<'_>, day: &str) -> hmac::Tag {
    let first = hmac::Key::new(HMAC_SHA256, format!("AWS4{}", key.secret.expose()).as_bytes());
    let day = hmac::sign(&first, day.as_bytes());
    [key.region, "s3", "aws4_request"].iter().fold(day, |tag, text| mac(&tag, text))
}

fn mac(key: &hmac::Tag, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key.as_ref()), text.as_bytes())
}

fn hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key, the time and the bucket of the examples that AWS publishes for S3.
    fn signature(query: &str) -> String {
        let (id, secret) =
            (Secret::new("AKIAIOSFODNN7EXAMPLE"), Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
        let url = Url::parse(&format!("https://examplebucket.s3.amazonaws.com/?{query}")).unwrap();
        let key = Key { id: &id, secret: &secret, region: "us-east-1" };
        let [(_, authorization), ..] = sign(&key, &url, "2013-05-24T00:00:00Z".parse().unwrap());
        let beginning = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=";
        authorization.strip_prefix(beginning).unwrap().to_owned()
    }

    #[test]
    fn the_published_examples_come_out_as_published() {
        let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert_eq!(signature("max-keys=2&prefix=J"), list);
        let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        assert_eq!(signature("lifecycle="), lifecycle);
    }

    #[test]
    fn nothing_is_the_hash_of_nothing_and_ports_are_named() {
        assert_eq!(hash(""), NO_BODY);
        let host = |url: &str| super::host(&Url::parse(url).unwrap());
        assert_eq!(host("http://127.0.0.1:8014/x"), "127.0.0.1:8014");
        assert_eq!(host("https://r2.example:443/x"), "r2.example");
    }
}
