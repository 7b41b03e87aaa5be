//! Where is a public name, as the internet sees it? The node's own resolver may answer with its address
//! within the tailnet, so a resolver on the internet is asked over HTTPS, and only its silence leads back to
//! the system's.

use crate::probe::clients::Clients;
use crate::probe::http::error::{Fault, fault};
use crate::probe::http::exchange::{Request, send};
use crate::recovery::evidence::Reading;
use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderValue};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::time::timeout;

/// The longest that the resolver may take: half of what the whole probe may, and no more than this.
const MOST_TIME: Duration = Duration::from_secs(2);
/// Bytes read of its answer: some hundred addresses.
const BODY_CAP: usize = 16 * 1024;
/// Addresses kept; the first one that answers is used.
const MAX_ADDRESSES: usize = 4;
/// How long an answer is kept, whatever it says: not asked for every pass, and not for longer than an hour.
const LASTS: RangeInclusive<u64> = 30..=3600;
/// What a name is asked for, and the number of that in answers.
const TYPE_A: (&str, u16) = ("A", 1);
/// Answers of a resolver that worked.
const NO_ERROR: u16 = 0;
const NO_SUCH_NAME: u16 = 3;

/// Where a name is, and for how long that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) lasts: Duration,
}

impl Found {
    /// An address that was written, not looked up.
    pub(super) fn forever(address: IpAddr) -> Self {
        Self { addresses: vec![address], lasts: Duration::from_secs(*LASTS.end()) }
    }
}

/// Looks a name up, within `limit` or a little less.
///
/// # Errors
/// The reading that follows: a failure when the name is not there, unknown when nobody could say.
pub(super) async fn resolve(
    clients: &Clients,
    resolver: Option<&Url>,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<Found, Reading> {
    let Some(resolver) = resolver else {
        let found = system(host, port).await;
        return found.map_err(|fault| match fault {
            Fault::Theirs(why) => Reading::Fail(why),
            Fault::Unclear(why) => Reading::Unknown(why),
        });
    };
    let asked = timeout(limit.min(MOST_TIME), ask(clients, resolver, host)).await;
    let trouble = match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
        Ok(Ok(found)) => return Ok(found),
        Ok(Err(why)) => return Err(Reading::Fail(why)),
        Err(why) => format!("{}: {why}", resolver.host_str().unwrap_or_default()),
    };
    // It is our own line that is bad, or somebody blocks the resolver; the system may still know.
    let unknown =
        |why: &str| Reading::Unknown(format!("where {host} is cannot be found out: {trouble}; {why}"));
    let mut found = system(host, port).await.map_err(|fault| unknown(&fault.reason()))?;
    found.addresses.retain(|address| !is_tailnet(*address));
    match found.addresses.is_empty() {
        true => Err(unknown("the system knows only its address within the tailnet")),
        false => Ok(found),
    }
}

/// Asks the resolver. The inner error says that there is no such name, the outer one that it is in trouble.
async fn ask(clients: &Clients, resolver: &Url, host: &str) -> Result<Result<Found, String>, String> {
    let mut url = resolver.clone();
    url.query_pairs_mut().append_pair("name", host).append_pair("type", TYPE_A.0);
    let mut request = Request::get(url);
    request.headers.insert(ACCEPT, HeaderValue::from_static("application/dns-json"));
    let answer = send(clients, &request, BODY_CAP).await.map_err(Fault::reason)?;
    match answer.status {
        200 if answer.cut => Err(format!("its answer is longer than {BODY_CAP} bytes")),
        200 => understand(&answer.body, host),
        status => Err(status.to_string()),
    }
}

/// The JSON form of a DNS answer, as Cloudflare and Google give it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    status: u16,
    #[serde(default)]
    answer: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: u16,
    #[serde(rename = "TTL", default)]
    ttl: u64,
    data: String,
}

fn understand(body: &[u8], host: &str) -> Result<Result<Found, String>, String> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| format!("its answer is not understood: {error}"))?;
    match answer.status {
        NO_ERROR => {}
        NO_SUCH_NAME => {
            return Ok(Err(format!("{host} has no address on the internet; a new name may take hours")));
        }
        code => return Err(format!("it answers with DNS error {code}")),
    }
    // What a name is an alias of stands in the same list, with its own type.
    let mut records: Vec<Record> =
        answer.answer.into_iter().filter(|record| record.kind == TYPE_A.1).collect();
    records.truncate(MAX_ADDRESSES);
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or_default();
    let addresses: Vec<IpAddr> = records.iter().filter_map(|record| record.data.parse().ok()).collect();
    if addresses.is_empty() {
        return Ok(Err(format!("{host} has no address on the internet; a new name may take hours")));
    }
    if addresses.iter().all(|address| is_tailnet(*address)) {
        return Ok(Err(format!("{host} has no public address, only one within the tailnet")));
    }
    let lasts = Duration::from_secs(ttl.clamp(*LASTS.start(), *LASTS.end()));
    Ok(Ok(Found { addresses, lasts }))
}

async fn system(host: &str, port: u16) -> Result<Found, Fault> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| fault(&error))?;
    let addresses: Vec<IpAddr> = found.map(|address| address.ip()).take(MAX_ADDRESSES).collect();
    Ok(Found { addresses, lasts: Duration::from_secs(*LASTS.start()) })
}

/// Whether an address is one of Tailscale's own: 100.64.0.0/10 or fd7a:115c:a1e0::/48.
fn is_tailnet(address: IpAddr) -> bool {
    const V4: (Ipv4Addr, u32) = (Ipv4Addr::new(100, 64, 0, 0), 10);
    const V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0, 0, 0, 0, 0), 48);
    match address {
        IpAddr::V4(address) => (address.to_bits() ^ V4.0.to_bits()) >> (32 - V4.1) == 0,
        IpAddr::V6(address) => (address.to_bits() ^ V6.0.to_bits()) >> (128 - V6.1) == 0,
    }
}

#[cfg(test)]
pub(super) mod tests;
