//! Who counts the lines that a follower brings: each says its own number. It knows no file and no rotation.

use picoclaw_watchdog::logscan::follow::Sink;
use picoclaw_watchdog::recovery::evidence::Name;
use std::path::Path;

/// The numbers of the whole lines, in the order in which they came.
#[derive(Default)]
pub(crate) struct Count(pub(crate) Vec<u64>);

impl Sink for Count {
    fn take(&mut self, _: &Name, _: &Path, block: &[u8], whole: bool) -> usize {
        let lines = block.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let taken = if whole { block.len() } else { lines };
        for line in String::from_utf8_lossy(&block[..taken]).lines() {
            let number = line.strip_prefix("line ").and_then(|rest| rest.split(' ').next());
            let number = number.unwrap_or_else(|| panic!("{line:?} is no line that was written"));
            self.0.push(number.parse().unwrap());
        }
        taken
    }
}
