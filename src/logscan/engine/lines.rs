//! Gathers what is found in a block, in ascending order, into lines with their patterns.

use super::hits::Hits;
use std::ops::Range;

/// The line on which something was found last, and where it goes when the next one begins.
pub(super) struct Lines<'a, F> {
    pub(super) block: &'a [u8],
    /// What comparing has cost in this block, in bytes read for it.
    pub(super) effort: usize,
    hit: F,
    line: Range<usize>,
    hits: Hits,
}

impl<'a, F: FnMut(Range<usize>, &Hits)> Lines<'a, F> {
    pub(super) fn new(block: &'a [u8], hit: F) -> Self {
        Self { block, effort: 0, hit, line: 0..0, hits: Hits::default() }
    }

    /// Whether this pattern is already known to match the line of this place.
    pub(super) fn has(&self, at: usize, pattern: usize) -> bool {
        at <= self.line.end && self.hits.contains(pattern)
    }

    /// Adds the patterns to the line of this place, which is not before the last one.
    pub(super) fn add(&mut self, at: usize, hits: &Hits) {
        if hits.is_empty() {
            return;
        }
        if at > self.line.end || self.hits.is_empty() {
            self.finish();
            self.line = line_of(self.block, at);
        }
        self.hits.join(hits);
    }

    /// Tells the last line.
    pub(super) fn finish(&mut self) {
        if !self.hits.is_empty() {
            (self.hit)(self.line.clone(), &self.hits);
        }
        self.hits = Hits::default();
    }
}

/// The line around a place, without its newline.
pub(super) fn line_of(block: &[u8], at: usize) -> Range<usize> {
    let (before, rest) = block.split_at(at);
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let end = memchr::memchr(b'\n', rest).map_or(block.len(), |length| at + length);
    start..end
}

/// All lines of a block; what stands behind the last newline counts as one.
pub(super) fn lines_of(block: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let next = |last: &Range<usize>| (last.end + 1 < block.len()).then(|| line_of(block, last.end + 1));
    std::iter::successors((!block.is_empty()).then(|| line_of(block, 0)), next)
}
