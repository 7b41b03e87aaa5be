//! Reads an Ollama probe from the configuration.

use super::{Ask, Model, Ollama};
use crate::section::{Section, parse};
use reqwest::Url;
use std::fmt;
use std::time::Duration;

/// As the other probes: a list of models comes in milliseconds.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// A token may wait for an answer that is being generated for somebody else.
const DEFAULT_GENERATE_TIMEOUT: Duration = Duration::from_secs(30);
/// The limits of every probe's timeout.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// Answers take minutes on slow machines, and nothing is unloaded meanwhile.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// Longer than any answer takes, and shorter than anybody would wait.
const MOST_STUCK_AFTER: Duration = Duration::from_secs(86_400);

impl Ollama {
    /// Reads `check.ollama = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let base = section.need("url", base);
        let ask = section.or("ask", Ask::Answers, ask);
        let models: Vec<Model> =
            section.list("models", model).unwrap_or_default().into_iter().flatten().collect();
        let gpu = section.or("gpu", false, parse::flag);
        let stuck_after =
            section.or("stuck_after", STUCK_AFTER, parse::span(Duration::ZERO..=MOST_STUCK_AFTER));
        let usual = if ask == Ask::Generate { DEFAULT_GENERATE_TIMEOUT } else { DEFAULT_TIMEOUT };
        let timeout = section.or("timeout", usual, parse::span(TIMEOUTS));
        if ask == Ask::Generate && models.is_empty() {
            let hint = "write models = [\"NAME\"]; the first of them is asked";
            section.error(&section.here(), "no model is named that could be asked", hint);
        }
        for key in ["gpu", "stuck_after"] {
            if ask != Ask::Loaded && section.has(key) {
                let what = format!("{key} has no effect, for only ask = \"loaded\" looks at it");
                section.warn(&section.spot(key), what, "remove it, or ask for \"loaded\"");
            }
        }
        Some(Self { base: base?, ask, models, gpu, stuck_after, timeout })
    }
}

/// The address of the server in any address of it: the predecessor's variable names `/v1/models`.
fn base(text: &str) -> Result<Url, String> {
    let mut url = parse::url(text)?;
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// One of the models; none where a variable that may name one is not set.
fn model(text: &str) -> Result<Option<Model>, String> {
    if text.is_empty() { Ok(None) } else { Model::parse(text).map(Some) }
}

fn ask(text: &str) -> Result<Ask, String> {
    match text {
        "answers" => Ok(Ask::Answers),
        "loaded" => Ok(Ask::Loaded),
        "generate" => Ok(Ask::Generate),
        _ => Err(format!(
            "{text:?} cannot be asked; write \"answers\" (it is there and has the models), \"loaded\" (they are in \
             memory) or \"generate\" (the first gives a token)"
        )),
    }
}

impl Model {
    /// A name as Ollama takes it; without a tag, `latest` is meant.
    ///
    /// # Errors
    /// When it cannot be the name of a model.
    pub fn parse(text: &str) -> Result<Self, String> {
        let good = |c: char| c.is_ascii_alphanumeric() || ":/-_.".contains(c);
        if text.is_empty() || text.len() > 200 || !text.chars().all(good) {
            return Err(format!("{text:?} is not the name of a model; write one as `ollama list` shows it"));
        }
        let tagged = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
        Ok(Self(if tagged { text.to_owned() } else { format!("{text}:latest") }))
    }
}

/// Ollama does not tell models apart by upper and lower case.
impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Model {}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
