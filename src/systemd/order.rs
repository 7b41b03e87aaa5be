//! What a service manager is ordered to do: restart a unit, forget a failure, signal a process. A job that we
//! asked for is followed to its end; whether it helped is not judged here.

use super::{Bus, CALL_DEADLINE, MANAGER, SYSTEMD, Trouble, body, listen, manager, next, within};
use crate::values::UnitName;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use zbus::{MessageStream, OwnedObjectPath};

/// The number that ends every process.
const SIGKILL: i32 = 9;

/// How a job that we asked for ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// systemd calls it done. A `Type=simple` service may have died since, so look again.
    Done,
    /// systemd made no job of it; the reason is systemd's own, such as `Unit x.service not found.` or
    /// `Interactive authentication required.`
    Refused {
        /// What systemd said.
        reason: String,
    },
    /// systemd gave it up; the reason is systemd's own, such as `failed` or `timeout`.
    Failed {
        /// What systemd said.
        reason: String,
    },
    /// It had not ended when our deadline was over; systemd goes on with it.
    StillRunning,
    /// systemd could not be asked, or was lost on the way. Whether a job runs is not known.
    Unreachable {
        /// Why.
        reason: String,
    },
}

impl Bus {
    /// Forgets that `unit` failed, and its count of starts, so that a start limit no longer holds it.
    ///
    /// # Errors
    /// Why systemd could not be asked, or what it answered instead.
    pub async fn reset_failed(&self, unit: &UnitName) -> Result<(), String> {
        self.asking(async |link| manager(link, "ResetFailedUnit", &unit.as_str()).await.map(drop)).await
    }

    /// Restarts `unit`, which starts it when it is stopped, and waits until systemd's job for it has ended or
    /// `deadline` is over. Such a call is rare, so it has a connection of its own: systemd then forgets our
    /// subscription by itself.
    pub async fn restart(&self, unit: &UnitName, deadline: Duration) -> JobEnd {
        let until = Instant::now() + deadline;
        let mut jobs = match within(CALL_DEADLINE.min(deadline), self.order(unit)).await {
            Ok(jobs) => jobs,
            Err(Trouble::Refused(reason)) => return JobEnd::Refused { reason },
            Err(Trouble::Unreachable(reason)) => return JobEnd::Unreachable { reason },
        };
        match timeout_at(until, jobs.end()).await {
            Ok(end) => end,
            Err(_) => JobEnd::StillRunning,
        }
    }

    async fn order(&self, unit: &UnitName) -> Result<Jobs, Trouble> {
        let link = self.connect().await?;
        // Listen first: a job may be over before the answer that names it has arrived.
        let news = MessageStream::from(&link);
        listen(&link, &format!("type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'"))
            .await?;
        manager(&link, "Subscribe", &()).await?;
        let answer = manager(&link, "RestartUnit", &(unit.as_str(), "replace")).await?;
        Ok(Jobs { ours: body(&answer)?, news })
    }

    /// Sends a signal to the main process of `unit`, and to no other.
    ///
    /// # Errors
    /// Why systemd could not be asked, or what it answered instead.
    pub async fn signal_main(&self, unit: &UnitName, signal: i32) -> Result<(), String> {
        self.signal(unit, "main", signal).await
    }

    /// Kills all processes of `unit` at once.
    ///
    /// # Errors
    /// Why systemd could not be asked, or what it answered instead.
    pub async fn kill(&self, unit: &UnitName) -> Result<(), String> {
        self.signal(unit, "all", SIGKILL).await
    }

    async fn signal(&self, unit: &UnitName, whom: &str, signal: i32) -> Result<(), String> {
        let arguments = (unit.as_str(), whom, signal);
        self.asking(async |link| manager(link, "KillUnit", &arguments).await.map(drop)).await
    }
}

/// A job under way, and the stream on which its end will be told.
struct Jobs {
    ours: OwnedObjectPath,
    news: MessageStream,
}

impl Jobs {
    async fn end(&mut self) -> JobEnd {
        loop {
            let message = match next(&mut self.news).await {
                Ok(message) => message,
                Err(trouble) => return JobEnd::Unreachable { reason: trouble.to_string() },
            };
            if message.header().member().is_none_or(|member| member != "JobRemoved") {
                continue;
            }
            let told: Result<(u32, OwnedObjectPath, String, String), _> = body(&message);
            match told {
                Ok((_, job, _, result)) if job == self.ours => return job_end(result),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn job_end(result: String) -> JobEnd {
    if result == "done" { JobEnd::Done } else { JobEnd::Failed { reason: result } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_done_is_done() {
        assert_eq!(job_end("done".to_owned()), JobEnd::Done);
        assert_eq!(job_end("timeout".to_owned()), JobEnd::Failed { reason: "timeout".to_owned() });
    }
}
