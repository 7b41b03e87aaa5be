//! Reads what is new, counts what the rules are about, and says how it looks. What was read and what was counted go
//! into the state together, so that a crash neither loses an event nor counts one twice.

use super::engine::Refused;
use super::follow::{Follow, Progress, Sink};
use super::matcher::{Event, Matcher};
use super::{Plan, Watched};
use crate::recovery::evidence::{Name, ProbeReport};
use crate::recovery::scan::ScanMark;
use crate::recovery::time::{Age, Timestamp};
use crate::values::{Secret, mask, one_line};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

/// A line as an alert quotes it: as much as a person reads on a telephone.
const QUOTE_CHARS: usize = 200;
/// Bytes of a line that are looked at for that; no character has more than four.
const QUOTE_BYTES: usize = 4 * QUOTE_CHARS;

/// What is read and counted.
#[derive(Debug)]
pub struct Scanner {
    /// None for those who only look at what was counted.
    follow: Option<Follow>,
    matcher: Matcher,
    rules: Vec<Watched>,
    mark: ScanMark,
    /// When to look again, although nothing new comes: half an event is held back.
    flush_at: Option<Instant>,
    /// How many bytes may be read before the next cycle.
    left: u64,
    max_bytes: u64,
}

/// What one look at the logs came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The targets that something was counted for.
    pub touched: BTreeSet<Name>,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes that are known to be there and have to wait for the next cycle.
    pub left: u64,
    /// Logs that cannot be read as they should, with the reason.
    pub troubles: Vec<(Name, String)>,
    /// Why new lines may be noticed late, said once.
    pub late: Option<String>,
}

impl Scanner {
    /// Goes on where the mark says; where it says nothing, the configuration says where to begin.
    ///
    /// # Errors
    /// The rules that cannot be compiled together, by their keys.
    pub fn open(plan: &Plan, mark: &ScanMark) -> Result<Self, String> {
        let follow = Some(Follow::open_but(&plan.own, plan.sources.clone(), mark));
        Ok(Self { follow, ..Self::look(plan, mark)? })
    }

    /// One that reads nothing, and only knows what was counted so far.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn look(plan: &Plan, mark: &ScanMark) -> Result<Self, String> {
        let matcher = Matcher::new(plan.rules.iter().map(|watched| &watched.rule)).map_err(|refused| {
            let say = |refused: &Refused| {
                let key = plan.rules.get(refused.pattern).map(Watched::key).unwrap_or_default();
                format!("{key}: {}", refused.reason)
            };
            refused.iter().map(say).collect::<Vec<_>>().join("; ")
        })?;
        let mut mark = mark.clone();
        mark.rules.retain(|key, _| plan.rules.iter().any(|watched| watched.key() == *key));
        Ok(Self {
            follow: None,
            matcher,
            mark,
            flush_at: None,
            rules: plan.rules.clone(),
            left: plan.max_bytes,
            max_bytes: plan.max_bytes,
        })
    }

    /// A cycle begins: as much may be read again as is allowed in one.
    pub fn refill(&mut self) {
        self.left = self.max_bytes;
    }

    /// Reads what is new and counts it. None when nothing may be read before the next cycle.
    pub fn read(&mut self, now: Timestamp, secrets: &[Secret]) -> Option<Scan> {
        let follow = self.follow.as_mut().filter(|_| self.left > 0)?;
        let mut count = Count { matcher: &mut self.matcher, found: BTreeMap::new() };
        let progress = follow.read(self.left, Instant::now(), &mut count);
        let found = count.found;
        self.left = self.left.saturating_sub(progress.bytes);
        self.flush_at = progress.flush_at;
        follow.mark(&mut self.mark);
        let mut touched = BTreeSet::new();
        for (rule, (events, line)) in found {
            let watched = &self.rules[rule];
            let tally = self.mark.rules.entry(watched.key()).or_default();
            tally.add(events, quote(&line, secrets), now, watched.rule.within);
            touched.insert(watched.target.clone());
        }
        let Progress { bytes, left, troubles, late, .. } = progress;
        Some(Scan { touched, bytes, left, troubles, late })
    }

    /// What the rules of the targets in question say now.
    pub fn reports<'s>(
        &'s self,
        now: Timestamp,
        wanted: impl Fn(&Name, &Name) -> bool + 's,
    ) -> impl Iterator<Item = ProbeReport> + 's {
        let rules = self.rules.iter().filter(move |watched| wanted(&watched.target, &watched.probe));
        rules.map(move |watched| ProbeReport {
            target: watched.target.clone(),
            probe: watched.probe.clone(),
            reading: watched.rule.judge(self.mark.rules.get(&watched.key()), now),
            blames: Vec::new(),
            excused: None,
        })
    }

    /// How often every rule was met, of late and ever, for whoever looks into a fault.
    pub fn analysis(&self, now: Timestamp) -> String {
        let line = |watched: &Watched| {
            let key = watched.key();
            let tally = self.mark.rules.get(&key).cloned().unwrap_or_default();
            let lately = tally.since(now.before(watched.rule.within));
            format!("{key}: {lately} in {}, {} ever; {}", Age(watched.rule.within), tally.total, tally.sample)
        };
        self.rules.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Where it stands.
    pub fn mark(&self) -> &ScanMark {
        &self.mark
    }

    /// Waits until there is something new that may be read. May be dropped at any time.
    pub async fn rung(&mut self) {
        if self.left == 0 {
            // Whatever waits, also what is held back, waits for the next cycle.
            return std::future::pending().await;
        }
        let flush_at = self.flush_at;
        let rung = async {
            match &mut self.follow {
                Some(follow) => follow.rung().await,
                None => std::future::pending().await,
            }
        };
        let flush = async {
            match flush_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rung => {}
            () = flush => {}
        }
    }
}

/// Counts events by rule, and keeps the newest line of each.
struct Count<'s> {
    matcher: &'s mut Matcher,
    found: BTreeMap<usize, (u64, Vec<u8>)>,
}

impl Sink for Count<'_> {
    fn take(&mut self, source: &Name, _: &Path, block: &[u8], whole: bool) -> usize {
        let found = &mut self.found;
        let mut tell = |event: Event<'_>| {
            if event.excluded.is_some() {
                return;
            }
            let (count, line) = found.entry(event.rule).or_default();
            *count += 1;
            line.clear();
            line.extend_from_slice(&event.line[..event.line.len().min(QUOTE_BYTES)]);
        };
        self.matcher.events(Some(source), block, whole, &mut tell)
    }
}

/// A line as it may be kept and told.
fn quote(line: &[u8], secrets: &[Secret]) -> String {
    one_line(&mask(&String::from_utf8_lossy(line), secrets), QUOTE_CHARS)
}
