//! The fixes of an `error_patterns.json` as actions of ours: each type of its program is one closed operation here.

use super::file::{Fix, Pattern, PatternsFile};
use super::toml_text::{Tables, list, quoted};
use super::{Service, Settings};
use std::collections::BTreeSet;
use std::path::Path;

/// Its program rotated what was longer than this.
const ROTATE_ABOVE: &str = "10MiB";
/// What its program listed as temporary files, in two places.
const TEMPORARY: &str = r#"match = ["*.tmp", "flask_*"], older_than = "48h""#;
/// Less than a week is no old file, whatever the pattern says.
const LEAST_DAYS: u32 = 7;
/// With everything else in its fix it has to be over within [`super::SETTLE`].
const VACUUM: &str = "2m";
/// What its program needs to write to, where a fix names no paths.
const WRITTEN: [&str; 2] = ["data", "logs"];
/// The mode of what is mended, where a fix names none.
const MODE: &str = "0755";
/// Where what a fix may destroy lies.
const DATA: &str = "data";

/// The fixes that interrupt a service. The others must hold up no repair of another pattern while they are verified; a
/// sequence is as its steps are.
const INTERRUPTS: [&str; 2] = ["service_restart", "kill_process_on_port"];

/// Writes the actions of a pattern. Returns the name of the one that stands for them all; none when nothing is left.
pub(super) fn of(
    settings: &Settings,
    file: &PatternsFile,
    pattern: &Pattern,
    tables: &mut Tables,
) -> Option<String> {
    let mut steps = Vec::new();
    for fix in &pattern.actions {
        let harmless = !INTERRUPTS.contains(&fix.kind.as_str());
        let acts = acts(settings, pattern, fix, tables);
        steps.extend(
            acts.into_iter().map(|act| if harmless { format!("disruptive = false\n{act}") } else { act }),
        );
    }
    let backup = file.auto_fix_config.backup_before_fix.then(|| backup(settings, pattern));
    let whole = format!("{}-fix", pattern.id);
    match steps.as_slice() {
        [] => return None,
        [one] => action(&whole, one, backup.as_deref(), tables),
        many => {
            let names: Vec<String> = (1..=many.len()).map(|number| format!("{whole}-{number}")).collect();
            for (name, act) in names.iter().zip(many) {
                action(name, act, None, tables);
            }
            action(&whole, &format!("do.all = {}", list(&names)), backup.as_deref(), tables);
        }
    }
    Some(whole)
}

fn action(name: &str, act: &str, backup: Option<&str>, tables: &mut Tables) {
    tables.begin(&format!("[action.{name}]"));
    tables.line(act);
    backup.iter().for_each(|backup| tables.line(backup));
}

/// What may be spoiled: the data, and whatever is given another mode.
fn backup(settings: &Settings, pattern: &Pattern) -> String {
    let mended = pattern.actions.iter().filter(|fix| fix.kind == "fix_permissions").flat_map(paths);
    let all: BTreeSet<String> = mended.chain([DATA.to_owned()]).collect();
    format!("backup = {{ root = {}, paths = {} }}", path(&settings.root), list(&Vec::from_iter(all)))
}

/// What a fix is about.
fn paths(fix: &Fix) -> Vec<String> {
    match fix.paths.is_empty() {
        true => WRITTEN.map(str::to_owned).to_vec(),
        false => fix.paths.clone(),
    }
}

fn path(path: &Path) -> String {
    quoted(&super::toml_text::dollars(&path.display().to_string()))
}

/// What one fix comes to; more than one where it touches several places.
fn acts(settings: &Settings, pattern: &Pattern, fix: &Fix, tables: &mut Tables) -> Vec<String> {
    let root = path(&settings.root);
    let beneath = |name: &str| path(&settings.root.join(name));
    match fix.kind.as_str() {
        "service_restart" => restart(settings, pattern, fix, tables).into_iter().collect(),
        "log_rotate" => {
            let logs = beneath("logs");
            vec![format!("do.rotate = {{ root = {logs}, match = [\"*.log\"], above = \"{ROTATE_ABOVE}\" }}")]
        }
        "cache_clear" => vec![format!(
            "do.clean = {{ root = {}, match = [\"*\"], older_than = \"1m\" }}",
            beneath("cache")
        )],
        "temp_file_cleanup" => ["/tmp", "/var/tmp"]
            .map(|place| format!("do.clean = {{ root = \"{place}\", {TEMPORARY} }}"))
            .to_vec(),
        "old_file_cleanup" => {
            let days = fix.days.unwrap_or(30).max(LEAST_DAYS);
            // Uploads belong to people; the original deleted them, too.
            let clean = |name| {
                format!(
                    "do.clean = {{ root = {}, match = [\"*\"], older_than = \"{days}d\" }}",
                    beneath(name)
                )
            };
            vec![clean("logs"), clean("cache")]
        }
        "create_missing_dirs" if fix.directories.is_empty() => {
            missing(pattern, fix, "directories", tables);
            Vec::new()
        }
        "create_missing_dirs" => {
            vec![format!("do.create-dirs = {{ root = {root}, dirs = {} }}", list(&fix.directories))]
        }
        "fix_permissions" => vec![permissions(&root, fix, false)],
        "check_permissions" => vec![permissions(&root, fix, true)],
        "check_port" | "kill_process_on_port" => port(settings, pattern, fix, tables).into_iter().collect(),
        "database_vacuum" => vec![format!("do.vacuum = {{ timeout = \"{VACUUM}\" }}")],
        "backup_and_fix_json" => {
            vec![format!("do.restore-json = {{ root = {}, match = [\"*.json\"] }}", beneath(DATA))]
        }
        // That people are told is the answer to every fault that nothing repairs, and what was found in the logs lies
        // in the diagnostics bundle of every repair.
        "alert" | "log_analysis" => Vec::new(),
        other => {
            let known = "service_restart, log_rotate, cache_clear, temp_file_cleanup, old_file_cleanup, \
                 create_missing_dirs, fix_permissions, check_permissions, check_port, kill_process_on_port, \
                 database_vacuum, backup_and_fix_json, log_analysis, alert";
            tables.warn(
                format!("{}: no action is called {other:?}", pattern.id),
                format!("the types are {known}"),
            );
            Vec::new()
        }
    }
}

/// Without this it cannot be known what is meant.
fn missing(pattern: &Pattern, fix: &Fix, field: &str, tables: &mut Tables) {
    let example = match field {
        "port" => "\"port\": 5100",
        "service" => "\"service\": \"flask_app\"",
        _ => "\"directories\": [\"data\"]",
    };
    let what = format!("{}.{}: it has no {field}, so it is left out", pattern.id, fix.kind);
    tables.warn(what, format!("add {example}"));
}

fn restart(settings: &Settings, pattern: &Pattern, fix: &Fix, tables: &mut Tables) -> Option<String> {
    let Some(service) = fix.service.as_deref() else {
        missing(pattern, fix, "service", tables);
        return None;
    };
    match known(settings, pattern, service, tables)? {
        Service::User(unit) => Some(format!("do.restart-unit = {{ unit = {} }}", quoted(unit))),
        Service::System(unit) => Some(format!("do.restart-system-unit = {{ unit = {} }}", quoted(unit))),
    }
}

/// Its names of services mean nothing to systemd, so that the configuration has to say which unit each one is.
fn known<'s>(
    settings: &'s Settings,
    pattern: &Pattern,
    service: &str,
    tables: &mut Tables,
) -> Option<&'s Service> {
    let found = settings.services.get(service);
    if found.is_none() {
        let what = format!("{}: it is not said which unit {service:?} is, so it is not touched", pattern.id);
        tables.warn(
            what,
            format!(
                "write {service} = \"user:NAME.service\" or \"system:NAME.service\" under [mirai.services]"
            ),
        );
    }
    found
}

fn permissions(root: &str, fix: &Fix, check_only: bool) -> String {
    // Where it says none, something has to be mended all the same, and a check looks at nothing but access.
    let mode = fix.mode.as_deref().or((!check_only).then_some(MODE));
    let file_mode = mode.map(of_files);
    let given = [("mode", mode), ("file_mode", file_mode.as_deref()), ("owner", fix.owner.as_deref())];
    let given = given.iter().filter_map(|(key, value)| Some(format!(", {key} = {}", quoted((*value)?))));
    let (paths, given) = (list(&paths(fix)), given.collect::<String>());
    format!("do.permissions = {{ root = {root}, paths = {paths}{given}, check_only = {check_only} }}")
}

/// Its program set one mode for everything. No file becomes a program by that: what opens a directory is left out. A
/// mode that is none is refused where it is read.
fn of_files(mode: &str) -> String {
    const OPENS: u32 = 0o111;
    u32::from_str_radix(mode, 8).map_or(mode.to_owned(), |mode| format!("{:04o}", mode & !OPENS))
}

/// Whoever listens on the port must belong to the program, else it is nobody that we may end.
fn port(settings: &Settings, pattern: &Pattern, fix: &Fix, tables: &mut Tables) -> Option<String> {
    let Some(port) = fix.port else {
        missing(pattern, fix, "port", tables);
        return None;
    };
    let (service, user) = match port {
        5432 => ("postgresql", Some("postgres")),
        6379 => ("redis", Some("redis")),
        _ => ("flask_app", None),
    };
    // Only root sees which unit the process of another user is in, but everybody sees the user; and the unit that
    // Debian calls postgresql.service holds no process at all.
    if let Some(user) = user.filter(|_| fix.kind == "check_port") {
        return Some(format!("do.check-port = {{ port = {port}, user = {} }}", quoted(user)));
    }
    let kind = if fix.kind == "check_port" { "check-port" } else { "kill-listener" };
    let (Service::User(unit) | Service::System(unit)) = known(settings, pattern, service, tables)?;
    Some(format!("do.{kind} = {{ port = {port}, unit = {} }}", quoted(unit)))
}
