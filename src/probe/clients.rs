//! The HTTP clients that all probes share. Each request has a connection of its own, so that an answer proves
//! that the service accepts connections now. It decides nothing about what is asked.

use super::port::Ports;
use super::reach::Pins;
use reqwest::{Client, ClientBuilder, Url, redirect};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What we call ourselves in other people's access logs.
pub(super) const USER_AGENT: &str = concat!("picoclaw-watchdog/", env!("CARGO_PKG_VERSION"));

/// Clients by kind, each built when its first URL comes along: a profile without `https` never loads the root
/// certificates, and one that only looks at loopback never asks the environment for a proxy.
#[derive(Debug, Default)]
pub struct Clients {
    direct: OnceLock<Client>,
    direct_tls: OnceLock<Client>,
    proxied: OnceLock<Client>,
    proxied_tls: OnceLock<Client>,
    /// One for each socket that the configuration names.
    sockets: Mutex<BTreeMap<PathBuf, Client>>,
    pub(super) pins: Pins,
    pub(super) ports: Ports,
}

impl Clients {
    /// No client yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The client for `url`. This machine itself is asked directly; all others through the proxy that the
    /// environment names, if it names one.
    ///
    /// # Errors
    /// Why the client could not be built, such as a proxy variable that is not a URL.
    pub fn for_url(&self, url: &Url) -> Result<&Client, String> {
        let tls = url.scheme() == "https";
        let (slot, direct) = match (is_loopback(url), tls) {
            (true, false) => (&self.direct, true),
            (true, true) => (&self.direct_tls, true),
            (false, false) => (&self.proxied, false),
            (false, true) => (&self.proxied_tls, false),
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = build(direct, tls)?;
        Ok(slot.get_or_init(|| client))
    }

    /// The client for a server on a unix socket, whatever host its URLs name.
    ///
    /// # Errors
    /// Why the client could not be built.
    pub fn for_socket(&self, socket: &Path) -> Result<Client, String> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = sockets.get(socket) {
            return Ok(client.clone());
        }
        let builder = builder(tls_config(false)?).no_proxy().unix_socket(socket);
        let client = finish(builder)?;
        sockets.insert(socket.to_owned(), client.clone());
        Ok(client)
    }
}

fn build(direct: bool, tls: bool) -> Result<Client, String> {
    let builder = builder(tls_config(tls)?);
    finish(if direct { builder.no_proxy() } else { builder })
}

/// What all clients have in common.
pub(super) fn builder(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        // Every exchange has a deadline of its own, so these would only be five system calls per connection.
        .tcp_keepalive(None)
        .tcp_keepalive_interval(None)
        .tcp_keepalive_retries(None)
        .tcp_user_timeout(None)
        .tls_backend_preconfigured(tls)
}

/// The client itself.
pub(super) fn finish(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| format!("cannot build an HTTP client: {error}"))
}

/// A client for plain HTTP trusts nobody; a proxy reached over TLS needs the roots as well, and then the URL
/// is `https` too in practice.
fn tls_config(with_roots: bool) -> Result<ClientConfig, String> {
    let roots = if with_roots { roots() } else { RootCertStore::empty() };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot set up TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The cryptography that all of TLS uses.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Mozilla's roots, compiled in, so that a broken certificate store of the system does not look like a broken
/// service.
pub(super) fn roots() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// Whether the URL means this machine. By name or literal address only; nothing is resolved.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// Whether a URL leads out of our own network. Names without a dot, and those below `local`, are of it.
pub(super) fn is_external(url: &Url) -> bool {
    is_external_host(url.host_str().unwrap_or_default())
}

/// The same for the name or address of a host.
pub(super) fn is_external_host(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            !(address.is_loopback() || address.is_private() || address.is_link_local())
        }
        Ok(IpAddr::V6(address)) => {
            !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local())
        }
        Err(_) => host.contains('.') && !host.ends_with(".local"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_of_our_network_is_external() {
        let external = |url: &str| is_external(&Url::parse(url).unwrap());
        for ours in [
            "http://localhost/",
            "http://127.0.0.1:1/",
            "http://[::1]/",
            "http://192.168.1.5:11434/",
            "http://ollama:11434/",
            "http://box.local/",
            "http://[fd00::1]/",
        ] {
            assert!(!external(ours), "{ours}");
        }
        for theirs in ["https://a.ts.net/webhook", "http://8.8.8.8/", "http://100.64.0.7:11434/"] {
            assert!(external(theirs), "{theirs}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for here in ["http://127.0.0.1:1/x", "http://127.9.9.9", "http://[::1]:18790/", "https://LOCALHOST/"]
        {
            assert!(loopback(here), "{here}");
        }
        for there in
            ["http://127.0.0.1.example.com", "http://10.0.0.1", "http://[::2]", "http://localhost.example"]
        {
            assert!(!loopback(there), "{there}");
        }
    }

    #[test]
    fn a_client_is_built_when_first_needed_and_then_shared() {
        let clients = Clients::new();
        let url = Url::parse("http://127.0.0.1:1").unwrap();
        let first: *const Client = clients.for_url(&url).unwrap();
        assert!(std::ptr::eq(first, clients.for_url(&url).unwrap()));
        assert!(clients.direct_tls.get().is_none() && clients.proxied.get().is_none());
        clients.for_url(&Url::parse("https://example.com").unwrap()).unwrap();
        assert!(clients.proxied_tls.get().is_some());
    }
}
