//! What Ollama's answers mean: one reason for each way in which it fails, with what a person can do about it.
//! Pure: answers in, readings out.

use super::{Model, Ollama, PS, Reply, Silence};
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use crate::values::one_line;
use serde::Deserialize;
use std::time::Duration;

/// Characters shown of a version, and models shown in one list.
const VERSION_CHARS: usize = 40;
const SHOWN_MODELS: usize = 5;
/// The year 2001. While a model is being loaded, its time to go is not set and reads as the beginning of time.
const NOT_SET: i64 = 978_307_200;

/// A model in memory.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Loaded {
    name: String,
    /// Bytes in memory, and those of them on a GPU.
    #[serde(default)]
    size: u64,
    #[serde(default)]
    size_vram: u64,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    pub(super) context_length: Option<u64>,
}

impl Loaded {
    pub(super) fn is(&self, model: &Model) -> bool {
        Model::parse(&self.name).is_ok_and(|name| name == *model)
    }

    fn left_the_gpu(&self) -> bool {
        self.size > 0 && self.size_vram == 0
    }

    /// How long it has been there beyond its time.
    fn overdue(&self, now: i64) -> Option<Duration> {
        let expires = self.expires_at.parse::<jiff::Timestamp>().ok()?.as_second();
        let over = u64::try_from(now.checked_sub(expires)?).ok()?;
        (expires > NOT_SET).then(|| Duration::from_secs(over))
    }
}

impl Ollama {
    /// A request without an answer.
    pub(super) fn unanswered(&self, path: &str, silence: Silence) -> Reading {
        match silence {
            Silence::Theirs(how) => Reading::Fail(format!("Ollama is unreachable: {how}")),
            Silence::Unclear(why) => Reading::Unknown(why),
            Silence::Late => Reading::Fail(format!("no answer from {path} within {}", Age(self.timeout))),
        }
    }

    /// Whether the status is that of an API at work.
    ///
    /// # Errors
    /// What is wrong instead.
    pub(super) fn served(&self, path: &str, reply: &Reply) -> Result<(), Reading> {
        match reply.status {
            200 => Ok(()),
            403 => Err(self.wrong_host()),
            503 if reply.said().contains("busy") => Err(busy(reply)),
            300..=399 | 401 | 407 | 429 => {
                Err(Reading::Unknown(format!("{path} answered {}: what stands before it?", reply.told())))
            }
            _ => Err(Reading::Fail(format!("the API does not answer: {path} gave {}", reply.told()))),
        }
    }

    /// The one thing for which Ollama itself answers 403.
    fn wrong_host(&self) -> Reading {
        let host = self.base.host_str().unwrap_or_default();
        Reading::Unknown(format!(
            "403: Ollama listens on loopback only and refuses the host name {host}; write an IP address in the url, \
             or set OLLAMA_HOST=0.0.0.0 in Ollama's own environment"
        ))
    }

    pub(super) fn all_there(&self, there: &[Model], version: &str) -> Reading {
        let missing: Vec<&Model> = self.models.iter().filter(|model| !there.contains(model)).collect();
        let Some(first) = missing.first() else {
            return Reading::Pass(format!("version {version} has {}", list(self.models.iter())));
        };
        let (what, has) = (list(missing.iter().copied()), list(there.iter()));
        Reading::Fail(format!(
            "the model {what} is missing, there is {has}; run `ollama pull {first}`, or `ollama create` for one of \
             your own"
        ))
    }

    /// Judges what is in memory: first what is stuck, for that explains the rest.
    pub(super) fn all_well(&self, loaded: &[Loaded], now: i64) -> Reading {
        let ours = || loaded.iter().filter(|one| self.is_wanted(one));
        let stuck = ours().find_map(|one| {
            one.overdue(now).filter(|over| *over > self.stuck_after).map(|over| (&one.name, over))
        });
        if let Some((name, over)) = stuck {
            return Reading::Fail(stuck_runner(name, over));
        }
        if let Some(absent) = self.models.iter().find(|model| !loaded.iter().any(|one| one.is(model))) {
            return Reading::Fail(format!(
                "{absent} is not loaded, so its next answer has to wait for that; `ollama run {absent} \"\"` loads \
                 it, and OLLAMA_KEEP_ALIVE=-1 in Ollama's environment keeps it"
            ));
        }
        if let Some(lost) = ours().find(|one| self.gpu && one.left_the_gpu()) {
            return Reading::Fail(gpu_lost(&lost.name));
        }
        Reading::Pass(match loaded {
            [] => "nothing is loaded".to_owned(),
            _ => format!("loaded: {}", list(loaded.iter().map(|one| &one.name))),
        })
    }

    /// Without a list all that is loaded counts.
    fn is_wanted(&self, loaded: &Loaded) -> bool {
        self.models.is_empty() || self.models.iter().any(|model| loaded.is(model))
    }

    /// A generation without an answer, of a model that `/api/ps` has just named.
    pub(super) fn unanswered_token(&self, silence: Silence, model: &Model) -> Reading {
        match silence {
            Silence::Late => Reading::Fail(format!(
                "{model} is loaded, but gave no token within {}: generation hangs while the API answers, or answers \
                 take longer than that; if users wait too, run `sudo systemctl restart ollama`",
                Age(self.timeout)
            )),
            Silence::Theirs(how) => Reading::Fail(format!("{model} broke off while generating: {how}")),
            Silence::Unclear(why) => Reading::Unknown(why),
        }
    }

    /// Whether a generation gave its token.
    ///
    /// # Errors
    /// What is wrong instead.
    pub(super) fn token(&self, reply: &Reply, model: &Model) -> Result<(), Reading> {
        match reply.status {
            // Unloaded in between: the next look at what is loaded tells more.
            404 => Err(Reading::Unknown(format!("{model} went away while it was asked"))),
            // It cannot generate at all, like those that only embed.
            400 => Err(Reading::Unknown(format!("{model} cannot be asked: {}", reply.told()))),
            403 => Err(self.wrong_host()),
            503 if reply.said().contains("busy") => Err(busy(reply)),
            200 if reply.said().is_empty() => Ok(()),
            _ => Err(Reading::Fail(format!("{model} is loaded, but does not generate: {}", reply.told()))),
        }
    }
}

/// The version in an answer of `/api/version`.
///
/// # Errors
/// That it is none: somebody else has the port.
pub(super) fn version(reply: &Reply) -> Result<String, Reading> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let version = serde_json::from_slice::<Version>(&reply.body);
    version.map(|body| one_line(&body.version, VERSION_CHARS)).map_err(|_| foreign("/api/version"))
}

/// The models in an answer of `/v1/models`, where `null` means none.
///
/// # Errors
/// That it is no such list.
pub(super) fn models(reply: &Reply) -> Result<Vec<Model>, Reading> {
    #[derive(Deserialize)]
    struct Models {
        data: Option<Vec<Entry>>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
    }
    let models: Models = serde_json::from_slice(&reply.body).map_err(|_| foreign("/v1/models"))?;
    // A name that we could not have been given is none that we look for.
    Ok(models.data.unwrap_or_default().iter().filter_map(|entry| Model::parse(&entry.id).ok()).collect())
}

/// The models in an answer of `/api/ps`.
///
/// # Errors
/// That it is no such list.
pub(super) fn loaded(reply: &Reply) -> Result<Vec<Loaded>, Reading> {
    #[derive(Deserialize)]
    struct Ps {
        models: Option<Vec<Loaded>>,
    }
    let ps: Ps = serde_json::from_slice(&reply.body).map_err(|_| foreign(PS))?;
    Ok(ps.models.unwrap_or_default())
}

fn foreign(path: &str) -> Reading {
    Reading::Fail(format!("the API does not answer: what {path} gave is not Ollama's"))
}

fn busy(reply: &Reply) -> Reading {
    Reading::Unknown(format!("busy, so it was not asked further: {}", reply.said()))
}

fn stuck_runner(name: &str, over: Duration) -> String {
    let name = one_line(name, VERSION_CHARS);
    format!(
        "{name} is stuck: its time was over {} ago, and it is still loaded (`ollama ps` says Stopping); run \
         `sudo systemctl restart ollama`",
        Age(over)
    )
}

fn gpu_lost(name: &str) -> String {
    let name = one_line(name, VERSION_CHARS);
    format!(
        "the GPU is lost: {name} runs on the CPU alone; restarting Ollama often does not help: see `nvidia-smi`, \
         reload the driver (`sudo rmmod nvidia_uvm; sudo modprobe nvidia_uvm`) or reboot its machine"
    )
}

fn list(names: impl Iterator<Item = impl ToString>) -> String {
    let names: Vec<String> = names.map(|name| one_line(&name.to_string(), VERSION_CHARS)).collect();
    let more = names.len().saturating_sub(SHOWN_MODELS);
    let shown = names[..names.len() - more].join(", ");
    match (names.is_empty(), more) {
        (true, _) => "no model".to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown} and {more} more"),
    }
}
