//! Can the internet reach us? Asked as the internet does: the public name, resolved past the tailnet's own
//! names. Only when that fails are the hops behind it asked, so that the broken one can be named. It judges
//! the way in, not the gateway at its end.

mod certificate;
mod names;
mod pin;
#[cfg(test)]
mod tests;

pub(super) use pin::Pins;

use super::clients::Clients;
use super::http::call::method;
use super::http::{Call, Http, span};
use super::tailscale::{Daemon, WARN};
use crate::recovery::evidence::Reading;
use crate::section::parse::written;
use crate::section::{Section, parse};
use certificate::Validity;
use pin::Pinned;
use reqwest::{Method, Url};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// A resolver that answers in JSON, and over a connection that nobody on the way can bend.
const RESOLVER: &str = "https://cloudflare-dns.com/dns-query";
/// What a webhook answers to a GET, which is not what it takes.
const DEFAULT_EXPECT: u16 = 405;
/// Handshakes at Funnel's edge of 2 to 9 s have been seen while all was well.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// The part of the timeout that is kept for the hops behind the edge, half of it at most: they end on this
/// machine, so they answer in milliseconds or not at all.
const ASIDE: Duration = Duration::from_secs(2);
/// Certificates are renewed a month before their end; one that is nearer to it than this is overdue.
const DEFAULT_CERT_WARN: Duration = Duration::from_secs(7 * 86_400);

/// A probe of the whole way from the internet to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The public URL, and what it should answer.
    pub public: Http,
    /// The same thing on loopback; none when it is not to be asked.
    pub local: Option<Http>,
    /// Whom to ask for the public address; none means the system's own resolver.
    pub resolver: Option<Url>,
    /// Who knows this node's own address; none when that way in is not to be asked.
    pub tailnet: Option<Daemon>,
    /// How long before its end a certificate is mentioned.
    pub cert_warn: Duration,
    /// What is asked.
    pub ask: Ask,
    /// The longest that the whole answer may take.
    pub timeout: Duration,
}

/// What can be asked of the way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether it works.
    Way,
    /// Whether the certificate at its public end is good for some time.
    Certificate,
}

impl Reach {
    /// Reads `check.reach = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let bounds = parse::span(Duration::from_millis(100)..=Duration::from_secs(120));
        let (url, local) = (section.need("url", parse::url), section.opt("local", parse::url));
        let method = section.or("method", Method::GET, method);
        let expect = section.list("expect", parse::within(100..=599)).unwrap_or_default();
        let expect = if expect.is_empty() { vec![DEFAULT_EXPECT] } else { expect };
        let resolver = section.or("resolver", Url::parse(RESOLVER).ok(), |text| match text {
            "" => Ok(None),
            text => parse::url(text).map(Some),
        });
        let daemon = Daemon::read(section);
        let tailnet = section.or("tailnet", true, parse::flag).then_some(daemon);
        let cert_warn = section.or("cert_warn", DEFAULT_CERT_WARN, parse::span(WARN));
        let timeout = section.or("timeout", DEFAULT_TIMEOUT, bounds);
        let ask = section.or("ask", Ask::Way, |text| match text {
            "way" => Ok(Ask::Way),
            "certificate" => Ok(Ask::Certificate),
            _ => Err(format!("{text:?} is no question; write way or certificate")),
        });
        let aside = ASIDE.min(timeout / 2);
        let hop = |url, timeout| Http::plain(Call::plain(method.clone(), url), &expect, timeout);
        let (public, local) = (hop(url?, timeout - aside), local.map(|url| hop(url, aside)));
        Some(Self { public, local, resolver, tailnet, cert_warn, ask, timeout })
    }

    /// The probe's answer.
    pub async fn ask(&self, clients: &Clients) -> Reading {
        match self.ask {
            Ask::Way => self.way(clients).await,
            Ask::Certificate => self.certificate(clients).await,
        }
    }

    /// How long the certificate is good for. Whoever cannot be reached shows none, and the way in says so.
    async fn certificate(&self, clients: &Clients) -> Reading {
        if self.public.call.url.scheme() != "https" {
            return Reading::Pass("without TLS there is no certificate".to_owned());
        }
        let seen = timeout(self.public.timeout, async {
            let pinned = self.pinned(clients).await?;
            let answer = self.public.check_over(&pinned.client).await;
            Ok((pinned.validity.get(), answer))
        });
        match seen.await {
            Ok(Ok((validity, answer))) => self.judge_certificate(validity, answer.detail()),
            Ok(Err(reading)) => reading,
            Err(_) => Reading::Unknown(format!("no full answer within {}", span(self.public.timeout))),
        }
    }

    fn judge_certificate(&self, validity: Validity, answer: &str) -> Reading {
        let within = written(self.cert_warn);
        let renew = format!("run `sudo tailscale cert {}`, or restart tailscaled", self.host());
        match validity {
            Validity::Good => Reading::Pass(format!("good for more than {within}")),
            Validity::Ends => Reading::Fail(format!("the certificate ends within {within}: {renew}")),
            Validity::Expired => Reading::Fail(format!("the certificate has expired: {renew}")),
            Validity::Unseen => Reading::Unknown(format!("no certificate was shown: {answer}")),
        }
    }

    async fn way(&self, clients: &Clients) -> Reading {
        let limit = self.public.timeout;
        let late = || Reading::Fail(format!("no full answer within {}", span(limit)));
        match timeout(limit, self.at_the_edge(clients)).await.unwrap_or_else(|_| late()) {
            seen @ (Reading::Pass(_) | Reading::Unknown(_)) => seen,
            Reading::Fail(why) => {
                // Its address may have changed.
                clients.pins.forget(self.host());
                let (loopback, tailnet) =
                    tokio::join!(self.on_loopback(clients), self.in_the_tailnet(clients));
                broken_hop(&why, loopback.as_ref(), tailnet.as_ref())
            }
        }
    }

    async fn at_the_edge(&self, clients: &Clients) -> Reading {
        match self.pinned(clients).await {
            Ok(pinned) => self.over(&pinned).await,
            Err(reading) => reading,
        }
    }

    async fn pinned(&self, clients: &Clients) -> Result<Pinned, Reading> {
        let host = self.host();
        if let Some(pinned) = clients.pins.get(host, self.cert_warn) {
            return Ok(pinned);
        }
        let port = self.public.call.url.port_or_known_default().unwrap_or_default();
        let found = match self.literal() {
            Some(address) => names::Found::forever(address),
            None => {
                names::resolve(clients, self.resolver.as_ref(), host, port, self.public.timeout / 2).await?
            }
        };
        let pinned = Pinned::to(host, &found.addresses, self.cert_warn).map_err(Reading::Unknown)?;
        clients.pins.keep(host, &pinned, found.lasts);
        Ok(pinned)
    }

    /// Asks over a pinned address, and says what is to be said of its certificate.
    async fn over(&self, pinned: &Pinned) -> Reading {
        match (self.public.check_over(&pinned.client).await, pinned.validity.get()) {
            (Reading::Pass(text), Validity::Ends) => {
                Reading::Pass(format!("{text}; its certificate ends within {}", written(self.cert_warn)))
            }
            (Reading::Fail(text), Validity::Expired) => {
                let host = self.host();
                Reading::Fail(format!("{text}: run `sudo tailscale cert {host}`, or restart tailscaled"))
            }
            (reading, _) => reading,
        }
    }

    async fn on_loopback(&self, clients: &Clients) -> Option<Reading> {
        Some(self.local.as_ref()?.check(clients).await.reading)
    }

    async fn in_the_tailnet(&self, clients: &Clients) -> Option<Reading> {
        // What has no name cannot be pinned to another address.
        let daemon = self.tailnet.as_ref().filter(|_| self.literal().is_none())?;
        let limit = self.timeout - self.public.timeout;
        let asked = async {
            let node = daemon.node(clients, limit).await?;
            let nowhere = || Reading::Unknown("the node has no address of its own".to_owned());
            let address = node.address().ok_or_else(nowhere)?;
            let pinned = Pinned::to(self.host(), &[address], self.cert_warn).map_err(Reading::Unknown)?;
            Ok(self.over(&pinned).await)
        };
        let late = || Ok(Reading::Fail(format!("no full answer within {}", span(limit))));
        Some(
            timeout(limit, asked).await.unwrap_or_else(|_| late()).unwrap_or_else(|reading: Reading| reading),
        )
    }

    fn host(&self) -> &str {
        self.public.call.url.host_str().unwrap_or_default()
    }

    fn literal(&self) -> Option<IpAddr> {
        self.host().trim_matches(['[', ']']).parse().ok()
    }
}

/// Names the hop that is broken when the public way in is; a hop that was not asked is none.
fn broken_hop(public: &str, loopback: Option<&Reading>, tailnet: Option<&Reading>) -> Reading {
    if let Some(Reading::Fail(why) | Reading::Unknown(why)) = loopback {
        let judged = "so the way in to it cannot be judged";
        return Reading::Unknown(format!("the gateway itself does not answer on loopback ({why}), {judged}"));
    }
    let inside = if loopback.is_some() { "loopback and the tailnet answer" } else { "the tailnet answers" };
    match tailnet {
        Some(Reading::Pass(_)) => Reading::Fail(format!("public edge: {public}; {inside}")),
        Some(Reading::Fail(why)) => Reading::Fail(format!("tailnet: {why}; from outside: {public}")),
        Some(Reading::Unknown(why)) => Reading::Fail(format!("tailnet or public edge: {public} ({why})")),
        None => Reading::Fail(format!("from outside: {public}")),
    }
}
