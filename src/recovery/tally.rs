//! How often something was seen of late: counts that are kept across restarts, so that an event is counted once. It
//! knows neither logs nor rules.

use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A span is counted in so many pieces; one that begins within a piece counts it whole.
const PIECES: u32 = 30;

/// The events of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Events ever counted.
    pub total: u64,
    /// How many there were of late, oldest first: each entry stands for all that came in one piece of the span, by the
    /// last of them.
    pub recent: Vec<(Timestamp, u64)>,
    /// What the newest one looked like.
    pub sample: String,
}

impl Tally {
    /// Counts events that were seen now, and forgets what is older than the span.
    pub fn add(&mut self, count: u64, sample: String, now: Timestamp, span: Duration) {
        self.total = self.total.saturating_add(count);
        self.sample = sample;
        let old = now.before(span);
        self.recent.retain(|(at, _)| *at > old);
        // The first entry of a piece stands until the piece is over, so it is the one before that is compared.
        let piece_begins = now.before(span / PIECES);
        match self.recent.as_mut_slice() {
            [.., before, (last, so_far)] if before.0 > piece_begins => {
                *last = now;
                *so_far = so_far.saturating_add(count);
            }
            _ => self.recent.push((now, count)),
        }
    }

    /// How many came after this moment.
    pub fn since(&self, moment: Timestamp) -> u64 {
        self.recent.iter().filter(|(at, _)| *at > moment).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    #[test]
    fn what_is_older_than_the_span_is_counted_no_more_but_stays_in_the_sum() {
        let mut tally = Tally::default();
        tally.add(2, "a".to_owned(), at(100), SPAN);
        tally.add(3, "b".to_owned(), at(130), SPAN);
        assert_eq!((tally.since(at(130).before(SPAN)), tally.sample.as_str()), (5, "b"));
        assert_eq!(tally.since(at(160).before(SPAN)), 3, "sixty seconds later the first two are over");
        assert_eq!(tally.since(at(190).before(SPAN)), 0);
        tally.add(1, "c".to_owned(), at(500), SPAN);
        assert_eq!((tally.total, tally.recent.len()), (6, 1));
    }

    #[test]
    fn a_piece_and_the_span_end_to_the_millisecond() {
        let mut tally = Tally::default();
        let mut pieces = |seconds| {
            tally.add(1, String::new(), at(seconds), SPAN);
            tally.recent.iter().map(|(at, _)| at.0 / 1000).collect::<Vec<_>>()
        };
        assert_eq!((pieces(10), pieces(11), pieces(12)), (vec![10], vec![10, 11], vec![10, 11, 12]));
        assert_eq!(pieces(70), [11, 12, 70], "what is a whole span old is over");
    }

    #[test]
    fn a_flood_takes_no_more_room_than_the_pieces_of_the_span() {
        let mut tally = Tally::default();
        for ms in 0..200_000 {
            tally.add(1, String::new(), Timestamp(ms), SPAN);
        }
        assert!(tally.recent.len() <= 2 * PIECES as usize + 2, "{}", tally.recent.len());
        assert_eq!(tally.total, 200_000);
        let counted = tally.since(Timestamp(199_999).before(SPAN));
        assert!((60_000..=64_000).contains(&counted), "{counted}");
    }
}
