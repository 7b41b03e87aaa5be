//! The health checks of an `error_patterns.json` as targets of ours: each is asked at its own interval, and a failure
//! is told, for its program repaired none of them either.

use super::Settings;
use super::file::HealthCheck;
use super::toml_text::{Tables, dollars, quoted};

/// Its program's own timeout where the file has none.
const TIMEOUT: u64 = 5;

/// So many answers prove that it is well again; what is asked rarely takes that much longer.
const PROOFS: u64 = 3;

/// Writes one.
pub(super) fn target(settings: &Settings, check: &HealthCheck, tables: &mut Tables) {
    let timeout = check.timeout.unwrap_or(TIMEOUT);
    let most = check.threshold.unwrap_or(90.0);
    let asked = match check.kind.as_str() {
        "postgresql" => format!(
            r#"postgres = {{ host = "${{PGHOST:-localhost}}", port = "${{PGPORT:-5432}}", timeout = "{timeout}s" }}"#
        ),
        "redis" => format!(r#"redis = {{ host = "localhost", port = 6379, timeout = "{timeout}s" }}"#),
        "disk" => format!(r#"disk = {{ mount = "/", max = "{most}%" }}"#),
        "memory" => format!(r#"memory = {{ max = "{most}%" }}"#),
        "http" => match &check.url {
            Some(url) => format!(r#"http = {{ url = {}, timeout = "{timeout}s" }}"#, quoted(&dollars(url))),
            None => {
                tables.warn(format!("{}: a check of http without a url", check.name), "add url = …");
                return;
            }
        },
        other => {
            let hint = "the types are postgresql, redis, disk, memory and http";
            tables.warn(format!("{}: no check is called {other:?}", check.name), hint);
            return;
        }
    };
    tables.begin("[[target]]");
    tables.text("name", &check.name);
    tables.text("severity", if check.critical { "critical" } else { "warning" });
    let rarely = check.interval.filter(|interval| *interval > settings.pace.as_secs());
    if let Some(interval) = rarely {
        tables.line(&format!("settle = \"{}s\"", interval + settings.pace.as_secs()));
        tables.line(&format!("stable_for = \"{}s\"", PROOFS * interval));
    }
    tables.begin("[[target.probe]]");
    tables.text("name", "check");
    if let Some(interval) = rarely {
        tables.line(&format!("every = \"{interval}s\""));
    }
    tables.line(&format!("check.{asked}"));
}
