//! `make bench`: what the release binary costs and how quick it is, with the figure to reach beside each. It
//! measures the real program under a real systemd (`tests/machine`), against stand-ins on loopback, and judges
//! nothing else: a missed figure is printed, never a failed test, for the host's speed is not ours.
//!
//! ```text
//! bench RELEASE-BINARY [MUSL-BINARY] [--markdown FILE] [--only scan|look|story|daemon|reaction|musl]
//! bench BINARY-WITH-SYMBOLS [MUSL-BINARY-WITH-SYMBOLS] --order FILE
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

#[path = "../common/mod.rs"]
mod common;

mod logfile;
mod look;
mod meter;
mod monit;
mod order;
mod profile;
mod scan;
mod site;
mod story;
mod table;
mod trials;

use meter::Cost;
use profile::Profile;
use site::Site;
use std::path::{Path, PathBuf};
use table::{Table, median};

/// Cycles after which memory has stopped growing, if it ever does.
const MANY: u32 = 1_000;
/// Cycles that give a steady CPU figure.
const SOME: u32 = 200;
/// Cycles that do when each is a thousand probes.
const FEW: u32 = 20;
/// So many targets with an HTTP probe each.
const CROWD: u16 = 1_000;

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--").collect();
    let mut option = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.drain(at..at + 2).next_back()
    };
    let (markdown, only, order) = (option("--markdown"), option("--only"), option("--order"));
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let binaries: Vec<PathBuf> = words.iter().map(PathBuf::from).collect();
    let Some(binary) = binaries.first().filter(|path| path.exists()) else {
        eprintln!(
            "usage: bench RELEASE-BINARY [MUSL-BINARY] [--markdown FILE] [--only scan|look|story|daemon|reaction|musl]"
        );
        eprintln!("       bench BINARY-WITH-SYMBOLS [MUSL-BINARY-WITH-SYMBOLS] --order FILE");
        std::process::exit(2);
    };
    if let Some(script) = order {
        let built: Vec<_> = binaries.iter().map(PathBuf::as_path).filter(|path| path.exists()).collect();
        return order::write(&Site::set_up(), &built, Path::new(&script));
    }
    let mut table = Table::new();
    if wanted("scan") {
        scan::rows(&mut table, binary);
    }
    if wanted("scan") || only.as_deref() == Some("look") {
        look::rows(&mut table, binary, &scan::rules());
    }
    if wanted("story") {
        story::rows(&mut table);
    }
    if ["look", "story"].iter().any(|alone| only.as_deref() == Some(alone)) {
        return println!("\n{table}");
    }
    let site = Site::set_up();
    if !site.has_systemd() {
        table.note("NO SYSTEMD MACHINE HERE: measured without the unit check; no figures from kill to restart, none of Monit");
    }
    if wanted("daemon") {
        binary_rows(&mut table, &site, "glibc", binary, 7.0);
    }
    if wanted("reaction") {
        reaction_rows(&mut table, &site, binary);
    }
    match binaries.get(1).filter(|path| path.exists()) {
        _ if !wanted("musl") => {}
        Some(musl) => binary_rows(&mut table, &site, "musl", musl, 4.0),
        None => table.note(
            "no static musl build: `rustup target add x86_64-unknown-linux-musl` and musl-gcc are needed",
        ),
    }
    println!("\n{table}");
    if let Some(file) = markdown {
        std::fs::write(file, table.markdown()).unwrap();
    }
}

/// What one build costs.
fn binary_rows(table: &mut Table, site: &Site, libc: &str, binary: &Path, rss_max: f64) {
    let megabytes = std::fs::metadata(binary).unwrap().len() as f64 / 1e6;
    table.at_most(&format!("{libc}: binary"), megabytes, "MB", 5.0);
    site.install(binary);
    let cost = Cost::of(site, &Profile::default().quick(), MANY);
    let rss = format!("{libc}: resident after {} cycles", cost.cycles);
    table.at_most(&rss, cost.memory.rss, "MB", rss_max);
    table.shown("  PSS", cost.memory.pss, "MB");
    table.at_most("  anonymous", cost.memory.anonymous, "MB", 1.5);
    table.at_most(&format!("{libc}: CPU per healthy cycle"), cost.cpu_ms, "ms", 1.5);
    table.at_most("  child processes in all those cycles", f64::from(cost.children), "", 0.0);
    if site.has_systemd() && libc == "glibc" {
        monit::rows(table, site, &cost);
    }
    seven_rows(table, site, libc);
    if site.serve_tls() {
        let tls = Cost::of(site, &Profile::default().with_tls().quick(), SOME);
        table.at_most(
            &format!("{libc}: resident once TLS was used (certificate refused)"),
            tls.memory.rss,
            "MB",
            rss_max,
        );
        table.at_most("  anonymous", tls.memory.anonymous, "MB", 1.5);
    } else {
        table.note("no openssl: memory with TLS not measured");
    }
}

/// What it costs with all that the default file knows switched on. Once as it is, where some probes rest for
/// minutes, and once with all of them asked in every cycle.
fn seven_rows(table: &mut Table, site: &Site, libc: &str) {
    let measured = [
        ("as configured", Profile::all_seven(), MANY),
        ("no probe rests", Profile::all_seven().without_rest(), SOME),
    ];
    for (how, profile, cycles) in measured {
        let cost = Cost::of(site, &profile.quick(), cycles);
        let what = format!("{libc}: all seven targets on, {how}");
        cost_rows(table, &what, &cost, Some((6.0, 3.0)));
        table.at_most("  child processes in all those cycles", f64::from(cost.children), "", 0.0);
    }
}

/// Resident memory and CPU, with the most that they are to be.
fn cost_rows(table: &mut Table, what: &str, cost: &Cost, most: Option<(f64, f64)>) {
    let (rss, cpu) = (format!("{what}: resident after {} cycles", cost.cycles), "  CPU per cycle");
    match most {
        Some((most_rss, most_cpu)) => {
            table.at_most(&rss, cost.memory.rss, "MB", most_rss);
            table.at_most(cpu, cost.cpu_ms, "ms", most_cpu);
        }
        None => {
            table.shown(&rss, cost.memory.rss, "MB");
            table.shown(cpu, cost.cpu_ms, "ms");
        }
    }
    if cost.unwell > 0 {
        table.note(&format!("{what}: NOT all well in {} of {} cycles", cost.unwell, cost.cycles));
    }
}

/// Who hangs costs a cycle its own timeout, and nobody else anything.
fn hung_rows(table: &mut Table, site: &Site) {
    let all = Profile::all_seven;
    let cases = [
        ("1 more endpoint hangs", all().with_hung(1)),
        ("3 more endpoints hang", all().with_hung(3)),
        ("Ollama, one of them, hangs", all().with_hung_ollama()),
    ];
    for (who, profile) in cases {
        let (took, log) = trials::hung_cycles(site, &profile.patient());
        let what = format!("all seven on, cycle while {who}, timeout {} ms", profile::HUNG_TIMEOUT_MS);
        table.spread(&what, &took, f64::from(profile::HUNG_TIMEOUT_MS) + 50.0);
        table.at_most("  others of whom anything was said", others_unwell(&log), "", 0.0);
    }
}

/// Lines of the log that complain of somebody who answers.
fn others_unwell(log: &str) -> f64 {
    let targets = ["gateway", "tailscale", "funnel", "webhook", "backup"];
    let of_them = |line: &&str| targets.iter().any(|name| line.contains(&format!(" target={name} ")));
    log.lines().filter(of_them).filter(|line| !line.contains(" result=OK ")).count() as f64
}

/// Many at once.
fn crowd_rows(table: &mut Table, site: &Site) {
    let cost = Cost::of(site, &Profile::default().with_crowd(CROWD).patient(), FEW);
    let what = format!("{CROWD} HTTP probes in one cycle");
    table.shown(&format!("{what}: wall time of the cycle (median)"), median(&cost.wall_ms), "ms");
    table.shown("  the longest", cost.wall_ms.iter().copied().fold(f64::NAN, f64::max), "ms");
    cost_rows(table, &what, &cost, None);
}

/// How quick it is.
fn reaction_rows(table: &mut Table, site: &Site, binary: &Path) {
    site.install(binary);
    table.spread("start to READY", &trials::starts(site), 50.0);
    hung_rows(table, site);
    crowd_rows(table, site);
    if site.has_systemd() {
        let (noticed, restarted) = trials::kills(site);
        table.spread("kill -9 of the gateway to decided and saved", &noticed, 10.0);
        table.spread("kill -9 of the gateway to systemd starting it anew", &restarted, 100.0);
    }
}
