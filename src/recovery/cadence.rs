//! How often everything is asked: at even intervals, or in bursts with a rest after each.

use super::time::{Age, Timestamp};
use std::fmt;
use std::time::Duration;

/// After a pass that took longer than its interval so much time is left for everything else. A shorter interval is its own.
const BREATH: Duration = Duration::from_secs(1);

/// The pace of full passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Passes in a burst; 1 for even intervals.
    burst: u32,
    /// The wait between two passes of a burst.
    gap: Duration,
    /// The wait after the last one.
    rest: Duration,
}

/// The full passes so far. They are counted from the start of the process: every start begins a burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fulls {
    /// How many.
    pub count: u64,
    /// When the last one began.
    pub began: Timestamp,
    /// When it was judged.
    pub ended: Timestamp,
}

impl Fulls {
    /// One more.
    pub fn add(&mut self, began: Timestamp, ended: Timestamp) {
        *self = Self { count: self.count + 1, began, ended };
    }
}

impl Cadence {
    /// One pass per interval.
    pub fn every(interval: Duration) -> Self {
        Self { burst: 1, gap: interval, rest: interval }
    }

    /// So many passes, a gap between two of them, and a rest after the last. None are one.
    pub fn bursts(burst: u32, gap: Duration, rest: Duration) -> Self {
        match burst {
            0 | 1 => Self::every(rest),
            _ => Self { burst, gap, rest },
        }
    }

    /// When the next full pass is due. An interval lies between two beginnings, however long the answers take; the waits
    /// of bursts lie between an end and a beginning. A pass that somebody asked for during the rest begins a new burst.
    pub fn next_full(&self, fulls: Fulls) -> Timestamp {
        match self.burst {
            1 => fulls.began.after(self.rest).max(fulls.ended.after(BREATH.min(self.rest))),
            burst if fulls.count.is_multiple_of(burst.into()) => fulls.ended.after(self.rest),
            _ => fulls.ended.after(self.gap),
        }
    }

    /// The longest wait between two full passes.
    pub fn longest(&self) -> Duration {
        self.gap.max(self.rest)
    }

    /// The shortest.
    pub fn shortest(&self) -> Duration {
        self.gap.min(self.rest)
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gap, rest) = (Age(self.gap), Age(self.rest));
        match self.burst {
            1 => write!(f, "every {rest}"),
            burst => write!(f, "{burst} times, {gap} apart, then {rest} of rest"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_ends_with_its_rest() {
        let cadence = Cadence::bursts(3, SECOND * 2, SECOND * 300);
        let mut fulls = Fulls::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            let ended = Timestamp(1_000 * fulls.count);
            fulls.add(Timestamp(0), ended);
            waits.push(cadence.next_full(fulls).since(ended).as_secs());
        }
        assert_eq!(waits, [2, 2, 300, 2, 2, 300, 2]);
        assert_eq!((cadence.longest(), cadence.shortest()), (SECOND * 300, SECOND * 2));
        assert_eq!(cadence.to_string(), "3 times, 2 s apart, then 5 min of rest");
    }

    #[test]
    fn a_burst_of_one_is_an_interval() {
        for even in [
            Cadence::every(SECOND * 60),
            Cadence::bursts(1, SECOND, SECOND * 60),
            Cadence::bursts(0, SECOND, SECOND * 60),
        ] {
            let after = |took: u64| {
                even.next_full(Fulls { count: 5, began: Timestamp(7), ended: Timestamp(7 + took) })
            };
            assert_eq!(
                (after(2), after(12_000), after(59_000)),
                (Timestamp(60_007), Timestamp(60_007), Timestamp(60_007))
            );
            assert_eq!(
                after(75_000),
                Timestamp(76_007),
                "a breath after one that took longer than the interval"
            );
            assert_eq!((even.longest(), even.to_string().as_str()), (SECOND * 60, "every 1 min"));
        }
    }
}
