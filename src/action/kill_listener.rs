//! Ends the process that listens on a port: the listener only, and only when it is who the configuration says. Each
//! is held by a pidfd before it is looked at for the last time, so that no number that was given to somebody else
//! meanwhile is ever hit. Never a client, never PID 1, never ourselves or who started us.

use super::listener::{Holder, LOOK, Rightful, Socket, sockets};
use crate::probe::port::owns;
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Long enough for a server to finish its requests.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);
/// A pass waits for it, so it must stay well below what any action may take.
const GRACE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);
/// How long the kernel may take to end what cannot refuse.
const KILLED: Duration = Duration::from_secs(2);
/// How often we look whether one has ended; a look costs a microsecond.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A server and its workers. A port that more processes hold is none of ours.
const MAX_PROCESSES: usize = 64;
/// Our ancestors are looked for no further up than this.
const MAX_ANCESTORS: usize = 32;

/// A port to be freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillListener {
    /// The TCP port.
    pub port: u16,
    /// Whose listener may be ended.
    pub rightful: Rightful,
    /// How long it may take to end by itself after SIGTERM, before SIGKILL.
    pub grace: Duration,
}

/// A process that will be ended: no other process can get into its place any more.
struct Condemned<'h> {
    holder: &'h Holder,
    inode: u32,
    handle: OwnedFd,
}

impl KillListener {
    /// Reads `do.kill-listener = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let port = section.need("port", parse::within(1..=u16::MAX));
        let rightful = Rightful::read(section);
        let grace = section.or("grace", DEFAULT_GRACE, parse::span(GRACE));
        Some(Self { port: port?, rightful: rightful?, grace })
    }

    /// The longest that it may take.
    pub fn timeout(&self) -> Duration {
        self.grace + KILLED + LOOK * 3
    }

    /// Ends it, and looks whether the port is free.
    pub async fn perform(&self) -> Outcome {
        match self.free().await {
            Ok(done) => Outcome::Done(done),
            Err(why) => Outcome::Failed(why),
        }
    }

    async fn free(&self) -> Result<String, String> {
        let port = self.port;
        let found = sockets(port).await?;
        if found.is_empty() {
            return Ok(format!("nobody listens on port {port}, so there was nothing to do"));
        }
        let condemned = self.condemn(&found)?;
        let who = condemned.iter().map(|one| one.holder.to_string()).collect::<Vec<_>>().join(", ");
        let mut killed = "SIGTERM";
        self.end(&condemned, Signal::TERM, self.grace).await?;
        // One that has stopped listening is only finishing its work.
        let stubborn: Vec<_> = condemned.into_iter().filter(Condemned::listens).collect();
        if !stubborn.is_empty() {
            killed = "SIGKILL, for SIGTERM did not help";
            self.end(&stubborn, Signal::KILL, KILLED).await?;
        }
        match sockets(port).await?.iter().find(|socket| found.iter().any(|old| old.inode == socket.inode)) {
            Some(_) => Err(format!("port {port} is still held, after {killed} for {who}")),
            None => Ok(format!("port {port} was freed: {who} ended by {killed}")),
        }
    }

    /// Takes hold of all that listen, or of none.
    fn condemn<'h>(&self, found: &'h [Socket]) -> Result<Vec<Condemned<'h>>, String> {
        let spared = spared();
        let mut condemned = Vec::new();
        for socket in found {
            if socket.holders.is_empty() {
                return Err(format!(
                    "port {} is held by a process of user {} that we cannot see; that takes CAP_SYS_PTRACE and \
                     CAP_KILL, or the same user. Nothing was ended",
                    self.port, socket.user
                ));
            }
            for holder in &socket.holders {
                condemned.extend(self.take_hold(holder, socket.inode, &spared)?);
            }
        }
        if condemned.len() > MAX_PROCESSES {
            return Err(format!("port {} is held by more than {MAX_PROCESSES} processes", self.port));
        }
        Ok(condemned)
    }

    /// None when it has gone meanwhile. What is true of a process after its pidfd was made stays true of what that
    /// pidfd reaches: the same process, or nobody.
    fn take_hold<'h>(
        &self,
        holder: &'h Holder,
        inode: u32,
        spared: &[u32],
    ) -> Result<Option<Condemned<'h>>, String> {
        let refuse =
            |why: String| Err(format!("port {} is held by {holder}{why}. Nothing was ended", self.port));
        let handle = match open(holder.pid) {
            Ok(handle) => handle,
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => return Ok(None),
            Err(error) => return refuse(format!(", which cannot be reached: {error}")),
        };
        let one = Condemned { holder, inode, handle };
        if !one.listens() {
            return Ok(None);
        }
        if spared.contains(&holder.pid) {
            return refuse(", which is never ended: it is PID 1, ourselves or who started us".to_owned());
        }
        if !self.rightful.owns(holder.pid) {
            return refuse(format!(", not by {}", self.rightful));
        }
        Ok(Some(one))
    }

    /// Signals all of them, and waits until they have ended or the time is over.
    async fn end(&self, condemned: &[Condemned<'_>], signal: Signal, time: Duration) -> Result<(), String> {
        for one in condemned {
            match pidfd_send_signal(&one.handle, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(why) => {
                    let port = self.port;
                    return Err(format!("port {port} is held by {}, whom we may not end: {why}", one.holder));
                }
            }
        }
        let began = Instant::now();
        while began.elapsed() < time && !condemned.iter().all(Condemned::has_ended) {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

impl Condemned<'_> {
    fn listens(&self) -> bool {
        owns(self.holder.pid, self.inode)
    }

    /// A pidfd is readable from the end of its process on. What cannot be asked counts as running, which costs
    /// time and nothing else.
    fn has_ended(&self) -> bool {
        let mut asked = [PollFd::new(&self.handle, PollFlags::IN)];
        matches!(poll(&mut asked, Some(&Timespec::default())), Ok(1..))
    }
}

fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// PID 1, ourselves, and all who started us.
fn spared() -> Vec<u32> {
    let parent = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
    };
    let us = std::iter::successors(Some(std::process::id()), parent).take(MAX_ANCESTORS);
    us.chain([1]).collect()
}

#[cfg(test)]
mod tests;
