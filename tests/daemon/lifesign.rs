//! The sign of life to somebody outside: when it comes, what it says, and that nobody waits for it.

use crate::common::{Home, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The least gap that can be configured is 12 s; so two signs take half a minute at most.
const SIGNS: Duration = Duration::from_secs(45);
const LEAST_GAP: Duration = Duration::from_secs(12);

/// Somebody who waits for signs.
struct Monitor {
    address: SocketAddr,
    /// When each came, its first line, and what it said.
    heard: Arc<Mutex<Vec<(Instant, String, String)>>>,
    silent: Arc<AtomicBool>,
}

impl Monitor {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let monitor =
            Self { address: listener.local_addr().unwrap(), heard: Arc::default(), silent: Arc::default() };
        let (heard, silent) = (Arc::clone(&monitor.heard), Arc::clone(&monitor.silent));
        thread::spawn(move || {
            let mut ignored = Vec::new();
            for stream in listener.incoming().flatten() {
                heard.lock().unwrap().push(listen(&stream));
                match silent.load(Ordering::SeqCst) {
                    true => ignored.push(stream),
                    false => (&stream)
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
                        .unwrap(),
                }
            }
        });
        monitor
    }

    fn url(&self) -> String {
        format!("http://{}/ping-key/my-watchdog", self.address)
    }

    #[track_caller]
    fn wait_for(&self, count: usize) -> Vec<(Instant, String, String)> {
        let enough = || Some(self.heard.lock().unwrap().clone()).filter(|heard| heard.len() >= count);
        wait_until(SIGNS, &format!("{count} signs have come"), enough)
    }
}

fn listen(mut stream: &TcpStream) -> (Instant, String, String) {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return (Instant::now(), head.lines().next().unwrap().to_owned(), body.to_owned());
        }
    }
}

fn config(url: &str, port: u16) -> String {
    format!(
        r#"
interval = "2s"
reprobe = "200ms"
hold_off = "0s"
[lifesign]
url = "{url}"
[[target]]
name = "service"
[[target.probe]]
name = "port"
check.port = {{ port = {port}, timeout = "1s" }}
"#
    )
}

#[test]
fn it_tells_of_the_start_of_cycles_and_of_trouble_of_our_own() {
    let monitor = Monitor::start();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new(&config(&monitor.url(), service.local_addr().unwrap().port()));
    let daemon = home.start();
    let heard = monitor.wait_for(2);
    assert_eq!(heard[0].1, "POST /ping-key/my-watchdog/start HTTP/1.1");
    assert_eq!(heard[1].1, "POST /ping-key/my-watchdog HTTP/1.1");
    assert_eq!(heard[1].2, "all well (service)");
    let gap = heard[1].0 - heard[0].0;
    // What delayed the first one shortens it.
    assert!(gap >= LEAST_GAP / 2, "five a minute at most, and not one for each cycle: {gap:?}");

    // A state that cannot be saved, in the very cycle in which there is something to save.
    fs::rename(home.state(), home.path("moved")).unwrap();
    fs::write(home.state(), "in the way").unwrap();
    drop(service);
    let heard = monitor.wait_for(3);
    assert_eq!(heard[2].1, "POST /ping-key/my-watchdog/fail HTTP/1.1");
    assert!(heard[2].2.starts_with("the watchdog itself: the state is not saved: "), "{}", heard[2].2);
    let log = daemon.cycles(1);
    assert!(!log.0.contains("ping-key"), "whoever reads the log could give signs: {}", log.0);
}

#[test]
fn nobody_waits_for_a_receiver_that_never_answers() {
    let monitor = Monitor::start();
    monitor.silent.store(true, Ordering::SeqCst);
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new(&config(&monitor.url(), service.local_addr().unwrap().port()));
    let daemon = home.start();
    monitor.wait_for(2);
    let lost = |words: &'static str| {
        daemon.wait_within(SIGNS, words, |log| !log.lines(&["target=lifesign", words]).is_empty())
    };
    let log = lost("no answer within 5 s");
    assert!(log.cycles() >= 6 && log.slowest_cycle_ms() < 4_500, "{}", log.0);

    monitor.silent.store(false, Ordering::SeqCst);
    let log = lost("life signs arrive again");
    assert_eq!(log.lines(&["target=lifesign"]).len(), 2, "said once, and its end: {}", log.0);
}
