//! What somebody may try who can write into a log, or who sends a file to be read: no line of an outsider acts, and
//! nothing that is read keeps us long or takes much memory. Attacks on files and processes stand beside what they are
//! made on, in `src/action` and `src/beneath`.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

mod common;

use common::Home;
use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::logscan::follow::Start;
use picoclaw_watchdog::logscan::scanner::Scanner;
use picoclaw_watchdog::recovery::evidence::Reading;
use picoclaw_watchdog::recovery::scan::ScanMark;
use picoclaw_watchdog::recovery::time::Timestamp;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a scan may take, whatever the size of the file. Kilobytes.
const MEMORY_MAX: u64 = 8 << 10;

/// A rule about a log, and what is done about it.
fn rule(log: &Path, ladder: &str, trusted: &str) -> (Option<Config>, String) {
    let action = if ladder.is_empty() { "" } else { "[action.tidy]\ndo.run = { argv = [\"true\"] }" };
    let text = format!(
        r#"
[[source]]
name = "app"
files = [{log:?}]
[[target]]
name = "disk-full"
{ladder}
[[target.probe]]
name = "log"
[target.probe.check.log]
in = ["app"]
pattern = 'No space left on device'
within = "60s"
{trusted}
hits = ['OSError: [Errno 28] No space left on device']
misses = ['space left on device: 3 GB']
{action}
"#
    );
    let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
    let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
    let told: Vec<String> = compiled.problems.iter().map(ToString::to_string).collect();
    (compiled.config, told.join("\n"))
}

/// Whoever can have a line written, by asking for a page of that name, could otherwise have us act.
#[test]
fn a_line_that_imitates_a_fault_tells_and_never_acts() {
    let log = Path::new("/var/log/app.log");
    let acts = "ladder = [{ action = \"tidy\", tries = 2 }]";
    let (config, told) = rule(log, acts, "");
    assert!(config.is_none() && told.contains("may have been written by an outsider"), "{told}");
    assert!(told.contains("write trusted = true"), "{told}");
    let (config, told) = rule(log, acts, "trusted = true");
    assert!(config.is_some(), "{told}");
    let (config, told) = rule(log, "", "");
    assert!(config.expect(&told).policy.targets.iter().all(|target| target.ladder.is_empty()));
}

/// Ten gigabytes that take no room: what was written in them is found, and the holes cost neither time nor memory. It
/// runs in a process of its own, whose memory is then only that of the scan.
#[test]
fn ten_gigabytes_of_holes_cost_nothing() {
    const CHILD: &str = "ATTACKS_SPARSE_LOG";
    if let Some(log) = std::env::var_os(CHILD) {
        return scan(Path::new(&log));
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let line = b"\nOSError: [Errno 28] No space left on device\n";
    let file = File::create(&log).unwrap();
    for at in [0, 5 << 30, (10 << 30) - 1000] {
        file.write_all_at(line, at).unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["ten_gigabytes_of_holes_cost_nothing", "--exact", "--nocapture"]).env(CHILD, &log);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn scan(log: &Path) {
    let (config, told) = rule(log, "", "");
    let mut plan = config.unwrap_or_else(|| panic!("{told}")).scan;
    plan.sources.iter_mut().for_each(|source| source.start = Start::Beginning);
    // From here on the peak is counted anew (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, began) = (peak(), Instant::now());
    let mut scanner = Scanner::open(&plan, &ScanMark::default()).unwrap();
    let scan = scanner.read(Timestamp(1_000_000), &[]).unwrap();
    let (took, grown) = (began.elapsed(), peak() - before);
    assert!((scan.left, scan.troubles) == (0, Vec::new()));
    let reading = scanner.reports(Timestamp(1_000_000), |_, _| true).next().unwrap().reading;
    assert!(matches!(&reading, Reading::Fail(why) if why.contains('3')), "{reading:?}");
    assert!(took < Duration::from_secs(30), "{} bytes in {took:?}", scan.bytes);
    assert!(grown <= MEMORY_MAX, "{grown} KB");
}

/// The most memory that this process has had, in kilobytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Patterns that take an engine that goes back for ever, or fill its memory: each is refused with the reason or
/// matched in time that grows with the line and no faster.
#[test]
fn catastrophic_patterns_are_refused_or_harmless() {
    let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
    let long = "a".repeat(5000);
    let refused = [
        ("repeated", "(?:(?:x{100}){100}){100}", "too large"),
        ("again", r"(a+)\\1+b", "references to a group"),
        ("ahead", "foo(?!bar)", "looking ahead"),
        ("deep", &deep, "too many groups within groups"),
        ("long", &long, "5000 bytes"),
    ];
    let harmless = [
        ("nested", "(a+)+$", ""),
        ("gaps", "(.*)(.*)(.*)(.*)(.*)[xyz]q", ""),
        ("pairs", "(x+x+)+y", ""),
        ("choice", "(a|aa|aaa)*b", ""),
    ];
    let home = Home::new("[mirai]\npatterns_file = \"~/patterns.json\"\n");
    home.write("patterns.json", &patterns(&[&refused[..], &harmless[..]].concat()));
    let told = home.ask(&["check"]);
    let text = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    assert_eq!(told.status.code(), Some(78), "{text}");
    for (name, _, why) in refused {
        let error =
            text.lines().find(|line| line.contains(": error: ") && line.contains(&format!("[{name}]")));
        assert!(error.is_some_and(|line| line.contains(why)), "{name}: {text}");
    }
    assert_eq!(text.matches(": error: ").count(), refused.len(), "{text}");

    home.write("patterns.json", &patterns(&harmless));
    assert!(home.ask(&["check"]).status.success());
    let lines: String = ["a", "x", "ab", "xq "].map(|part| part.repeat(200_000 / part.len()) + "\n").concat();
    home.write("app.log", &lines);
    let (rules, log) = (home.path("patterns.json"), home.path("app.log"));
    let began = Instant::now();
    let tested = home.ask(&["logtest", "--json", "--rules", rules.to_str().unwrap(), log.to_str().unwrap()]);
    let took = began.elapsed();
    let report: serde_json::Value = serde_json::from_slice(&tested.stdout).unwrap();
    assert_eq!((report["lines"].as_u64(), report["rules"].as_array().map(Vec::len)), (Some(4), Some(4)));
    // An engine that goes back would not end within the age of the universe.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

fn patterns(patterns: &[(&str, &str, &str)]) -> String {
    let one = |(id, pattern, _): &(&str, &str, &str)| {
        format!(
            r#"{{"id":"{id}","name":"{id}","pattern":"{pattern}","severity":"critical","auto_fix":false,"actions":[]}}"#
        )
    };
    format!(r#"{{"error_patterns":[{}]}}"#, patterns.iter().map(one).collect::<Vec<_>>().join(","))
}
