//! The picoclaw gateway in its four generations: same ports, codes and JSON as the real ones.
//!
//! Announces its main address, then the webhook's when that is a server of its own (g0, g1). A port that it cannot
//! have is only logged, as the real ones do, and it stays alive; `--bind-failure exit` makes it exit 1.
//! Control files: `health-503` and `ready-503` (content: the JSON of `checks`; empty names `ollama`),
//! `slow-health` (content: milliseconds), `webhook-status` (content: the code that the webhook answers),
//! `hang` (every server accepts and never answers).

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use crate::http::{Answer, Reply, Request, serve};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Which gateway to be. They differ in ports, codes and bodies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Generation {
    /// February 2026: no checks; the webhook on a server of its own.
    G0,
    /// As G0, with `ollama` and `ollama_models` checks in `/ready`.
    G1,
    /// One server; `/health` runs the checks; the webhook at `/webhook`.
    G2,
    /// Upstream v0.2.x: one server; `/ready` is 503 for ever, a bug of theirs.
    Upstream,
}

impl FromStr for Generation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "g0" => Ok(Self::G0),
            "g1" => Ok(Self::G1),
            "g2" => Ok(Self::G2),
            "u" => Ok(Self::Upstream),
            _ => Err("write g0, g1, g2 or u".to_owned()),
        }
    }
}

struct Options {
    generation: Generation,
    port: u16,
    webhook_port: Option<u16>,
    webhook_path: String,
    start_delay: Duration,
    exit_at_once: Option<i32>,
    stay_without_port: bool,
    control: Control,
}

impl Options {
    fn read(mut args: Args) -> Result<Self> {
        let generation = args.parsed("--generation", Generation::G0)?;
        let default_path = if generation == Generation::G2 { "/webhook" } else { "/webhook/line" };
        let webhook_port = args.parsed("--webhook-port", "18791".to_owned())?;
        let own_server = matches!(generation, Generation::G0 | Generation::G1) && webhook_port != "none";
        let options = Self {
            generation,
            port: args.parsed("--port", 18790)?,
            webhook_port: own_server.then(|| webhook_port.parse()).transpose().context("--webhook-port")?,
            webhook_path: args.parsed("--webhook-path", default_path.to_owned())?,
            start_delay: Duration::from_millis(args.parsed("--start-delay", 0)?),
            exit_at_once: args.value("--exit-at-once")?.map(|code| code.parse()).transpose()?,
            stay_without_port: args.parsed("--bind-failure", "stay".to_owned())? == "stay",
            control: Control::new(args.value("--control")?),
        };
        args.done()?;
        Ok(options)
    }
}

struct Gateway {
    options: Options,
    started: Instant,
}

/// Starts a gateway and, where the generation has one, its webhook server.
pub(crate) fn start(args: Args) -> Result<()> {
    let options = Options::read(args)?;
    if let Some(code) = options.exit_at_once {
        std::process::exit(code);
    }
    thread::sleep(options.start_delay);
    let gateway = Arc::new(Gateway { options, started: Instant::now() });
    // The webhook first, as the real ones do: whoever sees the main port sees both.
    let webhook = match gateway.options.webhook_port {
        Some(port) => gateway.listen(port, Gateway::webhook_server)?,
        None => None,
    };
    let main = gateway.listen(gateway.options.port, Gateway::main_server)?;
    if main.is_some() {
        announce(&main.into_iter().chain(webhook).collect::<Vec<_>>());
    }
    Ok(())
}

impl Gateway {
    fn listen(
        self: &Arc<Self>,
        port: u16,
        server: fn(&Gateway, &Request) -> Answer,
    ) -> Result<Option<SocketAddr>> {
        let gateway = Arc::clone(self);
        match serve(port, move |request| server(&gateway, request)) {
            Err(error) if self.options.stay_without_port => {
                eprintln!("{error:#}");
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    fn main_server(&self, request: &Request) -> Answer {
        let control = &self.options.control;
        if control.has("hang") {
            return Answer::Hang;
        }
        Answer::Reply(match request.path.as_str() {
            "/health" => {
                thread::sleep(control.millis("slow-health").unwrap_or_default());
                self.health()
            }
            "/ready" => self.ready(),
            _ if matches!(self.options.generation, Generation::G2 | Generation::Upstream) => {
                self.webhook(request)
            }
            _ => Reply::not_found(),
        })
    }

    fn webhook_server(&self, request: &Request) -> Answer {
        if self.options.control.has("hang") { Answer::Hang } else { Answer::Reply(self.webhook(request)) }
    }

    fn health(&self) -> Reply {
        let steered = self.options.control.text("health-503");
        let status = if steered.is_some() { 503 } else { 200 };
        let uptime = self.uptime();
        let body = match (self.options.generation, &steered) {
            (Generation::G2, None) => g2_health("ok", G2_CHECKS_OK),
            (Generation::G2, Some(checks)) => g2_health("down", or_default(checks, G2_CHECKS_DOWN)),
            // No real one of these answers so; a proxy or a later version may.
            (_, Some(checks)) => not_ready(or_default(checks, CHECKS_DOWN)),
            (Generation::Upstream, None) => {
                format!(r#"{{"status":"ok","uptime":"{uptime}","pid":{}}}"#, std::process::id())
            }
            (_, None) => format!(r#"{{"status":"ok","uptime":"{uptime}"}}"#),
        };
        Reply::json(status, body + "\n")
    }

    fn ready(&self) -> Reply {
        let steered = self.options.control.text("ready-503");
        let uptime = self.uptime();
        let (status, body) = match (self.options.generation, &steered) {
            (Generation::G2, None) => (200, r#"{"ready":true}"#.to_owned()),
            (Generation::G2, Some(_)) => (503, r#"{"ready":false}"#.to_owned()),
            (_, Some(checks)) => (503, not_ready(or_default(checks, CHECKS_DOWN))),
            (Generation::Upstream, None) => (503, r#"{"status":"not ready","uptime":""}"#.to_owned()),
            (Generation::G0, None) => (200, format!(r#"{{"status":"ready","uptime":"{uptime}"}}"#)),
            (Generation::G1, None) => {
                let checks = dated(CHECKS_OK);
                (200, format!(r#"{{"status":"ready","uptime":"{uptime}","checks":{checks}}}"#))
            }
        };
        Reply::json(status, body + "\n")
    }

    /// No request here carries LINE's signature, so every POST is refused as unsigned.
    fn webhook(&self, request: &Request) -> Reply {
        if request.path != self.options.webhook_path {
            return Reply::not_found();
        }
        if let Some(code) = self.options.control.text("webhook-status") {
            return Reply::text(code.parse().unwrap_or(502), "steered\n");
        }
        match (self.options.generation, request.method.as_str()) {
            (Generation::G2, "POST") => Reply::text(401, "Invalid signature\n"),
            (Generation::G2, _) => Reply::not_found(),
            (_, "POST") => Reply::text(403, "Forbidden\n"),
            (_, _) => Reply::text(405, "Method Not Allowed\n"),
        }
    }

    fn uptime(&self) -> String {
        go_duration(self.started.elapsed())
    }
}

const CHECKS_OK: &str = r#"{"ollama":{"name":"ollama","status":"ok","timestamp":"NOW"},"ollama_models":{"name":"ollama_models","status":"ok","message":"2/2 models ok","timestamp":"NOW"}}"#;
const CHECKS_DOWN: &str = r#"{"ollama":{"name":"ollama","status":"fail","message":"unreachable: dial tcp: connection refused","timestamp":"NOW"}}"#;
const G2_CHECKS_OK: &str = r#"[{"name":"ollama_connection","status":"ok","duration_ms":3}]"#;
const G2_CHECKS_DOWN: &str = r#"[{"name":"ollama_connection","status":"down","message":"dial tcp: connection refused","duration_ms":2}]"#;

fn not_ready(checks: &str) -> String {
    format!(r#"{{"status":"not ready","uptime":"","checks":{}}}"#, dated(checks))
}

fn g2_health(status: &str, checks: &str) -> String {
    dated(&format!(r#"{{"status":"{status}","checks":{checks},"timestamp":"NOW"}}"#))
}

fn dated(json: &str) -> String {
    json.replace("\"NOW\"", &format!("\"{}\"", jiff::Timestamp::now()))
}

fn or_default<'a>(checks: &'a str, default: &'a str) -> &'a str {
    if checks.is_empty() { default } else { checks }
}

/// As Go prints a duration: `1h2m3.456s`, `345ms`. It is text for people, never a number.
fn go_duration(span: Duration) -> String {
    let (s, ms) = (span.as_secs(), span.subsec_millis());
    let seconds = format!("{}.{ms:03}", s % 60);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match s {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{seconds}s", s / 60),
        _ => format!("{}h{}m{seconds}s", s / 3600, s % 3600 / 60),
    }
}
