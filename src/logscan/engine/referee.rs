//! Matches whole lines against whole patterns: slower than looking for texts, and right for every pattern and line.

use super::Refused;
use super::hits::Hits;
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Input, MatchKind, PatternSet};
use regex_syntax::hir::Hir;

/// What all patterns together may take, in bytes.
const AUTOMATON_MAX: usize = 1024 * 1024;
/// What is remembered while matching, in bytes. When that is too little, matching slows down and stays linear.
const MEMORY_MAX: usize = 512 * 1024;

/// Some patterns, matched at once.
#[derive(Debug)]
pub(super) struct Referee {
    regex: Regex,
    /// The numbers that the patterns have outside.
    numbers: Vec<usize>,
    found: PatternSet,
}

impl Referee {
    /// For the patterns with these numbers.
    pub(super) fn new(hirs: &[Hir], numbers: Vec<usize>) -> Result<Self, Vec<Refused>> {
        let config = Regex::config()
            .match_kind(MatchKind::All)
            .utf8_empty(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(AUTOMATON_MAX))
            .hybrid_cache_capacity(MEMORY_MAX)
            .dfa(false)
            .onepass(false)
            .backtrack(false);
        let chosen: Vec<&Hir> = numbers.iter().map(|number| &hirs[*number]).collect();
        let reason = "it is too large together with the patterns before it".to_owned();
        match Regex::builder().configure(config).build_many_from_hir(&chosen) {
            Ok(regex) => Ok(Self { found: PatternSet::new(numbers.len()), regex, numbers }),
            Err(_) => Err(vec![Refused { pattern: hirs.len() - 1, reason }]),
        }
    }

    /// The patterns that match this line.
    pub(super) fn judge(&mut self, line: &[u8]) -> Hits {
        self.found.clear();
        self.regex.which_overlapping_matches(&Input::new(line), &mut self.found);
        let mut hits = Hits::default();
        self.found.iter().for_each(|pattern| hits.insert(self.numbers[pattern.as_usize()]));
        hits
    }
}
