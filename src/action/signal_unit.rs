//! Asks a running unit to reload: a signal to its main process, and to no other. One that would die of it is spared.

use crate::recovery::record::Outcome;
use crate::section::Section;
use crate::systemd::{Bus, CALL_DEADLINE};
use crate::values::UnitName;
use nix::sys::signal::Signal;
use std::fs;
use std::time::Duration;

/// A unit to signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalUnit {
    /// The unit.
    pub unit: UnitName,
    /// The signal, one of those with which servers are asked to do something and go on.
    pub signal: Signal,
}

impl SignalUnit {
    /// Reads `do.signal-unit = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let unit = section.need("unit", UnitName::parse);
        let signal = section.or("signal", Signal::SIGHUP, |text| match text {
            "HUP" => Ok(Signal::SIGHUP),
            "USR1" => Ok(Signal::SIGUSR1),
            "USR2" => Ok(Signal::SIGUSR2),
            _ => Err(format!("{text:?} is no signal that asks for something; write HUP, USR1 or USR2")),
        });
        Some(Self { unit: unit?, signal })
    }

    /// The longest that it may take.
    pub fn timeout(&self) -> Duration {
        CALL_DEADLINE * 2
    }

    /// Sends it. What comes of it, only the probes can say.
    pub async fn perform(&self, bus: &Bus) -> Outcome {
        match self.send(bus).await {
            Ok(done) => Outcome::Done(done),
            Err(why) => Outcome::Failed(format!("{}: {why}", self.unit)),
        }
    }

    async fn send(&self, bus: &Bus) -> Result<String, String> {
        let facts = bus.facts(&self.unit).await.map_err(|why| format!("systemd cannot be asked: {why}"))?;
        let Self { unit, signal } = self;
        if facts.main_pid == 0 {
            return Err("it has no main process to signal; restart it instead".to_owned());
        }
        let status = fs::read_to_string(format!("/proc/{}/status", facts.main_pid));
        if !catches(&status.unwrap_or_default(), *signal) {
            return Err(format!(
                "its main process does not handle {signal}, and might die of it; restart it instead"
            ));
        }
        bus.signal_main(unit, *signal as i32).await?;
        Ok(format!("{signal} sent to the main process of {unit} (pid {})", facts.main_pid))
    }
}

/// Whether a process has a handler for this signal, by its `/proc/PID/status`.
fn catches(status: &str, signal: Signal) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    caught & (1 << (signal as i32 - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn who_would_die_of_it_is_known() {
        assert!(catches("SigCgt:\t0000000000000001\n", Signal::SIGHUP));
        assert!(!catches("SigCgt:\t0000000000000001\n", Signal::SIGUSR1));
        assert!(!catches("SigCgt:\tgarbage\n", Signal::SIGHUP) && !catches("", Signal::SIGHUP));
        // And as the kernel writes it: a shell with a trap. Not for HUP, which a test run under nohup inherits ignored.
        for (trap, expected) in [("trap true USR1;", true), ("", false)] {
            let script = format!("{trap} echo ready; read line");
            let mut shell = Command::new("bash");
            let mut child =
                shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            assert_eq!(catches(&status, Signal::SIGUSR1), expected, "{trap}: {status}");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
