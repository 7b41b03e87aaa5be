//! The sliding restart window: at most `attempts` in any `per`. Attempts are charged when intended and
//! are never given back.

use super::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// How many attempts are allowed in how much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Attempts allowed, at least 1.
    pub attempts: u32,
    /// The length of the window, longer than zero.
    pub per: Duration,
}

impl Window {
    /// # Errors
    /// A sentence, when the window would allow nothing or limit nothing.
    pub fn new(attempts: u32, per: Duration) -> Result<Self, String> {
        if !(1..=100).contains(&attempts) {
            return Err(format!("{attempts} attempts: allow between 1 and 100"));
        }
        if per.is_zero() {
            return Err("a window of no length limits nothing; write something like \"600s\"".to_owned());
        }
        Ok(Self { attempts, per })
    }

    /// Drops the attempts that no longer count. What is left is bounded by `attempts`, because nothing
    /// is added while the window is spent.
    pub fn prune(&self, made: &mut Vec<Timestamp>, now: Timestamp) {
        made.retain(|at| now.since(*at) < self.per);
    }

    /// When the next attempt is allowed; `now` or earlier means at once. Attempts that no longer count
    /// must have been pruned.
    pub fn free_at(&self, made: &[Timestamp]) -> Timestamp {
        let allowed = self.attempts as usize;
        if made.len() < allowed {
            return Timestamp(0);
        }
        // The attempt whose end of counting makes room: with one too many, the second oldest.
        made[made.len() - allowed].after(self.per)
    }

    /// A full window as of `now`: what must be assumed when the record of attempts is lost.
    pub fn spent(&self, now: Timestamp) -> Vec<Timestamp> {
        vec![now; self.attempts as usize]
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.attempts, super::time::Age(self.per))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE_IN_TEN: Window = Window { attempts: 3, per: Duration::from_millis(10) };

    #[test]
    fn the_boundary_is_exact() {
        let mut made = vec![Timestamp(100), Timestamp(101), Timestamp(102)];
        assert_eq!(THREE_IN_TEN.free_at(&made), Timestamp(110));
        THREE_IN_TEN.prune(&mut made, Timestamp(109));
        assert_eq!(made.len(), 3);
        THREE_IN_TEN.prune(&mut made, Timestamp(110));
        assert_eq!(made.len(), 2);
        assert_eq!(THREE_IN_TEN.free_at(&made), Timestamp(0));
    }

    #[test]
    fn stamps_from_the_future_keep_counting() {
        let mut made = vec![Timestamp(500); 3];
        THREE_IN_TEN.prune(&mut made, Timestamp(100));
        assert_eq!(THREE_IN_TEN.free_at(&made), Timestamp(510));
    }

    #[test]
    fn one_too_many_waits_for_the_second_oldest() {
        let made = [1, 2, 3, 4].map(Timestamp);
        assert_eq!(THREE_IN_TEN.free_at(&made), Timestamp(12));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Window::new(0, Duration::from_secs(1)).is_err());
        assert!(Window::new(3, Duration::ZERO).is_err());
        assert_eq!(Window::new(3, Duration::from_millis(10)), Ok(THREE_IN_TEN));
    }
}
