//! Clients that take one host to be at a given address, whatever any resolver says, and note how long the
//! certificate that they meet there is good for. They are kept as long as the address is known to be right.

use super::certificate::{self, Seen};
use crate::probe::clients::{builder, finish, roots};
use reqwest::Client;
use rustls::RootCertStore;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A client for one host, and what it saw of the certificate.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub(super) client: Client,
    pub(super) validity: Seen,
    warn: Duration,
}

impl Pinned {
    /// One that finds `host` at these addresses.
    pub(super) fn to(host: &str, addresses: &[IpAddr], warn: Duration) -> Result<Self, String> {
        Self::trusting(roots(), host, addresses, warn)
    }

    /// As [`Self::to`], but with these roots.
    pub(super) fn trusting(
        roots: RootCertStore,
        host: &str,
        addresses: &[IpAddr],
        warn: Duration,
    ) -> Result<Self, String> {
        let (tls, validity) = certificate::config(roots, warn)?;
        // The port of the URL counts; 0 stands for it.
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| (*address, 0).into()).collect();
        let client = finish(builder(tls).resolve_to_addrs(host, &addresses))?;
        Ok(Self { client, validity, warn })
    }
}

/// The pinned clients, one for each public host of the configuration.
#[derive(Debug, Default)]
pub(in crate::probe) struct Pins(Mutex<BTreeMap<String, (Pinned, Instant)>>);

impl Pins {
    /// The client for `host`, as long as its address is known to be right.
    pub(super) fn get(&self, host: &str, warn: Duration) -> Option<Pinned> {
        let pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (pinned, until) = pins.get(host)?;
        (pinned.warn == warn && Instant::now() < *until).then(|| pinned.clone())
    }

    /// Keeps it for so long.
    pub(super) fn keep(&self, host: &str, pinned: &Pinned, lasts: Duration) {
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.insert(host.to_owned(), (pinned.clone(), Instant::now() + lasts));
    }

    /// Its address may be right no longer.
    pub(super) fn forget(&self, host: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}
