//! What a run came to, in numbers: kept by comparing what the watchdog did and said with how things really
//! were. It influences nothing.

use super::channel::Accepted;
use crate::recovery::decide::Attempt;
use crate::recovery::evidence::Name;
use crate::recovery::health::Health;
use crate::recovery::outbox::{Fate, Letter};
use crate::recovery::time::Timestamp;
use crate::recovery::verdict::Verdict;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// An attempt on what was well for so long is one without a cause: a fault may end between its confirmation
/// and the repair, and its consequences are verified some time longer.
const CAUSE_LIFE: Duration = Duration::from_secs(900);

/// The numbers of a run. Spans are in milliseconds; none when there was nothing to measure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Passes made.
    pub passes: u64,
    /// Units restarted, or tried to.
    pub restarts: u64,
    /// Programs run.
    pub commands: u64,
    /// The most attempts on one target within any one of its windows.
    pub attempts_per_window: u64,
    /// Attempts on targets that had not been ill lately.
    pub acted_on_the_healthy: u64,
    /// Messages written.
    pub raised: u64,
    /// Messages that people received.
    pub messages: u64,
    /// Messages that will never be received, and that nothing overtook.
    pub lost: u64,
    /// Messages received twice.
    pub doubled: u64,
    /// Messages that still wait.
    pub pending: u64,
    /// Messages about no fault and no end of one that were taken from the reserve of the month's quota.
    pub reserve_touched: u64,
    /// Faults that are being dealt with.
    pub open: u64,
    /// Times that something was really down.
    pub faults: u64,
    /// Lines in the operations log, about.
    pub log_lines: u64,
    /// The longest from a fault until it was known.
    pub detected: Option<u64>,
    /// The longest from a fault until it was over and that was known.
    pub repaired: Option<u64>,
    /// The longest from a fault until somebody was told, where somebody was.
    pub told: Option<u64>,
    /// The longest from LINE's return until it had the first message that waited.
    pub told_after_line: Option<u64>,
    /// The longest that something was down and nobody heard of it.
    pub silence: Option<u64>,
}

/// A time in which a target was really down.
#[derive(Clone, Debug)]
struct Episode {
    since: Timestamp,
    over: bool,
    detected: bool,
    told: bool,
    quiet_since: Timestamp,
}

/// How a letter was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Waiting,
    Accepted,
    Refused,
    Overtaken,
}

/// Keeps the books.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    totals: Totals,
    episodes: BTreeMap<Name, Episode>,
    ill_until: BTreeMap<Name, Timestamp>,
    attempts: BTreeMap<Name, Vec<Timestamp>>,
    letters: BTreeMap<u64, Seen>,
    line_back: Option<Timestamp>,
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn raise(longest: &mut Option<u64>, span: Duration) {
    *longest = (*longest).max(Some(ms(span)));
}

impl Ledger {
    /// How a target really is.
    pub(super) fn truth(&mut self, target: &Name, down: bool, now: Timestamp) {
        if down {
            let fresh =
                || Episode { since: now, over: false, detected: false, told: false, quiet_since: now };
            let episode = self.episodes.entry(target.clone()).or_insert_with(|| {
                self.totals.faults += 1;
                fresh()
            });
            episode.over = false;
            self.ill_until.insert(target.clone(), now.after(CAUSE_LIFE));
        } else if let Some(episode) = self.episodes.get_mut(target) {
            episode.over = true;
            self.ill_until.insert(target.clone(), now.after(CAUSE_LIFE));
        }
    }

    /// A pass was made.
    pub(super) fn pass(&mut self, verdicts: &[Verdict], full: bool, now: Timestamp) {
        self.totals.passes += 1;
        self.totals.log_lines += u64::from(full);
        for verdict in verdicts {
            let Some(episode) = self.episodes.get_mut(&verdict.target) else { continue };
            if matches!(verdict.health, Health::Unhealthy(_)) && !episode.detected {
                episode.detected = true;
                raise(&mut self.totals.detected, now.since(episode.since));
            }
            if episode.over && verdict.health == Health::Healthy {
                if episode.detected {
                    raise(&mut self.totals.repaired, now.since(episode.since));
                    raise(&mut self.totals.silence, now.since(episode.quiet_since));
                }
                self.episodes.remove(&verdict.target);
            }
        }
    }

    /// An attempt was charged and begins.
    pub(super) fn attempt(&mut self, attempt: &Attempt, restart: bool, per: Duration, now: Timestamp) {
        *(if restart { &mut self.totals.restarts } else { &mut self.totals.commands }) += 1;
        // Two lines of its own and one for its evidence.
        self.totals.log_lines += 3;
        let ill = self.ill_until.get(&attempt.target).is_some_and(|until| now <= *until);
        self.totals.acted_on_the_healthy += u64::from(!ill && !attempt.why.starts_with("asked for by"));
        if let Some(episode) = self.episodes.get_mut(&attempt.target).filter(|episode| !episode.detected) {
            episode.detected = true;
            raise(&mut self.totals.detected, now.since(episode.since));
        }
        let made = self.attempts.entry(attempt.target.clone()).or_default();
        made.retain(|at| now.since(*at) < per);
        made.push(now);
        self.totals.attempts_per_window = self.totals.attempts_per_window.max(made.len() as u64);
    }

    /// A line of the story is one of the log, too.
    pub(super) fn log_line(&mut self) {
        self.totals.log_lines += 1;
    }

    /// LINE can be reached again.
    pub(super) fn line_is_back(&mut self, now: Timestamp) {
        let waits = self.letters.values().any(|seen| *seen == Seen::Waiting);
        self.line_back = waits.then_some(now);
    }

    /// A letter was seen in the saved state. Returns whether that is news.
    pub(super) fn letter(&mut self, letter: &Letter) -> bool {
        let seen = match letter.fate {
            Fate::Pending | Fate::Withheld => Seen::Waiting,
            Fate::Accepted { .. } => Seen::Accepted,
            Fate::Refused { .. } => Seen::Refused,
            Fate::Superseded { .. } => Seen::Overtaken,
        };
        let known = self.letters.insert(letter.id, seen);
        self.totals.raised += u64::from(known.is_none());
        known != Some(seen)
    }

    /// People received something.
    pub(super) fn received<'a>(
        &mut self,
        targets: impl Iterator<Item = &'a Name>,
        got: &Accepted,
        reserve: bool,
    ) {
        self.totals.messages += 1;
        self.totals.reserve_touched += u64::from(reserve && !got.is_critical);
        if let Some(back) = self.line_back.take() {
            raise(&mut self.totals.told_after_line, got.at.since(back));
        }
        for target in targets {
            let Some(episode) = self.episodes.get_mut(target) else { continue };
            if !episode.told {
                episode.told = true;
                raise(&mut self.totals.told, got.at.since(episode.since));
            }
            raise(&mut self.totals.silence, got.at.since(episode.quiet_since));
            episode.quiet_since = got.at;
        }
    }

    /// The numbers, at the end.
    pub(super) fn close<'a>(
        &self,
        accepted: impl Iterator<Item = &'a Accepted>,
        open: u64,
        now: Timestamp,
    ) -> Totals {
        let mut totals = Totals { open, ..self.totals.clone() };
        for episode in self.episodes.values().filter(|episode| episode.detected) {
            raise(&mut totals.silence, now.since(episode.quiet_since));
        }
        let count = |wanted: Seen| self.letters.values().filter(|seen| **seen == wanted).count() as u64;
        (totals.lost, totals.pending) = (count(Seen::Refused), count(Seen::Waiting));
        let mut letters: Vec<u64> = accepted.flat_map(|accepted| &accepted.letters).copied().collect();
        letters.sort_unstable();
        totals.doubled = letters.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        totals
    }
}
