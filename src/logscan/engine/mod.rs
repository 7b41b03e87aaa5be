//! Which lines of a log match which patterns: all patterns at once, in one pass, in linear time.
//!
//! Ignoring case makes a plain regular expression slow. Here each pattern is cut at the rarest text that every match
//! of it contains (`cut`, `rarity`); a copy of the log without case is searched for all these texts at once
//! (`finder`); and where one is found, a small automaton that starts at that place compares the log itself with the
//! pattern (`branch`), which nearly always ends after a few bytes. Patterns without such a text, and lines made to
//! keep us busy, go to the `referee`. The engine knows no file and no rule, and never fails on any bytes.

mod branch;
mod cut;
mod finder;
mod hits;
mod lines;
mod quick;
mod rarity;
mod read;
mod referee;
#[cfg(test)]
mod tests;

use branch::Branch;
use cut::Cut;
pub use hits::{Hits, PATTERNS_MAX};
use lines::{Lines, lines_of};
use quick::Quick;
use rarity::Rarity;
use referee::Referee;
use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::Hir;
use std::ops::Range;

/// Texts of one pattern. A pattern of more alternatives would slow the search down for all.
const TEXTS_MAX: usize = 64;

/// What a pattern by itself may remember while it searches, in bytes.
const CACHE_MAX: usize = 512 * 1024;

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number.
    pub pattern: usize,
    /// A sentence for the person who wrote it.
    pub reason: String,
}

/// Patterns, compiled. Cases of ASCII are ignored, `^` and `$` are the ends of a line, and no match crosses one.
#[derive(Debug)]
pub struct Engine {
    /// For the patterns that have a text in every match; none when there is no such pattern.
    quick: Option<Quick>,
    /// For the others.
    slow: Option<Referee>,
    /// For lines that would take too long.
    all: Referee,
    fallbacks: Vec<Option<&'static str>>,
}

impl Engine {
    /// Compiles patterns; the place in the slice is the number of the pattern.
    ///
    /// # Errors
    /// All patterns that were refused.
    pub fn compile(patterns: &[&str]) -> Result<Self, Vec<Refused>> {
        let hirs = read::read_all(patterns)?;
        let (rarity, mut quick, mut fallbacks) = (Rarity::new(), Vec::new(), Vec::new());
        for (pattern, hir) in hirs.iter().enumerate() {
            let branches = branches(pattern, hir, &rarity);
            fallbacks.push(branches.as_ref().err().copied());
            quick.extend(branches.unwrap_or_default());
        }
        let slow = |pattern: &usize| fallbacks[*pattern].is_some();
        let slow: Vec<usize> = (0..hirs.len()).filter(slow).collect();
        let slow = if slow.is_empty() { None } else { Some(Referee::new(&hirs, slow)?) };
        let all = Referee::new(&hirs, (0..hirs.len()).collect())?;
        Ok(Self { quick: Quick::new(quick), slow, all, fallbacks })
    }

    /// For each pattern why it has to be compared with every line, which slows the scan down; nothing for the usual
    /// pattern, which is only compared where one of its texts stands.
    pub fn fallbacks(&self) -> &[Option<&'static str>] {
        &self.fallbacks
    }

    /// Scans whole lines; what stands behind the last newline counts as one. Tells of each line that any pattern
    /// matches, in order: where it is, without its newline, and the patterns. Takes time in proportion to the length
    /// of the block, whatever stands in it.
    pub fn scan(&mut self, block: &[u8], hit: impl FnMut(Range<usize>, &Hits)) {
        let mut lines = Lines::new(block, hit);
        match &mut self.slow {
            None => self
                .quick
                .iter_mut()
                .for_each(|quick| quick.search(0..block.len(), &mut lines, &mut self.all)),
            Some(slow) => {
                for line in lines_of(block) {
                    if let Some(quick) = &mut self.quick {
                        quick.search(line.clone(), &mut lines, &mut self.all);
                    }
                    lines.add(line.start, &slow.judge(&block[line]));
                }
            }
        }
        lines.finish();
    }
}

/// One pattern by itself, with the same meaning: for lines that are few.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn alone(pattern: &str) -> Result<Regex, String> {
    let hir = read::read(pattern)?;
    let bounded = Config::new().hybrid_cache_capacity(CACHE_MAX).utf8_empty(false);
    Regex::builder().configure(bounded).build_from_hir(&hir).map_err(|error| error.to_string())
}

/// A pattern as it is written, with the cases of its letters: for who looks at it, not for matching.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn as_written(pattern: &str) -> Result<Hir, String> {
    read::translate(pattern, false)
}

/// What to look for and what to compare there, or why this pattern has to be compared with every line.
fn branches(pattern: usize, hir: &Hir, rarity: &Rarity) -> Result<Vec<(Branch, Cut)>, &'static str> {
    let none = "no text of two characters or more stands in every line that it matches";
    let cuts = cut::cover(hir, rarity).ok_or(none)?.cuts;
    if cuts.iter().map(|cut| cut.texts.len()).sum::<usize>() > TEXTS_MAX {
        return Err("it has too many alternatives");
    }
    let branch = |cut: Cut| Some((Branch::new(pattern, &cut)?, cut));
    cuts.into_iter().map(branch).collect::<Option<_>>().ok_or("it is large")
}
