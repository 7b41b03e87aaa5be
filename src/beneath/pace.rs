//! Work on files has no thread of its own: it goes on in slices, between which everything else has its turn, and
//! ends when its time is over.

use std::time::{Duration, Instant};

/// The longest that such work keeps everything else waiting, but for one single call to a slow disk. Nobody notices
/// less, and the bus and every probe have far longer deadlines.
const SLICE: Duration = Duration::from_millis(5);

/// The pace of one piece of work.
#[derive(Debug)]
pub struct Pace {
    limit: Duration,
    began: Instant,
    slice: Instant,
}

impl Pace {
    /// Begins now.
    pub fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self { limit, began: now, slice: now }
    }

    /// To be called between any two small steps: lets others go on when it is their turn.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn breathe(&mut self) -> Result<(), String> {
        if self.slice.elapsed() >= SLICE {
            tokio::task::yield_now().await;
            self.slice = Instant::now();
        }
        match self.is_over(1, 1) {
            true => Err(format!("it was not done within {} s", self.limit.as_secs())),
            false => Ok(()),
        }
    }

    /// Whether so many parts of so many of the time are over.
    pub fn is_over(&self, parts: u32, of: u32) -> bool {
        self.began.elapsed() >= self.limit / of * parts
    }
}
