//! Ollama: is it there, does its API answer, are the models there, loaded and on the GPU, do they generate?
//!
//! That the API answers proves little: it goes on doing so while every generation hangs. So there are three
//! questions, each dearer than the one before, and a probe asks one of them. Nothing here may load a model, or
//! change how long one stays loaded.

mod judge;
mod read;
#[cfg(test)]
mod tests;

use super::api::{Reply, Request, Silence, deadline};
use super::clients::Clients;
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use judge::Loaded;
use reqwest::Url;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// The least time between two generations: they keep the model from being unloaded, and others from being served.
const GENERATE_EVERY: Duration = Duration::from_secs(300);

/// A probe of one Ollama.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ollama {
    /// Its address, without a path.
    pub base: Url,
    /// What is asked.
    pub ask: Ask,
    /// The models that are needed, by name and tag.
    pub models: Vec<Model>,
    /// Whether they belong on a GPU.
    pub gpu: bool,
    /// How long after its time a model may still be loaded; longer than the longest answer takes to generate.
    pub stuck_after: Duration,
    /// The bound of all requests together.
    pub timeout: Duration,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether it answers, and has the models.
    Answers,
    /// Whether the models are loaded, on the GPU, and not stuck.
    Loaded,
    /// Whether the first model generates a token, when it is loaded anyway.
    Generate,
}

/// A model with its tag, such as `chat-v1:latest`.
#[derive(Clone, Debug)]
pub struct Model(String);

/// Where a question goes, and what it is called when it is not answered.
const VERSION: &str = "/api/version";
const MODELS: &str = "/v1/models";
const PS: &str = "/api/ps";
const GENERATE: &str = "/api/generate";

impl Ollama {
    /// Asks once; every failure has its own reason.
    pub async fn check(&self, clients: &Clients) -> Reading {
        let until = deadline(self.timeout);
        let reading = match self.ask {
            Ask::Answers => self.answers(clients, until).await,
            Ask::Loaded => self.loaded(clients, until).await,
            Ask::Generate => self.generate(clients, until).await,
        };
        reading.unwrap_or_else(|reading| reading)
    }

    /// The least time between two questions, for those that cost something.
    pub fn needs_every(&self) -> Option<Duration> {
        match self.ask {
            Ask::Answers | Ask::Loaded => None,
            Ask::Generate => Some(GENERATE_EVERY),
        }
    }

    /// What it makes of a status that it did not ask for, such as one of a simulated service. No status stands
    /// for an Ollama that is as it should be.
    pub fn judge_given(&self, status: Option<u16>) -> Reading {
        match status {
            None => Reading::Pass("as it should be".to_owned()),
            Some(status) => match self.served(VERSION, &Reply { status, ..Reply::default() }) {
                Ok(()) => Reading::Pass(format!("{status} from {VERSION}")),
                Err(reading) => reading,
            },
        }
    }

    async fn answers(&self, clients: &Clients, until: Instant) -> Result<Reading, Reading> {
        let version = judge::version(&self.get(VERSION, clients, until).await?)?;
        if self.models.is_empty() {
            return Ok(Reading::Pass(format!("version {version} answers")));
        }
        let there = judge::models(&self.get(MODELS, clients, until).await?)?;
        Ok(self.all_there(&there, &version))
    }

    async fn loaded(&self, clients: &Clients, until: Instant) -> Result<Reading, Reading> {
        let reply = self.get(PS, clients, until).await?;
        let now = reply.date.unwrap_or_else(|| jiff::Timestamp::now().as_second());
        Ok(self.all_well(&judge::loaded(&reply)?, now))
    }

    async fn generate(&self, clients: &Clients, until: Instant) -> Result<Reading, Reading> {
        let loaded = judge::loaded(&self.get(PS, clients, until).await?)?;
        let Some(model) = self.models.first() else {
            return Err(Reading::Unknown("no model is named that could be asked".to_owned()));
        };
        let Some(runner) = loaded.iter().find(|loaded| loaded.is(model)) else {
            return Ok(Reading::Pass(format!("{model} is not loaded, so it was not asked")));
        };
        let began = Instant::now();
        let request = Request::post(self.url(GENERATE), one_token(model, runner));
        let reply = request.ask(clients, until).await;
        let reply = reply.map_err(|silence| self.unanswered_token(silence, model))?;
        self.token(&reply, model)?;
        Ok(Reading::Pass(format!("{model} gave a token within {}", Age(began.elapsed()))))
    }

    async fn get(&self, path: &'static str, clients: &Clients, until: Instant) -> Result<Reply, Reading> {
        let reply = Request::get(self.url(path)).ask(clients, until).await;
        let reply = reply.map_err(|silence| self.unanswered(path, silence))?;
        self.served(path, &reply).map(|()| reply)
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }
}

/// The smallest question there is.
///
/// Without `keep_alive` the runner keeps the one it has: naming another would change when the model of somebody
/// else is unloaded. With the context length that it runs with, for another one would have it loaded anew.
fn one_token(model: &Model, runner: &Loaded) -> serde_json::Value {
    let mut options = json!({ "num_predict": 1 });
    if let Some(length) = runner.context_length {
        options["num_ctx"] = length.into();
    }
    json!({ "model": model.0, "prompt": "ping", "stream": false, "options": options })
}
