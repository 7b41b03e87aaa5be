//! The month's quota of messages: what the channel said of it, what was accepted since, and who may use the
//! last of it. It knows no calendar: a new month shows as a reading in which less is used.

use super::evidence::QuotaReading;
use super::outbox::Kind;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The quota as remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Messages allowed this month; none when there is no limit.
    pub limit: Option<u64>,
    /// Messages used this month: as the channel said, and what it accepted since.
    pub used: u64,
    /// When the channel said so.
    pub at: Timestamp,
    /// Whether people were told that it runs out.
    pub warned: bool,
}

/// What is left when only the reserve is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scarce {
    /// Messages left this month.
    pub left: u64,
    /// Messages allowed this month.
    pub limit: u64,
    /// The last so many are kept for faults and their ends.
    pub reserve: u64,
}

impl fmt::Display for Scarce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, limit, reserve } = self;
        write!(
            f,
            "{left} of {limit} messages are left this month, and the last {reserve} are kept for faults"
        )
    }
}

impl Quota {
    /// Takes a reading. What was accepted since the last one is in it.
    pub fn learn(known: Option<&Self>, reading: QuotaReading, percent: u32, at: Timestamp) -> Self {
        let warned = known.is_some_and(|known| known.warned);
        let mut quota = Self { limit: reading.limit, used: reading.used, at, warned };
        quota.warned &= quota.runs_out(percent).is_some();
        quota
    }

    /// Messages left this month; none when there is no limit.
    pub fn left(&self) -> Option<u64> {
        Some(self.limit?.saturating_sub(self.used))
    }

    /// The channel says that nothing is left.
    pub fn spend_all(&mut self) {
        self.used = self.used.max(self.limit.unwrap_or_default());
    }

    /// Whether a message of this kind may be sent.
    ///
    /// # Errors
    /// What is left, when that is kept for others.
    pub fn permits(&self, kind: Kind, percent: u32) -> Result<(), Scarce> {
        match self.scarce(percent) {
            Some(scarce) if scarce.left <= scarce.reserve && !kind.is_critical() => Err(scarce),
            Some(_) | None => Ok(()),
        }
    }

    /// The figures, when one more message at most is free for everyone.
    pub fn runs_out(&self, percent: u32) -> Option<Scarce> {
        self.scarce(percent).filter(|scarce| scarce.left <= scarce.reserve + 1)
    }

    fn scarce(&self, percent: u32) -> Option<Scarce> {
        let limit = self.limit?;
        // Rounded up, so that a small plan has a reserve as well.
        let reserve = limit.saturating_mul(u64::from(percent)).div_ceil(100);
        Some(Scarce { left: limit.saturating_sub(self.used), limit, reserve })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(used: u64) -> Quota {
        Quota { limit: Some(200), used, at: Timestamp(0), warned: false }
    }

    #[test]
    fn the_last_fifth_is_for_faults_and_their_ends() {
        let reserve = Scarce { left: 40, limit: 200, reserve: 40 };
        for kind in [Kind::Reminder, Kind::Notice, Kind::Digest, Kind::Test] {
            assert_eq!(used(159).permits(kind, 20), Ok(()), "{kind:?}");
            assert_eq!(used(160).permits(kind, 20), Err(reserve), "{kind:?}");
        }
        for kind in [Kind::Fault, Kind::Recovery] {
            assert_eq!(used(500).permits(kind, 20), Ok(()), "the channel itself will say no");
        }
        assert_eq!(Quota { limit: None, ..used(9_999) }.permits(Kind::Digest, 20), Ok(()));
        assert!(used(200).permits(Kind::Notice, 0).is_err(), "without a reserve, until nothing is left");
    }

    #[test]
    fn the_warning_is_the_last_message_before_the_reserve_and_comes_anew_each_month() {
        assert_eq!(used(158).runs_out(20), None);
        assert!(used(159).runs_out(20).is_some());
        let warned = Quota { warned: true, ..used(170) };
        let learn = |used| {
            Quota::learn(Some(&warned), QuotaReading { limit: Some(200), used }, 20, Timestamp(1)).warned
        };
        assert!(learn(171), "the same month");
        assert!(!learn(0), "the next one");
    }
}
