//! `logtest`: which rules match which lines of a file, or one line, and which lines were excluded. It counts nothing
//! for the daemon and starts nothing.

use super::to_json;
use crate::cli::Output;
use crate::config::Config;
use crate::exit::Exit;
use crate::logscan::Watched;
use crate::logscan::matcher::{Event, Matcher};
use crate::recovery::time::Age;
use crate::values::one_line;
use serde::Serialize;
use std::fs::File;
use std::io::{IsTerminal, Read, Write, stderr, stdin};
use std::path::Path;
use std::time::{Duration, Instant};

/// As much is read at once as the daemon reads.
const BLOCK: usize = 256 * 1024;
/// Lines shown of each rule, unless all are asked for.
const SHOWN: usize = 5;
/// A line as it is shown.
const LINE_CHARS: usize = 160;
/// How often the progress on a long file is shown.
const PROGRESS: Duration = Duration::from_millis(200);

/// What was asked for.
#[derive(Debug)]
pub struct Request {
    /// A file, `-` for standard input, or else one line; none for the samples of the rules.
    pub input: Option<String>,
    /// Whether every line is shown.
    pub all: bool,
}

/// What came of it; printed with `--json`.
#[derive(Debug, Default, Serialize)]
struct Report {
    lines: u64,
    /// Lines that any pattern matched, each counted once, excluded or not.
    matching_lines: u64,
    bytes: u64,
    took_ms: u64,
    rules: Vec<RuleReport>,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    rule: String,
    /// Events that count; a traceback is one.
    events: u64,
    excluded: u64,
    shown: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Shown {
    /// The number of the line, counted from 1.
    line: u64,
    text: String,
    /// The exclusion that took it out.
    excluded_by: Option<String>,
}

/// Tests the rules. Exits 0 when some line counts, 1 when none does.
pub fn run(config: &Config, request: &Request, output: Output) -> Exit {
    let rules = &config.scan.rules;
    if rules.is_empty() {
        eprintln!(
            "the configuration has no rule; a rule is a probe with check.log (see the README, \"Logs\")"
        );
        return Exit::Usage;
    }
    let Some(input) = &request.input else { return samples(rules, output) };
    let tested = Test::new(rules, request.all).and_then(|test| test.read(input));
    let report = match tested {
        Ok(report) => report,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    if output.json {
        println!("{}", to_json(&report))
    } else {
        print(&report)
    }
    if report.rules.iter().any(|rule| rule.events > 0) { Exit::Ok } else { Exit::Degraded }
}

/// The work on one text.
struct Test<'r> {
    rules: &'r [Watched],
    matcher: Matcher,
    report: Report,
    shown: usize,
}

impl<'r> Test<'r> {
    fn new(rules: &'r [Watched], all: bool) -> Result<Self, String> {
        let matcher = Matcher::new(rules.iter().map(|watched| &watched.rule));
        // They were compiled when the configuration was read.
        let matcher = matcher
            .map_err(|refused| refused.into_iter().map(|refused| refused.reason).collect::<String>())?;
        let empty =
            |watched: &Watched| RuleReport { rule: watched.key(), events: 0, excluded: 0, shown: Vec::new() };
        let report = Report { rules: rules.iter().map(empty).collect(), ..Report::default() };
        Ok(Self { rules, matcher, report, shown: if all { usize::MAX } else { SHOWN } })
    }

    fn read(mut self, input: &str) -> Result<Report, String> {
        let began = Instant::now();
        let path = Path::new(input);
        let read = match input {
            "-" => self.stream(stdin().lock(), None),
            _ if path.is_file() => {
                let size = path.metadata().map(|facts| facts.len()).ok();
                File::open(path).and_then(|file| self.stream(file, size))
            }
            line => self.stream(line.as_bytes(), None),
        };
        read.map_err(|error| format!("{input}: {error}"))?;
        self.report.matching_lines = self.matcher.lines();
        self.report.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(self.report)
    }

    /// Reads to the end, block by block, as the daemon does: what is left over of one begins the next.
    fn stream(&mut self, mut source: impl Read, size: Option<u64>) -> std::io::Result<()> {
        let (mut block, mut filled, mut progress) = (vec![0; BLOCK], 0, Progress::new(size));
        loop {
            let more = source.read(&mut block[filled..])?;
            filled += more;
            let full = filled == BLOCK;
            let mut used = self.block(&block[..filled], more == 0);
            if used == 0 && full {
                used = self.block(&block[..filled], true);
            }
            block.copy_within(used..filled, 0);
            filled -= used;
            progress.show(self.report.bytes);
            if more == 0 {
                return Ok(());
            }
        }
    }

    fn block(&mut self, block: &[u8], whole: bool) -> usize {
        let Self { rules, matcher, report, shown } = self;
        let (mut line, mut counted) = (report.lines + 1, 0);
        let mut tell = |event: Event<'_>| {
            let of = &mut report.rules[event.rule];
            match event.excluded {
                None => of.events += 1,
                Some(_) => of.excluded += 1,
            }
            if of.shown.len() < *shown {
                // What belongs together is told together, so an event may begin before the one that was told last.
                let at = event.at.max(counted);
                line += newlines(&block[counted..at]);
                counted = at;
                let excluded_by = event.excluded.map(|number| rules[event.rule].rule.exclude[number].clone());
                let text = one_line(&String::from_utf8_lossy(event.line), LINE_CHARS);
                of.shown.push(Shown { line, text, excluded_by });
            }
        };
        let used = matcher.events(None, block, whole, &mut tell);
        let open = whole && used > 0 && block[used - 1] != b'\n';
        report.lines = line - 1 + newlines(&block[counted..used]) + u64::from(open);
        report.bytes += used as u64;
        used
    }
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// How far it is, for somebody who waits.
struct Progress {
    size: Option<u64>,
    shown: Instant,
}

impl Progress {
    fn new(size: Option<u64>) -> Self {
        Self { size: size.filter(|_| stderr().is_terminal()), shown: Instant::now() }
    }

    fn show(&mut self, bytes: u64) {
        let Some(size) = self.size.filter(|_| self.shown.elapsed() >= PROGRESS) else { return };
        self.shown = Instant::now();
        // A terminal that went away is no reason to stop.
        let _ = write!(stderr(), "\r{:>3} % read\r", bytes * 100 / size.max(1));
    }
}

fn print(report: &Report) {
    let many = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    println!("{}, {}{}", many(report.lines, "line"), many(report.bytes, "byte"), speed(report));
    let width = report.rules.iter().map(|rule| rule.rule.len()).max().unwrap_or_default();
    for rule in &report.rules {
        let excluded =
            if rule.excluded > 0 { format!(", {} excluded", rule.excluded) } else { String::new() };
        println!("\n{:<width$}  {}{excluded}", rule.rule, many(rule.events, "event"));
        for shown in &rule.shown {
            println!("{:>8}  {}", shown.line, shown.text);
            if let Some(pattern) = &shown.excluded_by {
                println!("          excluded by {pattern:?}");
            }
        }
        let rest = (rule.events + rule.excluded).saturating_sub(rule.shown.len() as u64);
        if rest > 0 {
            println!("          … and {rest} more (--all shows them)");
        }
    }
}

/// How fast it went, where there was enough to do to tell.
fn speed(report: &Report) -> String {
    /// Less than this says more about the clock than about the rules.
    const ENOUGH_MS: u64 = 20;
    if report.took_ms < ENOUGH_MS {
        return String::new();
    }
    let took = Duration::from_millis(report.took_ms);
    format!(" in {} ({:.0} MB/s)", Age(took), report.bytes as f64 / took.as_secs_f64() / 1e6)
}

/// What the rules say of their own samples.
fn samples(rules: &[Watched], output: Output) -> Exit {
    #[derive(Serialize)]
    struct Sample<'r> {
        rule: String,
        hits: &'r [String],
        misses: &'r [String],
    }
    let all = || rules.iter().map(|watched| (watched.key(), &watched.rule));
    if output.json {
        let sample = |(rule, of)| {
            let of: &crate::logscan::rule::Rule = of;
            Sample { rule, hits: &of.hits, misses: &of.misses }
        };
        println!("{}", to_json(&all().map(sample).collect::<Vec<_>>()));
        return Exit::Ok;
    }
    for (key, rule) in all() {
        println!("{key}  {}", rule.pattern);
        rule.exclude.iter().for_each(|pattern| println!("  but not  {pattern}"));
        rule.hits.iter().for_each(|line| println!("  matches  {}", one_line(line, LINE_CHARS)));
        rule.misses.iter().for_each(|line| println!("  not      {}", one_line(line, LINE_CHARS)));
    }
    println!(
        "{} rules; all samples are as they should be, or the configuration would have been refused",
        rules.len()
    );
    Exit::Ok
}
