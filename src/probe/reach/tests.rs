//! Ways in that are broken at one hop or another: real servers on several addresses of loopback, in the place
//! of Funnel's edge, of the node's own address and of the gateway.

use super::names::tests::{answer, resolver};
use super::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const LONG: Duration = Duration::from_secs(10);

fn pass() -> Reading {
    Reading::Pass("405 in 1 ms".to_owned())
}

fn fail(why: &str) -> Reading {
    Reading::Fail(why.to_owned())
}

#[test]
fn the_broken_hop_is_named() {
    let unknown = |why: &str| Reading::Unknown(why.to_owned());
    let told = |loopback: Option<Reading>, tailnet: Option<Reading>| {
        broken_hop("connection reset", loopback.as_ref(), tailnet.as_ref())
    };
    let edge = "public edge: connection reset; loopback and the tailnet answer";
    assert_eq!(told(Some(pass()), Some(pass())), fail(edge));
    assert_eq!(told(None, Some(pass())), fail("public edge: connection reset; the tailnet answers"));
    let tailnet = "tailnet: 502; from outside: connection reset";
    assert_eq!(told(Some(pass()), Some(fail("502"))), fail(tailnet));
    let either = "tailnet or public edge: connection reset (it is starting)";
    assert_eq!(told(Some(pass()), Some(unknown("it is starting"))), fail(either));
    assert_eq!(told(None, None), fail("from outside: connection reset"));
    for gateway in [fail("connection refused"), unknown("429")] {
        let Reading::Unknown(why) = told(Some(gateway), Some(pass())) else { panic!("never a failure") };
        assert!(why.starts_with("the gateway itself does not answer on loopback ("), "{why}");
    }
}

/// A server that answers with this status, or for 0 closes at once; and how often it was asked.
struct Server {
    status: AtomicU16,
    asked: AtomicUsize,
}

fn serve(address: &str) -> (Arc<Server>, u16) {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Arc::new(Server { status: AtomicU16::new(405), asked: AtomicUsize::new(0) });
    let state = Arc::clone(&server);
    thread::spawn(move || {
        for mut visitor in listener.incoming().flatten() {
            read_head(&mut visitor);
            state.asked.fetch_add(1, Ordering::SeqCst);
            match state.status.load(Ordering::SeqCst) {
                0 => drop(visitor),
                status => drop(write!(visitor, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")),
            }
        }
    });
    (server, port)
}

fn read_head(visitor: &mut impl Read) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && visitor.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
}

fn http(url: &str) -> Http {
    Http::plain(Call::plain(Method::GET, Url::parse(url).unwrap()), &[405], LONG)
}

/// A way in through 127.0.0.1 to a gateway on another port, with no tailnet to ask.
struct Way {
    edge: Arc<Server>,
    gateway: Arc<Server>,
    reach: Reach,
}

fn way() -> Way {
    let ((edge, public), (gateway, local)) = (serve("127.0.0.1:0"), serve("127.0.0.1:0"));
    let reach = Reach {
        public: http(&format!("http://gateway.example:{public}/webhook")),
        local: Some(http(&format!("http://127.0.0.1:{local}/webhook"))),
        resolver: Some(resolver(&answer("127.0.0.1"))),
        tailnet: None,
        cert_warn: WEEK,
        ask: Ask::Way,
        timeout: LONG * 2,
    };
    Way { edge, gateway, reach }
}

#[tokio::test]
async fn a_good_way_in_asks_no_other_hop_and_is_resolved_once() {
    let (Way { edge, gateway, mut reach }, clients) = (way(), Clients::new());
    for _ in 0..3 {
        assert!(matches!(reach.ask(&clients).await, Reading::Pass(_)));
        // As long as the address is known to be right, nobody is asked for it.
        reach.resolver = Some(Url::parse("http://127.0.0.1:9/").unwrap());
    }
    assert_eq!((edge.asked.load(Ordering::SeqCst), gateway.asked.load(Ordering::SeqCst)), (3, 0));
    edge.status.store(0, Ordering::SeqCst);
    assert!(matches!(reach.ask(&clients).await, Reading::Fail(_)));
    assert!(clients.pins.get("gateway.example", WEEK).is_none(), "its address may have changed");
}

#[tokio::test]
async fn a_dead_edge_is_told_from_a_dead_gateway_and_a_refusal() {
    let (Way { edge, gateway, reach }, clients) = (way(), Clients::new());
    edge.status.store(0, Ordering::SeqCst);
    assert_eq!(
        reach.ask(&clients).await,
        fail("from outside: it closed the connection without a full answer")
    );
    gateway.status.store(500, Ordering::SeqCst);
    let Reading::Unknown(why) = reach.ask(&clients).await else { panic!("not the way's fault") };
    assert_eq!(
        why,
        "the gateway itself does not answer on loopback (500), so the way in to it cannot be judged"
    );
    edge.status.store(403, Ordering::SeqCst);
    let asked = gateway.asked.load(Ordering::SeqCst);
    assert!(
        matches!(reach.ask(&clients).await, Reading::Unknown(_)),
        "a login in front of it proves nothing"
    );
    assert_eq!(gateway.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn an_edge_that_is_silent_leaves_time_for_the_other_hops() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let Way { reach, .. } = way();
    let url = format!("http://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let timeout = Duration::from_millis(300);
    let public = Http { timeout, ..http(&url) };
    let reading = Reach { public, timeout: timeout * 2, ..reach }.ask(&Clients::new()).await;
    assert_eq!(reading, fail("from outside: no full answer within 300 ms"));
}

// --- Certificates -------------------------------------------------------------------------------------

// Made by tests/fixtures/tls/generate.sh.
const CA: &[u8] = include_bytes!("../../../tests/fixtures/tls/ca.der");
const KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/leaf.key.der");
const ENDED: &[u8] = include_bytes!("../../../tests/fixtures/tls/ended.der");
const LASTING: &[u8] = include_bytes!("../../../tests/fixtures/tls/lasting.der");
/// The end of [`ENDED`], 2020-04-01, in seconds of the epoch.
const END: u64 = 1_585_699_200;

fn trusted() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(CA)).unwrap();
    roots
}

/// What is seen of a certificate so many seconds before the end of [`ENDED`].
fn seen(certificate: &'static [u8], name: &'static str, before_end: i64) -> (bool, Validity) {
    let (verifier, seen) = certificate::lookahead(trusted(), WEEK).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(END.saturating_add_signed(-before_end)));
    let (certificate, name) = (CertificateDer::from(certificate), ServerName::try_from(name).unwrap());
    let verdict = rustls::client::danger::ServerCertVerifier::verify_server_cert(
        &verifier,
        &certificate,
        &[],
        &name,
        &[],
        now,
    );
    (verdict.is_ok(), seen.get())
}

#[test]
fn the_end_of_a_certificate_is_seen_ahead_and_nothing_bad_is_accepted() {
    let week = i64::try_from(WEEK.as_secs()).unwrap();
    assert_eq!(seen(ENDED, "gateway.example", week + 1), (true, Validity::Good));
    assert_eq!(seen(ENDED, "gateway.example", week - 1), (true, Validity::Ends));
    assert_eq!(seen(ENDED, "gateway.example", -1), (false, Validity::Expired));
    assert_eq!(seen(LASTING, "gateway.example", -1), (true, Validity::Good));
    assert_eq!(seen(LASTING, "other.example", -1), (false, Validity::Unseen));
    assert_eq!(seen(b"garbage", "gateway.example", 0), (false, Validity::Unseen));
    let (verifier, _) = certificate::lookahead(roots_of_the_world(), WEEK).unwrap();
    let verdict = rustls::client::danger::ServerCertVerifier::verify_server_cert(
        &verifier,
        &CertificateDer::from(LASTING),
        &[],
        &ServerName::try_from("gateway.example").unwrap(),
        &[],
        UnixTime::since_unix_epoch(Duration::from_secs(END)),
    );
    assert!(verdict.is_err(), "an unknown CA");
}

fn roots_of_the_world() -> RootCertStore {
    crate::probe::clients::roots()
}

/// Serves TLS with this certificate, and answers 405.
fn serve_tls(certificate: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = PrivateKeyDer::try_from(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(crate::probe::clients::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate)], key)
        .unwrap();
    let config = Arc::new(config);
    thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, visitor);
            read_head(&mut stream);
            drop(stream.write_all(b"HTTP/1.1 405 X\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    port
}

/// The probe, and a client that trusts our CA and finds the server of this certificate.
fn tls_way(certificate: &'static [u8], warn: Duration) -> (Reach, Pinned) {
    let port = serve_tls(certificate);
    let public = http(&format!("https://gateway.example:{port}/webhook"));
    let reach = Reach { public, cert_warn: warn, ..way().reach };
    let address = [IpAddr::from([127, 0, 0, 1])];
    (reach, Pinned::trusting(trusted(), "gateway.example", &address, warn).unwrap())
}

async fn over_tls(certificate: &'static [u8], warn: Duration) -> Reading {
    let (reach, pinned) = tls_way(certificate, warn);
    reach.over(&pinned).await
}

/// What the question for the certificate alone gives.
async fn certificate_of(certificate: &'static [u8], warn: Duration) -> Reading {
    let (reach, pinned) = tls_way(certificate, warn);
    let clients = Clients::new();
    clients.pins.keep("gateway.example", &pinned, LONG);
    Reach { ask: Ask::Certificate, ..reach }.ask(&clients).await
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_a_failure_of_its_own_question() {
    let renew = "run `sudo tailscale cert gateway.example`, or restart tailscaled";
    assert_eq!(certificate_of(LASTING, WEEK).await, Reading::Pass("good for more than 7d".to_owned()));
    let soon = certificate_of(LASTING, WEEK * 52 * 150).await;
    assert_eq!(soon, fail(&format!("the certificate ends within 54600d: {renew}")));
    assert_eq!(certificate_of(ENDED, WEEK).await, fail(&format!("the certificate has expired: {renew}")));
    let plain = Reach { ask: Ask::Certificate, ..way().reach }.ask(&Clients::new()).await;
    assert_eq!(plain, Reading::Pass("without TLS there is no certificate".to_owned()));
    let nobody = Reach { public: http("https://127.0.0.1:1/"), ask: Ask::Certificate, ..way().reach };
    assert!(matches!(nobody.ask(&Clients::new()).await, Reading::Unknown(_)), "the way in says so");
}

#[tokio::test]
async fn a_pinned_name_is_asked_over_tls_and_its_certificate_is_judged() {
    let Reading::Pass(good) = over_tls(LASTING, WEEK).await else { panic!("it is good") };
    assert!(good.starts_with("405 in ") && !good.contains("certificate"), "{good}");
    let Reading::Pass(ends) = over_tls(LASTING, WEEK * 52 * 150).await else { panic!("it is good") };
    assert!(ends.ends_with("; its certificate ends within 54600d"), "{ends}");
    let advice = "run `sudo tailscale cert gateway.example`, or restart tailscaled";
    assert_eq!(over_tls(ENDED, WEEK).await, fail(&format!("TLS: its certificate has expired: {advice}")));
}
