//! `logtest`: which rules match which lines of a file, or one line, and which lines were excluded. It counts nothing
//! for the daemon and starts nothing.

use super::to_json;
use crate::cli::Output;
use crate::config::Config;
use crate::exit::Exit;
use crate::host::view::SCHEMA;
use crate::logscan::Watched;
use crate::logscan::matcher::{Event, Matcher, Single};
use crate::logscan::rule::Rule;
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
/// All, as far as a person, and our memory, can take them.
const ALL: usize = 100_000;
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
    schema: u32,
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
            "the configuration has no rule; a rule is a probe with check.log (see the README, \"Logs that repair\")"
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
    /// Whether the last line has not ended yet: a long one comes in several blocks and counts once.
    open: bool,
}

impl<'r> Test<'r> {
    fn new(rules: &'r [Watched], all: bool) -> Result<Self, String> {
        let matcher = Matcher::new(rules.iter().map(|watched| &watched.rule));
        // They were compiled when the configuration was read.
        let matcher = matcher
            .map_err(|refused| refused.into_iter().map(|refused| refused.reason).collect::<String>())?;
        let empty =
            |watched: &Watched| RuleReport { rule: watched.key(), events: 0, excluded: 0, shown: Vec::new() };
        let report = Report { schema: SCHEMA, rules: rules.iter().map(empty).collect(), ..Report::default() };
        Ok(Self { rules, matcher, report, shown: if all { ALL } else { SHOWN }, open: false })
    }

    fn read(mut self, input: &str) -> Result<Report, String> {
        let began = Instant::now();
        let path = Path::new(input);
        let read = match input {
            "-" => self.stream(stdin().lock(), None),
            _ if is_named(path) => {
                let size = path.metadata().map(|facts| facts.len()).ok();
                File::open(path).and_then(|file| self.stream(file, size))
            }
            line => {
                if !line.contains(' ') {
                    eprintln!("no file is called {line:?}: it is tested as a line");
                }
                self.stream(line.as_bytes(), None)
            }
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
                self.report.lines += u64::from(self.open);
                return Ok(());
            }
        }
    }

    fn block(&mut self, block: &[u8], whole: bool) -> usize {
        let Self { rules, matcher, report, shown, .. } = self;
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
        report.lines = line - 1 + newlines(&block[counted..used]);
        self.open = block[..used].last().map_or(self.open, |last| *last != b'\n');
        self.report.bytes += used as u64;
        used
    }
}

/// Whether a file is meant. What looks like a path is one even if nothing is there: whoever mistypes it must not read
/// that no rule matches.
fn is_named(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    path.exists() || text.contains(&b'/') && !text.contains(&b' ')
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

fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn print(report: &Report) {
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
            let hint = if rule.shown.len() == SHOWN { " (--all shows them)" } else { "" };
            println!("          … and {rest} more{hint}");
        }
    }
}

/// How fast it went, where there was enough to do to tell.
fn speed(report: &Report) -> String {
    /// Fewer bytes say more about the clock, or about who writes into the pipe, than about the rules.
    const ENOUGH: u64 = 8 * 1024 * 1024;
    if report.bytes < ENOUGH || report.took_ms == 0 {
        return String::new();
    }
    let took = Duration::from_millis(report.took_ms);
    format!(" in {} ({:.0} MB/s)", Age(took), report.bytes as f64 / took.as_secs_f64() / 1e6)
}

/// What is printed with `--json` where no text is tested.
#[derive(Serialize)]
struct AllSamples<'r> {
    schema: u32,
    rules: &'r [Samples<'r>],
}

/// The samples of a rule, and those that it does not judge as they say.
#[derive(Serialize)]
struct Samples<'r> {
    rule: String,
    hits: &'r [String],
    misses: &'r [String],
    wrong: Vec<&'r str>,
}

impl<'r> Samples<'r> {
    fn new(watched: &'r Watched) -> Self {
        let Rule { hits, misses, .. } = &watched.rule;
        let single = Single::new(&watched.rule).ok();
        let counts = |line: &str| single.as_ref().is_some_and(|single| single.counts(line));
        let missed = hits.iter().filter(|line| !counts(line));
        let wrong = missed.chain(misses.iter().filter(|line| counts(line))).map(String::as_str);
        Self { rule: watched.key(), wrong: wrong.collect(), hits, misses }
    }

    fn print(&self, rule: &Rule) {
        println!("{}  {}", self.rule, rule.pattern);
        rule.exclude.iter().for_each(|pattern| println!("  but not  {pattern}"));
        let marked = [("matches", self.hits), ("not    ", self.misses)];
        for (mark, line) in marked.iter().flat_map(|(mark, lines)| lines.iter().map(move |line| (mark, line)))
        {
            let wrong = if self.wrong.contains(&line.as_str()) { "  (WRONG: it is otherwise)" } else { "" };
            println!("  {mark}  {}{wrong}", one_line(line, LINE_CHARS));
        }
    }
}

/// Lists the samples. Exits 1 when one is wrong, which is refused unless a rule is not strict.
fn samples(rules: &[Watched], output: Output) -> Exit {
    let all: Vec<Samples<'_>> = rules.iter().map(Samples::new).collect();
    let sum = |of: fn(&Samples<'_>) -> usize| all.iter().map(of).sum::<usize>() as u64;
    let wrong = sum(|samples| samples.wrong.len());
    if output.json {
        println!("{}", to_json(&AllSamples { schema: SCHEMA, rules: &all }));
    } else {
        all.iter().zip(rules).for_each(|(samples, watched)| samples.print(&watched.rule));
        let count = sum(|samples| samples.hits.len() + samples.misses.len());
        println!("{}, {}, {wrong} of them wrong", many(rules.len() as u64, "rule"), many(count, "sample"));
    }
    if wrong == 0 { Exit::Ok } else { Exit::Degraded }
}
