//! The operations log as a test reads it: the lines of it, counted and picked by what people grep for.

use std::collections::BTreeMap;

/// What the log says at one moment.
#[derive(Debug)]
pub(crate) struct OpsLog(pub(crate) String);

impl OpsLog {
    /// The lines that hold all these words.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<&str> {
        self.0.lines().filter(|line| words.iter().all(|word| line.contains(word))).collect()
    }

    /// How often any repair of this target was begun.
    pub(crate) fn attempts(&self, target: &str) -> usize {
        self.lines(&[&format!("target={target} "), "in the window): "]).len()
    }

    /// When each repair was begun, in seconds since the midnight before the first.
    pub(crate) fn attempt_seconds(&self) -> Vec<u64> {
        self.seconds(&["in the window): "])
    }

    /// When each of these lines was written, in seconds since the midnight before the log's first line.
    pub(crate) fn seconds(&self, words: &[&str]) -> Vec<u64> {
        let first = self.0.lines().next().map(second_of_day);
        // Later ones may lie in the next day; no story is longer.
        let unrolled = |at: u64| if Some(at) < first { at + 86_400 } else { at };
        self.lines(words).into_iter().map(second_of_day).map(unrolled).collect()
    }

    /// Full cycles completed.
    pub(crate) fn cycles(&self) -> usize {
        self.lines(&["target=watchdog ", "action=end "]).len()
    }

    /// The longest time that a full cycle took, in milliseconds.
    pub(crate) fn slowest_cycle_ms(&self) -> u64 {
        let took =
            |line: &&str| line.rsplit('(').next().unwrap().split(' ').next().unwrap().parse::<u64>().unwrap();
        self.lines(&["target=watchdog ", "action=end "]).iter().map(took).max().unwrap()
    }

    /// Every alert that was raised, by its key.
    pub(crate) fn alerts(&self) -> BTreeMap<&str, usize> {
        let mut alerts = BTreeMap::new();
        for line in self
            .0
            .lines()
            .filter(|line| ["alert_raised", "skip_notify"].iter().any(|word| line.contains(word)))
        {
            let key = line.split("target=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("?");
            *alerts.entry(key).or_default() += 1;
        }
        alerts
    }
}

fn second_of_day(line: &str) -> u64 {
    let time = line.split(' ').nth(1).unwrap();
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap())
}
