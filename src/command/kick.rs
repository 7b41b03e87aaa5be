//! `kick`: queues a person's request for the running watchdog and waits for the answer. The token never
//! stands on a command line.

use super::to_json;
use crate::cli::Output;
use crate::config::{Config, SWITCHED_OFF, as_called};
use crate::exit::Exit;
use crate::host::kicks::{self, KickResult};
use crate::host::view::SCHEMA;
use crate::host::{clock, publish};
use crate::values::Secret;
use serde::Serialize;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the answer may take: a cycle in which probes time out, then a restart.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the answer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A token longer than this is none.
const TOKEN_BYTES_MAX: u64 = 4096;

/// What was asked for on the command line.
#[derive(Debug)]
pub struct Request {
    /// The action.
    pub action: String,
    /// Who asks.
    pub source: String,
    /// Whether the token is on standard input.
    pub token_stdin: bool,
    /// Whether to return without an answer.
    pub no_wait: bool,
}

/// Queues the request.
pub async fn run(config: &Config, request: &Request, output: Output) -> Exit {
    let token = match token(config, request.token_stdin) {
        Ok(token) => token,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Usage;
        }
    };
    if !kicks::printable(&request.source) {
        eprintln!("--source: {}", kicks::fields_rule());
        return Exit::Usage;
    }
    if !config.kick.actions.contains_key(&request.action) {
        let known: Vec<&str> = config.kick.actions.keys().map(String::as_str).collect();
        eprintln!("{:?} is not an action that is on; there are: {}", request.action, known.join(", "));
        return Exit::Usage;
    }
    if !config.enabled {
        eprintln!("{SWITCHED_OFF}, and nobody would take the request");
        return Exit::Unavailable;
    }
    let file = &config.kick.file;
    let epoch = own_second(file).await;
    if let Err(why) = kicks::write(file, &request.action, &token, &request.source, epoch) {
        eprintln!("{why}");
        return Exit::Failed;
    }
    if request.no_wait && output.json {
        let (action, source) = (request.action.clone(), request.source.clone());
        let result = KickResult { action, source, epoch, outcome: "queued".to_owned(), at: epoch };
        println!("{}", to_json(&Told { schema: SCHEMA, result: &result }));
        return Exit::Ok;
    }
    if request.no_wait {
        println!(
            "kick request queued: action={} source={} file={}",
            request.action,
            request.source,
            file.display()
        );
        return Exit::Ok;
    }
    if publish::read(&config.paths.state).is_none() {
        eprintln!(
            "queued, but no watchdog seems to run; a cycle within {} s will take it up",
            kicks::EXPIRY_S
        );
        return Exit::Unavailable;
    }
    answer(config, request, epoch, output).await
}

/// The answer of `--json`.
#[derive(Serialize)]
struct Told<'a> {
    schema: u32,
    #[serde(flatten)]
    result: &'a KickResult,
}

async fn answer(config: &Config, request: &Request, epoch: u64, output: Output) -> Exit {
    let until = Instant::now() + PATIENCE;
    let ours = |result: &KickResult| {
        (result.epoch, &result.action, &result.source) == (epoch, &request.action, &request.source)
    };
    while Instant::now() < until {
        if let Some(result) = kicks::read_result(&config.kick.file).filter(ours) {
            match output.json {
                true => println!("{}", to_json(&Told { schema: SCHEMA, result: &result })),
                false => println!("{}: {}", result.action, result.outcome),
            }
            return if result.outcome.starts_with("refused") { Exit::Refused } else { Exit::Ok };
        }
        sleep(LOOK_EVERY).await;
    }
    let look = as_called("picoclaw-watchdog status", config.flag.as_deref());
    eprintln!("queued, but no answer within {} s: {look}", PATIENCE.as_secs());
    Exit::Unavailable
}

/// The present, in Unix seconds. A request is known by its second: one that follows another within the same
/// second would be refused as its copy, and its author would read the other's answer.
async fn own_second(file: &Path) -> u64 {
    loop {
        let now = clock::wall();
        if kicks::read_result(file).is_none_or(|last| last.epoch != now) {
            return now;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The token: from standard input when asked, else as configured (environment or .env).
fn token(config: &Config, from_stdin: bool) -> Result<Secret, String> {
    if from_stdin {
        let mut text = String::new();
        let read = std::io::stdin().take(TOKEN_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| format!("the token cannot be read from standard input: {error}"))?;
        return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
    }
    if config.kick.token.is_empty() {
        return Err("there is no kick token: set PICOCLAW_WATCHDOG_KICK_ENABLED=true and PICOCLAW_WATCHDOG_KICK_TOKEN in ~/.picoclaw/.env, or give it on standard input with --token-stdin".to_owned());
    }
    Ok(config.kick.token.clone())
}
