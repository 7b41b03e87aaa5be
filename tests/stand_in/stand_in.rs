//! A throwaway stand-in for what the watchdog watches and writes to: a picoclaw gateway of any generation,
//! Ollama, the LINE push endpoint, a mail server, a webhook, a moltworker, tailscaled with its command, or somebody else
//! on a port. A real process on real loopback sockets, for the tests and for `make demo`. It must know nothing of the watchdog: a stand-in that shared its code
//! would share its mistakes.
//!
//! ```text
//! stand-in gateway [--generation g0|g1|g2|u] [--port 18790] [--webhook-port 18791|none] [--webhook-path P]
//!                  [--start-delay MS] [--exit-at-once CODE] [--bind-failure stay|exit] [--control DIR]
//! stand-in ollama  [--port 11434] [--control DIR]
//! stand-in line    [--port 18792] [--control DIR] --record FILE
//! stand-in smtp    [--port 2525] [--implicit] [--control DIR] --record FILE
//! stand-in hook    [--port 18794] [--control DIR] --record FILE
//! stand-in moltworker [--port 18793] [--control DIR] --record FILE
//! stand-in tailscaled [--edge-port 0] [--resolver-port 0] --control DIR
//! stand-in listen PORT        (accepts nothing and answers nothing)
//! stand-in hold               (only lives)
//! ```
//! All listen on 127.0.0.1; port 0 takes a free one. Ready is one line `listening on ADDRESS…` on standard output.
//! SIGTERM and SIGINT end it with exit 0, unless `--ignore-term`; `--until-eof` ends it with its standard input,
//! so that it cannot outlive the test that started it. Files in the control directory steer it while it runs:
//! each module lists its own. Called `tailscale` or `sudo`, through a link, it is that command.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its two streams are its interface")]

mod args;
mod control;
mod gateway;
mod hook;
mod http;
mod line;
mod moltworker;
mod ollama;
mod smtp;
mod tailscale;
mod tailscaled;

use anyhow::{Context, Result, bail};
use args::Args;
use nix::sys::signal::{SigSet, Signal};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::process::exit;
use std::thread;

fn main() -> Result<()> {
    if let Some(done) = tailscale::called() {
        return done;
    }
    // Blocked before any thread starts, so that only `wait` below ever sees them, start-up included.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    signals.thread_block()?;
    let mut args = Args::from_env();
    let ignore_term = args.flag("--ignore-term");
    if args.flag("--until-eof") {
        thread::spawn(exit_at_eof);
    }
    thread::spawn(move || {
        if let Err(error) = start(args) {
            eprintln!("stand-in: {error:#}");
            exit(1);
        }
    });
    loop {
        signals.wait()?;
        if !ignore_term {
            exit(0);
        }
    }
}

/// Starts the wanted stand-in; its servers go on in threads of their own.
fn start(mut args: Args) -> Result<()> {
    match args.word()?.as_str() {
        "gateway" => gateway::start(args),
        "ollama" => ollama::start(args),
        "line" => line::start(args),
        "moltworker" => moltworker::start(args),
        "smtp" => smtp::start(args),
        "hook" => hook::start(args),
        "tailscaled" => tailscaled::start(args),
        "listen" => hold_port(args),
        "hold" => {
            announce(&[]);
            args.done()
        }
        other => bail!(
            "{other:?} is none of gateway, ollama, line, moltworker, smtp, hook, tailscaled, listen and hold"
        ),
    }
}

/// A port thief: the kernel accepts connections, and nobody ever reads them.
fn hold_port(mut args: Args) -> Result<()> {
    let port: u16 = args.word()?.parse().context("the port")?;
    args.done()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    announce(&[listener.local_addr()?]);
    loop {
        thread::park();
    }
}

/// The ready line, with the addresses in the order that each stand-in documents.
fn announce(addresses: &[SocketAddr]) {
    let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    println!("listening on {}", texts.join(" "));
}

fn exit_at_eof() {
    let mut byte = [0];
    while matches!(std::io::stdin().read(&mut byte), Ok(n) if n > 0) {}
    exit(0);
}
