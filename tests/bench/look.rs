//! What logs cost from one cycle to the next: a look at one in which nothing is new, and a megabyte of new lines.

use crate::logfile;
use crate::scan::Run;
use crate::table::{Table, median};
use picoclaw_watchdog::logscan::follow::{Follow, Kind, Pattern, Sink, Source, Start};
use picoclaw_watchdog::recovery::evidence::Name;
use picoclaw_watchdog::recovery::scan::ScanMark;
use std::path::Path;
use std::time::Instant;

/// Files that are looked at in one round, so that what a round costs by itself is shared.
const FILES: u32 = 50;
const ROUNDS: u32 = 2_000;
/// Pairs of runs whose difference is what a megabyte takes.
const PAIRS: usize = 15;

/// `rules` are those that `binary` looks for.
pub(crate) fn rows(table: &mut Table, binary: &Path, rules: &Path) {
    let folder = tempfile::tempdir().unwrap();
    // In the build of this harness, which is no release; nearly all of it are system calls.
    table.at_most("a look at a log without news", idle_us(folder.path()), "µs", 3.0);
    let (empty, full) = (folder.path().join("empty"), folder.path().join("full"));
    logfile::write(&empty, 0).unwrap();
    logfile::write(&full, 1_000_000).unwrap();
    let cpu = |file: &Path, least: u64| {
        let argv = [binary, Path::new("logtest"), Path::new("--json"), Path::new("--rules"), rules, file];
        let run = Run::of(&argv.map(|word| word.to_str().unwrap()))?;
        // Who fails at once is quick, too.
        assert!(run.count.parse::<u64>().is_ok_and(|count| count >= least), "not scanned: {:?}", run.count);
        Some(run.cpu * 1e3)
    };
    let more: Vec<f64> = (0..PAIRS).filter_map(|_| Some(cpu(&full, 1)? - cpu(&empty, 0)?)).collect();
    table.at_most("1 MB of new lines: CPU", median(&more), "ms", 2.0);
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn take(&mut self, _: &Name, _: &Path, block: &[u8], _: bool) -> usize {
        block.len()
    }
}

fn idle_us(folder: &Path) -> f64 {
    for number in 0..FILES {
        logfile::write(&folder.join(format!("{number}.log")), 10_000).unwrap();
    }
    let patterns = vec![Pattern::parse(folder.join("*.log").to_str().unwrap()).unwrap()];
    let (name, kind) = (Name::known("bench"), Kind::Files { patterns });
    let source = Source { name, kind, start: Start::End };
    let mut follow = Follow::open(vec![source], &ScanMark::default());
    let began = Instant::now();
    for _ in 0..ROUNDS {
        assert_eq!(follow.read(u64::MAX, Instant::now(), &mut Nowhere).bytes, 0);
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(FILES * ROUNDS)
}
