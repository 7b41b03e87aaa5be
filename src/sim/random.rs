//! Faults by chance, driven by a seed: a scenario says how often each kind comes, and the same seed always
//! gives the same events.

use super::channel::Mood;
use super::fault::{Act, Cure, Event, Fault, Repair, Wrong};
use super::scenario::Cast;
use crate::recovery::evidence::Name;
use std::time::Duration;

/// More events than this are not made; it bounds what a rate of milliseconds can cost.
const EVENTS_MAX: usize = 100_000;

/// The words for faults that can come by chance, as in events.
pub const WORDS: [&str; 17] = [
    "crashed",
    "ended",
    "hanging",
    "failing-to-start",
    "slow-to-start",
    "port-taken",
    "down",
    "slow",
    "not-ready",
    "repair-failing",
    "line",
    "network",
    "bus",
    "disk",
    "clock",
    "machine",
    "watchdog",
];

/// The `[random]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    /// How often each comes, on average, by its word.
    pub every: Vec<(&'static str, Duration)>,
    /// How long one lasts, on average.
    pub lasts: Duration,
    /// The end of the run that is free of faults, so that it can be seen to recover.
    pub calm: Duration,
}

/// A small generator (splitmix64), so that a seed is all that is needed to see a run again.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// One that a seed drives.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`; 0 when there is none.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)).checked_rem(n).unwrap_or_default()
    }

    /// A span around `mean`: from nothing to twice as long, in whole seconds.
    fn around(&mut self, mean: Duration) -> Duration {
        Duration::from_secs(1 + self.below(2 * mean.as_secs()))
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
        items.get(index)
    }
}

impl Random {
    /// The events of a run of this length.
    pub fn events(&self, cast: &Cast, span: Duration, seed: u64) -> Vec<Event> {
        let mut dice = Dice::new(seed);
        let end = span.saturating_sub(self.calm);
        let mut events = Vec::new();
        for (word, mean) in &self.every {
            let mut at = dice.around(*mean);
            while at < end && events.len() < EVENTS_MAX {
                let lasts = dice.around(self.lasts).min(end.saturating_sub(at));
                events.extend(act(word, cast, &mut dice).map(|(act, passes)| Event {
                    at,
                    lasts: passes.then_some(lasts),
                    every: None,
                    act,
                }));
                at += dice.around(*mean);
            }
        }
        events.extend(cast.names().map(|name| Event {
            at: end,
            lasts: None,
            every: None,
            act: Act::Well(name.clone()),
        }));
        events
    }
}

/// What a word comes to this time, and whether it passes by itself.
fn act(word: &str, cast: &Cast, dice: &mut Dice) -> Option<(Act, bool)> {
    let mine = |name: &Name, fault: Fault| Some(Act::Target(name.clone(), fault));
    let served = |dice: &mut Dice| dice.pick(&cast.served).cloned();
    let span = |dice: &mut Dice, seconds: u64| Duration::from_secs(1 + dice.below(seconds));
    let act = match word {
        "crashed" => return mine(&served(dice)?, Fault::Crashed).map(|act| (act, false)),
        "ended" => return mine(&served(dice)?, Fault::Ended).map(|act| (act, false)),
        "hanging" => return mine(&served(dice)?, Fault::Hanging).map(|act| (act, dice.below(2) == 0)),
        "failing-to-start" => mine(&served(dice)?, Fault::FailingToStart),
        "slow-to-start" => mine(&served(dice)?, Fault::SlowToStart(span(dice, 240))),
        "port-taken" => mine(&served(dice)?, Fault::PortTaken("thief (pid 4242)".to_owned())),
        "down" => mine(dice.pick(&cast.all)?, down(dice)),
        "slow" => mine(dice.pick(&cast.all)?, Fault::Slow(span(dice, 20))),
        "not-ready" => {
            let says = "model is not loaded".to_owned();
            let check = (*dice.pick(&["ollama_models", "ollama", "disk"])?).to_owned();
            mine(&served(dice)?, Fault::NotReady { check, says })
        }
        "repair-failing" => {
            let how = [Repair::Fails("the job failed".to_owned()), Repair::Hangs, Repair::Useless];
            mine(dice.pick(&cast.all)?, Fault::Repair(dice.pick(&how)?.clone()))
        }
        "line" => {
            let moods = [Mood::Unreachable, Mood::AnswerLost, Mood::Busy];
            dice.pick(&moods).copied().map(Act::Line)
        }
        "network" => Some(Act::NetworkDown),
        "bus" => Some(Act::BusGone),
        "disk" => Some(Act::DiskFull),
        "clock" => return dice.pick(&[3600, -3600, 86_400, -86_400]).map(|by| (Act::Clock(*by), false)),
        "machine" => dice.pick(&[Act::Off, Act::Asleep]).cloned(),
        "watchdog" => return Some((Act::Killed(Some(dice.below(12))), false)),
        _ => None,
    };
    act.map(|act| (act, true))
}

fn down(dice: &mut Dice) -> Fault {
    let wrong = [Wrong::Words("connection refused".to_owned()), Wrong::Status(502), Wrong::Silence];
    let answers = dice.pick(&wrong).cloned().unwrap_or(Wrong::Silence);
    let cured_by = if dice.below(2) == 0 { Cure::AnyRepair } else { Cure::Nothing };
    Fault::Down { answers, cured_by }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast() -> Cast {
        let name = |text: &str| Name::parse(text).unwrap();
        Cast { served: vec![name("gateway")], all: vec![name("gateway"), name("ollama")] }
    }

    #[test]
    fn the_same_seed_gives_the_same_events_and_another_one_others() {
        let day = Duration::from_secs(86_400);
        let every = WORDS.map(|word| (word, day / 24)).to_vec();
        let random = Random { every, lasts: day / 48, calm: day / 24 };
        let events = random.events(&cast(), day, 7);
        assert_eq!(events, random.events(&cast(), day, 7));
        assert_ne!(events, random.events(&cast(), day, 8));
        let faults = events.len() - cast().all.len();
        assert!((200..800).contains(&faults), "17 kinds, about 23 times each: {faults}");
        let end = day - random.calm;
        assert!(events.iter().all(|event| event.at + event.lasts.unwrap_or_default() <= end));
        for word in WORDS {
            assert!(act(word, &cast(), &mut Dice::new(1)).is_some(), "{word}");
        }
    }
}
