//! Publishes our port through Tailscale Funnel. What a command says of itself is only quoted, never believed:
//! it may exit 0 without having done anything, so what tailscaled serves afterwards is what counts.

mod keep;

use crate::exec::{self, End, Finished};
use crate::probe::clients::Clients;
use crate::probe::tailscale::{Daemon, Publication, ServeConfig};
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use jiff::Timestamp;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One command talks to a local daemon, which asks the control server; then it is done, or waits for a person.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// Two commands and the wait between them stay within what any action may take.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(20);
/// What it took in the field until a publication that was switched off had gone everywhere.
const DEFAULT_WAIT: Duration = Duration::from_secs(20);
/// A minute is what people wait who do this by hand.
const WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);
/// tailscaled tells what it serves in milliseconds.
const LOOK: Duration = Duration::from_secs(2);
/// Looks of one repair: at the node and what it serves before, and at what it serves after each command.
const LOOKS: u32 = 4;
/// What ending a command by force may add to its time, both as ourselves and with rights.
const ENDING: Duration = Duration::from_secs(4);

/// A port to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFunnel {
    /// Whose daemon.
    pub daemon: Daemon,
    /// What goes where.
    pub wanted: Publication,
    /// How far to go.
    pub how: How,
    /// What is written before a command that we alone may not run, such as `sudo -n`; empty when it is not to
    /// be tried.
    pub elevate: Vec<String>,
    /// The wait between off and on.
    pub wait: Duration,
    /// The longest that one step may take, tried as ourselves and with rights.
    pub timeout: Duration,
}

/// How far to go, from harmless to not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Publish what is not published; leave alone what is.
    Apply,
    /// Switch our public port off, wait, and publish again.
    Cycle,
    /// Keep the whole configuration in a file, wipe it and publish again. Never when anything else is in it.
    Reset,
}

impl PublishFunnel {
    /// Reads `do.publish-funnel = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let (daemon, wanted) = (Daemon::read(section), Publication::read(section));
        let how = section.or("how", How::Apply, |text| match text {
            "apply" => Ok(How::Apply),
            "cycle" => Ok(How::Cycle),
            "reset" => Ok(How::Reset),
            _ => Err(format!("{text:?} is no way to publish; write apply, cycle or reset")),
        });
        if how == How::Apply && section.has("wait") {
            section.warn(&section.spot("wait"), "apply does not wait", "leave it out");
        }
        let sudo = || ["sudo", "-n"].map(str::to_owned).to_vec();
        Some(Self {
            daemon,
            wanted,
            how,
            // -n: fail instead of asking for a password.
            elevate: section.list("elevate", parse::filled).unwrap_or_else(sudo),
            wait: section.or("wait", DEFAULT_WAIT, parse::span(WAIT)),
            timeout: section.or("timeout", DEFAULT_TIMEOUT, parse::span(TIMEOUT)),
        })
    }

    /// The longest that all of it may take.
    pub fn timeout(&self) -> Duration {
        let step = self.timeout + ENDING;
        LOOK * LOOKS
            + match self.how {
                How::Apply => step,
                How::Cycle => step * 2 + self.wait,
                // What it wipes is looked at once more, to be kept.
                How::Reset => step * 2 + self.wait + LOOK,
            }
    }

    /// Every command that it may run, as ourselves.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let away = match self.how {
            How::Apply => None,
            How::Cycle => Some(self.off()),
            How::Reset => Some(reset()),
        };
        let argv = |arguments: Vec<String>| self.daemon.command(&arguments, self.timeout).argv;
        away.into_iter().chain([self.on()]).map(argv).collect()
    }

    fn on(&self) -> Vec<String> {
        let Publication { port, public_port } = self.wanted;
        vec![
            "funnel".into(),
            "--bg".into(),
            "--yes".into(),
            format!("--https={public_port}"),
            port.to_string(),
        ]
    }

    fn off(&self) -> Vec<String> {
        vec!["funnel".into(), format!("--https={}", self.wanted.public_port), "off".into()]
    }

    /// Publishes, by at most four commands: two steps, each as ourselves and then with rights.
    /// What a reset wipes is kept below `state`.
    pub async fn perform(&self, clients: &Clients, state: &Path) -> Outcome {
        match self.publish(clients, state).await {
            Ok(done) => Outcome::Done(done),
            Err(why) => Outcome::Failed(why),
        }
    }

    async fn publish(&self, clients: &Clients, state: &Path) -> Result<String, String> {
        let before = self.worth_trying(clients).await?;
        let refuse = |others: Option<String>| {
            others.map_or(Ok(()), |others| Err(format!("not tried, for other things are served: {others}")))
        };
        refuse(before.rival(self.wanted))?;
        match self.how {
            How::Apply => {
                if let Ok(at) = before.published(self.wanted) {
                    return Ok(format!("published as {at} already, so there was nothing to do"));
                }
            }
            How::Cycle => {
                refuse(before.company(self.wanted))?;
                self.take_away(clients, &before, &self.off()).await?;
            }
            How::Reset => {
                // With nothing else served, publishing again restores all that is lost here. Should that fail, or
                // should somebody have added to it just now, a person has it in a file.
                refuse(before.others(self.wanted))?;
                let kept = self.keep(clients, state).await?;
                let told = |text: String| format!("{text}; what was served before is in {}", kept.display());
                self.take_away(clients, &before, &reset()).await.map_err(told)?;
                return self.put_up(clients).await.map(told).map_err(told);
            }
        }
        self.put_up(clients).await
    }

    /// Keeps all that is served. What cannot be kept is not wiped.
    async fn keep(&self, clients: &Clients, state: &Path) -> Result<PathBuf, String> {
        let served = self.daemon.serve_document(clients, LOOK).await.map_err(|silence| silence.to_string());
        let name = Timestamp::now().strftime("%Y%m%d-%H%M%S%.3f").to_string();
        let kept = served.and_then(|served| keep::keep(state, &served, &name));
        kept.map_err(|why| format!("not tried, for what is served could not be kept: {why}"))
    }

    /// What is served now, if anything that we do could help at all.
    async fn worth_trying(&self, clients: &Clients) -> Result<ServeConfig, String> {
        let not_tried = |why: String| format!("not tried: {why}");
        let node = self.daemon.node(clients, LOOK).await.map_err(|silence| not_tried(silence.to_string()))?;
        if let Some(hindrance) = node.hindrance(self.wanted.public_port) {
            return Err(not_tried(hindrance));
        }
        let served = self.daemon.serve_config(clients, LOOK).await;
        served.map_err(|silence| not_tried(silence.to_string()))
    }

    /// Takes our publication away, if it is there. It fails only while that is still up: what is down must be
    /// put up again, whatever became of the command.
    async fn take_away(
        &self,
        clients: &Clients,
        before: &ServeConfig,
        command: &[String],
    ) -> Result<(), String> {
        if !before.holds(self.wanted.public_port) {
            return Ok(());
        }
        let said = self.step(command).await.summary();
        match self.daemon.serve_config(clients, LOOK).await {
            Ok(now) if now.holds(self.wanted.public_port) => {
                Err(format!("it cannot be switched off: {said}"))
            }
            Ok(_) | Err(_) => {
                tokio::time::sleep(self.wait).await;
                Ok(())
            }
        }
    }

    async fn put_up(&self, clients: &Clients) -> Result<String, String> {
        let port = self.wanted.port;
        let said = self.step(&self.on()).await.summary();
        match self.daemon.serve_config(clients, LOOK).await {
            Ok(now) => match now.published(self.wanted) {
                Ok(at) => Ok(format!("port {port} is published as {at}")),
                Err(gap) => Err(format!("{}, after {said}", gap.told(self.wanted))),
            },
            Err(silence) => Err(format!("whether it is published cannot be seen: {silence}; {said}")),
        }
    }

    /// Runs one command as ourselves, for an operator needs no more, and where that fails with rights.
    async fn step(&self, arguments: &[String]) -> Finished {
        let (started, mut command) = (Instant::now(), self.daemon.command(arguments, self.timeout));
        let finished = exec::run(&command).await;
        let failed = matches!(finished.end, End::Exited { code: 1.. });
        if !failed || self.elevate.is_empty() {
            return finished;
        }
        command.argv.splice(0..0, self.elevate.iter().cloned());
        command.deadline = self.timeout.saturating_sub(started.elapsed());
        exec::run(&command).await
    }
}

fn reset() -> Vec<String> {
    ["funnel", "reset"].map(str::to_owned).to_vec()
}
