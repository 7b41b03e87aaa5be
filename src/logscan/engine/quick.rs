//! The way that nearly all of a log goes: search for texts, compare where one stands.

use super::branch::{Branch, Machine};
use super::cut::{Cut, TEXT_MAX, fold};
use super::finder::Finder;
use super::hits::Hits;
use super::lines::{Lines, line_of};
use super::referee::Referee;
use regex_syntax::hir::Hir;
use std::ops::Range;

/// So much is folded and searched at a time: it stays in the nearest cache of the processor.
const CHUNK: usize = 16 * 1024;
/// Folded beyond a chunk for texts that begin in it, and for the search, which is slow where less than a vector is left.
const BEYOND: usize = 64;
const _: () = assert!(BEYOND > TEXT_MAX);
/// Comparisons may read each byte of a block so often. A line of nothing but beginnings would be read once for each
/// of them; so beyond this the referee judges whole lines.
const EFFORT_PER_BYTE: usize = 4;
/// Every block may take so much effort before that is asked.
const EFFORT_FREE: usize = 16 * 1024;
/// What a found text costs beside comparing, in bytes compared.
const EFFORT_PER_TEXT: usize = 8;

/// The texts of all patterns that have one, and what to compare.
#[derive(Debug)]
pub(super) struct Quick {
    finder: Finder,
    branches: Vec<Branch>,
    /// For each text of the finder.
    spots: Vec<Spot>,
    /// A chunk of the block, folded.
    folded: Vec<u8>,
}

/// What to compare where a text was found.
#[derive(Debug)]
struct Spot {
    /// The numbers of the branches that have this text.
    branches: Vec<usize>,
    /// What they have in common, when there are several: one comparison refutes them all.
    gate: Option<Machine>,
}

impl Quick {
    /// None when there is nothing to look for.
    pub(super) fn new(branches: Vec<(Branch, Cut)>) -> Option<Self> {
        let (branches, cuts): (Vec<Branch>, Vec<Cut>) = branches.into_iter().unzip();
        let (texts, by_text) = without_prefixes(&cuts);
        let spots =
            by_text.into_iter().map(|branches| Spot { gate: gate(&branches, &cuts), branches }).collect();
        Some(Self { finder: Finder::new(&texts)?, branches, spots, folded: Vec::new() })
    }

    /// Adds what matches in this part of the block, which ends with a line.
    pub(super) fn search<F: FnMut(Range<usize>, &Hits)>(
        &mut self,
        range: Range<usize>,
        lines: &mut Lines<'_, F>,
        all: &mut Referee,
    ) {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + CHUNK + BEYOND);
            fold_into(&lines.block[at..end], &mut self.folded);
            at = self.search_chunk(at, lines, all);
        }
    }

    /// Returns where the next chunk begins.
    fn search_chunk<F: FnMut(Range<usize>, &Hits)>(
        &self,
        start: usize,
        lines: &mut Lines<'_, F>,
        all: &mut Referee,
    ) -> usize {
        let mut next = 0;
        while let Some((found, text)) = self.finder.find(&self.folded, next)
            && found < CHUNK
        {
            let at = start + found;
            next = found + 1;
            if lines.effort > EFFORT_FREE + EFFORT_PER_BYTE * at {
                let line = line_of(lines.block, at);
                next = line.end - start;
                lines.add(at, &all.judge(&lines.block[line]));
                if next >= CHUNK {
                    return start + next;
                }
            } else {
                self.compare(at, text, lines);
            }
        }
        start + CHUNK
    }

    fn compare<F: FnMut(Range<usize>, &Hits)>(&self, at: usize, text: usize, lines: &mut Lines<'_, F>) {
        lines.effort += EFFORT_PER_TEXT;
        let spot = &self.spots[text];
        if spot.gate.as_ref().is_some_and(|gate| !gate.forwards(lines.block, at, &mut lines.effort)) {
            return;
        }
        for branch in spot.branches.iter().map(|branch| &self.branches[*branch]) {
            if !lines.has(at, branch.pattern) && branch.matches(lines.block, at, &mut lines.effort) {
                lines.add(at, &Hits::only(branch.pattern));
            }
        }
    }
}

/// All texts once, with the branches that have them. A text that begins with another is as good as that one, and only
/// one of them would be found.
fn without_prefixes(cuts: &[Cut]) -> (Vec<Vec<u8>>, Vec<Vec<usize>>) {
    let mut pairs = Vec::new();
    for (branch, cut) in cuts.iter().enumerate() {
        pairs.extend(cut.texts.iter().map(|text| (text.clone(), branch)));
    }
    pairs.sort_unstable();
    let mut kept: (Vec<Vec<u8>>, Vec<Vec<usize>>) = Default::default();
    for (text, branch) in pairs {
        match (kept.0.last(), kept.1.last_mut()) {
            (Some(last), Some(branches)) if text.starts_with(last) => branches.push(branch),
            _ => {
                kept.0.push(text);
                kept.1.push(vec![branch]);
            }
        }
    }
    kept
}

/// Matches wherever one of these branches does.
fn gate(branches: &[usize], cuts: &[Cut]) -> Option<Machine> {
    let rests = branches.iter().map(|branch| cuts[*branch].rest.clone());
    (branches.len() > 1).then(|| Machine::new(&Hir::alternation(rests.collect()), false))?
}

/// Sixteen bytes at a time by hand, for the compiler does not do it by itself when it optimises for size.
fn fold_into(bytes: &[u8], folded: &mut Vec<u8>) {
    const WORD: usize = size_of::<u128>();
    const FOLD: u128 = u128::from_ne_bytes([fold(0); WORD]);
    folded.resize(bytes.len(), 0);
    let ((words, rest), (folded_words, folded_rest)) = (bytes.as_chunks(), folded.as_chunks_mut());
    for (word, folded) in words.iter().zip(folded_words) {
        *folded = (u128::from_ne_bytes(*word) | FOLD).to_ne_bytes();
    }
    rest.iter().zip(folded_rest).for_each(|(byte, folded)| *folded = fold(*byte));
}
