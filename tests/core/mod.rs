//! The policy of the default profile, for tests of the core in virtual time.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test binary uses its own part")]

use picoclaw_watchdog::recovery::cadence::Cadence;
use picoclaw_watchdog::recovery::evidence::Name;
use picoclaw_watchdog::recovery::policy::*;
use picoclaw_watchdog::recovery::time::Timestamp;
use picoclaw_watchdog::recovery::window::Window;
use picoclaw_watchdog::sim::blueprint::Blueprint;
use picoclaw_watchdog::sim::channel::Channel;
use picoclaw_watchdog::sim::fault::{Act, Deed, Event, Fault};
use picoclaw_watchdog::sim::service::Service;
use picoclaw_watchdog::sim::thing::Thing;
use picoclaw_watchdog::sim::{BEGIN, Sim};
use std::time::Duration;

pub(crate) const START: Timestamp = BEGIN;

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn gateway_policy() -> TargetPolicy {
    TargetPolicy {
        name: name("gateway"),
        unit: Some("picoclaw-gateway.service".to_owned()),
        probes: vec![ProbePolicy {
            name: name("health"),
            role: Role::Liveness,
            fail_after: 3,
            pass_after: 1,
            arm_on_pass: false,
            every: None,
            least: None,
        }],
        ladder: vec![Rung { action: name("restart-gateway"), tries: 3, disruptive: true }],
        window: Window { attempts: 3, per: secs(600) },
        backoff: vec![secs(0), secs(10), secs(30)],
        reprobe: secs(2),
        settle: secs(60),
        start_allowance: secs(180),
        start_bounds: (secs(60), secs(900)),
        cooldown: Duration::ZERO,
        severity: Severity::Critical,
        channels: None,
        external: false,
        stable_passes: 3,
        stable_for: secs(600),
        half_open: [10, 20, 40, 60].map(|m| secs(m * 60)).to_vec(),
        alert_after: secs(300),
        depends_on: Vec::new(),
        keys: AlertKeys {
            limit: "gateway_limit".to_owned(),
            attempt_failed: "gateway_restart_failed".to_owned(),
            failing: "health_consecutive".to_owned(),
            not_ready: "gateway_not_ready".to_owned(),
        },
    }
}

/// The gateway's own `/ready`, which may lay faults at Ollama's door, and Ollama as a target.
pub(crate) fn policy_with_ollama() -> Policy {
    let mut policy = policy();
    policy.targets[0].probes.push(ProbePolicy {
        name: name("ready"),
        role: Role::Readiness,
        fail_after: 3,
        pass_after: 1,
        arm_on_pass: true,
        every: None,
        least: None,
    });
    policy.targets.push(TargetPolicy {
        name: name("ollama"),
        unit: None,
        probes: vec![ProbePolicy { name: name("models"), ..policy.targets[0].probes[0].clone() }],
        ladder: Vec::new(),
        keys: AlertKeys { failing: "ollama_remote_outage".to_owned(), ..gateway_policy().keys },
        ..gateway_policy()
    });
    policy
}

pub(crate) fn line_policy() -> ChannelPolicy {
    ChannelPolicy {
        name: name("line"),
        on: Ok(()),
        severities: vec![Severity::Error, Severity::Critical],
        fallback: Vec::new(),
        batch: 5,
        gap: secs(15),
        metered: true,
    }
}

/// Everything that there is to tell.
pub(crate) const ALL: [Severity; 3] = [Severity::Warning, Severity::Error, Severity::Critical];

/// A channel that takes one message at a time and has no quota.
pub(crate) fn plain(text: &str, severities: &[Severity]) -> ChannelPolicy {
    ChannelPolicy {
        name: name(text),
        severities: severities.to_vec(),
        batch: 1,
        metered: false,
        ..line_policy()
    }
}

/// LINE, for which mail stands in, and a webhook.
pub(crate) fn three() -> Vec<ChannelPolicy> {
    let line = ChannelPolicy { fallback: vec![name("email")], ..line_policy() };
    vec![line, plain("email", &[]), plain("hook", &ALL)]
}

pub(crate) fn policy() -> Policy {
    Policy {
        cadence: Cadence::every(secs(60)),
        reprobe: secs(2),
        targets: vec![gateway_policy()],
        alerts: AlertPolicy {
            channels: vec![line_policy()],
            fallback_after: secs(900),
            cooldown: secs(900),
            reminders: [15, 60, 360, 1440].map(|m| secs(m * 60)).to_vec(),
            lasting: secs(1800),
            language: Language::En,
            manager: Manager::User,
            option: None,
            healed_often: Window { attempts: 5, per: secs(86_400) },
            reserve_percent: 20,
            digest: false,
        },
        kicks: Window { attempts: 2, per: secs(600) },
        hold_off: secs(30),
        offline_quorum: None,
        takes: Default::default(),
    }
}

pub(crate) fn world() -> Sim {
    Sim::new(Blueprint::of_policy(policy()), 1)
}

/// A world in which this happens to the gateway, each so many seconds from the start.
pub(crate) fn world_with(plan: &[(u64, Happens)]) -> Sim {
    let mut sim = world();
    for (at, happens) in plan {
        let act = match happens {
            Happens::Crash => Act::Target(name("gateway"), Fault::Crashed),
            Happens::Hang => Act::Target(name("gateway"), Fault::Hanging),
            Happens::Stop => Act::Person(Deed::Stops(name("gateway"))),
            Happens::Start => Act::Person(Deed::Starts(name("gateway"))),
        };
        sim.plan(Event { at: secs(*at), lasts: None, every: None, act });
    }
    sim
}

/// What happens to the gateway.
#[derive(Clone, Copy)]
pub(crate) enum Happens {
    Crash,
    Hang,
    Stop,
    Start,
}

/// The gateway as it really is.
pub(crate) fn thing(sim: &mut Sim) -> &mut Thing {
    sim.thing_mut(&name("gateway")).unwrap()
}

pub(crate) fn service(sim: &mut Sim) -> &mut Service {
    thing(sim).service.as_mut().unwrap()
}

/// When attempts were made.
pub(crate) fn performed(sim: &Sim) -> Vec<Timestamp> {
    sim.performed.iter().map(|(at, _)| *at).collect()
}

/// What people received.
pub(crate) fn received(sim: &Sim) -> Vec<&str> {
    sim.channel.accepted.iter().map(|got| got.body.as_str()).collect()
}

/// A channel as it really is.
pub(crate) fn channel<'a>(sim: &'a mut Sim, of: &str) -> &'a mut Channel {
    if of == "line" { &mut sim.channel } else { sim.others.entry(name(of)).or_default() }
}
