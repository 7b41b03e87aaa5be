//! What logs cost from one cycle to the next: a look at one in which nothing is new, and a megabyte of new lines.

use crate::logfile;
use crate::scan::Run;
use crate::table::{Table, median};
use picoclaw_watchdog::config::{SourceFile, Sources, compile};
use picoclaw_watchdog::logscan::follow::{Follow, Kind, Pattern, Sink, Source, Start};
use picoclaw_watchdog::logscan::scanner::Scanner;
use picoclaw_watchdog::recovery::evidence::Name;
use picoclaw_watchdog::recovery::scan::ScanMark;
use picoclaw_watchdog::recovery::time::Timestamp;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Files that are looked at in one round, so that what a round costs by itself is shared.
const FILES: u32 = 50;
const ROUNDS: u32 = 2_000;
/// Lines that are waited for, one after the other.
const LINES: usize = 20;
/// Pairs of runs whose difference is what a megabyte takes.
const PAIRS: usize = 15;

/// `rules` are those that `binary` looks for.
pub(crate) fn rows(table: &mut Table, binary: &Path, rules: &Path) {
    let folder = tempfile::tempdir().unwrap();
    // In the build of this harness, which is no release; nearly all of it are system calls.
    table.at_most("a look at a log without news", idle_us(folder.path()), "µs", 3.0);
    table.spread("a written line to its being counted", &noticed_ms(folder.path()), 100.0);
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

/// Milliseconds from each written line until a rule has counted it, woken by nothing but the bell.
fn noticed_ms(folder: &Path) -> Vec<f64> {
    let log = folder.join("noticed.txt");
    let mut writer = File::create(&log).unwrap();
    let text = format!(
        "[[source]]\nname = 'a'\nfiles = ['{}']\n[[target]]\nname = 'a'\n[[target.probe]]\nname = 'log'\n\
         check.log = {{ in = ['a'], pattern = 'ledger is broken', hits = ['ledger is broken'], misses = ['x'] }}\n",
        log.display()
    );
    let toml = Some(SourceFile { path: "bench.toml".into(), text, mode: 0o600 });
    let plan = compile(&Sources { toml, home: folder.to_owned(), ..Sources::default() }).config.unwrap().scan;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut scanner = Scanner::open(&plan, &ScanMark::default()).unwrap();
    let mut took = Vec::new();
    for _ in 0..LINES {
        let began = Instant::now();
        writer.write_all(b"ledger is broken\n").unwrap();
        let mut counted = false;
        while !counted {
            runtime.block_on(scanner.rung());
            scanner.refill();
            counted = scanner.read(Timestamp(0), &[]).is_some_and(|scan| !scan.touched.is_empty());
        }
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    took
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
