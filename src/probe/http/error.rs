//! Turns a failed exchange into one short reason, and tells whether it proves anything about the service.

use nix::libc::{EADDRNOTAVAIL, EHOSTUNREACH, EMFILE, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENOMEM};
use rustls::CertificateError;
use std::error::Error;
use std::io;

/// Why there was no answer to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service did not serve.
    Theirs(String),
    /// It could not be asked properly, which proves nothing about it.
    Unclear(String),
}

impl Fault {
    /// Why, whoever is at fault.
    pub fn reason(self) -> String {
        match self {
            Self::Theirs(reason) | Self::Unclear(reason) => reason,
        }
    }
}

/// Reads the innermost error: the outer ones only say that a request failed, and repeat its URL.
pub(in crate::probe) fn fault(error: &(dyn Error + 'static)) -> Fault {
    let inner = innermost(error);
    if let Some(io) = inner.downcast_ref::<io::Error>() {
        return io_fault(io);
    }
    if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
        return tls_fault(tls);
    }
    if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_builder) {
        return Fault::Unclear(format!("cannot be asked: {inner}"));
    }
    Fault::Theirs(plain(&inner.to_string()))
}

/// The library's words for a certificate's dates hold the seconds until now, which differ every time.
fn tls_fault(error: &rustls::Error) -> Fault {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    if let rustls::Error::InvalidCertificate(why) = error {
        if matches!(why, Expired | ExpiredContext { .. }) {
            return Fault::Theirs("TLS: its certificate has expired".to_owned());
        }
        if matches!(why, NotValidYet | NotValidYetContext { .. }) {
            let clock = "TLS: its certificate is not valid yet: is our own clock right?";
            return Fault::Unclear(clock.to_owned());
        }
    }
    Fault::Theirs(format!("TLS: {error}"))
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut inner = error;
    loop {
        // An I/O error that wraps another does not count it as its source.
        let wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| inner.source()) {
            // The resolver's error is an I/O error around a bare text; the text alone would say less.
            Some(next) if next.source().is_none() && is_lookup(&inner.to_string()) => return inner,
            Some(next) => inner = next,
            None => return inner,
        }
    }
}

fn io_fault(error: &io::Error) -> Fault {
    let text = error.to_string();
    match (error.raw_os_error(), error.kind()) {
        (Some(EMFILE | ENFILE | ENOBUFS | ENOMEM | EADDRNOTAVAIL | ENETDOWN | ENETUNREACH), _) => {
            Fault::Unclear(text)
        }
        (Some(EHOSTUNREACH), _) => Fault::Theirs("host unreachable".to_owned()),
        (_, io::ErrorKind::ConnectionRefused) => Fault::Theirs("connection refused".to_owned()),
        (_, io::ErrorKind::ConnectionReset) => Fault::Theirs("connection reset".to_owned()),
        _ if is_lookup(&text) => lookup_fault(&text),
        _ => Fault::Theirs(plain(&text)),
    }
}

fn is_lookup(text: &str) -> bool {
    text.starts_with("failed to lookup address")
}

/// A resolver that says "no such name" has worked; any other complaint is about itself.
fn lookup_fault(text: &str) -> Fault {
    let no_such_name = text.contains("not known") || text.contains("No address associated");
    if no_such_name {
        return Fault::Theirs("the host's name does not resolve".to_owned());
    }
    Fault::Unclear(format!("the resolver is in trouble: {}", text.rsplit(": ").next().unwrap_or(text)))
}

/// The words of the HTTP library for what people know under other names.
fn plain(text: &str) -> String {
    match text {
        "connection closed before message completed" => {
            "it closed the connection without a full answer".to_owned()
        }
        _ if text.contains("end of file") || text.contains("EOF") => {
            "it closed the connection in the middle of its answer".to_owned()
        }
        _ if text.contains("invalid HTTP") => "its answer is not HTTP".to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_shortages_prove_nothing() {
        for code in [EMFILE, ENFILE, ENOBUFS, ENETUNREACH] {
            assert!(matches!(io_fault(&io::Error::from_raw_os_error(code)), Fault::Unclear(_)), "{code}");
        }
        let refused = io_fault(&io::Error::from_raw_os_error(nix::libc::ECONNREFUSED));
        assert_eq!(refused, Fault::Theirs("connection refused".to_owned()));
    }

    #[test]
    fn a_resolver_without_network_is_not_a_name_that_is_gone() {
        let lookup =
            |text: &str| io_fault(&io::Error::other(format!("failed to lookup address information: {text}")));
        let trouble = lookup("Temporary failure in name resolution");
        let told = "the resolver is in trouble: Temporary failure in name resolution".to_owned();
        assert_eq!(trouble, Fault::Unclear(told));
        assert_eq!(
            lookup("Name or service not known"),
            Fault::Theirs("the host's name does not resolve".to_owned())
        );
    }
}
