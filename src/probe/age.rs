//! How old something is by the clock of the server that tells of it, so that a wrong clock of ours makes no
//! backup look stale. Pure.

use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use jiff::Timestamp;
use std::time::Duration;

/// The least age that may be demanded: the times of objects are whole seconds.
pub const LEAST: Duration = Duration::from_secs(1);
/// The greatest: ten years are the longest duration that can be written.
pub const MOST: Duration = Duration::from_secs(3650 * 86_400);
/// What lies further in the future than this was not written by a clock that is right: those of servers differ
/// by seconds.
const FUTURE_MAX: Duration = Duration::from_secs(300);

/// A moment at which something was done.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// What says so, in words.
    pub what: &'a str,
    /// When.
    pub at: Timestamp,
}

impl Stamp<'_> {
    /// Its age at the server's `date`. A little in the future counts as just now.
    ///
    /// # Errors
    /// Why no age can be told. Nothing is proven then.
    pub fn age(self, date: Option<Timestamp>) -> Result<Duration, Reading> {
        let Self { what, at } = self;
        let Some(date) = date else {
            let why = format!("the answer has no Date, so the age of {what} cannot be told");
            return Err(Reading::Unknown(why));
        };
        let age = date.duration_since(at);
        let ahead = age.unsigned_abs();
        match age.is_negative() {
            true if ahead > FUTURE_MAX => Err(Reading::Unknown(format!(
                "{what} lies {} in the future of the server's clock: the clock of who wrote it is wrong",
                Age(ahead)
            ))),
            true => Ok(Duration::ZERO),
            false => Ok(ahead),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_clock_counts_and_a_time_to_come_proves_nothing() {
        let date: Timestamp = "2026-02-08T13:00:00Z".parse().unwrap();
        let age = |at: &str| Stamp { what: ".last-sync", at: at.parse().unwrap() }.age(Some(date));
        assert_eq!(age("2026-02-08T12:40:00+00:00"), Ok(Duration::from_secs(1200)));
        assert_eq!(age("2026-02-08T21:55:00+09:00"), Ok(Duration::from_secs(300)));
        assert_eq!(age("2026-02-08T13:05:00Z"), Ok(Duration::ZERO), "no further than clocks differ");
        let Err(Reading::Unknown(future)) = age("2026-02-08T13:05:01Z") else { panic!() };
        assert!(future.starts_with(".last-sync lies 5 min 1 s in the future"), "{future}");
        assert!(matches!(Stamp { what: "x", at: date }.age(None), Err(Reading::Unknown(_))));
        assert_eq!(age("-009998-01-01T00:00:00Z").map(|age| age > MOST), Ok(true));
    }
}
