//! Entry: parses the command line, dispatches, and turns the result into an exit code; nothing else.

use clap::Parser;
use clap::error::ErrorKind;
use picoclaw_watchdog::cli::Cli;
use picoclaw_watchdog::command;
use picoclaw_watchdog::exit::Exit;
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

/// For cargo alone, so that it links anew when the order of the code has changed (see the Makefile).
const _: &[u8] = include_bytes!("order.ld");

/// Who closed our output (`check | head`) wants no more of it, and a disk may be full: no defects to be told with a
/// backtrace.
fn end_quietly_when_nobody_reads() {
    /// What a shell shows for a program that SIGPIPE has ended.
    const PIPE_CLOSED: i32 = 128 + 13;
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        match text.strip_prefix("failed printing to ") {
            Some(why) if why.contains("Broken pipe") => std::process::exit(PIPE_CLOSED),
            Some(why) => {
                // Standard error may lie on the same full disk.
                let _ = writeln!(io::stderr(), "picoclaw-watchdog: cannot print to {why}");
                std::process::exit(Exit::Failed.code().into());
            }
            None => usual(panic),
        }
    }));
}

fn main() -> ExitCode {
    end_quietly_when_nobody_reads();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed terminal is no reason to fail differently.
            let _ = error.print();
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked_for { Exit::Ok.into() } else { Exit::Usage.into() };
        }
    };
    // One thread: a second one costs half again the CPU of a cycle and buys nothing.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Exit::Failed.into() };
    let exit = runtime.block_on(command::dispatch(cli));
    // A name that is looked up in another thread cannot be given up, and may take half a minute when nobody answers.
    runtime.shutdown_background();
    exit.into()
}
