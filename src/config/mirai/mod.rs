//! An `error_patterns.json` of the Mirai system as it is: it becomes tables of the configuration, which are read and
//! checked like all others. So there is one mechanism, and a person can print what it comes to.

mod actions;
mod checks;
mod file;
mod naming;
mod toml_text;

use super::SourceFile;
use crate::recovery::cadence::Cadence;
use crate::recovery::evidence::Name;
use crate::section::{Problem, Section, Severity, parse};
use crate::values::one_line;
use file::{Pattern, PatternsFile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml_text::Tables;

/// Where its own program looked, beneath its own directory, beside the log of the machine; its own log left out, for it
/// kept triggering itself.
const ITS_LOGS: [&str; 3] = ["logs/app.log", "/var/log/syslog", "/var/log/postgresql/postgresql.log"];

/// What `[mirai]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// The file.
    pub(super) patterns_file: PathBuf,
    /// The directory of the program, in which its data and logs are.
    root: PathBuf,
    /// Whether what stands in its logs may lead to action.
    trusted: bool,
    /// The logs to read; empty for those that its own program read.
    sources: Vec<String>,
    /// The channels that there are, of those that the file may name.
    channels: Vec<String>,
    /// What is asked more rarely than this has to say so.
    pace: Duration,
    /// What an answer may take at most.
    patience: Duration,
    /// What its names of services mean here.
    services: BTreeMap<String, Service>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Service {
    /// A unit of the user's manager.
    User(String),
    /// A unit of the system.
    System(String),
}

/// Reads `[mirai]`; none when there is none.
pub(super) fn settings(root: &mut Section<'_>, home: &Path, cadence: Cadence) -> Option<Settings> {
    let tables = ["line", "email"].into_iter().filter(|table| root.has(table));
    let channels: Vec<String> = tables.map(str::to_owned).collect();
    root.table("mirai", |mirai| {
        let patterns_file = mirai.need("patterns_file", parse::path(home));
        let beside =
            patterns_file.as_ref().and_then(|path| path.parent()?.parent()).unwrap_or(home).to_owned();
        let settings = Settings {
            root: mirai.or("root", beside, parse::path(home)),
            trusted: mirai.or("trusted", false, parse::flag),
            sources: mirai
                .list("sources", |text| Name::parse(text).map(|name| name.to_string()))
                .unwrap_or_default(),
            services: mirai.map("services", service).into_iter().collect(),
            channels,
            pace: cadence.shortest(),
            patience: patience(cadence.longest()),
            patterns_file: patterns_file?,
        };
        Some(settings)
    })
}

/// A pass has to be over within its interval.
fn patience(interval: Duration) -> Duration {
    interval - (interval / 4).min(Duration::from_secs(1))
}

/// A configuration that names this file, and nothing else.
pub(super) fn naming(patterns_file: &Path) -> String {
    let mut tables = Tables::default();
    tables.begin("[mirai]");
    tables.text("patterns_file", &patterns_file.display().to_string());
    tables.text
}

fn service(text: &str) -> Result<Service, String> {
    match text.split_once(':') {
        Some(("user", unit)) if !unit.is_empty() => Ok(Service::User(unit.to_owned())),
        Some(("system", unit)) if !unit.is_empty() => Ok(Service::System(unit.to_owned())),
        Some(_) | None => Err(format!(
            "{text:?} does not say whose unit it is; write \"user:mirai.service\" or \"system:postgresql.service\""
        )),
    }
}

/// The tables that the file stands for, as TOML, and what it says that cannot be done.
pub(super) fn translate(settings: &Settings, file: &SourceFile) -> (String, Vec<Problem>) {
    let name = file.path.display().to_string();
    let mut parsed: PatternsFile = match serde_json::from_str(&file.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let hint = "mend the file, or remove patterns_file";
            let what = format!("not the JSON of an error_patterns.json: {error}");
            return (
                String::new(),
                vec![Problem::new(Severity::Error, name, what, hint).at_line(error.line())],
            );
        }
    };
    let mut tables = Tables::default();
    naming::name_all(&mut parsed, &mut tables);
    if settings.sources.is_empty() && !parsed.error_patterns.is_empty() {
        sources(settings, &mut tables);
    }
    for pattern in &parsed.error_patterns {
        target(settings, &parsed, pattern, &mut tables);
    }
    let idle = parsed.error_patterns.iter().filter(|pattern| pattern.auto_fix && !settings.trusted);
    let idle: Vec<&str> = idle.map(|pattern| pattern.id.as_str()).collect();
    if !idle.is_empty() {
        let what = "the fixes are left out, for what stands in a log may have been written by an outsider";
        let hint = "write trusted = true under [mirai] if that cannot be";
        tables.warn(format!("{what}: {}", idle.join(", ")), hint);
    }
    if parsed.auto_fix_config.max_retries == 0 && parsed.error_patterns.iter().any(|pattern| pattern.auto_fix)
    {
        let what = "auto_fix_config.max_retries is 0, so nothing is repaired and people are told at once";
        tables.warn(what, "write 3, or leave it out");
    }
    for check in &parsed.health_checks {
        checks::target(settings, &parsed, check, &mut tables);
    }
    missing_channels(settings, &parsed, &mut tables);
    for unread in parsed.unread() {
        tables.warn(unread, "nothing reads this field; remove it");
    }
    let told =
        tables.problems.drain(..).map(|(what, hint)| Problem::new(Severity::Warning, &name, what, hint));
    let told = told.collect();
    (tables.text, told)
}

/// Says which of the channels that it names are not there.
fn missing_channels(settings: &Settings, file: &PatternsFile, tables: &mut Tables) {
    let named = file.auto_fix_config.channels().unwrap_or_default();
    let instead = match named.iter().any(|channel| settings.channels.contains(channel)) {
        true => "",
        false => ", so the usual channels are told",
    };
    for channel in named.iter().filter(|channel| !settings.channels.contains(channel)) {
        let what = format!("auto_fix_config.notification_channels: {channel} cannot be used{instead}");
        tables.warn(what, format!("add a table [{channel}] to the configuration, or take it out"));
    }
}

/// Who alone is told; none when that is left to the configuration, as it is where nothing that the file names is there:
/// it wants somebody to be told.
fn channels(settings: &Settings, file: &PatternsFile) -> Option<Vec<String>> {
    let named = file.auto_fix_config.channels()?;
    let there: Vec<String> =
        named.iter().filter(|channel| settings.channels.contains(channel)).cloned().collect();
    (named.is_empty() || !there.is_empty()).then_some(there)
}

/// Who is told of a pattern or a check.
fn told(settings: &Settings, file: &PatternsFile, tables: &mut Tables) {
    if !file.auto_fix_config.enable_notifications {
        tables.line("channels = []");
    } else if let Some(channels) = channels(settings, file) {
        tables.texts("channels", &channels);
    }
}

/// The logs that its own program read.
fn sources(settings: &Settings, tables: &mut Tables) {
    let files: Vec<String> =
        ITS_LOGS.iter().map(|log| settings.root.join(log).display().to_string()).collect();
    tables.begin("[[source]]");
    tables.text("name", SOURCE);
    tables.texts("files", &files);
    tables.text("from", "end");
}

/// Seconds of the file as milliseconds of ours; what is more than we wait for anything, or less than nothing, is cut off.
fn seconds(written: f64, most: Duration) -> u64 {
    let least = Duration::ZERO;
    let span = Duration::try_from_secs_f64(written).unwrap_or(if written > 0.0 { most } else { least });
    u64::try_from(span.min(most).as_millis()).unwrap_or(u64::MAX)
}

/// How grave it is, in our words.
fn severity(pattern: &Pattern, tables: &mut Tables) -> &'static str {
    let meant = match pattern.severity.to_ascii_lowercase().as_str() {
        "warning" | "debug" | "info" | "notice" | "low" | "warn" | "minor" => "warning",
        "critical" | "fatal" | "high" | "alert" | "emergency" => "critical",
        _ => "error",
    };
    if pattern.severity == meant {
        return meant;
    }
    let what = format!("{}: its severity is {:?}, which is taken for {meant}", pattern.id, pattern.severity);
    tables.warn(what, "write warning, error or critical");
    meant
}

/// The longest fix, with its backup, is over by then; in seconds.
const SETTLE: u64 = 300;
/// The title of a pattern, for whoever prints the tables.
const TITLE_CHARS: usize = 80;
const SOURCE: &str = "mirai-logs";
/// Nothing is waited for longer than this.
const MOST: Duration = Duration::from_secs(30 * 86_400);

/// A pattern with a fix is a target whose only signal is the rule, and whose ladder is the fix.
fn target(settings: &Settings, file: &PatternsFile, pattern: &Pattern, tables: &mut Tables) {
    let fix = &file.auto_fix_config;
    // Without trust it may tell, and no more; nor when it is to be tried no times.
    let acts = pattern.auto_fix && settings.trusted && fix.max_retries > 0;
    let repair = if acts { actions::of(settings, file, pattern, tables) } else { None };
    tables.begin(&format!("# {}\n[[target]]", one_line(&pattern.name, TITLE_CHARS)));
    tables.text("name", &pattern.id);
    let severity = severity(pattern, tables);
    tables.text("severity", severity);
    if let Some(action) = repair {
        tables.line(&format!("ladder = [{{ action = \"{action}\", tries = {} }}]", fix.max_retries));
        tables.line(&format!("window = {{ attempts = {}, per = \"1h\" }}", fix.max_retries));
        let (delay, cooldown) = (seconds(fix.retry_delay, MOST), seconds(fix.cooldown_period, MOST));
        tables.line(&format!("backoff = [\"0s\", \"{delay}ms\"]"));
        tables.line(&format!("settle = \"{}ms\"", cooldown.max(SETTLE * 1000)));
        tables.line(&format!("cooldown = \"{cooldown}ms\""));
    }
    told(settings, file, tables);
    tables.begin("[[target.probe]]");
    tables.text("name", "log");
    tables.begin("[target.probe.check.log]");
    let own = [SOURCE.to_owned()];
    tables.texts("in", if settings.sources.is_empty() { &own } else { &settings.sources });
    tables.verbatim("pattern", &pattern.pattern);
    tables.line(&format!("trusted = {}", settings.trusted));
    tables.line("strict = false");
}
