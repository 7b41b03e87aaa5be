//! From the text of a pattern to what it means within one line, or a sentence that says why it is refused.
//!
//! The syntax is that of Python's `re` as far as it can be matched in linear time; letters are those of ASCII.

use super::{PATTERNS_MAX, Refused};
use regex_automata::nfa::thompson;
use regex_syntax::ast::{self, ErrorKind, parse::ParserBuilder};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{self, Class, Hir, HirKind, Look, LookSet, Repetition};

/// Longer than any pattern that a person wrote.
const PATTERN_BYTES_MAX: usize = 4096;
/// Groups within groups. Everything that walks through a pattern calls itself once per level.
const NESTING_MAX: u32 = 50;
/// What one pattern may take as an automaton, in bytes: some 3,000 states, where real ones have 50.
const AUTOMATON_MAX: usize = 128 * 1024;

/// Reads all patterns, or says what is wrong with each that is refused.
pub(super) fn read_all(patterns: &[&str]) -> Result<Vec<Hir>, Vec<Refused>> {
    let (mut hirs, mut refused) = (Vec::new(), Vec::new());
    for (number, pattern) in patterns.iter().enumerate() {
        match read(pattern) {
            Ok(_) if number >= PATTERNS_MAX => {
                let reason = format!("there are {} patterns, more than {PATTERNS_MAX}", patterns.len());
                refused.push(Refused { pattern: number, reason });
            }
            Ok(hir) => hirs.push(hir),
            Err(reason) => refused.push(Refused { pattern: number, reason }),
        }
    }
    if refused.is_empty() { Ok(hirs) } else { Err(refused) }
}

/// Reads a pattern that ignores case, knows bytes, and never looks beyond a line.
pub(super) fn read(pattern: &str) -> Result<Hir, String> {
    let hir = within_a_line(translate(pattern, true)?);
    if never_matches(&hir) {
        return Err(
            "no line can match it: it asks for a line break, or for a character out of none".to_owned()
        );
    }
    if !hir.properties().look_set().subtract(supported_looks()).is_empty() {
        return Err("the flags (?u) and (?R) are not supported: leave them away".to_owned());
    }
    check_size(&hir)?;
    Ok(hir)
}

/// What a pattern means, with its groups and its line breaks; as it is written unless case is ignored.
pub(super) fn translate(pattern: &str, ignore_case: bool) -> Result<Hir, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("the pattern has {} bytes, more than {PATTERN_BYTES_MAX}", pattern.len()));
    }
    let mut parser = ParserBuilder::new();
    let parsed =
        parser.nest_limit(NESTING_MAX).empty_min_range(true).build().parse(pattern).map_err(misread)?;
    let mut meaning = TranslatorBuilder::new();
    meaning.case_insensitive(ignore_case).multi_line(true).unicode(false).utf8(false);
    meaning.build().translate(pattern, &parsed).map_err(beyond_bytes)
}

fn supported_looks() -> LookSet {
    let all = [
        Look::StartLF,
        Look::EndLF,
        Look::WordAscii,
        Look::WordAsciiNegate,
        Look::WordStartAscii,
        Look::WordEndAscii,
        Look::WordStartHalfAscii,
        Look::WordEndHalfAscii,
    ];
    all.into_iter().fold(LookSet::empty(), LookSet::insert)
}

/// `x{1000}{1000}` is short to write and large to match.
fn check_size(hir: &Hir) -> Result<(), String> {
    let limited = thompson::Config::new().utf8(false).nfa_size_limit(Some(AUTOMATON_MAX));
    match thompson::Compiler::new().configure(limited).build_from_hir(hir) {
        Ok(_) => Ok(()),
        Err(_) => {
            Err("it is too large: it repeats too much, or repeats what is repeated; write * or + instead of \
                       large numbers"
                .to_owned())
        }
    }
}

/// Takes away every way to step over a line's end, all groups, and all alternatives that can then never match. The
/// ends of the text are those of the line.
fn within_a_line(hir: Hir) -> Hir {
    let all = |subs: Vec<Hir>| subs.into_iter().map(within_a_line);
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.contains(&b'\n') => Hir::fail(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(without_newline(class)),
        HirKind::Look(Look::Start) => Hir::look(Look::StartLF),
        HirKind::Look(Look::End) => Hir::look(Look::EndLF),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => match within_a_line(*sub) {
            sub if never_matches(&sub) && min == 0 => Hir::empty(),
            sub => Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub) }),
        },
        HirKind::Capture(group) => within_a_line(*group.sub),
        HirKind::Concat(subs) => Hir::concat(all(subs).collect()),
        HirKind::Alternation(subs) => Hir::alternation(all(subs).filter(|sub| !never_matches(sub)).collect()),
    }
}

/// True of what [`within_a_line`] made, where no part that can be left away has this property.
fn never_matches(hir: &Hir) -> bool {
    hir.properties().minimum_len().is_none()
}

fn without_newline(mut class: Class) -> Class {
    use regex_syntax::hir::{ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange};
    match &mut class {
        Class::Bytes(bytes) => bytes.difference(&ClassBytes::new([ClassBytesRange::new(b'\n', b'\n')])),
        Class::Unicode(chars) => chars.difference(&ClassUnicode::new([ClassUnicodeRange::new('\n', '\n')])),
    }
    class
}

fn beyond_bytes(error: hir::Error) -> String {
    let kind = error.kind();
    format!(
        "{kind}: patterns match bytes, so write characters beyond ASCII outside of brackets, and without (?u)"
    )
}

fn misread(error: ast::Error) -> String {
    let span = error.span();
    let part = error.pattern().get(span.start.offset..span.end.offset).unwrap_or_default();
    format!("at byte {}, {part:?}: {}", span.start.offset + 1, advice(error.kind(), part))
}

/// What to write instead, for what is valid elsewhere; else what the parser says.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum, not ours; the rest speaks for itself")]
fn advice(kind: &ErrorKind, part: &str) -> String {
    let instead = match kind {
        ErrorKind::UnsupportedLookAround => {
            "looking ahead or behind is not supported, for it cannot be matched in one pass; put what must not be \
             there into an exclusion of the rule"
        }
        ErrorKind::UnsupportedBackreference if part == r"\0" => r"write \x00",
        ErrorKind::UnsupportedBackreference => {
            "references to a group are not supported, for they cannot be matched in one pass; write the text twice"
        }
        ErrorKind::EscapeUnrecognized if part == r"\Z" => "write $ for the end of a line",
        ErrorKind::RepetitionMissing
        | ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountDecimalEmpty
        | ErrorKind::RepetitionCountUnclosed => {
            r"nothing to repeat, or no number; write \{ for a plain brace"
        }
        ErrorKind::FlagUnrecognized => {
            "this kind of group or flag is not supported; write (?: for a plain group"
        }
        ErrorKind::ClassUnclosed => r"the bracket is not closed; write \[ for a plain bracket",
        ErrorKind::GroupUnclosed => r"the group is not closed; write \( for a plain parenthesis",
        ErrorKind::GroupUnopened => r"no group is open here; write \) for a plain parenthesis",
        ErrorKind::NestLimitExceeded(_) => "too many groups within groups",
        other => return other.to_string(),
    };
    instead.to_owned()
}
