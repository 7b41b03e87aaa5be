//! What tailscaled says of this node, and what that means for a Funnel. Pure: values in, readings out.

use super::nullable;
use crate::recovery::evidence::Reading;
use crate::values::one_line;
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// Versions whose daemon refuses all traffic from Funnel's edge, and the one that mended it (tailscale
/// issue 20739).
const INGRESS_REJECTED_BY: [&str; 2] = ["1.102.0", "1.102.1"];
const INGRESS_MENDED_BY: &str = "1.102.2";
/// What a node must have to publish; the last carries the ports in its query.
const CAP_HTTPS: &str = "https";
const CAP_FUNNEL: &str = "funnel";
const CAP_PORTS: &str = "https://tailscale.com/cap/funnel-ports?";
/// Characters quoted of what tailscaled says of its own health.
const QUOTE_CHARS: usize = 120;
/// What brings a node back whose key has ended.
const RENEW: &str = "run `tailscale up --force-reauth`";

/// The fields of `status` that matter here.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    #[serde(deserialize_with = "nullable")]
    version: String,
    #[serde(deserialize_with = "nullable")]
    backend_state: String,
    /// Texts for people, not codes; empty when all is well.
    #[serde(deserialize_with = "nullable")]
    health: Vec<String>,
    #[serde(rename = "TailscaleIPs", deserialize_with = "nullable")]
    addresses: Vec<IpAddr>,
    #[serde(rename = "Self", deserialize_with = "nullable")]
    own: Own,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
struct Own {
    online: bool,
    expired: bool,
    /// RFC 3339; absent when it does not expire.
    key_expiry: Option<String>,
    /// Absent while disconnected, which is not the same as empty.
    cap_map: Option<Capabilities>,
}

/// What the node is allowed to do, by the names of the capabilities.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
struct Capabilities(BTreeMap<String, IgnoredAny>);

impl Node {
    /// Whether it is connected, and may publish on `port`.
    pub fn judge(&self, port: u16) -> Reading {
        match self.backend_state.as_str() {
            "" | "NoState" | "Starting" => return Reading::Unknown("tailscaled is starting".to_owned()),
            "Running" | "NeedsLogin" | "NeedsMachineAuth" | "Stopped" => {}
            other => {
                return Reading::Unknown(format!(
                    "tailscaled is in a state unknown to us: {}",
                    quoted(other)
                ));
            }
        }
        if let Some(hindrance) = self.hindrance(port) {
            return Reading::Fail(hindrance);
        }
        if !self.own.online {
            let wait = "not connected to Tailscale's control server, so nothing leads here: if it lasts with a \
                        good network, run `sudo systemctl restart tailscaled`";
            return Reading::Fail(format!("{wait}{}", self.complaint()));
        }
        Reading::Pass(format!("connected, tailscale {}{}", self.short_version(), self.complaint()))
    }

    /// What forbids that anything is published on `port`, with what a person must do; none when nothing
    /// does. No repair of ours can cure it.
    pub fn hindrance(&self, port: u16) -> Option<String> {
        let own = &self.own;
        if own.expired {
            return Some(format!("the node's key has expired: {RENEW}"));
        }
        let state = match self.backend_state.as_str() {
            "Running" => None,
            "NeedsLogin" => Some("logged out: run `tailscale up`".to_owned()),
            "NeedsMachineAuth" => {
                Some("this machine is not approved: approve it in Tailscale's admin console".to_owned())
            }
            "Stopped" => Some("tailscale is switched off: run `tailscale up`".to_owned()),
            other => Some(format!("tailscaled is not ready ({})", quoted(other))),
        };
        state.or_else(|| self.rejects_ingress()).or_else(|| own.cap_map.as_ref()?.refusal(port))
    }

    /// Whether its key lasts for longer than `warn` from `now`.
    pub fn judge_key(&self, now: SystemTime, warn: Duration) -> Reading {
        let own = &self.own;
        if own.expired {
            return Reading::Fail(format!("the node's key has expired: {RENEW}"));
        }
        let Some(end) = &own.key_expiry else {
            return Reading::Pass("the node's key does not expire".to_owned());
        };
        let Ok(end) = end.parse::<Timestamp>() else {
            return Reading::Unknown(format!("the end of the node's key is not understood: {}", quoted(end)));
        };
        let day = end.strftime("%Y-%m-%d");
        match SystemTime::from(end).duration_since(now) {
            Ok(left) if left > warn => Reading::Pass(format!("the node's key lasts until {day}")),
            Ok(_) => Reading::Fail(format!(
                "the node's key ends on {day}: {RENEW}, or disable its expiry in Tailscale's admin console"
            )),
            Err(_) => Reading::Fail(format!("the node's key ended on {day}: {RENEW}")),
        }
    }

    /// Its own address within the tailnet, IPv4 before IPv6.
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.iter().find(|address| address.is_ipv4()).or(self.addresses.first()).copied()
    }

    fn rejects_ingress(&self) -> Option<String> {
        let version = self.short_version();
        INGRESS_REJECTED_BY.contains(&version.as_str()).then(|| {
            format!("tailscale {version} rejects everything that comes through Funnel: upgrade to {INGRESS_MENDED_BY}")
        })
    }

    /// `1.102.2` of `1.102.2-tdeadbeef-g123`.
    fn short_version(&self) -> String {
        quoted(self.version.split('-').next().unwrap_or_default())
    }

    fn complaint(&self) -> String {
        match self.health.first() {
            Some(text) => format!(" (it says: {})", quoted(text)),
            None => String::new(),
        }
    }
}

fn quoted(text: &str) -> String {
    one_line(text, QUOTE_CHARS)
}

impl Capabilities {
    /// Why these capabilities do not allow a Funnel on `port`; none when they do.
    fn refusal(&self, port: u16) -> Option<String> {
        if !self.0.contains_key(CAP_HTTPS) {
            let where_to = "enable it in Tailscale's admin console, under DNS";
            return Some(format!("HTTPS is off for the tailnet: {where_to}"));
        }
        if !self.0.contains_key(CAP_FUNNEL) {
            let grant = "add \"funnel\" to the nodeAttrs of its access controls";
            return Some(format!("the tailnet does not allow Funnel for this node: {grant}"));
        }
        let ports = self.0.keys().find_map(|key| ports_of(key)).unwrap_or_default();
        (!holds(&ports, port)).then(|| {
            let which = if ports.is_empty() { "none".to_owned() } else { quoted(&ports) };
            format!("Funnel may not use port {port} here (allowed: {which}): configure another public port")
        })
    }
}

/// The ports that a capability names, if it is the one about ports.
fn ports_of(capability: &str) -> Option<String> {
    let url = Url::parse(capability).ok().filter(|_| capability.starts_with(CAP_PORTS))?;
    url.query_pairs().find(|(key, _)| key == "ports").map(|(_, ports)| ports.into_owned())
}

/// Whether a list like `443,8443-8445` holds the port.
fn holds(ports: &str, port: u16) -> bool {
    ports.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bounds = first.trim().parse::<u16>().ok().zip(last.trim().parse::<u16>().ok());
        bounds.is_some_and(|(first, last)| (first..=last).contains(&port))
    })
}
