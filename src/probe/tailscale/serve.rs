//! What tailscaled serves, and whether our port is among it and open to the internet. Pure: it is decided per
//! host and port, never by two words that may belong to different entries.

use super::nullable;
use crate::values::one_line;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, BTreeSet};

/// Characters shown of a name or URL that somebody else wrote.
const SHOWN_CHARS: usize = 80;
/// Entries named in one text; an alert is read on a phone.
const MAX_NAMED: usize = 4;

/// The configuration as tailscaled keeps it. Every part may be missing or null.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServeConfig {
    #[serde(rename = "TCP", deserialize_with = "nullable")]
    tcp: BTreeMap<String, TcpPort>,
    #[serde(deserialize_with = "nullable")]
    web: BTreeMap<String, Web>,
    #[serde(deserialize_with = "nullable")]
    allow_funnel: BTreeMap<String, bool>,
    /// What runs only as long as a command in some terminal.
    #[serde(deserialize_with = "nullable")]
    foreground: BTreeMap<String, ServeConfig>,
    #[serde(deserialize_with = "nullable")]
    services: BTreeMap<String, IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct TcpPort {
    #[serde(rename = "HTTPS")]
    https: bool,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
struct Web {
    #[serde(deserialize_with = "nullable")]
    handlers: BTreeMap<String, Handler>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", default)]
struct Handler {
    proxy: Option<String>,
}

/// What is wanted: this port of ours, on this port of the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The port on loopback.
    pub port: u16,
    /// The port of the public name.
    pub public_port: u16,
}

/// What is missing from a publication; the later, the nearer to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// Nothing at all is served.
    Nothing,
    /// Something is, but none of it is ours.
    Others,
    /// The public port leads to somebody else.
    Taken {
        /// Where it leads.
        by: String,
    },
    /// Ours is served on another public port.
    OtherPort {
        /// The name and port of that.
        at: String,
    },
    /// It is served within the tailnet, and not to the internet.
    TailnetOnly,
    /// It is allowed and described, but nobody listens for it: tailscale itself warns of this state.
    Half,
}

impl Gap {
    /// The whole sentence about it.
    pub fn told(&self, wanted: Publication) -> String {
        let Publication { port, public_port } = wanted;
        match self {
            Self::Nothing => format!("nothing is published, and so not port {port}"),
            Self::Others => format!("port {port} is not published; something else is"),
            Self::Taken { by } => format!("public port {public_port} leads to {by}, not to port {port}"),
            Self::OtherPort { at } => {
                format!("port {port} is published as {at}, not on public port {public_port}")
            }
            Self::TailnetOnly => {
                format!("port {port} is served within the tailnet only, not to the internet")
            }
            Self::Half => {
                format!("port {port} is half published: no HTTPS listens on public port {public_port}")
            }
        }
    }
}

impl ServeConfig {
    /// The public name under which what is wanted is published.
    ///
    /// # Errors
    /// What comes nearest to it.
    pub fn published(&self, wanted: Publication) -> Result<String, Gap> {
        let entries = self.layers().flat_map(|layer| layer.web.iter().map(move |(at, web)| (layer, at, web)));
        let mut nearest = if self.is_empty() { Gap::Nothing } else { Gap::Others };
        for (layer, at, web) in entries {
            match layer.gap(at, web, wanted) {
                None => return Ok(shown(at)),
                Some(gap) => nearest = nearest.max(gap),
            }
        }
        Err(nearest)
    }

    /// What else is served on the public port, and would be switched off with ours.
    pub fn company(&self, wanted: Publication) -> Option<String> {
        let handlers = self
            .on_port(wanted)
            .flat_map(|(at, web)| web.handlers.iter().map(move |(path, to)| (at, path, to)));
        let strangers = handlers.filter(|(_, path, to)| path.as_str() != "/" || !to.leads_to(wanted.port));
        let strangers = strangers.map(|(at, path, to)| format!("{at}{path} to {}", to.target()));
        let raw = self.tcp.get(&wanted.public_port.to_string()).filter(|tcp| !tcp.https);
        list(
            strangers
                .chain(raw.map(|_| format!("something other than HTTPS on port {}", wanted.public_port))),
        )
    }

    /// Everything that is served beside what is wanted: what a reset would destroy for good.
    pub fn others(&self, wanted: Publication) -> Option<String> {
        let ports = self
            .web
            .keys()
            .filter_map(|at| port_of(at))
            .chain(self.tcp.keys().filter_map(|port| port.parse().ok()));
        let ports: BTreeSet<u16> = ports.filter(|port| *port != wanted.public_port).collect();
        let ports = ports.into_iter().map(|port| format!("port {port}"));
        let services = self.services.keys().cloned();
        let foreground = self.foreground.keys().map(|session| format!("the foreground session {session}"));
        list(self.company(wanted).into_iter().chain(ports).chain(services).chain(foreground))
    }

    /// Who else has the place of our own handler, so that publishing ours would push it out.
    pub fn rival(&self, wanted: Publication) -> Option<String> {
        let mut roots = self.on_port(wanted).filter_map(|(_, web)| web.handlers.get("/"));
        roots.find(|to| !to.leads_to(wanted.port)).map(Handler::target)
    }

    /// Whether anything listens on this port of the public name, so that it can be switched off.
    pub fn holds(&self, public_port: u16) -> bool {
        self.tcp.keys().any(|port| port.parse() == Ok(public_port))
    }

    fn on_port(&self, wanted: Publication) -> impl Iterator<Item = (&String, &Web)> {
        self.web.iter().filter(move |(at, _)| port_of(at) == Some(wanted.public_port))
    }

    fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.foreground.values())
    }

    fn is_empty(&self) -> bool {
        self.layers().all(|layer| layer.web.is_empty() && layer.tcp.is_empty()) && self.services.is_empty()
    }

    /// What one web entry of this layer lacks; none when it is what is wanted.
    fn gap(&self, at: &str, web: &Web, wanted: Publication) -> Option<Gap> {
        let ours = web.handlers.values().any(|handler| handler.leads_to(wanted.port));
        let on_our_port = port_of(at) == Some(wanted.public_port);
        let open = self.allow_funnel.get(at) == Some(&true);
        let listens = self.tcp.get(&wanted.public_port.to_string()).is_some_and(|tcp| tcp.https);
        match (ours, on_our_port) {
            (true, true) if open && listens => None,
            (true, true) if open => Some(Gap::Half),
            (true, true) => Some(Gap::TailnetOnly),
            (true, false) => Some(Gap::OtherPort { at: shown(at) }),
            (false, true) => {
                let by = web.handlers.values().map(Handler::target).next();
                Some(Gap::Taken { by: by.unwrap_or_else(|| "nothing".to_owned()) })
            }
            (false, false) => Some(Gap::Others),
        }
    }
}

impl Handler {
    /// Whether it hands everything to this port of this machine.
    fn leads_to(&self, port: u16) -> bool {
        let Some(proxy) = &self.proxy else { return false };
        let authority = proxy.split_once("://").map_or(proxy.as_str(), |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        let Some((host, number)) = authority.rsplit_once(':') else { return false };
        ["127.0.0.1", "localhost", "[::1]"].contains(&host) && number.parse() == Ok(port)
    }

    fn target(&self) -> String {
        self.proxy.as_deref().map_or_else(|| "a text or files".to_owned(), shown)
    }
}

/// The port of `host:port`.
fn port_of(at: &str) -> Option<u16> {
    at.rsplit_once(':')?.1.parse().ok()
}

fn shown(text: &str) -> String {
    one_line(text, SHOWN_CHARS)
}

fn list(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.map(|item| shown(&item)).collect();
    let more = items.len().saturating_sub(MAX_NAMED);
    let mut text = items.into_iter().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    (!text.is_empty()).then_some(text)
}
