//! Time as the core knows it: milliseconds on one timeline that never goes back. The host anchors it on
//! the boot id and `CLOCK_BOOTTIME`; the core must never ask a clock itself.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A moment on the watchdog's own timeline, in milliseconds. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Time passed since `earlier`; zero when `earlier` lies ahead, so that waits err on the long side.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` earlier, or the beginning of the timeline.
    #[must_use]
    pub fn before(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis(span)))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The present, as handed to the core once per pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Where on the timeline we are; every rule counts with this.
    pub at: Timestamp,
    /// Unix seconds of the wall clock, only for people to read. It may be wrong, and may jump.
    pub wall: u64,
    /// Fresh random bits of this pass, from which alerts take their retry keys.
    pub entropy: u128,
}

/// A duration as a person says it: `0.4 s`, `42 s`, `2 min 5 s`, `3 h 10 min`, `2 d 4 h`.
#[derive(Clone, Copy, Debug)]
pub struct Age(pub Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0.as_secs();
        let pair = |f: &mut fmt::Formatter<'_>, big: u64, big_unit: &str, small: u64, small_unit: &str| {
            match small {
                0 => write!(f, "{big} {big_unit}"),
                _ => write!(f, "{big} {big_unit} {small} {small_unit}"),
            }
        };
        match s {
            0..10 if self.0.subsec_millis() >= 50 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            0..60 => write!(f, "{s} s"),
            60..3_600 => pair(f, s / 60, "min", s % 60, "s"),
            3_600..86_400 => pair(f, s / 3_600, "h", s % 3_600 / 60, "min"),
            _ => pair(f, s / 86_400, "d", s % 86_400 / 3_600, "h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_from_the_future_means_just_now() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(5).before(Duration::from_secs(1)), Timestamp(0));
    }

    #[test]
    fn ages_read_like_speech() {
        let say = |ms| Age(Duration::from_millis(ms)).to_string();
        assert_eq!(
            [say(400), say(42_000), say(125_000), say(11_400_000), say(187_200_000)],
            ["0.4 s", "42 s", "2 min 5 s", "3 h 10 min", "2 d 4 h"]
        );
        assert_eq!([say(49), say(50), say(1_000), say(10_900)], ["0 s", "0.1 s", "1 s", "10 s"]);
        assert_eq!([say(60_000), say(3_600_000), say(86_400_000)], ["1 min", "1 h", "1 d"]);
    }
}
