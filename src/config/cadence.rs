//! Reads the pace: `interval`, or `cycle = { burst, gap, rest }`.

use crate::recovery::cadence::Cadence;
use crate::section::{Section, parse};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The predecessor's interval.
const INTERVAL: Duration = Duration::from_secs(60);
/// Less is a storm; what nobody looks at for longer is not watched.
pub const WAITS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// More passes in a row are an interval.
pub const BURSTS: RangeInclusive<u32> = 1..=1000;

/// A burst as the system that we serve with it has it: 15 looks, 2 s apart, then 5 minutes of rest.
pub const BURST: u32 = 15;
/// The gap of it.
pub const GAP: Duration = Duration::from_secs(2);
/// The rest of it.
pub const REST: Duration = Duration::from_secs(300);

pub(super) fn read(root: &mut Section<'_>) -> Cadence {
    let interval = root.or("interval", INTERVAL, parse::span(WAITS));
    let bursts = root.table("cycle", |cycle| {
        let burst = cycle.or("burst", BURST, parse::within(BURSTS));
        let (gap, rest) =
            (cycle.or("gap", GAP, parse::span(WAITS)), cycle.or("rest", REST, parse::span(WAITS)));
        if rest < gap {
            cycle.error(&cycle.spot("rest"), "shorter than the gap", "write the longer wait here");
        }
        Some(Cadence::bursts(burst, gap, rest))
    });
    if root.has("cycle") && root.has("interval") {
        root.error(&root.spot("interval"), "cycle says it, too", "leave one of them out");
    }
    bursts.unwrap_or_else(|| Cadence::every(interval))
}
