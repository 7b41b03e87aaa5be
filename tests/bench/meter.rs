//! What a process costs, as the kernel accounts for it.

use crate::profile::Profile;
use crate::site::{Site, WATCHDOG};
use std::thread::sleep;
use std::time::Duration;

/// Cycles left out of the CPU figure: the first ones load code and build clients.
const WARM_UP: u32 = 20;
/// A cycle is over when the log says how long it took.
const CYCLE_END: &str = " action=end ";

/// The cost of the running watchdog.
pub(crate) struct Cost {
    pub(crate) cycles: u32,
    /// Cycles in which something was wrong: they cost more, and are not what is measured.
    pub(crate) unwell: usize,
    pub(crate) cpu_ms: f64,
    /// The time that each cycle took.
    pub(crate) wall_ms: Vec<f64>,
    pub(crate) memory: Memory,
    /// Child processes since the start, at least.
    pub(crate) children: u32,
}

impl Cost {
    /// Runs a profile for about so many cycles.
    pub(crate) fn of(site: &Site, profile: &Profile, cycles: u32) -> Self {
        site.start(profile);
        wait_cycles(profile, WARM_UP.min(cycles));
        let (before, began) = (cycles_of(&site.log()), cpu_ms(site, WATCHDOG));
        wait_cycles(profile, cycles);
        let (log, ended) = (site.log(), cpu_ms(site, WATCHDOG));
        let after = cycles_of(&log);
        let ends = || log.lines().filter(|line| line.contains(CYCLE_END));
        let cost = Self {
            cycles: after,
            unwell: ends().filter(|line| !line.contains("all well")).count(),
            cpu_ms: (ended - began) / f64::from(after - before),
            wall_ms: cycle_times(&log).split_off(before as usize),
            memory: Memory::of(site, site.pid()),
            children: children(site, site.pid()),
        };
        site.stop();
        cost
    }
}

fn wait_cycles(profile: &Profile, count: u32) {
    sleep(Duration::from_millis(u64::from(count * profile.interval_ms)));
}

/// Full cycles that the log has seen end.
fn cycles_of(log: &str) -> u32 {
    u32::try_from(log.matches(CYCLE_END).count()).unwrap()
}

/// How long each cycle took, in milliseconds.
pub(crate) fn cycle_times(log: &str) -> Vec<f64> {
    let took = |line: &str| line.rsplit(' ').nth(1)?.trim_start_matches('(').parse().ok();
    log.lines().filter(|line| line.contains(CYCLE_END)).filter_map(took).collect()
}

/// The children that live, and one more when any was ever waited for: every process faults pages in when it
/// starts, and the kernel adds that up for the parent (proc(5), `cminflt`).
fn children(site: &Site, pid: u32) -> u32 {
    const CMINFLT: usize = 8; // Counted from the state, the first field after the name.
    let alive = site.read(&format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let stat = site.read(&format!("/proc/{pid}/stat")).expect("the process lives");
    let faults = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(CMINFLT)).unwrap();
    u32::try_from(alive.split_whitespace().count()).unwrap() + u32::from(faults != "0")
}

/// Memory in megabytes.
pub(crate) struct Memory {
    pub(crate) rss: f64,
    pub(crate) pss: f64,
    pub(crate) anonymous: f64,
}

impl Memory {
    pub(crate) fn of(site: &Site, pid: u32) -> Self {
        let text = site.read(&format!("/proc/{pid}/smaps_rollup")).expect("the process lives");
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
            kilobytes * 1024.0 / 1e6
        };
        Self { rss: field("Rss:"), pss: field("Pss:"), anonymous: field("Anonymous:") }
    }
}

/// CPU that a unit has used, children included; without systemd that of the watchdog alone.
pub(crate) fn cpu_ms(site: &Site, unit: &str) -> f64 {
    if site.has_systemd() {
        let text = group_file(site, unit, "cpu.stat").expect("cgroup v2 accounts for CPU");
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap();
        return usage.parse::<f64>().unwrap() / 1e3;
    }
    // Nanoseconds on the CPU; the program has one thread.
    let text = site.read(&format!("/proc/{}/schedstat", site.pid())).unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).map_or(f64::NAN, |nanos| nanos / 1e6)
}

fn group_file(site: &Site, unit: &str, name: &str) -> Option<String> {
    let group = site.machine().unit(unit, "ControlGroup");
    site.read(&format!("/sys/fs/cgroup{group}/{name}"))
}
