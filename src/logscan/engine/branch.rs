//! Whether a place in a log where a text of a pattern stands is really a match.

use super::cut::Cut;
use regex_automata::Anchored;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_syntax::hir::Hir;

/// What one automaton may take, in bytes. Real ones take 1 to 5 kB; a larger pattern is matched without one.
const AUTOMATON_MAX: usize = 64 * 1024;

/// One way to match a pattern, around one of its texts.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pattern: usize,
    /// What must stand before the text, read backwards; none when anything may.
    before: Option<Machine>,
    rest: Machine,
}

impl Branch {
    /// None when it is too large.
    pub(super) fn new(pattern: usize, cut: &Cut) -> Option<Self> {
        let always = cut.before.properties();
        let any = always.minimum_len() == Some(0) && always.look_set().is_empty();
        let before = if any { None } else { Some(Machine::new(&cut.before, true)?) };
        Some(Self { pattern, before, rest: Machine::new(&cut.rest, false)? })
    }

    /// Whether the pattern matches around a text that begins here. Adds the bytes it has read to `effort`.
    pub(super) fn matches(&self, block: &[u8], at: usize, effort: &mut usize) -> bool {
        // First what begins with the text: it is refuted sooner.
        self.rest.forwards(block, at, effort)
            && self.before.as_ref().is_none_or(|machine| machine.backwards(block, at, effort))
    }
}

/// A small automaton that starts at a given place.
#[derive(Debug)]
pub(super) struct Machine {
    automaton: dense::DFA<Vec<u32>>,
    /// Where it starts if that does not depend on the byte behind it.
    start: Option<StateID>,
}

impl Machine {
    /// None when it is too large.
    pub(super) fn new(hir: &Hir, reverse: bool) -> Option<Self> {
        let limited =
            thompson::Config::new().utf8(false).reverse(reverse).nfa_size_limit(Some(AUTOMATON_MAX));
        let bare = limited.which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(bare).build_from_hir(hir).ok()?;
        let anchored = dense::Config::new().start_kind(StartKind::Anchored).accelerate(false);
        let limited =
            anchored.dfa_size_limit(Some(AUTOMATON_MAX)).determinize_size_limit(Some(4 * AUTOMATON_MAX));
        let automaton = dense::Builder::new().configure(limited).build_from_nfa(&nfa).ok()?;
        let start = automaton.universal_start_state(Anchored::Yes);
        Some(Self { automaton, start })
    }

    /// Whether it matches something that begins here.
    pub(super) fn forwards(&self, block: &[u8], at: usize, effort: &mut usize) -> bool {
        let (before, rest) = block.split_at(at);
        self.matches(before.last().copied(), rest.iter(), effort)
    }

    /// Whether it matches something that ends here.
    fn backwards(&self, block: &[u8], at: usize, effort: &mut usize) -> bool {
        let (before, rest) = block.split_at(at);
        self.matches(rest.first().copied(), before.iter().rev(), effort)
    }

    /// Reads on until it is certain. No pattern steps over a line's end, so it stops there at the latest.
    fn matches<'a>(
        &self,
        behind: Option<u8>,
        bytes: impl ExactSizeIterator<Item = &'a u8>,
        effort: &mut usize,
    ) -> bool {
        let Some(mut state) = self.start.or_else(|| self.start_after(behind)) else { return false };
        let all = bytes.len();
        for (read, byte) in (1..).zip(bytes) {
            state = self.automaton.next_state(state, *byte);
            // It was told to mark matches and dead ends only.
            if self.automaton.is_special_state(state) {
                *effort += read;
                return self.automaton.is_match_state(state);
            }
        }
        *effort += all;
        self.automaton.is_match_state(self.automaton.next_eoi_state(state))
    }

    /// There is always one: it fails only for bytes at which an automaton was told to give up, and ours was not.
    fn start_after(&self, behind: Option<u8>) -> Option<StateID> {
        let anchored = start::Config::new().anchored(Anchored::Yes).look_behind(behind);
        self.automaton.start_state(&anchored).ok()
    }
}
