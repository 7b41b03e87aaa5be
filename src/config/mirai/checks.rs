//! The health checks of an `error_patterns.json` as targets of ours: each is asked at its own interval, and a failure
//! is told, for its program repaired none of them either.

use super::Settings;
use super::file::{HealthCheck, PatternsFile};
use super::toml_text::{Tables, dollars, quoted};

/// Its program's own timeout where the file has none.
const TIMEOUT: u64 = 5;

/// So many answers prove that it is well again; what is asked rarely takes that much longer.
const PROOFS: u64 = 3;

/// Writes one.
pub(super) fn target(settings: &Settings, file: &PatternsFile, check: &HealthCheck, tables: &mut Tables) {
    let asked = match question(check) {
        Ok(asked) => asked,
        Err((what, hint)) => return tables.warn(format!("{}: {what}", check.name), hint),
    };
    tables.begin("[[target]]");
    tables.text("name", &check.name);
    tables.text("severity", if check.critical { "critical" } else { "warning" });
    super::told(settings, file, tables);
    let every = interval(settings, check, tables);
    if let Some(every) = every {
        tables.line(&format!("settle = \"{}s\"", every + settings.pace.as_secs()));
        tables.line(&format!("stable_for = \"{}s\"", PROOFS * every));
    }
    tables.begin("[[target.probe]]");
    tables.text("name", "check");
    if let Some(every) = every {
        tables.line(&format!("every = \"{every}s\""));
    }
    tables.line(&format!("check.{asked}"));
}

/// What is asked, or what is wrong with it and what to write instead.
fn question(check: &HealthCheck) -> Result<String, (String, &'static str)> {
    let timeout = check.timeout.unwrap_or(TIMEOUT);
    let most = check.threshold.unwrap_or(90.0);
    match (check.kind.as_str(), &check.url) {
        ("postgresql", _) => Ok(format!(
            r#"postgres = {{ host = "${{PGHOST:-localhost}}", port = "${{PGPORT:-5432}}", timeout = "{timeout}s" }}"#
        )),
        ("redis", _) => {
            Ok(format!(r#"redis = {{ host = "localhost", port = 6379, timeout = "{timeout}s" }}"#))
        }
        ("disk", _) => Ok(format!(r#"disk = {{ mount = "/", max = "{most}%" }}"#)),
        ("memory", _) => Ok(format!(r#"memory = {{ max = "{most}%" }}"#)),
        ("http", Some(url)) => {
            Ok(format!(r#"http = {{ url = {}, timeout = "{timeout}s" }}"#, quoted(&dollars(url))))
        }
        ("http", None) => Err(("a check of http without a url".to_owned(), "add url = …")),
        (other, _) => {
            let hint = "the types are postgresql, redis, disk, memory and http";
            Err((format!("no check is called {other:?}"), hint))
        }
    }
}

/// How often it is asked, when that is more rarely than everything else. More often is not possible.
fn interval(settings: &Settings, check: &HealthCheck, tables: &mut Tables) -> Option<u64> {
    let pace = settings.pace.as_secs();
    let interval = check.interval?;
    if interval < pace {
        let what = format!("{}: its interval is {interval} s, and it is asked every {pace} s", check.name);
        tables.warn(what, "write a shorter interval at the top of watchdog.toml");
    }
    Some(interval).filter(|interval| *interval > pace)
}
