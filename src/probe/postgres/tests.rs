//! Servers that answer as PostgreSQL does, or as nobody should. The real one is asked in `tests/health.rs`.

use super::*;
use crate::probe::wire::Place;
use crate::recovery::evidence::LEAVE_UP;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_millis(300);

/// What the probe makes of a server that says exactly this; nothing said is silence. Beside it what the server
/// heard after its word.
async fn told(answer: &[u8]) -> (Reading, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::Tcp { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let knock = Knock { place, user: "postgres".to_owned(), database: "app".to_owned() };
    let timeout = if answer.is_empty() { LIMIT } else { Duration::from_secs(20) };
    let probe = Postgres { ask: Ask::Accepts(knock), timeout };
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 1024];
        let length = socket.read(&mut heard).await.unwrap();
        assert_eq!(&heard[..8], [0, 0, 0, u8::try_from(length).unwrap(), 0, 3, 0, 0]);
        assert!(
            heard[8..length]
                .ends_with(b"user\0postgres\0database\0app\0application_name\0picoclaw-watchdog\0\0")
        );
        socket.write_all(answer).await.unwrap();
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        socket.shutdown().await.unwrap();
        let length = socket.read(&mut heard).await.unwrap_or(0);
        heard.truncate(length);
        heard
    };
    tokio::select! {
        biased;
        (reading, heard) = futures_util::future::join(probe.ask(), async {
            tokio::time::timeout(timeout * 2, serve).await.unwrap_or_default()
        }) => (reading, heard),
    }
}

/// An error as the server sends it.
fn error(code: &str, message: &str) -> Vec<u8> {
    message_of(b'E', format!("SFATAL\0VFATAL\0C{code}\0M{message}\0Fpostmaster.c\0\0").as_bytes())
}

fn message_of(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

#[tokio::test(flavor = "current_thread")]
async fn every_first_word_has_its_meaning() {
    let starting = "the database system is starting up";
    let cases = [
        (message_of(b'R', &[0, 0, 0, 10]), "Pass(\"accepting connections\")"),
        (
            [message_of(b'N', b"\0"), message_of(b'R', &[0, 0, 0, 3])].concat(),
            "Pass(\"accepting connections\")",
        ),
        (error("28000", "role \"postgres\" does not exist"), "Pass(\"accepting connections\")"),
        (error("3D000", "database \"app\" does not exist"), "Pass(\"accepting connections\")"),
        (error("57P03", starting), "Unknown(\"it is starting or recovering"),
        (
            error("57P03", "the database system is shutting down"),
            "Fail(\"rejects connections: the database system is shut",
        ),
        (
            error("53300", "sorry, too many clients already"),
            "Fail(\"rejects connections: sorry, too many clients already; who",
        ),
        (
            b"Ecould not fork new process for connection: No memory\n\0".to_vec(),
            "Fail(\"rejects connections: could not fork",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "Fail(\"what answers there is not PostgreSQL"),
        (b"E".to_vec(), "Fail(\"it closed the connection without an answer"),
    ];
    for (answer, meaning) in cases {
        let reading = format!("{:?}", told(&answer).await.0);
        assert!(reading.starts_with(meaning), "{:?}: {reading}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn who_was_let_in_says_goodbye_and_who_was_not_goes() {
    assert_eq!(told(&message_of(b'R', &[0; 4])).await.1, [b'X', 0, 0, 0, 4]);
    assert_eq!(told(&message_of(b'R', &[0, 0, 0, 5, 1, 2, 3, 4])).await.1, b"");
}

#[tokio::test(flavor = "current_thread")]
async fn silence_and_rubbish_end() {
    assert_eq!(told(b"").await.0, Reading::Fail("no answer within 300 ms".to_owned()));
    for rubbish in [vec![0; 99_999], vec![0xff; 99_999], vec![b'N'; 99_999], message_of(b'N', b"").repeat(99)]
    {
        assert!(matches!(told(&rubbish).await.0, Reading::Fail(_)));
    }
    let forged = told(&error("53300", "a\n\u{1b}[31m")).await.0;
    assert!(!forged.detail().contains(['\n', '\u{1b}']), "{forged:?}");
}

#[test]
fn who_is_refused_is_told_apart_from_what_fails() {
    let encrypted =
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"app\", database \"app\", no encryption";
    let unknown = |code, message: &str, words: &str| {
        let reading = judge::of_us(code, message);
        assert!(matches!(&reading, Reading::Unknown(why) if why.contains(words)), "{reading:?}");
    };
    unknown("28000", encrypted, "it wants TLS");
    unknown(
        "28P01",
        "password authentication failed for user \"app\"",
        "not to us: password authentication failed",
    );
    unknown("3D000", "database \"app\" does not exist", "misconfigured probe");
    let full = judge::of_us("53100", "could not extend file \"base/5/1\": No space left on device");
    assert!(matches!(&full, Reading::Fail(why) if why.starts_with(LEAVE_UP)), "{full:?}");
    unknown("42P01", "relation \"x\" does not exist", "misconfigured probe");
    for code in ["57P01", "57014", "53200", "XX000", "58030", "é!"] {
        assert!(matches!(judge::of_us(code, "no"), Reading::Fail(_)), "{code}");
    }
}
