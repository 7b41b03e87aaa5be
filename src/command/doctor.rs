//! `doctor`: what of this host keeps the watchdog from doing its work. It changes nothing.

use super::to_json;
use crate::cli::Output;
use crate::config::{Compiled, Config, Sources, as_called};
use crate::doctor::{Finding, Grade, examine, overall, privileges};
use crate::exit::Exit;
use serde::Serialize;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Examined {
    schema: u32,
    /// The worst of all: `ok`, `unknown`, `warn` or `fail`.
    overall: Grade,
    findings: Vec<Finding>,
}

/// Looks at everything and prints what was found.
pub async fn run(sources: &Sources, compiled: &Compiled, output: Output) -> Exit {
    let findings = examine(sources, &compiled.problems, compiled.config.as_ref()).await;
    let overall = overall(&findings);
    if output.json {
        println!("{}", to_json(&Examined { schema: crate::host::view::SCHEMA, overall, findings }));
    } else {
        findings.iter().for_each(show);
    }
    match overall {
        Grade::Ok => Exit::Ok,
        Grade::Unknown | Grade::Warn => Exit::Degraded,
        Grade::Fail => Exit::Critical,
    }
}

/// Prints what has to be installed so that the actions may do what they are to do.
pub async fn print_rights(config: &Config, polkit: bool) -> Exit {
    let text = if polkit { privileges::polkit(config).await } else { privileges::sudoers(config) };
    print!("{}", as_called(&text, config.flag.as_deref()));
    Exit::Ok
}

fn show(finding: &Finding) {
    let Finding { grade, about, what, fix } = finding;
    println!("{grade:<8}{about:<10}{what}");
    if let Some(fix) = fix {
        println!("{:<18}fix: {fix}", "");
    }
}
