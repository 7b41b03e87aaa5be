//! Plays a scenario and judges it: the story, the numbers, and whether everything that was expected holds.

use super::blueprint::Blueprint;
use super::expect::Finding;
use super::ledger::Totals;
use super::scenario::Scenario;
use super::story::Line;
use super::{BEGIN, Sim};
use crate::recovery::time::{Age, Timestamp};
use crate::section::parse;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// The version of the schema of [`Played`] as JSON; it grows when a field changes its meaning.
pub const SCHEMA: u32 = 1;
/// Progress is told this often at most.
const PROGRESS_EVERY: Duration = Duration::from_secs(86_400);

/// A scenario that was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Played {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The scenario's title.
    pub title: String,
    /// How long it ran, in seconds of its own time.
    pub for_s: u64,
    /// What drove its chances.
    pub seed: u64,
    /// What happened.
    pub story: Vec<Line>,
    /// Lines of the story that were too many to keep.
    pub dropped: u64,
    /// What it came to.
    pub totals: Totals,
    /// What became of the expectations.
    pub expected: Vec<Finding>,
}

impl Scenario {
    /// Plays it for `span` (usually its own). Whoever waits is told now and then how far it is.
    pub fn play(
        &self,
        blueprint: &Blueprint,
        seed: u64,
        span: Duration,
        mut progress: impl FnMut(Duration),
    ) -> Played {
        let mut sim = self.world(blueprint, seed, span, None);
        run(&mut sim, span, &mut progress);
        let totals = sim.totals();
        let messages: Vec<String> =
            sim.channels().flat_map(|channel| &channel.accepted).map(|got| got.body.clone()).collect();
        let same = |part: &str| {
            let mut without = self.world(blueprint, seed, span, Some(part));
            run(&mut without, span, &mut |_| {});
            look_the_same(&sim, &without)
        };
        let expected = self.expect.iter().map(|one| one.check(&totals, &messages, same)).collect();
        Played {
            schema: SCHEMA,
            title: self.title.clone(),
            for_s: span.as_secs(),
            seed,
            story: sim.story.lines,
            dropped: sim.story.dropped,
            totals,
            expected,
        }
    }
}

fn run(sim: &mut Sim, span: Duration, progress: &mut impl FnMut(Duration)) {
    let mut done = Duration::ZERO;
    while done < span {
        done = span.min(done + PROGRESS_EVERY);
        sim.run_until(BEGIN.after(done), |_, _| {});
        progress(done);
    }
    sim.story.end(sim.clock());
}

/// Whether people and services notice the same of two runs: what is done when, and what is received when.
fn look_the_same(one: &Sim, other: &Sim) -> bool {
    let received = |sim: &Sim| -> Vec<(Timestamp, String)> {
        sim.channels().flat_map(|channel| &channel.accepted).map(|got| (got.at, got.body.clone())).collect()
    };
    one.performed == other.performed && received(one) == received(other)
}

impl Played {
    /// Whether everything holds that was expected.
    pub fn is_as_expected(&self) -> bool {
        self.expected.iter().all(|finding| finding.met)
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = parse::written(Duration::from_secs(self.for_s));
        writeln!(f, "{} ({span}, seed {})\n", self.title, self.seed)?;
        for line in &self.story {
            writeln!(f, "{line}")?;
        }
        if self.dropped > 0 {
            writeln!(f, "             and {} lines more", self.dropped)?;
        }
        writeln!(f, "\n{}", self.totals)?;
        for Finding { expected, found, met } in &self.expected {
            writeln!(f, "{} {expected}: {found}", if *met { "ok    " } else { "MISSED" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span =
            |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| Age(Duration::from_millis(ms)).to_string());
        writeln!(f, "{} passes, about {} lines of log", self.passes, self.log_lines)?;
        writeln!(
            f,
            "{} restarts, {} commands; at most {} in any window",
            self.restarts, self.commands, self.attempts_per_window
        )?;
        writeln!(
            f,
            "{} messages written, {} received, {} waiting, {} lost",
            self.raised, self.messages, self.pending, self.lost
        )?;
        writeln!(
            f,
            "{} faults; longest until detected {}, until over {}, until told {}; longest silence {}",
            self.faults,
            span(self.detected),
            span(self.repaired),
            span(self.told),
            span(self.silence)
        )
    }
}
