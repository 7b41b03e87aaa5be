//! Certificates are verified as everywhere, and then once more for a later day, so that one that nobody
//! renewed is seen before its end. Nothing is accepted here that rustls would refuse.

use crate::probe::clients::provider;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a certificate is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Validity {
    /// None was seen, or it is bad for another reason.
    #[default]
    Unseen,
    /// For longer than is asked.
    Good,
    /// Now, but not for as long as is asked.
    Ends,
    /// No longer.
    Expired,
}

/// What was last seen of a certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Validity>>);

impl Seen {
    pub(super) fn get(&self) -> Validity {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, validity: Validity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = validity;
    }
}

/// A TLS configuration that trusts these roots, and notes what ends within `warn`.
pub(super) fn config(roots: RootCertStore, warn: Duration) -> Result<(ClientConfig, Seen), String> {
    let (verifier, seen) = lookahead(roots, warn)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot set up TLS: {error}"))?;
    // "Dangerous" is what a verifier of one's own may be; this one only asks rustls' own, twice.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = builder.with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    Ok((config, seen))
}

/// The verifier, and where it notes what it saw.
pub(super) fn lookahead(roots: RootCertStore, warn: Duration) -> Result<(Lookahead, Seen), String> {
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| format!("cannot set up TLS: {error}"))?;
    let seen = Seen::default();
    Ok((Lookahead { inner, warn, seen: seen.clone() }, seen))
}

/// Verifies for now and for later.
#[derive(Debug)]
pub(super) struct Lookahead {
    inner: Arc<WebPkiServerVerifier>,
    warn: Duration,
    seen: Seen,
}

impl ServerCertVerifier for Lookahead {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify =
            |at| self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at);
        let verdict = verify(now);
        let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + self.warn);
        self.seen.set(match &verdict {
            Ok(_) if verify(later).is_ok() => Validity::Good,
            Ok(_) => Validity::Ends,
            Err(error) if is_expiry(error) => Validity::Expired,
            Err(_) => Validity::Unseen,
        });
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn is_expiry(error: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext};
    matches!(error, Error::InvalidCertificate(Expired | ExpiredContext { .. }))
}
