//! The contract with a real S3 server, `s3s-fs`: it checks signatures, and the age of an object is that of its
//! file. It is looked for in the path, in ~/.cargo/bin, and where the variable S3S_FS says.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.
#![allow(clippy::print_stderr, reason = "a skipped test must be seen")]

use picoclaw_watchdog::config::{SourceFile, Sources, compile};
use picoclaw_watchdog::probe::Probe;
use picoclaw_watchdog::probe::clients::Clients;
use picoclaw_watchdog::recovery::evidence::Reading;
use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const BUCKET: &str = "moltbot-data";
const ACCESS_KEY: &str = "an-access-key";
const SECRET_KEY: &str = "a/secret+key";
/// An hour and a little, for the time of a server is cut to whole seconds.
const HOUR: Duration = Duration::from_secs(3610);

/// A server with one bucket; dropping it ends both.
struct Server {
    child: Child,
    address: String,
    root: TempDir,
    /// Kept, so that it can go on talking; it says next to nothing.
    _says: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts one. None where the program is missing, after a line that nobody overlooks; under `CI=true` that
    /// is a failure.
    fn up_or_skip() -> Option<Self> {
        let Some(program) = program() else {
            assert!(env::var("CI").as_deref() != Ok("true"), "CI must have s3s-fs: see .ci/run");
            eprintln!("!!!! SKIPPED: s3s-fs is missing, so no object was asked of a real S3 server");
            return None;
        };
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(BUCKET)).unwrap();
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", "0", "--access-key", ACCESS_KEY]);
        command.args(["--secret-key", SECRET_KEY]).arg(root.path());
        command.env("RUST_LOG", "info").env("NO_COLOR", "1").stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
        let said =
            |line: io::Result<String>| Some(line.unwrap().split("running at ").nth(1)?.trim().to_owned());
        let address = says.find_map(said).unwrap();
        Some(Self { child, address, root, _says: says })
    }

    /// Writes an object, as if so long ago.
    fn put(&self, key: &str, content: &str, age: Duration) {
        let path = self.root.path().join(BUCKET).join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    /// What the probe says, with these settings beside the usual ones.
    fn ask(&self, settings: &str) -> Reading {
        let settings = format!("bucket = \"{BUCKET}\"\nsecret_key = \"{SECRET_KEY}\"\n{settings}");
        self.ask_with(&settings)
    }

    fn ask_with(&self, settings: &str) -> Reading {
        let probe = probe(&format!(
            "endpoint = \"{}\"\naccess_key = \"{ACCESS_KEY}\"\nmax_age = \"20m\"\n{settings}",
            self.address
        ));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(probe.ask(&Clients::new(), None)).reading
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn program() -> Option<PathBuf> {
    let named = env::var_os("S3S_FS").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.extend(env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/bin")));
    let found = folders.into_iter().map(|folder| folder.join("s3s-fs"));
    named.into_iter().chain(found).find(|path| path.is_file())
}

fn probe(settings: &str) -> Probe {
    let text = format!(
        "[[target]]\nname = \"backup\"\n[[target.probe]]\nname = \"age\"\n[target.probe.check.object]\n{settings}"
    );
    let toml = Some(SourceFile { path: "watchdog.toml".into(), text, mode: 0o600 });
    let compiled = compile(&Sources { home: "/home/pico".into(), toml, ..Sources::default() });
    compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems)).probes.remove(0)
}

#[track_caller]
fn passes(reading: Reading, told: &str) {
    assert!(matches!(&reading, Reading::Pass(text) if text.contains(told)), "{told}: {reading:?}");
}

#[track_caller]
fn fails(reading: Reading, told: &str) {
    assert!(matches!(&reading, Reading::Fail(text) if text.contains(told)), "{told}: {reading:?}");
}

#[track_caller]
fn knows_nothing(reading: Reading, told: &str) {
    assert!(matches!(&reading, Reading::Unknown(text) if text.contains(told)), "{told}: {reading:?}");
}

#[test]
fn a_marker_is_read_and_its_word_counts() {
    let Some(server) = Server::up_or_skip() else { return };
    let marker = "marker = \".last-sync\"";
    fails(server.ask(marker), "there is no .last-sync in moltbot-data");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    server.put(".last-sync", &format!("{now}\n"), HOUR);
    passes(server.ask(marker), "fresh: .last-sync is ");
    server.put(".last-sync", "2026-02-08T13:26:33+00:00\n", Duration::ZERO);
    fails(server.ask(marker), "stale: .last-sync is ");
    server.put(".last-sync", "", Duration::ZERO);
    fails(server.ask(marker), ".last-sync is empty");
}

#[test]
fn a_marker_without_content_is_as_old_as_the_object() {
    let Some(server) = Server::up_or_skip() else { return };
    let marker = "marker = \"odd name/日本 +&=.gz\"\ncontent = \"none\"\nmin_size = 4";
    server.put("odd name/日本 +&=.gz", "12345", Duration::from_secs(90));
    passes(server.ask(marker), "fresh: odd name/日本 +&=.gz is 1 min");
    server.put("odd name/日本 +&=.gz", "12345", HOUR);
    fails(server.ask(marker), "is 1 h old, more than 20 min");
    server.put("odd name/日本 +&=.gz", "123", Duration::ZERO);
    fails(server.ask(marker), "too small: 3 bytes, less than 4");
}

#[test]
fn who_may_not_read_says_nothing_of_the_backup() {
    let Some(server) = Server::up_or_skip() else { return };
    let wrong = server.ask_with(&format!("bucket = \"{BUCKET}\"\nmarker = \"m\"\nsecret_key = \"wrong\""));
    knows_nothing(wrong, "403 SignatureDoesNotMatch: the secret key does not belong to the access key");
    let list = "prefixes = [\"a\"]";
    let other = server.ask_with(&format!("bucket = \"other\"\nsecret_key = \"{SECRET_KEY}\"\n{list}"));
    knows_nothing(other, "404 NoSuchBucket: there is no such bucket");
}

#[test]
fn the_newest_is_found_on_the_last_page_and_under_any_prefix() {
    let Some(server) = Server::up_or_skip() else { return };
    let prefixes = "prefixes = [\"openclaw/\", \"skills/\"]";
    fails(server.ask(prefixes), "nothing in moltbot-data under openclaw/, skills/");
    for number in 0..1_050 {
        server.put(&format!("openclaw/{number:04}.json"), "{}", HOUR);
    }
    server.put("elsewhere/x", "{}", Duration::ZERO);
    fails(server.ask(prefixes), "is 1 h old, more than 20 min");
    server.put("openclaw/1049.json", "{}", Duration::from_secs(150));
    passes(server.ask(prefixes), "fresh: openclaw/1049.json is 2 min");
    server.put("skills/a b&c", "{}", Duration::from_secs(90));
    passes(server.ask(prefixes), "fresh: skills/a b&c is 1 min");
}

#[test]
fn a_dump_that_has_shrunk_is_no_backup() {
    let Some(server) = Server::up_or_skip() else { return };
    let dumps = "prefixes = [\"daily/\"]\nshrink = 50";
    for day in 1..=12_u32 {
        server.put(&format!("daily/{day:02}.gz"), &"x".repeat(1000), HOUR * (40 - day));
    }
    server.put("daily/13.gz", &"x".repeat(499), Duration::ZERO);
    fails(
        server.ask(dumps),
        "daily/13.gz is fresh, but shrunk: 499 bytes, less than 50 % of 1000, the median of the 10",
    );
    server.put("daily/13.gz", &"x".repeat(500), Duration::ZERO);
    passes(server.ask(dumps), "fresh: daily/13.gz");
}
