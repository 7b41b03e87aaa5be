//! A target as it really is, whatever the watchdog believes of it. It answers probes and suffers faults and
//! repairs.

use super::fault::{Cure, Fault, Repair, Wrong};
use super::service::{Process, Service};
use crate::recovery::evidence::Name;
use crate::recovery::policy::TargetPolicy;
use crate::recovery::time::Timestamp;
use crate::recovery::unit::Load;
use std::time::Duration;

/// How quickly what is well answers.
pub const QUICK: Duration = Duration::from_millis(2);

/// One target.
#[derive(Clone, Debug)]
pub struct Thing {
    /// Its name.
    pub name: Name,
    /// The service behind it; none when something else runs it.
    pub service: Option<Service>,
    /// Whether it fails while something that it depends on does.
    pub needs_upstream: bool,
    /// Whether it is reached over the internet.
    pub external: bool,
    /// What it depends on.
    pub depends_on: Vec<Name>,
    /// How its repair goes.
    pub repair: Repair,
    port_taken: Option<String>,
    down: Option<(Wrong, Cure)>,
    slow: Option<Duration>,
    not_ready: Option<(String, String)>,
}

/// What a probe meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Face {
    /// All is well; an answer takes so long.
    Well(Duration),
    /// Well, but not ready: this check says that.
    NotReady(Duration, String, String),
    /// Its port is open, and nobody answers.
    Silent,
    /// Its port is open, and the answer is this status.
    Status(u16),
    /// Somebody else has its port.
    Taken(String),
    /// Nothing listens, or the connection fails so.
    Gone(String),
}

impl Thing {
    /// One that is well at `now`.
    pub fn well(policy: &TargetPolicy, now: Timestamp) -> Self {
        Self {
            name: policy.name.clone(),
            service: policy.unit.as_ref().map(|unit| Service::running(unit, now)),
            needs_upstream: true,
            external: policy.external,
            depends_on: policy.depends_on.clone(),
            repair: Repair::Works,
            port_taken: None,
            down: None,
            slow: None,
            not_ready: None,
        }
    }

    /// What a probe meets that asks it, as far as it is up to the target itself.
    pub fn face(&self, now: Timestamp) -> Face {
        if let Some(by) = &self.port_taken {
            return Face::Taken(by.clone());
        }
        if let Some(service) = self.service.as_ref().filter(|service| !service.answers(now)) {
            return match service.process {
                Process::Hangs => Face::Silent,
                Process::Runs | Process::Failed | Process::Ended | Process::Stopped => {
                    Face::Gone("connection refused".to_owned())
                }
            };
        }
        match (&self.down, &self.not_ready) {
            (Some((Wrong::Words(words), _)), _) => Face::Gone(words.clone()),
            (Some((Wrong::Status(status), _)), _) => Face::Status(*status),
            (Some((Wrong::Silence, _)), _) => Face::Silent,
            (None, Some((check, says))) => Face::NotReady(self.pace(), check.clone(), says.clone()),
            (None, None) => Face::Well(self.pace()),
        }
    }

    /// How long an answer takes, when that is longer than usual.
    pub fn slow(&self) -> Option<Duration> {
        self.slow
    }

    fn pace(&self) -> Duration {
        self.slow.unwrap_or(QUICK)
    }

    /// Whether it serves, as far as it is up to the target itself.
    pub fn serves(&self, now: Timestamp) -> bool {
        let answers = self.service.as_ref().is_none_or(|service| service.answers(now));
        answers && self.port_taken.is_none() && self.down.is_none()
    }

    /// Whether a person wants it not to run.
    pub fn is_off(&self) -> bool {
        self.service.as_ref().is_some_and(Service::is_off)
    }

    /// Something is the matter with it from now on.
    pub fn suffer(&mut self, fault: &Fault, now: Timestamp) {
        match fault {
            Fault::Down { answers, cured_by } => self.down = Some((answers.clone(), cured_by.clone())),
            Fault::Slow(takes) => self.slow = Some(*takes),
            Fault::NotReady { check, says } => self.not_ready = Some((check.clone(), says.clone())),
            Fault::Repair(repair) => self.repair = repair.clone(),
            Fault::PortTaken(by) => {
                self.port_taken = Some(by.clone());
                self.suffer(&Fault::FailingToStart, now);
                self.end(Process::Failed, now);
            }
            Fault::Crashed => self.end(Process::Failed, now),
            Fault::Ended => self.end(Process::Ended, now),
            Fault::Hanging => self.service.iter_mut().for_each(Service::hang),
            Fault::FailingToStart => self.service.iter_mut().for_each(|service| service.exits_at_once = true),
            Fault::SlowToStart(takes) => {
                self.service.iter_mut().for_each(|service| service.start_takes = *takes)
            }
            Fault::Missing => {
                self.end(Process::Failed, now);
                self.load(Load::NotFound);
            }
        }
    }

    /// That is over. What has ended stays so, unless somebody starts it again.
    pub fn recover(&mut self, fault: &Fault, now: Timestamp) {
        match fault {
            Fault::Down { .. } => self.down = None,
            Fault::Slow(_) => self.slow = None,
            Fault::NotReady { .. } => self.not_ready = None,
            Fault::Repair(_) => self.repair = Repair::Works,
            Fault::PortTaken(_) => {
                self.port_taken = None;
                self.recover(&Fault::FailingToStart, now);
            }
            Fault::FailingToStart => {
                self.service.iter_mut().for_each(|service| service.exits_at_once = false)
            }
            Fault::SlowToStart(_) => {
                self.service.iter_mut().for_each(|service| service.start_takes = Duration::ZERO)
            }
            Fault::Missing => {
                self.load(Load::Loaded);
                self.start(now);
            }
            Fault::Crashed | Fault::Ended => self.start(now),
            Fault::Hanging => {
                let hung = self.service.iter_mut().filter(|service| service.process == Process::Hangs);
                hung.for_each(|service| service.process = Process::Runs);
            }
        }
    }

    /// Everything is mended at once.
    pub fn mend(&mut self, now: Timestamp) {
        (self.port_taken, self.down, self.slow, self.not_ready) = (None, None, None, None);
        self.repair = Repair::Works;
        if let Some(service) = &mut self.service {
            (service.exits_at_once, service.load) = (false, Load::Loaded);
            if service.process != Process::Runs {
                service.restart(now);
            }
        }
    }

    /// A person stops it.
    pub fn stop(&mut self, now: Timestamp) {
        self.end(Process::Stopped, now);
    }

    /// A person starts it, and takes a mask off first.
    pub fn start_by_hand(&mut self, now: Timestamp) {
        if self.service.as_ref().is_some_and(|service| service.load == Load::Masked) {
            self.load(Load::Loaded);
        }
        self.start(now);
    }

    /// A person masks it, which stops it too.
    pub fn mask(&mut self, now: Timestamp) {
        self.stop(now);
        self.load(Load::Masked);
    }

    /// An action was carried out on it and works: what it cures is cured.
    pub fn treat(&mut self, action: &Name) {
        self.down.take_if(|(_, cure)| match cure {
            Cure::AnyRepair => true,
            Cure::Action(name) => name == action,
            Cure::Nothing => false,
        });
    }

    /// systemd restarts it, if it can.
    ///
    /// # Errors
    /// Why systemd refuses.
    pub fn restart(&mut self, now: Timestamp) -> Result<(), String> {
        let Some(service) = &mut self.service else { return Ok(()) };
        match &service.load {
            Load::Loaded => service.restart(now),
            Load::NotFound => return Err(format!("Unit {} not found.", service.unit)),
            Load::Masked => return Err(format!("Unit {} is masked.", service.unit)),
            Load::Bad(why) => return Err(why.clone()),
        }
        Ok(())
    }

    fn start(&mut self, now: Timestamp) {
        if self.service.as_ref().is_some_and(|service| !service.is_running()) {
            // What systemd refuses stays as it is.
            let _ = self.restart(now);
        }
    }

    fn end(&mut self, process: Process, now: Timestamp) {
        if let Some(service) = self.service.as_mut().filter(|service| service.is_running()) {
            service.end(process, now);
        }
    }

    fn load(&mut self, load: Load) {
        if let Some(service) = &mut self.service {
            service.version += 1;
            service.load = load;
        }
    }
}
