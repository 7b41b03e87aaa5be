//! The real answers of Redis 7, and servers that are none, break off or stay silent. The real server is asked in
//! `tests/health.rs`.

use super::*;
use tokio::net::TcpListener;

fn redis(port: u16, password: &str) -> Redis {
    let place = Place::Tcp { host: "127.0.0.1".to_owned(), port };
    Redis { place, user: None, password: Secret::new(password), timeout: Duration::from_secs(20) }
}

/// What the probe makes of one connection on which exactly this is said; nothing said is silence.
async fn told(password: &str, answer: &[u8]) -> Reading {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut probe = redis(listener.local_addr().unwrap().port(), password);
    if answer.is_empty() {
        probe.timeout = Duration::from_millis(300);
    }
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1024]).await;
        socket.write_all(answer).await.unwrap();
        match answer.is_empty() {
            true => std::future::pending().await,
            false => drop(socket),
        }
    };
    tokio::select! {
        reading = probe.ask() => reading,
        () = async { serve.await; std::future::pending().await } => unreachable!(),
    }
}

#[tokio::test(flavor = "current_thread")]
async fn every_answer_has_its_meaning() {
    let cases: [(&str, &str, &str); 14] = [
        ("+PONG\r\n", "", "Pass(\"PONG\")"),
        ("+OK\r\n+PONG\r\n", "pw", "Pass(\"PONG\")"),
        // A password that is not wanted keeps nobody from being well.
        ("-ERR AUTH <password> called without any password configured\r\n+PONG\r\n", "pw", "Pass(\"PONG\")"),
        (
            "-NOAUTH Authentication required.\r\n",
            "",
            "Unknown(\"misconfigured probe: it answers, but wants a password",
        ),
        (
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n",
            "pw",
            "Unknown(\"misconfigured probe: it answers, but refuses the password: WRONGPASS",
        ),
        (
            "-NOPERM this user has no permissions\r\n",
            "",
            "Unknown(\"misconfigured probe: it answers, but not to us",
        ),
        ("-DENIED Redis is running in protected mode\r\n", "", "Unknown(\"misconfigured probe"),
        ("-LOADING Redis is loading the dataset in memory\r\n", "", "Unknown(\"it is still loading"),
        ("-BUSY Redis is busy running a script.\r\n", "", "Fail(\"a script keeps it busy"),
        (
            "-MISCONF Redis is configured to save RDB snapshots\r\n",
            "",
            "Fail(\"a restart would make it worse: it takes no changes, for it cannot save its data",
        ),
        ("-MASTERDOWN Link with MASTER is down\r\n", "", "Fail(\"a replica without its master"),
        // Said instead of an answer to the login, and then it hangs up.
        ("-ERR max number of clients reached\r\n", "pw", "Fail(\"it refuses: ERR max number of clients"),
        ("HTTP/1.1 400 Bad Request\r\n", "", "Fail(\"what answers there is not Redis"),
        ("+PONG", "", "Fail(\"it closed the connection without an answer"),
    ];
    for (answer, password, meaning) in cases {
        let reading = format!("{:?}", told(password, answer.as_bytes()).await);
        assert!(reading.starts_with(meaning), "{answer:?}: {reading}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn silence_and_rubbish_end() {
    assert_eq!(told("", b"").await, Reading::Fail("no answer within 300 ms".to_owned()));
    for rubbish in [vec![0; 100_000], vec![b'-'; 100_000], b"\xff\xfe\n\n\n".to_vec(), b"-\r\n".to_vec()] {
        assert!(matches!(told("", &rubbish).await, Reading::Fail(_)));
    }
    let forged = told("", b"-ERR a\x1b[31m\xe2\x80\xae\r\n").await;
    assert!(!forged.detail().contains('\u{1b}') && !forged.detail().contains('\u{202e}'), "{forged:?}");
}

#[test]
fn a_password_may_hold_any_byte() {
    let mut probe = redis(1, "p w\r\n*1");
    probe.user = Some("üser".to_owned());
    let question = String::from_utf8(probe.question()).unwrap();
    assert_eq!(question, "*3\r\n$4\r\nAUTH\r\n$5\r\nüser\r\n$7\r\np w\r\n*1\r\n*1\r\n$4\r\nPING\r\n");
    probe.password = Secret::new("");
    assert_eq!(probe.question(), b"*1\r\n$4\r\nPING\r\n");
}
