//! How quickly a large log is scanned, beside ripgrep on the same file with the same patterns.

use crate::common::repository;
use crate::logfile;
use crate::table::{Table, median};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Larger than any cache; it is read from memory all the same.
const BYTES: u64 = 1 << 30;
/// Pairs of runs, of which the median counts: the host's speed drifts from one to the next.
const PAIRS: usize = 5;
/// Ours is `logtest` of the release binary with the patterns as they are shipped: the same reading, matching and
/// counting as in the daemon.
pub(crate) fn rows(table: &mut Table, binary: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let log = folder.join("bench.log");
    logfile::write(&log, BYTES).unwrap();
    let log = log.to_str().unwrap();
    let rules = rules();
    let alternation = alternation(&rules);
    let ours = [binary.to_str().unwrap(), "logtest", "--json", "--rules", rules.to_str().unwrap(), log];
    let theirs = ["rg", "-j1", "-i", "-c", "-e", &alternation, log];
    let runs: Vec<(Run, Option<Run>)> =
        (0..PAIRS).filter_map(|_| Some((Run::of(&ours)?, Run::of(&theirs)))).collect();
    let Some((first, _)) = runs.first() else { return table.note("the log could not be scanned") };
    let seconds: Vec<f64> = runs.iter().map(|(ours, _)| ours.cpu).collect();
    table.shown("1 GiB of log, 12 patterns: CPU from start to end", median(&seconds), "s");
    table.at_most("  resident at most", first.peak_mb, "MB", 8.0);
    let pairs: Vec<(&Run, &Run)> = runs.iter().filter_map(|(ours, rg)| Some((ours, rg.as_ref()?))).collect();
    if pairs.is_empty() {
        return table.note("no ripgrep here: the scan was compared with nothing");
    }
    let ratios: Vec<f64> = pairs.iter().map(|(ours, rg)| ours.cpu / rg.cpu).collect();
    table.at_most("  as a share of ripgrep's CPU", median(&ratios), "", 0.5);
    let differences = pairs.iter().filter(|(ours, rg)| ours.count != rg.count).count();
    table.at_most("  runs with another count of lines than ripgrep's", differences as f64, "", 0.0);
}

/// The patterns as they are shipped.
pub(crate) fn rules() -> PathBuf {
    repository().join("tests/fixtures/mirai/error_patterns.json")
}

/// The same patterns, as ripgrep wants them.
fn alternation(rules: &Path) -> String {
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(rules).unwrap()).unwrap();
    let patterns = file["error_patterns"].as_array().unwrap().iter();
    patterns.map(|one| one["pattern"].as_str().unwrap()).collect::<Vec<_>>().join("|")
}

/// What one run of a scanner took.
pub(crate) struct Run {
    /// The lines that it counted, as it printed them.
    pub(crate) count: String,
    /// Seconds of one core, the kernel's share included.
    pub(crate) cpu: f64,
    peak_mb: f64,
}

impl Run {
    /// None when there is no such program.
    pub(crate) fn of(argv: &[&str]) -> Option<Self> {
        let before = cpu_of_children();
        let mut child = Command::new(argv[0]).args(&argv[1..]).stdout(Stdio::piped()).spawn().ok()?;
        let mut peak_mb: f64 = 0.0;
        while child.try_wait().unwrap().is_none() {
            peak_mb = peak_mb.max(peak_of(child.id()));
            sleep(Duration::from_millis(10));
        }
        let mut count = String::new();
        child.stdout.take().unwrap().read_to_string(&mut count).unwrap();
        // ripgrep prints the bare number.
        let field = |report: &serde_json::Value| report.get("matching_lines").map(ToString::to_string);
        let counted = serde_json::from_str(&count).ok().as_ref().and_then(field);
        let count = counted.unwrap_or_else(|| count.trim().to_owned());
        Some(Self { count, cpu: cpu_of_children() - before, peak_mb })
    }
}

fn cpu_of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
}

/// The most that a living process has had resident so far.
fn peak_of(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1e3
}
