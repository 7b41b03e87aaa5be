//! Anything that may happen to a log and to its follower, in any order: every line is seen, once.
//!
//! The first byte is the size of a block; each further one is a step, in its low bits which, in its high bits how.
#![no_main]

#[path = "../../rotation/model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::{Happens, play};

/// Enough to bring together any two rotations and a crash, and done in a tenth of a second.
const STEPS_MAX: usize = 60;

fn step(byte: u8) -> Happens {
    let (much, flag) = (usize::from(byte >> 4), byte & 0x80 != 0);
    match byte & 0xf {
        0 | 1 => Happens::Append { lines: much & 7, half: flag },
        2 | 3 => Happens::Append { lines: much * 20, half: false },
        4 => Happens::Rename { create: flag },
        5 => Happens::Late,
        6 => Happens::CopyTruncate,
        7 => Happens::Empty { anew: flag },
        8 | 9 => Happens::Cut { hollow: flag },
        10 | 11 => Happens::Read { budget: 1 + much as u64 * 300 },
        12 => Happens::Read { budget: u64::MAX },
        13 | 14 => Happens::Crash { again: flag },
        _ => Happens::Pass,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((block, steps)) = data.split_first() else { return };
    let steps: Vec<_> = steps.iter().take(STEPS_MAX).copied().map(step).collect();
    play(&steps, 40 + usize::from(*block) * 3);
});
