//! What a simulated world is built for: the policy under test, what its probes ask, and what its actions do.
//! Plain values and one function per probe, so that the simulation imports neither configuration nor probes.

use crate::recovery::evidence::{Blame, KickWish, Name, Reading};
use crate::recovery::policy::{Policy, Role};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// An answer of a modelled service, to be judged by the real probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status; none when it is whatever the probe wants to see.
    pub status: Option<u16>,
    /// The body.
    pub body: &'a str,
    /// How long it took; never longer than the probe waits.
    pub took: Duration,
}

/// The judgement of a probe on an answer: the same code that judges real ones.
pub type Judge = Rc<dyn Fn(&Answer<'_>) -> (Reading, Vec<Blame>)>;

/// The world as the configuration sees it.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// The policy under test.
    pub policy: Policy,
    /// All probes, in the order of the configuration.
    pub questions: Vec<Question>,
    /// What every action comes to.
    pub remedies: BTreeMap<Name, Remedy>,
    /// What each request of a person means; none when requests are switched off.
    pub kicks: Option<BTreeMap<String, KickWish>>,
}

/// What one probe asks.
#[derive(Clone)]
pub struct Question {
    /// The target.
    pub target: Name,
    /// The probe.
    pub probe: Name,
    /// How long it waits for an answer.
    pub timeout: Duration,
    /// Whether it asks for readiness; only then does it see what a service says of itself in that matter.
    pub is_readiness: bool,
    /// What it asks for.
    pub asks: Asks,
}

/// What a probe asks for.
#[derive(Clone)]
pub enum Asks {
    /// Whether something listens on this port.
    Port(u16),
    /// Whether it answers, and what.
    Service(Judge),
    /// What nothing here changes, such as the end of a certificate; it can only be told while all is well.
    Steady,
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "Port({port})"),
            Self::Service(_) => f.write_str("Service"),
            Self::Steady => f.write_str("Steady"),
        }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({}/{})", self.target, self.probe)
    }
}

/// What an action comes to in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// A unit is restarted.
    Restart {
        /// The unit.
        unit: String,
        /// How long the watchdog waits for it.
        timeout: Duration,
    },
    /// A program is run.
    Command {
        /// How long the watchdog waits for it.
        timeout: Duration,
    },
}

impl Remedy {
    /// How long the watchdog waits for it.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Restart { timeout, .. } | Self::Command { timeout } => *timeout,
        }
    }
}

impl Blueprint {
    /// One for a policy that comes without a configuration: every probe asks for an answer and waits no
    /// time, and every action restarts the unit of the target on whose ladder it stands.
    pub fn of_policy(policy: Policy) -> Self {
        let judge: Judge = Rc::new(|answer| {
            let reading = match answer.status {
                None => Reading::Pass("200".to_owned()),
                Some(status) => Reading::Fail(status.to_string()),
            };
            (reading, Vec::new())
        });
        let (mut questions, mut remedies) = (Vec::new(), BTreeMap::new());
        for target in &policy.targets {
            questions.extend(target.probes.iter().map(|probe| Question {
                target: target.name.clone(),
                probe: probe.name.clone(),
                timeout: Duration::ZERO,
                is_readiness: probe.role == Role::Readiness,
                asks: Asks::Service(Rc::clone(&judge)),
            }));
            let remedy = |unit: &String| Remedy::Restart { unit: unit.clone(), timeout: Duration::ZERO };
            let remedy = target.unit.as_ref().map_or(Remedy::Command { timeout: Duration::ZERO }, remedy);
            remedies.extend(target.ladder.iter().map(|rung| (rung.action.clone(), remedy.clone())));
        }
        Self { policy, questions, remedies, kicks: Some(BTreeMap::new()) }
    }
}
