//! Questions that are asked of a target, one file per kind. A probe answers; it never judges health, and
//! never acts.

pub mod age;
mod api;
pub mod checks;
pub mod clients;
pub mod excuse;
pub mod figures;
pub mod files;
pub mod http;
pub mod line_webhook;
pub mod machine;
#[cfg(test)]
pub(crate) mod nobody;
pub mod object;
pub mod ollama;
pub mod port;
pub mod postgres;
pub mod reach;
pub mod redis;
pub mod reference;
pub mod sock_diag;
pub mod tailscale;
mod wire;

use crate::recovery::evidence::{Blame, Excused, Name, Reading};
use crate::section::{Reader, Section};
use crate::values::{Secret, UnitName};
use clients::Clients;
use excuse::{Excuse, excused};
use figures::Figures;
use machine::{Cpu, Disk, Machine, Memory, Pressure};
use std::time::Duration;

/// The unit of a target, as far as a probe needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// Its main process, 0 when there is none.
    pub main_pid: u32,
}

/// One question, and whose health it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The target.
    pub target: Name,
    /// The probe's name within the target.
    pub name: Name,
    /// What is asked.
    pub check: Check,
    /// What is asked when that fails, one after the other, until one excuses the failure.
    pub excuses: Vec<Excuse>,
}

/// What a question came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer.
    pub reading: Reading,
    /// Faults of other targets that it names.
    pub blames: Vec<Blame>,
    /// What was measured on the way.
    pub figures: Figures,
    /// By how much an age is beyond its limit, where that is what fails.
    pub overdue: Option<Duration>,
    /// What has excused the failure that is told as a pass.
    pub excused: Option<Excused>,
}

impl From<Reading> for Answer {
    fn from(reading: Reading) -> Self {
        Self { reading, blames: Vec::new(), figures: Figures::new(), overdue: None, excused: None }
    }
}

/// What is asked, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there are a handful of them, made once")]
pub enum Check {
    /// A request over HTTP.
    Http(http::Http),
    /// Whether something listens on a port of this machine.
    Port(port::Port),
    /// Whether a backup in an object store is fresh.
    Object(object::Object),
    /// Ollama and its models.
    Ollama(ollama::Ollama),
    /// The webhook as LINE sees it.
    LineWebhook(line_webhook::LineWebhook),
    /// Whether the node is well within its tailnet.
    Tailscale(tailscale::Tailscale),
    /// Whether a port is published through Funnel, by tailscaled's configuration.
    Funnel(tailscale::Funnel),
    /// Whether the internet comes in.
    Reach(reach::Reach),
    /// Whether PostgreSQL takes connections.
    Postgres(postgres::Postgres),
    /// Whether Redis answers.
    Redis(redis::Redis),
    /// Whether the backups in a directory are there.
    Files(files::Files),
    /// How full this machine is.
    Machine(machine::Machine),
}

impl Probe {
    /// Asks, and asks for an excuse when the answer is a failure.
    pub async fn ask(&self, clients: &Clients, unit: Option<&Unit>) -> Answer {
        self.ask_again(clients, unit, None).await
    }

    /// As [`Self::ask`], with what was said when somebody was asked for an excuse, as long as that counts.
    pub async fn ask_again(
        &self,
        clients: &Clients,
        unit: Option<&Unit>,
        remembered: Option<&str>,
    ) -> Answer {
        let answer = self.check.ask(clients, unit).await;
        let Reading::Fail(why) = &answer.reading else { return answer };
        if let Some(said) = remembered.filter(|_| !self.excuses.is_empty()) {
            return Answer { excused: Some(Excused::Still), ..excused(why, said).into() };
        }
        for excuse in &self.excuses {
            if let Some(excused) = excuse.ask(&answer, clients, unit).await {
                return excused;
            }
        }
        answer
    }

    /// The longest that the answer may take.
    pub fn timeout(&self) -> Duration {
        self.check.timeout() + self.excuses.iter().map(|excuse| excuse.check.timeout()).sum::<Duration>()
    }
}

/// How each kind is read.
const KINDS: &[(&str, Reader<Check>)] = &[
    ("http", |section| http::Http::read(section).map(Check::Http)),
    ("port", |section| port::Port::read(section).map(Check::Port)),
    ("ollama", |section| ollama::Ollama::read(section).map(Check::Ollama)),
    ("line-webhook", |section| line_webhook::LineWebhook::read(section).map(Check::LineWebhook)),
    ("object", |section| object::Object::read(section).map(Check::Object)),
    ("tailscale", |section| tailscale::Tailscale::read(section).map(Check::Tailscale)),
    ("funnel", |section| tailscale::Funnel::read(section).map(Check::Funnel)),
    ("reach", |section| reach::Reach::read(section).map(Check::Reach)),
    ("postgres", |section| postgres::Postgres::read(section).map(Check::Postgres)),
    ("redis", |section| redis::Redis::read(section).map(Check::Redis)),
    ("files", |section| files::Files::read(section).map(Check::Files)),
    ("disk", |section| Disk::read(section).map(Machine::Disk).map(Check::Machine)),
    ("memory", |section| Some(Check::Machine(Machine::Memory(Memory::read(section))))),
    ("pressure", |section| Pressure::read(section).map(Machine::Pressure).map(Check::Machine)),
    ("cpu", |section| Cpu::read(section).map(Machine::Cpu).map(Check::Machine)),
];

impl Check {
    /// Reads `check.KIND = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        section.kind("check", KINDS)
    }

    /// Reads `KEY.KIND = { … }`, a question that need not be there, and may be switched off.
    pub fn read_by_choice(section: &mut Section<'_>, key: &'static str) -> Option<Self> {
        section.kind_by_choice(key, KINDS)
    }

    /// Reads the one question of a table that has other keys, too.
    fn read_within(section: &mut Section<'_>, what: &'static str) -> Option<Self> {
        section.own_kind(what, KINDS)
    }

    /// Whether its failures say by how much an age is beyond its limit.
    pub fn tells_overdue(&self) -> bool {
        match self {
            Self::Object(_) => true,
            Self::Http(http) => http.age.is_some(),
            Self::Port(_) | Self::Ollama(_) | Self::LineWebhook(_) | Self::Tailscale(_) => false,
            Self::Funnel(_) | Self::Reach(_) | Self::Postgres(_) | Self::Redis(_) => false,
            Self::Files(_) | Self::Machine(_) => false,
        }
    }

    /// Asks.
    ///
    /// A future is as large as the largest of its arms, some of which take 40 kB where HTTP takes 4; and a thousand
    /// may wait at once. So those that are asked rarely lie on the heap by themselves.
    pub async fn ask(&self, clients: &Clients, unit: Option<&Unit>) -> Answer {
        match self {
            Self::Http(http) => http.check(clients).await,
            Self::Port(port) => {
                let rightful = unit.map(|unit| port::Rightful { unit: &unit.name, main_pid: unit.main_pid });
                port.ask(&clients.ports, rightful).await.into()
            }
            Self::Object(object) => Box::pin(object.check(clients)).await,
            Self::Ollama(ollama) => Box::pin(ollama.check(clients)).await.into(),
            Self::LineWebhook(webhook) => Box::pin(webhook.check(clients)).await.into(),
            Self::Tailscale(tailscale) => Box::pin(tailscale.ask(clients)).await.into(),
            Self::Funnel(funnel) => Box::pin(funnel.ask(clients)).await.into(),
            Self::Reach(reach) => Box::pin(reach.ask(clients)).await.into(),
            Self::Postgres(postgres) => Box::pin(postgres.ask()).await.into(),
            Self::Redis(redis) => Box::pin(redis.ask()).await.into(),
            Self::Files(files) => Box::pin(files.ask()).await.into(),
            Self::Machine(machine) => {
                let (reading, figures) = machine.look();
                Answer { figures, ..reading.into() }
            }
        }
    }

    /// The word for the kind, as in `check.http`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Port(_) => "port",
            Self::Object(_) => "object",
            Self::Ollama(_) => "ollama",
            Self::LineWebhook(_) => "line-webhook",
            Self::Tailscale(_) => "tailscale",
            Self::Funnel(_) => "funnel",
            Self::Reach(_) => "reach",
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::Files(_) => "files",
            Self::Machine(machine) => machine.kind(),
        }
    }

    /// The longest that the answer may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Http(http) => http.timeout,
            Self::Port(port) => port.timeout,
            Self::Object(object) => object.timeout,
            Self::Ollama(ollama) => ollama.timeout,
            Self::LineWebhook(webhook) => webhook.timeout,
            Self::Tailscale(tailscale) => tailscale.timeout,
            Self::Funnel(funnel) => funnel.timeout,
            Self::Reach(reach) => reach.timeout,
            Self::Postgres(postgres) => postgres.timeout,
            Self::Redis(redis) => redis.timeout,
            Self::Files(files) => files.timeout,
            // The kernel answers at once.
            Self::Machine(_) => Duration::ZERO,
        }
    }

    /// Whether the answer comes over the internet.
    pub fn is_external(&self) -> bool {
        match self {
            Self::Http(http) => clients::is_external(&http.call.url),
            Self::Port(_) | Self::Tailscale(_) | Self::Funnel(_) => false,
            Self::Files(_) | Self::Machine(_) => false,
            Self::Postgres(postgres) => postgres.is_external(),
            Self::Redis(redis) => redis.place.is_external(),
            Self::Reach(reach) => clients::is_external(&reach.public.call.url),
            Self::Object(object) => clients::is_external(object.store.url()),
            Self::Ollama(ollama) => clients::is_external(&ollama.base),
            Self::LineWebhook(webhook) => webhook.is_external(),
        }
    }

    /// The targets that an answer may blame.
    pub fn blamed(&self) -> Vec<&Name> {
        match self {
            Self::Http(http) => http.blame.iter().map(|rule| &rule.target).collect(),
            Self::Port(_) | Self::Object(_) | Self::Ollama(_) | Self::LineWebhook(_) => Vec::new(),
            Self::Tailscale(_) | Self::Funnel(_) | Self::Reach(_) => Vec::new(),
            Self::Postgres(_) | Self::Redis(_) | Self::Files(_) | Self::Machine(_) => Vec::new(),
        }
    }

    /// The least time between two questions, for those that cost somebody something.
    pub fn needs_every(&self) -> Option<Duration> {
        match self {
            Self::Http(_) | Self::Port(_) | Self::Object(_) => None,
            Self::Tailscale(_) | Self::Funnel(_) | Self::Reach(_) => None,
            Self::Postgres(_) | Self::Redis(_) | Self::Files(_) | Self::Machine(_) => None,
            Self::Ollama(ollama) => ollama.needs_every(),
            Self::LineWebhook(webhook) => webhook.needs_every(),
        }
    }

    /// What must be masked in every text that leaves the program.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Http(http) => http.call.secrets(),
            Self::Port(_) | Self::Ollama(_) => Vec::new(),
            Self::Tailscale(_) | Self::Funnel(_) | Self::Reach(_) => Vec::new(),
            Self::Files(_) | Self::Machine(_) => Vec::new(),
            Self::Postgres(postgres) => postgres.secrets(),
            Self::Redis(redis) => vec![&redis.password],
            Self::Object(object) => object.store.secrets(),
            Self::LineWebhook(webhook) => vec![&webhook.token],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A future has the same size whatever is asked, so the smallest question will do.
    #[test]
    fn a_thousand_waiting_probes_take_a_few_megabytes() {
        let check = Check::Port(port::Port { port: 1, timeout: Duration::ZERO });
        let clients = Clients::new();
        assert!(size_of_val(&check.ask(&clients, None)) < 6 * 1024);
    }
}
