//! `make bench`: what the release binary costs and how quick it is, with the figure to reach beside each. It
//! measures the real program under a real systemd (`tests/machine`), against stand-ins on loopback, and judges
//! nothing else: a missed figure is printed, never a failed test, for the host's speed is not ours.
//!
//! ```text
//! bench RELEASE-BINARY [MUSL-BINARY] [--markdown FILE]
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its purpose")]

#[path = "../common/mod.rs"]
mod common;

mod meter;
mod monit;
mod profile;
mod site;
mod table;
mod trials;

use meter::Cost;
use profile::Profile;
use site::Site;
use std::path::{Path, PathBuf};
use table::Table;

/// Cycles after which memory has stopped growing, if it ever does.
const MANY: u32 = 1_000;
/// Cycles that give a steady CPU figure.
const SOME: u32 = 200;

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--").collect();
    let markdown = words
        .iter()
        .position(|word| word == "--markdown")
        .map(|at| words.drain(at..at + 2).next_back().unwrap());
    let binaries: Vec<PathBuf> = words.iter().map(PathBuf::from).collect();
    let Some(binary) = binaries.first().filter(|path| path.exists()) else {
        eprintln!("usage: bench RELEASE-BINARY [MUSL-BINARY] [--markdown FILE]");
        std::process::exit(2);
    };
    let mut table = Table::new();
    let site = Site::set_up();
    if !site.has_systemd() {
        table.note("NO SYSTEMD MACHINE HERE: measured without the unit check; no figures from kill to restart, none of Monit");
    }
    binary_rows(&mut table, &site, "glibc", binary, 7.0);
    reaction_rows(&mut table, &site, binary);
    match binaries.get(1).filter(|path| path.exists()) {
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
    let wider = Cost::of(site, &Profile::default().quick().with_remotes(), SOME);
    table.shown(&format!("{libc}: CPU per cycle with Ollama and webhook"), wider.cpu_ms, "ms");
    if site.serve_tls() {
        let tls = Cost::of(site, &Profile::default().quick().with_tls(), SOME);
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

/// How quick it is.
fn reaction_rows(table: &mut Table, site: &Site, binary: &Path) {
    site.install(binary);
    table.spread("start to READY", &trials::starts(site), 50.0);
    for hung in [1, 3] {
        let what =
            format!("cycle while {hung} of the endpoints hang, timeout {} ms", profile::HUNG_TIMEOUT_MS);
        table.spread(&what, &trials::hung_cycles(site, hung), f64::from(profile::HUNG_TIMEOUT_MS) + 50.0);
    }
    if site.has_systemd() {
        let (noticed, restarted) = trials::kills(site);
        table.spread("kill -9 of the gateway to decided and saved", &noticed, 10.0);
        table.spread("kill -9 of the gateway to systemd starting it anew", &restarted, 100.0);
    }
}
