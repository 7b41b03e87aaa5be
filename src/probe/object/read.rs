//! Reads an object probe from the configuration.

use super::rest::Rest;
use super::s3::S3;
use super::{Object, Store, Trace};
use crate::probe::age;
use crate::probe::http::Template;
use crate::section::{Section, parse};
use crate::values::Secret;
use reqwest::Url;
use std::time::Duration;

/// A list of some pages may take a while; nobody waits for it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
const LEAST_TIMEOUT: Duration = Duration::from_millis(100);
const MOST_TIMEOUT: Duration = Duration::from_secs(600);
/// The only region that R2 has.
const R2_REGION: &str = "auto";
const CLOUDFLARE: &str = "https://api.cloudflare.com/client/v4";
/// The jurisdictions of R2, as its host names have them.
const JURISDICTIONS: [&str; 3] = ["eu", "fedramp", "us"];
/// Each prefix is at least one more question per reading.
const MAX_PREFIXES: usize = 16;

impl Object {
    /// Reads `check.object = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let store = match section.has("api_token") {
            true => rest(section).map(Store::Rest),
            false => s3(section).map(Store::S3),
        };
        let bucket = section.need("bucket", name);
        let trace = trace(section);
        let max_age = section.need("max_age", parse::span(age::LEAST..=age::MOST));
        let min_size = section.or("min_size", 0, parse::within(0..=u64::MAX));
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, parse::span(LEAST_TIMEOUT..=MOST_TIMEOUT));
        Some(Self { store: store?, bucket: bucket?, trace: trace?, max_age: max_age?, min_size, timeout })
    }
}

fn s3(section: &mut Section<'_>) -> Option<S3> {
    let account = section.opt("account", name);
    let jurisdiction = section.opt("jurisdiction", jurisdiction);
    let endpoint = match (section.opt("endpoint", endpoint), account) {
        (Some(endpoint), None) => {
            unless(section, "jurisdiction", "the endpoint has its own", "leave it out, or use account");
            Some(endpoint)
        }
        (None, Some(account)) => r2(&account, jurisdiction.as_deref()),
        (Some(_), Some(_)) => {
            section.error(&section.spot("endpoint"), "account makes one, too", "leave one of them out");
            None
        }
        (None, None) => {
            if !section.has("endpoint") && !section.has("account") {
                let hint = "add account = … for R2, or endpoint = … for another store";
                section.error(&section.here(), "it is not said which store", hint);
            }
            None
        }
    };
    let region = section.or("region", R2_REGION.to_owned(), name);
    let (access_key, secret_key) = (secret(section, "access_key"), secret(section, "secret_key"));
    Some(S3 { endpoint: endpoint?, region, access_key: access_key?, secret_key: secret_key? })
}

fn rest(section: &mut Section<'_>) -> Option<Rest> {
    let token = secret(section, "api_token");
    let account = section.need("account", name);
    let jurisdiction = section.opt("jurisdiction", jurisdiction);
    let api = section.opt("api", parse::url).or_else(|| Url::parse(CLOUDFLARE).ok());
    for key in ["endpoint", "region", "access_key", "secret_key"] {
        if section.has(key) {
            let what = "it belongs to S3, which is not spoken with an api_token";
            section.error(&section.spot(key), what, "leave it out, or api_token");
        }
    }
    Some(Rest { api: api?, account: account?, jurisdiction, token: token? })
}

fn trace(section: &mut Section<'_>) -> Option<Trace> {
    let marker = section.opt("marker", key);
    let prefixes = section.list("prefixes", Template::parse);
    match (section.has("marker"), section.has("prefixes")) {
        (true, false) => {
            unless(
                section,
                "shrink",
                "only a list of objects has a history",
                "use prefixes, or leave it out",
            );
            let holds_time = section.or("content", true, content);
            Some(Trace::Marker { key: marker?, holds_time })
        }
        (false, true) => {
            unless(section, "content", "only a marker holds a time", "use marker, or leave it out");
            let shrink = section.or("shrink", 0, parse::within(0..=100));
            let prefixes = prefixes?;
            if !(1..=MAX_PREFIXES).contains(&prefixes.len()) {
                let what = format!("there are {} prefixes", prefixes.len());
                section.error(&section.spot("prefixes"), what, format!("write 1 to {MAX_PREFIXES}"));
            }
            Some(Trace::Newest { prefixes, shrink })
        }
        (both, _) => {
            let what = if both { "both marker and prefixes tell" } else { "nothing tells of the backup" };
            let hint = "write marker = \".last-sync\", or prefixes = [\"daily/\"]";
            section.error(&section.here(), what, hint);
            None
        }
    }
}

fn unless(section: &mut Section<'_>, key: &'static str, what: &str, hint: &str) {
    if section.has(key) {
        section.error(&section.spot(key), what, hint);
    }
}

/// A secret that has to be there.
fn secret(section: &mut Section<'_>, key: &'static str) -> Option<Secret> {
    let secret = section.secret(key);
    if secret.is_empty() {
        let hint = format!("add {key} = \"${{…}}\" with a variable that is set");
        section.error(&section.spot(key), format!("{key} is missing or empty"), hint);
    }
    Some(secret).filter(|secret| !secret.is_empty())
}

fn r2(account: &str, jurisdiction: Option<&str>) -> Option<Url> {
    let jurisdiction = jurisdiction.map(|name| format!("{name}.")).unwrap_or_default();
    Url::parse(&format!("https://{account}.{jurisdiction}r2.cloudflarestorage.com")).ok()
}

fn endpoint(text: &str) -> Result<Url, String> {
    let url = parse::url(text)?;
    match url.path() == "/" && url.query().is_none() {
        true => Ok(url),
        false => Err(format!("{text:?} is more than an endpoint; write only https:// and the host")),
    }
}

/// A bucket, an account or a region.
fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match (1..=63).contains(&text.len()) && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no such name; write up to 63 letters, digits, - _ or .")),
    }
}

/// A key. In a URL, `.` and `..` would mean another one.
fn key(text: &str) -> Result<String, String> {
    let misleading = text.split('/').any(|part| part == "." || part == "..");
    match text.is_empty() || misleading {
        true => Err(format!("{text:?} is not the key of an object; write something like \".last-sync\"")),
        false => Ok(text.to_owned()),
    }
}

fn jurisdiction(text: &str) -> Result<String, String> {
    match JURISDICTIONS.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a jurisdiction; write {}", JURISDICTIONS.join(", "))),
    }
}

fn content(text: &str) -> Result<bool, String> {
    match text {
        "time" => Ok(true),
        "none" => Ok(false),
        _ => Err(format!(
            "{text:?} is neither; write \"time\" (it holds one) or \"none\" (its own time counts)"
        )),
    }
}
