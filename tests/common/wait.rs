//! Waiting for something to become true, never for time to pass.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Short beside what is waited for, long beside what a look costs.
const GAP: Duration = Duration::from_millis(20);

/// Looks every 20 ms until `probe` gives something.
///
/// # Panics
/// After `limit`, saying what was awaited.
#[track_caller]
pub(crate) fn wait_until<T>(limit: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    wait_until_showing(limit, what, String::new, probe)
}

/// As [`wait_until`]; the panic also shows `context`, such as the tail of a log.
#[track_caller]
pub(crate) fn wait_until_showing<T>(
    limit: Duration,
    what: &str,
    context: impl FnOnce() -> String,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain until {what}\n{}", context());
        sleep(GAP);
    }
}
