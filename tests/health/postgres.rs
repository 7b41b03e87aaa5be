//! PostgreSQL, asked with and without a login.

use crate::common::wait_until;
use crate::server::{Place, SOON, Server, program_or_skip};
use crate::{ask, fails, knows_nothing, passes};
use nix::sys::signal::Signal;
use picoclaw_watchdog::recovery::evidence::Reading;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct-horse";
/// Whoever is let in without a password, with one, and over TLS only.
const HBA: &str = "local all all trust\nhost all postgres 127.0.0.1/32 trust\n\
                   host all app 127.0.0.1/32 scram-sha-256\nhostssl all secure 127.0.0.1/32 trust\n";

/// A cluster with the roles of [`HBA`].
struct Cluster {
    place: Place,
    postgres: PathBuf,
}

impl Cluster {
    fn make_or_skip() -> Option<Self> {
        let (initdb, postgres) = (program_or_skip("initdb")?, program_or_skip("postgres")?);
        let place = Place::new();
        let mut init = place.command(&initdb);
        init.args(["--pgdata=data", "--username=postgres", "--auth=trust", "--no-sync", "--no-locale"]);
        let output = init.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(place.path().join("data/pg_hba.conf"), HBA).unwrap();
        Some(Self { place, postgres })
    }

    /// Starts it with these settings more, and waits for nothing.
    fn launch(&self, settings: &[&str]) -> Server {
        let port = self.place.port.to_string();
        let mut command = self.place.command(&self.postgres);
        command.arg("-k").arg(self.place.path());
        command.args(["-D", "data", "-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        self.place.start(&mut command)
    }

    /// Starts it, and waits until it takes connections.
    #[track_caller]
    fn start(&self, settings: &[&str]) -> Server {
        let server = self.launch(settings);
        wait_until(SOON, "PostgreSQL is up", || matches!(self.knock("2s"), Reading::Pass(_)).then_some(()));
        server
    }

    fn knock(&self, timeout: &str) -> Reading {
        ask(&format!("postgres = {{ port = {}, timeout = \"{timeout}\" }}", self.place.port))
    }

    fn over_socket(&self) -> Reading {
        let socket = self.place.path().join(format!(".s.PGSQL.{}", self.place.port));
        ask(&format!("postgres = {{ socket = \"{}\" }}", socket.display()))
    }

    fn url(&self, who: &str, database: &str) -> String {
        format!("postgres://{who}@127.0.0.1:{}/{database}", self.place.port)
    }

    fn login(&self, who: &str, database: &str, more: &str) -> Reading {
        self.login_within("20s", who, database, more)
    }

    fn login_within(&self, timeout: &str, who: &str, database: &str, more: &str) -> Reading {
        let url = self.url(who, database);
        ask(&format!("postgres = {{ url = \"{url}\", timeout = \"{timeout}\"{more} }}"))
    }
}

/// Runs statements as the superuser.
fn run(cluster: &Cluster, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = cluster.url("postgres", "postgres");
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::select! {
            done = client.batch_execute(sql) => done.unwrap(),
            ended = connection => ended.unwrap(),
        }
    });
}

#[test]
fn who_is_refused_is_told_apart_from_a_server_that_is_down() {
    let Some(cluster) = Cluster::make_or_skip() else { return };
    let server = cluster.start(&[]);
    run(&cluster, &format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE secure LOGIN"));
    passes(cluster.knock("5s"), "accepting connections");
    passes(cluster.over_socket(), "accepting connections");
    let unknown =
        ask(&format!("postgres = {{ port = {}, user = \"nobody-of-that-name\" }}", cluster.place.port));
    passes(unknown, "accepting connections");

    let (right, wrong) = (format!("app:{PASSWORD}"), "app:wrong-horse");
    passes(cluster.login(&right, "postgres", ""), "answers a query");
    let refused = cluster.login(wrong, "postgres", "");
    assert!(!refused.detail().contains("wrong-horse"), "{refused:?}");
    knows_nothing(refused, "not to us: password authentication failed for user \"app\"");
    knows_nothing(cluster.login("app", "postgres", ""), "password");
    knows_nothing(cluster.login(&right, "none", ""), "database \"none\" does not exist");
    knows_nothing(cluster.login("secure", "postgres", ""), "it wants TLS, which is not spoken here");
    knows_nothing(cluster.login(&right, "postgres", ", query = \"SELECT x\""), "misconfigured probe");
    fails(cluster.login(&right, "postgres", ", query = \"SELECT 1/0\""), "division by zero");
    let slow = cluster.login_within("2s", &right, "postgres", ", query = \"SELECT pg_sleep(60)\"");
    fails(slow, "no answer within 2 s");

    server.stop(Signal::SIGINT);
    fails(cluster.knock("5s"), "connection refused");
    fails(cluster.over_socket(), "there is no socket /");
    fails(cluster.login(&right, "postgres", ""), "connection refused");
}

#[test]
fn asking_leaves_nothing_in_the_server_s_log() {
    let Some(cluster) = Cluster::make_or_skip() else { return };
    let _server = cluster.start(&["log_min_messages=log"]);
    run(&cluster, &format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'"));
    let before = cluster.place.log().len();
    let as_app = format!("postgres = {{ port = {}, user = \"app\" }}", cluster.place.port);
    for _ in 0..5 {
        passes(cluster.knock("5s"), "accepting");
        passes(cluster.over_socket(), "accepting");
        passes(ask(&as_app), "accepting");
        passes(cluster.login(&format!("app:{PASSWORD}"), "postgres", ""), "answers");
    }
    let log = cluster.place.log().split_off(before);
    assert!(!log.contains("FATAL") && !log.contains("connection") && !log.contains("client"), "{log}");
}

#[test]
fn a_hung_server_is_a_failure_and_one_killed_meanwhile_too() {
    let Some(cluster) = Cluster::make_or_skip() else { return };
    let server = cluster.start(&[]);
    server.signal(Signal::SIGSTOP);
    let began = Instant::now();
    fails(cluster.knock("1s"), "no answer within 1 s");
    fails(cluster.login_within("2s", "postgres", "postgres", ""), "no answer within 2 s");
    assert!(began.elapsed() < Duration::from_secs(60));
    server.signal(Signal::SIGCONT);
    passes(cluster.knock("5s"), "accepting connections");

    server.signal(Signal::SIGSTOP);
    let killed = server.kill_after(Duration::from_millis(300));
    let reading = cluster.knock("30s");
    assert!(matches!(&reading, Reading::Fail(why) if !why.contains("no answer within")), "{reading:?}");
    killed.join().unwrap();
}

#[test]
fn all_connections_taken_is_a_failure() {
    let Some(cluster) = Cluster::make_or_skip() else { return };
    let most =
        ["max_connections=4", "superuser_reserved_connections=0", "max_wal_senders=0", "autovacuum=off"];
    let _server = cluster.start(&most);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let held: Vec<_> = (0..4)
        .map(|_| {
            let url = cluster.url("postgres", "postgres");
            // Who asked whether it is up may not be gone yet.
            wait_until(SOON, "a connection is free", || {
                runtime.block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls)).ok()
            })
        })
        .collect();
    fails(cluster.knock("5s"), "rejects connections: sorry, too many clients already");
    fails(cluster.login("postgres", "postgres", ""), "rejects connections: sorry, too many clients already");
    drop(held);
    wait_until(SOON, "there is room again", || matches!(cluster.knock("2s"), Reading::Pass(_)).then_some(()));
}

#[test]
fn a_server_that_is_starting_is_left_to_it() {
    let Some(cluster) = Cluster::make_or_skip() else { return };
    // It waits for a segment of its log from an archive, as one that recovers does.
    fs::write(cluster.place.path().join("data/recovery.signal"), "").unwrap();
    let server = cluster.launch(&["restore_command=sleep 9; false"]);
    let starting = || Some(cluster.knock("2s")).filter(|reading| matches!(reading, Reading::Unknown(_)));
    let reading = wait_until(SOON, "PostgreSQL is starting", starting);
    knows_nothing(
        reading,
        "it is starting or recovering, and is left to it: the database system is starting up",
    );
    knows_nothing(cluster.login("postgres", "postgres", ""), "the database system is starting up");
    server.stop(Signal::SIGQUIT);
}

#[test]
fn a_server_that_shuts_down_takes_nobody_new() {
    let Some(cluster) = Cluster::make_or_skip() else { return };
    let server = cluster.start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = cluster.url("postgres", "postgres");
    let held =
        runtime.block_on(async { tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap() });
    // It waits for those who are connected, and takes nobody new.
    server.signal(Signal::SIGTERM);
    let refusing = || Some(cluster.knock("20s")).filter(|reading| !matches!(reading, Reading::Pass(_)));
    fails(wait_until(SOON, "PostgreSQL shuts down", refusing), "the database system is shutting down");
    drop(held);
}
