//! `run`: the daemon. Waits for the next pass or event, runs the pass, publishes, beats. It decides nothing.

use super::{init_log, only_one};
use crate::config::{Config, Problem, SWITCHED_OFF, Severity, Sources, compile};
use crate::cycle::{self, Report, Scope};
use crate::exit::Exit;
use crate::host::chronicle::{self, Chronicle};
use crate::host::events::{Event, Events, Meanwhile};
use crate::host::heartbeat::Heartbeat;
use crate::host::lifesign::LifeSign;
use crate::host::view::View;
use crate::host::{Host, publish, room};
use crate::recovery::cadence::{Cadence, Fulls};
use crate::recovery::state::State;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tracing::info;

/// What a pass takes beyond the slowest probe and its attempts.
const PASS_SLACK: Duration = Duration::from_secs(5);

/// Watches until it is told to stop.
pub async fn run(config: Rc<Config>, warnings: &[Problem], flags: Flags) -> Exit {
    let log = init_log(&config);
    let lock = match only_one(&config.paths.state, "run") {
        Ok(lock) => lock,
        Err(exit) => return exit,
    };
    let (mut host, state) = match Host::open(Rc::clone(&config)) {
        Ok(opened) => opened,
        Err(why) => {
            chronicle::trouble("watchdog", &why);
            return Exit::Failed;
        }
    };
    let events = match Events::listen(&host) {
        Ok(events) => events,
        Err(error) => {
            chronicle::trouble("watchdog", &format!("signals cannot be received: {error}"));
            return Exit::Failed;
        }
    };
    info!(
        subject = "watchdog",
        result = "OK",
        action = "start",
        "version {}, pid {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    settle_into(&config, warnings);
    host.set_log(log);
    host.keep_history(&state, false);
    let chronicle = Chronicle::new(&state.outbox);
    let heartbeat = Heartbeat::new(config.policy.cadence.longest(), pass_max(&config));
    let mut lifesign = LifeSign::new(config.lifesign.clone());
    lifesign.start(host.clients());
    let daemon = Daemon { state, chronicle, heartbeat, lifesign, flags, fulls: Fulls::default() };
    daemon.watch(&mut host, events).await;
    host.stop();
    publish::clear(&host.config.paths.state);
    info!(subject = "watchdog", result = "OK", action = "stop", "stopped as asked");
    drop(lock);
    Exit::Ok
}

/// Makes room for the configuration in force, and says what a person should know about it: it works, but perhaps
/// not as meant.
fn settle_into(config: &Config, warnings: &[Problem]) {
    if !config.enabled {
        chronicle::trouble("watchdog", SWITCHED_OFF);
    }
    for warning in warnings {
        chronicle::trouble("config", &warning.to_string());
    }
    if let Err(why) = room::ask_for(config.probes.len()) {
        chronicle::trouble("watchdog", &why);
    }
    if let Err(why) = config.policy.alerts.usable() {
        chronicle::trouble("line", &format!("alerts go to this log only: {why}"));
    }
}

/// The longest that a pass may take.
fn pass_max(config: &Config) -> Duration {
    let probes = config.probes.iter().map(|probe| probe.timeout()).max().unwrap_or_default();
    probes + config.policy.longest() + PASS_SLACK
}

/// What the command line says about the configuration, now and whenever it is read again.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file.
    pub config: Option<PathBuf>,
    /// The pace.
    pub cadence: Option<Cadence>,
}

impl Flags {
    /// What the configuration is made of.
    pub fn sources(&self) -> Sources {
        Sources { cadence: self.cadence, ..Sources::gather(self.config.as_deref()) }
    }
}

struct Daemon {
    state: State,
    chronicle: Chronicle,
    heartbeat: Heartbeat,
    lifesign: LifeSign,
    flags: Flags,
    fulls: Fulls,
}

impl Daemon {
    async fn watch(mut self, host: &mut Host, mut events: Events) {
        let mut scope = Scope::Everything;
        loop {
            let (wait, due) = if host.config.enabled {
                let Some(report) = self.pass_unless_stopped(host, &mut events, &scope).await else { break };
                self.next_pass(host, &report)
            } else {
                // Nobody may take what was seen before for what is seen now.
                publish::clear(&host.config.paths.state);
                self.heartbeat.beat("switched off (enabled = false); SIGHUP reads the configuration again");
                (host.config.policy.cadence.longest(), Scope::Everything)
            };
            scope = match events.next(host, wait, due).await {
                Event::Pass(scope) => scope,
                Event::Stop => break,
                Event::Reload => {
                    self.reload(host, &mut events);
                    Scope::Everything
                }
            };
        }
        self.heartbeat.stopping();
    }

    /// A stop is obeyed in the middle of everything: what was intended is saved already. A unit that changes must
    /// not wait until somebody else's endpoint has been waited for in vain.
    async fn pass_unless_stopped(
        &mut self,
        host: &mut Host,
        events: &mut Events,
        scope: &Scope,
    ) -> Option<Report> {
        let hurry = host.begin_pass();
        let mut pass = pin!(self.pass(host, scope));
        loop {
            tokio::select! {
                biased;
                meanwhile = events.meanwhile() => match meanwhile {
                    Meanwhile::Stop => return None,
                    Meanwhile::Change => hurry.raise(),
                },
                report = &mut pass => return Some(report),
            }
        }
    }

    async fn pass(&mut self, host: &mut Host, scope: &Scope) -> Report {
        let began = Instant::now();
        let config = Rc::clone(&host.config);
        let report = cycle::run(&config.policy, &mut self.state, host, scope).await;
        let view = View { resident: true, ..host.view(&self.state, &report) };
        self.chronicle.pass(&view, &report, &self.state.outbox);
        host.record(&self.state, &report);
        if *scope == Scope::Everything {
            self.fulls.add(report.began, report.now.at);
            chronicle::cycle_end(&view, began.elapsed());
            let unsaved = host.unsaved().map(|why| format!("the state is not saved: {why}"));
            self.lifesign.cycle(&view.summary(), unsaved.as_deref(), host.clients());
        }
        self.publish(host, &view, &report);
        self.heartbeat.beat(&view.summary());
        report
    }

    /// Files for others; nothing of ours depends on them.
    fn publish(&mut self, host: &mut Host, view: &View, report: &Report) {
        if let Err(why) = publish::write(&host.config.paths.state, view) {
            chronicle::trouble("status", &why);
        }
        host.mirror(&self.state, report.now);
    }

    fn next_pass(&self, host: &mut Host, report: &Report) -> (Duration, Scope) {
        use crate::cycle::World;
        let (at, scope) = cycle::next_pass(&host.config.policy, self.fulls, report);
        (at.since(host.now().at), scope)
    }

    /// A configuration that cannot be used changes nothing, and people are told.
    fn reload(&mut self, host: &mut Host, events: &mut Events) {
        const KEY: &str = "config_rejected";
        self.heartbeat.reloading();
        let compiled = compile(&self.flags.sources());
        let Some(config) = compiled.config else {
            // What is merely doubtful keeps nothing from working, and would take the room of what does.
            let errors = compiled.problems.iter().filter(|problem| problem.severity == Severity::Error);
            let list: Vec<String> = errors.map(ToString::to_string).collect();
            let text =
                format!("the new configuration cannot be used, the old one stays: {}", list.join("; "));
            chronicle::trouble("config", &text);
            host.set_trouble(KEY, Some(text));
            return;
        };
        if config.paths.state != host.config.paths.state || config.paths.log != host.config.paths.log {
            chronicle::trouble("config", "new paths take effect at the next start");
        }
        host.set_trouble(KEY, None);
        settle_into(&config, &compiled.problems);
        host.adopt(Rc::new(config));
        self.lifesign.adopt(host.config.lifesign.clone());
        events.follow(host);
        self.heartbeat = Heartbeat::new(host.config.policy.cadence.longest(), pass_max(&host.config));
        info!(subject = "config", result = "OK", action = "reload", "the configuration was read again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceFile;
    use crate::recovery::decide::decide;
    use crate::recovery::evidence::{Evidence, ProbeReport, Reading};
    use crate::recovery::time::{Now, Timestamp};
    use std::fmt::Write as _;

    /// Six targets, each of which is repaired by a program that may take 9 s.
    fn six() -> Config {
        let mut toml = String::from("interval = \"10s\"\n");
        for name in ["a", "b", "c", "d", "e", "f"] {
            let _ = write!(
                toml,
                "[[target]]\nname = \"{name}\"\nladder = [{{ action = \"mend-{name}\" }}]\n\
                 [[target.probe]]\nname = \"health\"\nfail_after = 1\ncheck.http = {{ url = \"http://127.0.0.1:9/\", timeout = \"3s\" }}\n\
                 [action.mend-{name}]\ndisruptive = false\ndo.run = {{ argv = [\"true\"], timeout = \"9s\" }}\n"
            );
        }
        let toml = SourceFile { path: "watchdog.toml".into(), text: toml, mode: 0o600 };
        let compiled =
            compile(&Sources { toml: Some(toml), home: "/home/pico".into(), ..Sources::default() });
        compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems))
    }

    #[test]
    fn a_pass_in_which_everything_fails_is_within_what_systemd_is_told() {
        let config = six();
        let policy = &config.policy;
        let now = |pass: u64| Now { at: Timestamp(10_000_000 + pass * 11_000), wall: 1, entropy: 1 };
        let (mut state, mut begun) = (State::default(), 0);
        for pass in 0..6 {
            let report = |probe: &crate::probe::Probe| ProbeReport {
                target: probe.target.clone(),
                probe: probe.name.clone(),
                reading: Reading::Fail("refused".to_owned()),
                blames: Vec::new(),
                excused: None,
            };
            let evidence =
                Evidence { probes: config.probes.iter().map(report).collect(), ..Evidence::default() };
            let decision = decide(policy, state, &evidence, now(pass));
            let asked = config.probes.iter().map(|probe| probe.timeout()).max().unwrap();
            let acts = decision.attempts.iter().map(|attempt| config.actions[&attempt.action].holds_up());
            assert!(asked + acts.sum::<Duration>() <= pass_max(&config), "{:?}", decision.attempts);
            begun += decision.attempts.len();
            state = decision.state;
        }
        assert_eq!(begun, 6, "each has had its turn");
    }
}
