//! A conversation with the server up to where a message could be handed over. The same for sending and for `doctor`,
//! which stops there.

use crate::values::Secret;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One step of the conversation; the whole is bounded by whoever opens it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a server may ask for. Those that send the password as it is do so within TLS only.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// A file of certificates has some kilobytes.
const CA_BYTES_MAX: u64 = 1 << 20;

/// A mail server and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, which its certificate must bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the conversation is kept private.
    pub tls: Tls,
    /// The certificates to trust instead of Mozilla's.
    pub ca: Option<PathBuf>,
    /// Who we are; empty where everybody may send.
    pub user: String,
    /// And how we prove it.
    pub password: Secret,
    /// The sender of all messages.
    pub from: Mailbox,
}

/// How the conversation is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Private from the second command on, or not at all: usual on port 587.
    StartTls,
    /// From the first byte: usual on port 465.
    Implicit,
    /// Not; only to this machine itself.
    None,
}

/// Why a conversation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may go well later.
    Passing(String),
    /// It never will.
    ForGood(String),
}

impl Trouble {
    /// Why.
    pub fn why(&self) -> &str {
        match self {
            Self::Passing(why) | Self::ForGood(why) => why,
        }
    }
}

impl From<Error> for Trouble {
    /// A 5xx of the server is its last word, and what we ourselves cannot speak will not be learned.
    fn from(error: Error) -> Self {
        let said = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        let text = match error.status() {
            Some(code) => format!("{code} {said}"),
            None => said,
        };
        if error.is_permanent() || error.is_client() { Self::ForGood(text) } else { Self::Passing(text) }
    }
}

impl Server {
    /// Connects, makes the conversation private, and proves who we are.
    ///
    /// # Errors
    /// Where that ended.
    pub async fn open(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let tls = match self.tls {
            Tls::None => None,
            Tls::StartTls | Tls::Implicit => Some(self.tls_parameters()?),
        };
        let (at_once, later) = match self.tls {
            Tls::StartTls => (None, tls),
            Tls::Implicit | Tls::None => (tls, None),
        };
        let (us, server) = (ClientId::default(), (self.host.as_str(), self.port));
        let connected =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_TIMEOUT), &us, at_once, None);
        let mut connection = connected.await?;
        if let Some(tls) = later {
            connection.starttls(tls, &us).await?;
        }
        if !self.user.is_empty() {
            let credentials = Credentials::new(self.user.clone(), self.password.expose().to_owned());
            connection.auth(&MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    fn tls_parameters(&self) -> Result<TlsParameters, Trouble> {
        let parameters = TlsParameters::builder(self.host.clone());
        let parameters = match &self.ca {
            None => parameters.certificate_store(CertificateStore::WebpkiRoots),
            Some(path) => {
                let own = certificates(path).map_err(Trouble::Passing)?;
                parameters.certificate_store(CertificateStore::None).add_root_certificate(own)
            }
        };
        Ok(parameters.build_rustls()?)
    }
}

/// One certificate in DER, or any number in PEM.
fn certificates(path: &Path) -> Result<Certificate, String> {
    use std::io::Read;
    let wrong = |why: String| format!("reading the certificates of {}: {why}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    file.take(CA_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    let pem = bytes.starts_with(b"-----");
    let read = if pem { Certificate::from_pem(&bytes) } else { Certificate::from_der(bytes) };
    read.map_err(|error| wrong(error.to_string()))
}
