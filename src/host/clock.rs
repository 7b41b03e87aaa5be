//! The timeline on which every rule counts: `CLOCK_BOOTTIME`, which goes on during suspend and which nobody
//! can set, joined across restarts by an anchor kept in the state. The wall clock is read for people only.
//!
//! Across a reboot the time the machine was off cannot be known without believing the wall clock, so only
//! the time since this boot counts as passed: every wait errs on the long side.

use crate::recovery::time::{Now, Timestamp};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Where a new timeline begins: 30 days in, so that stamps of the time before it can be told.
const BEGINNING_MS: u64 = 30 * 86_400_000;

/// A moment in the words of every clock; saved with the state, it joins two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// `/proc/sys/kernel/random/boot_id`; empty when it could not be read.
    pub boot_id: String,
    /// `CLOCK_BOOTTIME` in milliseconds.
    pub boottime_ms: u64,
    /// The same moment on the timeline, in milliseconds.
    pub timeline_ms: u64,
    /// The same moment in Unix seconds, for people.
    pub wall: u64,
}

/// The two clocks are read one after the other; what is less than this is no sleep.
const SLEEP_LEAST_MS: u64 = 1000;

/// The running timeline.
#[derive(Debug)]
pub struct Clock {
    boot_id: String,
    started_boottime_ms: u64,
    started_timeline_ms: u64,
    /// How far `CLOCK_BOOTTIME` was ahead of `CLOCK_MONOTONIC`, which stands still while the machine sleeps.
    asleep_ms: u64,
    /// The latest answer given, so that no fault of a clock takes time back.
    latest_ms: AtomicU64,
}

impl Clock {
    /// Continues the timeline of the state that was loaded, or begins one.
    pub fn start(saved: Option<&Anchor>) -> Self {
        let (boot_id, boottime_ms) = (boot_id(), boottime_ms());
        let timeline_ms = continued(saved, &boot_id, boottime_ms);
        Self {
            boot_id,
            started_boottime_ms: boottime_ms,
            started_timeline_ms: timeline_ms,
            asleep_ms: asleep_ms(),
            latest_ms: AtomicU64::new(timeline_ms),
        }
    }

    /// The present, with fresh random bits.
    pub fn now(&self) -> Now {
        Now { at: Timestamp(self.timeline_ms(boottime_ms())), wall: wall(), entropy: entropy() }
    }

    /// Whether the machine has slept since this was last asked.
    pub fn slept(&mut self) -> bool {
        self.slept_until(asleep_ms())
    }

    fn slept_until(&mut self, asleep_ms: u64) -> bool {
        let slept = asleep_ms.saturating_sub(self.asleep_ms) >= SLEEP_LEAST_MS;
        self.asleep_ms = asleep_ms;
        slept
    }

    /// Whether the anchor is of this boot.
    pub fn is_of_this_boot(&self, anchor: &Anchor) -> bool {
        anchor.boot_id == self.boot_id
    }

    /// The present, to be saved with the state.
    pub fn anchor(&self) -> Anchor {
        let boottime_ms = boottime_ms();
        let timeline_ms = self.timeline_ms(boottime_ms);
        Anchor { boot_id: self.boot_id.clone(), boottime_ms, timeline_ms, wall: wall() }
    }

    fn timeline_ms(&self, boottime_ms: u64) -> u64 {
        let passed = boottime_ms.saturating_sub(self.started_boottime_ms);
        let reading = self.started_timeline_ms.saturating_add(passed);
        self.latest_ms.fetch_max(reading, Ordering::Relaxed).max(reading)
    }
}

/// Where the timeline stands now, given where it stood when the state was saved. An anchor that cannot be
/// true (its boot time lies ahead) counts as taken just now.
fn continued(saved: Option<&Anchor>, boot_id: &str, boottime_ms: u64) -> u64 {
    let Some(saved) = saved else { return BEGINNING_MS };
    let passed_ms = if boot_id.is_empty() {
        0 // Nobody knows which boot this is, so no span of it is known to have passed since the save.
    } else if saved.boot_id == boot_id {
        boottime_ms.saturating_sub(saved.boottime_ms)
    } else {
        boottime_ms
    };
    saved.timeline_ms.saturating_add(passed_ms)
}

/// Puts a wall-clock stamp of the predecessor (Unix seconds) on the timeline. A stamp from the future means
/// just now, one from before the timeline its beginning.
pub fn timeline_of_wall(now: &Now, epoch: u64) -> Timestamp {
    now.at.before(Duration::from_secs(now.wall.saturating_sub(epoch)))
}

/// Unix seconds of the wall clock; 0 when it stands before 1970.
pub fn wall() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// 0 when the kernel has no such clock (it has, since 2.6.39): then the timeline stands still, as
/// `timeline_ms` never goes back.
fn boottime_ms() -> u64 {
    millis(ClockId::CLOCK_BOOTTIME)
}

fn asleep_ms() -> u64 {
    let awake_ms = millis(ClockId::CLOCK_MONOTONIC);
    boottime_ms().saturating_sub(awake_ms)
}

fn millis(clock: ClockId) -> u64 {
    let reading = clock_gettime(clock).map(Duration::from).unwrap_or_default();
    u64::try_from(reading.as_millis()).unwrap_or(u64::MAX)
}

/// Random bits for retry keys, from the seeds of std's hash maps, which cost no system call. A key must be
/// unlikely to repeat, not hard to guess.
fn entropy() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(boottime_ms()));
    half() << 64 | half()
}

/// The wall clock for file names that sort by time: `20260220-030000Z`.
pub fn stamp() -> String {
    let seconds = i64::try_from(wall()).unwrap_or_default();
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y%m%d-%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(boot_id: &str, boottime_ms: u64) -> Anchor {
        Anchor { boot_id: boot_id.to_owned(), boottime_ms, timeline_ms: 1_000_000, wall: 1_700_000_000 }
    }

    #[test]
    fn a_sleep_is_noticed_once() {
        let mut clock = Clock::start(None);
        clock.asleep_ms = 40_000;
        assert!(!clock.slept_until(40_003), "the two clocks are not read at the same moment");
        assert!(clock.slept_until(45_000));
        assert!(!clock.slept_until(45_000));
        assert!(!clock.slept_until(0), "nor does a clock that goes back wake us");
    }

    #[test]
    fn a_new_timeline_has_room_for_the_past() {
        assert_eq!(continued(None, "a", 5), BEGINNING_MS);
    }

    #[test]
    fn within_a_boot_all_time_counts_suspend_included() {
        assert_eq!(continued(Some(&anchor("a", 60_000)), "a", 90_000), 1_030_000);
    }

    #[test]
    fn across_a_reboot_only_the_new_uptime_counts() {
        for (saved_at, now, expected) in
            [(60_000, 90_000, 1_090_000), (900_000, 4_000, 1_004_000), (5, 0, 1_000_000)]
        {
            assert_eq!(continued(Some(&anchor("a", saved_at)), "b", now), expected);
        }
    }

    #[test]
    fn an_unknown_boot_counts_nothing() {
        assert_eq!(continued(Some(&anchor("", 5)), "", 90_000), 1_000_000);
        assert_eq!(continued(Some(&anchor("a", 5)), "", 90_000), 1_000_000);
        assert_eq!(continued(Some(&anchor("", 5)), "b", 90_000), 1_090_000);
    }

    #[test]
    fn garbage_anchors_never_take_time_back() {
        assert_eq!(continued(Some(&anchor("a", 90_001)), "a", 90_000), 1_000_000, "saved ahead of now");
        let mut far = anchor("a", 0);
        far.timeline_ms = u64::MAX;
        assert_eq!(continued(Some(&far), "a", u64::MAX), u64::MAX);
    }

    #[test]
    fn a_clock_that_jumps_back_is_not_followed() {
        let clock = Clock::start(None);
        let high = clock.timeline_ms(clock.started_boottime_ms + 5_000);
        assert_eq!(clock.timeline_ms(0), high);
        assert_eq!(clock.timeline_ms(clock.started_boottime_ms + 5_001), high + 1);
    }

    #[test]
    fn two_runs_share_one_timeline() {
        let first = Clock::start(None);
        let (before, saved) = (first.now(), first.anchor());
        let second = Clock::start(Some(&saved)).now();
        assert!(before.at.0 <= saved.timeline_ms && saved.timeline_ms <= second.at.0);
        assert!(second.at.since(before.at) < Duration::from_secs(60), "the same boot goes on, not from zero");
        assert_ne!(before.entropy, second.entropy);
    }

    #[test]
    fn stamps_of_the_predecessor_keep_their_age() {
        let now = Now { at: Timestamp(BEGINNING_MS), wall: 1_000_000_000, entropy: 0 };
        let age = |epoch| now.at.since(timeline_of_wall(&now, epoch)).as_secs();
        assert_eq!(age(999_999_400), 600);
        assert_eq!(age(1_000_000_500), 0, "a future stamp means just now");
        assert_eq!(age(0), BEGINNING_MS / 1_000, "older than the timeline means its beginning");
    }
}
