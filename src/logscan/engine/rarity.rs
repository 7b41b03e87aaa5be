//! How often a short text is to be expected in a log: a guess from a specimen. A wrong guess costs time and nothing else.

use super::cut::fold;
use std::collections::HashMap;

/// Lines of the kinds that services write, in about the share in which they write them.
const SPECIMEN: &[u8] = include_bytes!("specimen.log");
/// The search looks for this many bytes at once.
const GRAM: usize = 3;
/// A comparison with a pattern costs as much as so many vain looks at a text.
const COMPARISON: f64 = 4.0;

/// Every text makes the search for all others a little slower.
const TEXT: f64 = 4.0;

/// A text of two bytes makes it a lot slower: then no more of the others are compared at first.
const SHORT: f64 = 1000.0;

/// What the specimen says.
pub(super) struct Rarity {
    /// The share of each byte.
    bytes: [f64; 256],
    /// How often two and three bytes follow each other.
    grams: HashMap<u32, f64>,
}

impl Rarity {
    pub(super) fn new() -> Self {
        let specimen: Vec<u8> = SPECIMEN.iter().copied().map(fold).collect();
        let mut rarity = Self { bytes: [0.0; 256], grams: HashMap::new() };
        // As if every byte had been seen once.
        rarity.bytes = [1.0 / specimen.len() as f64; 256];
        for byte in &specimen {
            rarity.bytes[usize::from(*byte)] += 1.0 / specimen.len() as f64;
        }
        for gram in specimen.windows(GRAM).chain(specimen.windows(GRAM - 1)) {
            *rarity.grams.entry(key(gram)).or_default() += 1.0;
        }
        rarity
    }

    /// What looking for this folded text costs, by how often it occurs.
    pub(super) fn frequency(&self, text: &[u8]) -> f64 {
        let grams = text.windows(GRAM.min(text.len())).map(|gram| self.gram(gram));
        let looks = grams.clone().next().unwrap_or(f64::INFINITY);
        let short = if text.len() < GRAM { SHORT } else { 0.0 };
        short + TEXT + looks + COMPARISON * grams.fold(looks, f64::min)
    }

    /// As often as it was seen, and a little for what the bytes would do by themselves, so that of two texts that
    /// were never seen the one of rarer letters is rarer.
    fn gram(&self, gram: &[u8]) -> f64 {
        let by_chance: f64 = gram.iter().map(|byte| self.bytes[usize::from(*byte)]).product();
        self.grams.get(&key(gram)).copied().unwrap_or_default() + by_chance * SPECIMEN.len() as f64
    }
}

/// Folded bytes are not zero, so two are never mistaken for three.
fn key(gram: &[u8]) -> u32 {
    gram.iter().fold(0, |key, byte| key << 8 | u32::from(*byte))
}
