//! Wakes the loop when the next pass is due. The runtime's own timers go through a wheel, and wake it three times for
//! one wait of a minute; the kernel wakes it once. It knows nothing of what is due.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// A timer of the kernel, on the clock that stands still while the machine sleeps. It is read like a pipe, and tokio's
/// pipe is its only reader that needs no `unsafe`.
#[derive(Debug)]
pub(super) struct Alarm(Receiver);

impl Alarm {
    /// Not set. Needs a tokio runtime.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Rings once after `wait`, and not any more for an earlier call.
    ///
    /// # Errors
    /// None with any span of this program; the kernel takes what its clock can hold.
    pub(super) fn set(&self, wait: Duration) -> io::Result<()> {
        // Zero would switch it off.
        let wait = wait.max(Duration::from_nanos(1));
        let it_value = Timespec::try_from(wait).map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    /// Waits until it rings. May be dropped at any time.
    ///
    /// # Errors
    /// When the descriptor cannot be read.
    pub(super) async fn rung(&self) -> io::Result<()> {
        let mut count = [0; size_of::<u64>()];
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut count) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test(flavor = "current_thread")]
    async fn it_rings_once_and_never_early() {
        let (alarm, began) = (Alarm::new().unwrap(), Instant::now());
        for wait in [Duration::from_millis(30), Duration::ZERO] {
            alarm.set(wait).unwrap();
            timeout(SOON, alarm.rung()).await.unwrap().unwrap();
            assert!(began.elapsed() >= wait);
            assert!(timeout(Duration::from_millis(50), alarm.rung()).await.is_err(), "a second time");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_later_call_takes_the_place_of_an_earlier_one() {
        let alarm = Alarm::new().unwrap();
        alarm.set(Duration::from_millis(1)).unwrap();
        alarm.set(Duration::from_secs(3600)).unwrap();
        assert!(timeout(Duration::from_millis(50), alarm.rung()).await.is_err());
        alarm.set(Duration::from_secs(u64::from(u32::MAX))).unwrap();
    }
}
