//! The health checks of an `error_patterns.json` as targets of ours: each is asked at its own interval, and a failure
//! is told, for its program repaired none of them either.

use super::Settings;
use super::file::{HealthCheck, PatternsFile};
use super::toml_text::{Tables, dollars, quoted};
use super::{MOST, seconds};
use std::time::Duration;

/// Its program's own timeout where the file has none.
const TIMEOUT: f64 = 5.0;

/// The shortest that a probe waits, in milliseconds.
const LEAST_TIMEOUT: u64 = 100;

/// The least and the most that a share can be, in percent.
const SHARES: (f64, f64) = (1.0, 100.0);

/// So many answers prove that it is well again; what is asked rarely takes that much longer.
const PROOFS: u64 = 3;

/// Writes one.
pub(super) fn target(settings: &Settings, file: &PatternsFile, check: &HealthCheck, tables: &mut Tables) {
    let asked = match question(settings, check, tables) {
        Ok(asked) => asked,
        Err((what, hint)) => return tables.warn(format!("{}: {what}", check.name), hint),
    };
    tables.begin("[[target]]");
    tables.text("name", &check.name);
    tables.text("severity", if check.critical { "critical" } else { "warning" });
    super::told(settings, file, tables);
    let every = interval(settings, check, tables);
    if let Some(every) = every {
        tables.line(&format!("settle = \"{}ms\"", every + millis(settings.pace)));
        tables.line(&format!("stable_for = \"{}ms\"", PROOFS * every));
    }
    tables.begin("[[target.probe]]");
    tables.text("name", "check");
    if let Some(every) = every {
        tables.line(&format!("every = \"{every}ms\""));
    }
    tables.line(&format!("check.{asked}"));
}

/// What is asked, or what is wrong with it and what to write instead.
fn question(
    settings: &Settings,
    check: &HealthCheck,
    tables: &mut Tables,
) -> Result<String, (String, &'static str)> {
    let timeout = timeout(settings, check, tables);
    let most = share(check, tables);
    match (check.kind.as_str(), &check.url) {
        ("postgresql", _) => Ok(format!(
            r#"postgres = {{ host = "${{PGHOST:-localhost}}", port = "${{PGPORT:-5432}}", timeout = "{timeout}ms" }}"#
        )),
        ("redis", _) => {
            Ok(format!(r#"redis = {{ host = "localhost", port = 6379, timeout = "{timeout}ms" }}"#))
        }
        ("disk", _) => Ok(format!(r#"disk = {{ mount = "/", max = "{most}%" }}"#)),
        ("memory", _) => Ok(format!(r#"memory = {{ max = "{most}%" }}"#)),
        ("http", Some(url)) => {
            Ok(format!(r#"http = {{ url = {}, timeout = "{timeout}ms" }}"#, quoted(&dollars(url))))
        }
        ("http", None) => Err(("a check of http without a url".to_owned(), "add url = …")),
        (other, _) => {
            let hint = "the types are postgresql, redis, disk, memory and http";
            Err((format!("no check is called {other:?}"), hint))
        }
    }
}

/// How long it may take, in milliseconds. A pass has to be over within its interval.
fn timeout(settings: &Settings, check: &HealthCheck, tables: &mut Tables) -> u64 {
    let written = check.timeout.unwrap_or(TIMEOUT);
    let (wanted, most) = (seconds(written, MOST), millis(settings.patience));
    let kept = wanted.clamp(LEAST_TIMEOUT.min(most), most);
    if kept != wanted {
        let what = format!("{}: its timeout is {written} s, and here it is {kept} ms", check.name);
        tables.warn(
            what,
            "write less than the interval at the top of watchdog.toml, or a longer interval there",
        );
    }
    kept
}

/// How much may be used: a whole number here.
fn share(check: &HealthCheck, tables: &mut Tables) -> f64 {
    let written = check.threshold.unwrap_or(90.0);
    // Rather a little too early than too late.
    let kept = written.floor().clamp(SHARES.0, SHARES.1);
    if check.threshold.is_some_and(|written| written != kept) {
        let what = format!("{}: its threshold is {written}, and here it is {kept}", check.name);
        tables.warn(what, "write a whole number from 1 to 100");
    }
    kept
}

/// How often it is asked, in milliseconds, when that is more rarely than everything else. More often is not possible.
fn interval(settings: &Settings, check: &HealthCheck, tables: &mut Tables) -> Option<u64> {
    let written = check.interval?;
    // Three of them have to fit into what anything is waited for.
    let (wanted, pace) = (seconds(written, MOST / 4), millis(settings.pace));
    if wanted < pace {
        let what = format!(
            "{}: its interval is {written} s, and it is asked every {} s",
            check.name,
            settings.pace.as_secs_f64()
        );
        tables.warn(what, "write a shorter interval at the top of watchdog.toml");
    }
    Some(wanted).filter(|wanted| *wanted > pace)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
