//! Finds any of many short texts, as fast as the processor can compare bytes.

use aho_corasick::{AhoCorasick, Input, MatchKind, Span, packed};

/// From so many texts on, the packed search uses twice as many groups of texts, which makes it half as fast again
/// for as few as 20. So it is given texts that cannot occur: folding leaves no byte below 32.
const PACKED_WELL: usize = 33;
/// One of the two ways to search.
#[derive(Debug)]
pub(super) enum Finder {
    /// Compares the first bytes of all texts at once, in vector registers.
    Packed(packed::Searcher),
    /// For more texts than that can hold, or a processor without such registers.
    Automaton(AhoCorasick),
}

impl Finder {
    /// None of the texts may begin with another, for only one is found at a place.
    pub(super) fn new(texts: &[Vec<u8>]) -> Option<Self> {
        let automaton = || AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(texts).ok();
        let padding = (0..b' ').take(PACKED_WELL.saturating_sub(texts.len())).map(|number| vec![number; 4]);
        packed::Searcher::new(texts.iter().cloned().chain(padding))
            .map(Self::Packed)
            .or_else(|| automaton().map(Self::Automaton))
    }

    /// The first text that begins at `from` or later: where, and its number.
    pub(super) fn find(&self, folded: &[u8], from: usize) -> Option<(usize, usize)> {
        let found = match self {
            Self::Packed(packed) => packed.find_in(folded, Span { start: from, end: folded.len() }),
            Self::Automaton(automaton) => automaton.find(Input::new(folded).range(from..)),
        };
        found.map(|found| (found.start(), found.pattern().as_usize()))
    }
}
