//! Which patterns match a line.

/// At most this many patterns are compiled together: twenty times the largest set of rules we know, and a set of
/// them still fits into four registers.
pub const PATTERNS_MAX: usize = 256;

const WORD: usize = u64::BITS as usize;

/// A set of pattern numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits([u64; PATTERNS_MAX / WORD]);

impl Hits {
    /// Whether this pattern matches the line.
    pub fn contains(&self, pattern: usize) -> bool {
        self.0.get(pattern / WORD).is_some_and(|word| word >> (pattern % WORD) & 1 == 1)
    }

    /// Whether no pattern matches it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The numbers of the patterns that match it, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| ones(*bits).map(move |bit| word * WORD + bit))
    }

    pub(super) fn only(pattern: usize) -> Self {
        let mut hits = Self::default();
        hits.insert(pattern);
        hits
    }

    pub(super) fn join(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn insert(&mut self, pattern: usize) {
        if let Some(word) = self.0.get_mut(pattern / WORD) {
            *word |= 1 << (pattern % WORD);
        }
    }
}

/// Where the ones of a word are, from the lowest.
fn ones(word: u64) -> impl Iterator<Item = usize> {
    let rest = |bits: &u64| Some(bits & (bits - 1)).filter(|rest| *rest != 0);
    std::iter::successors(Some(word).filter(|word| *word != 0), rest)
        .map(|bits| bits.trailing_zeros() as usize)
}
