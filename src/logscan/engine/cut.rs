//! Where to look for a pattern: short texts, one of which stands in every match.
//!
//! Each way through a pattern is cut in two at its rarest text. The search finds that text; then only what stands
//! before it and what begins with it must be compared.

use super::rarity::Rarity;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Longer texts are not rarer, and the search looks at four bytes first.
pub(super) const TEXT_MAX: usize = 8;
/// A single byte is too frequent to look for.
const TEXT_MIN: usize = 2;
/// Digits may be spelled out, letters with their case forgotten almost; more would crowd out other patterns.
const SPELLINGS_MAX: usize = 10;
/// Places at which a text may begin: enough for every pattern of a person, and few enough for one made to keep us busy.
const STARTS_MAX: usize = 256;
/// Copies of what is repeated that are looked into: no text is longer.
const COPIES_MAX: u32 = TEXT_MAX as u32;

/// Letters without their case. Some other bytes become the same, too, which costs a comparison and nothing else:
/// what is found by folded text is always compared with the pattern itself.
pub(super) const fn fold(byte: u8) -> u8 {
    byte | 0x20
}

/// A way through a pattern, cut in two.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) before: Hir,
    /// Begins with one of the texts.
    pub(super) rest: Hir,
    /// Folded.
    pub(super) texts: Vec<Vec<u8>>,
}

/// All the ways through a pattern, and how often one of their texts is to be expected.
pub(super) struct Cover {
    pub(super) cuts: Vec<Cut>,
    frequency: f64,
}

/// The best texts for a pattern; none when it can match without any text that is long enough.
pub(super) fn cover(hir: &Hir, rarity: &Rarity) -> Option<Cover> {
    if let HirKind::Alternation(ways) = hir.kind() {
        let ways: Vec<Cover> = ways.iter().map(|way| cover(way, rarity)).collect::<Option<_>>()?;
        let frequency = ways.iter().map(|way| way.frequency).sum();
        return Some(Cover { cuts: ways.into_iter().flat_map(|way| way.cuts).collect(), frequency });
    }
    let items = items(hir);
    let spelled: Vec<Vec<u8>> = items.iter().map(spellings).collect();
    let starts = 0..items.len().min(STARTS_MAX);
    let texts = starts.clone().filter_map(|at| text(&items, &spelled, at, rarity));
    let inner = starts.filter_map(|at| alternatives(&items, at, rarity));
    texts.chain(inner).min_by(|a, b| a.frequency.total_cmp(&b.frequency))
}

/// The parts that follow each other in every match, as small as they get.
fn items(hir: &Hir) -> Vec<Hir> {
    match hir.kind() {
        HirKind::Concat(subs) => subs.iter().flat_map(items).collect(),
        HirKind::Literal(literal) => literal.0.iter().map(|byte| Hir::literal([*byte])).collect(),
        HirKind::Repetition(again) if again.min > 0 => copies(again),
        HirKind::Empty
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Capture(_)
        | HirKind::Alternation(_) => vec![hir.clone()],
    }
}

/// `x{3,9}` is `xxxx{0,6}`.
fn copies(again: &Repetition) -> Vec<Hir> {
    let one = items(&again.sub);
    let count = if one.len() == 1 { again.min.min(COPIES_MAX) } else { 1 };
    let mut copies: Vec<Hir> = (0..count).flat_map(|_| one.iter().cloned()).collect();
    let (min, max) = (again.min - count, again.max.map(|max| max - count));
    copies.push(Hir::repetition(Repetition { min, max, ..again.clone() }));
    copies
}

/// The bytes that an item can be, folded; nothing when there are too many, or when it is not one byte.
fn spellings(item: &Hir) -> Vec<u8> {
    let mut bytes: Vec<u8> = match item.kind() {
        HirKind::Literal(literal) => literal.0.to_vec(),
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().flat_map(|range| range.start()..=range.end()).collect()
        }
        HirKind::Empty
        | HirKind::Class(Class::Unicode(_))
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Capture(_)
        | HirKind::Concat(_)
        | HirKind::Alternation(_) => Vec::new(),
    };
    bytes.iter_mut().for_each(|byte| *byte = fold(*byte));
    bytes.sort_unstable();
    bytes.dedup();
    bytes.truncate(if bytes.len() > SPELLINGS_MAX { 0 } else { SPELLINGS_MAX });
    bytes
}

/// The best cut before the item at this place: all the spellings of the next few bytes.
fn text(items: &[Hir], spelled: &[Vec<u8>], at: usize, rarity: &Rarity) -> Option<Cover> {
    let mut texts = vec![Vec::new()];
    let mut best: Option<(f64, Vec<Vec<u8>>)> = None;
    for bytes in spelled[at..].iter().take(TEXT_MAX) {
        if bytes.is_empty() || texts.len() * bytes.len() > SPELLINGS_MAX {
            break;
        }
        let with = |text: &Vec<u8>| {
            bytes.iter().map(|byte| [text.as_slice(), &[*byte]].concat()).collect::<Vec<_>>()
        };
        texts = texts.iter().flat_map(with).collect();
        let frequency = texts.iter().map(|text| rarity.frequency(text)).sum();
        if texts[0].len() >= TEXT_MIN && best.as_ref().is_none_or(|(least, _)| frequency < *least) {
            best = Some((frequency, texts.clone()));
        }
    }
    let (frequency, texts) = best?;
    let before = Hir::concat(items[..at].to_vec());
    Some(Cover { cuts: vec![Cut { before, rest: Hir::concat(items[at..].to_vec()), texts }], frequency })
}

/// The cuts within the alternatives at this place, with what stands around them.
fn alternatives(items: &[Hir], at: usize, rarity: &Rarity) -> Option<Cover> {
    let HirKind::Alternation(_) = items[at].kind() else { return None };
    let mut inner = cover(&items[at], rarity)?;
    for cut in &mut inner.cuts {
        cut.before = Hir::concat(items[..at].iter().chain([&cut.before]).cloned().collect());
        cut.rest = Hir::concat([&cut.rest].into_iter().chain(&items[at + 1..]).cloned().collect());
    }
    Some(inner)
}
