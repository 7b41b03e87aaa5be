//! The rules that come with the program: every sample line of every format is matched, or not, as annotated.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::logscan::matcher::{Matcher, Single};
use std::collections::BTreeSet;
use std::path::Path;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples");
/// What a rule is tried on at least, on each side.
const LEAST: usize = 10;

fn mirai() -> Config {
    let text = include_str!("../config/mirai.toml").to_owned();
    let toml = Some(SourceFile { path: "mirai.toml".into(), text, mode: 0o600 });
    let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
    let told: Vec<String> = compiled.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0]);
    compiled.config.unwrap()
}

/// The lines of a rule: whether each must match, and its text.
fn samples(name: &str) -> Vec<(bool, String)> {
    let text = std::fs::read_to_string(Path::new(SAMPLES).join(format!("{name}.log"))).unwrap();
    let line = |line: &str| match line.split_at(2) {
        ("+ ", text) => Some((true, text.to_owned())),
        ("- ", text) => Some((false, text.to_owned())),
        ("# ", _) => None,
        (_, _) => panic!("{name}: not annotated: {line}"),
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn every_shipped_rule_matches_what_it_means_and_nothing_else() {
    let config = mirai();
    assert_eq!(config.scan.rules.len(), 12, "the rules of the Mirai system");
    let mut wrong = Vec::new();
    for watched in &config.scan.rules {
        let samples = samples(watched.target.as_str());
        for wanted in [true, false] {
            let count = samples.iter().filter(|(matches, _)| *matches == wanted).count();
            assert!(count >= LEAST, "{}: {count} samples that match: {wanted}", watched.target);
        }
        let rule = Single::new(&watched.rule).unwrap();
        let differs = samples.iter().filter(|(wanted, line)| rule.counts(line) != *wanted);
        wrong.extend(
            differs.map(|(wanted, line)| format!("{}: should match: {wanted}: {line}", watched.target)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is found in one pass over everything is what each rule alone finds.
#[test]
fn all_rules_together_find_what_each_finds_alone() {
    let config = mirai();
    let rules: Vec<_> = config.scan.rules.iter().map(|watched| &watched.rule).collect();
    let mut matcher = Matcher::new(rules.iter().copied()).unwrap();
    let each: Vec<_> = rules.iter().map(|rule| Single::new(rule).unwrap()).collect();
    for watched in &config.scan.rules {
        for (_, line) in samples(watched.target.as_str()) {
            let mut found = BTreeSet::new();
            matcher.events(None, line.as_bytes(), true, &mut |event| {
                if event.excluded.is_none() {
                    found.insert(event.rule);
                }
            });
            let alone =
                each.iter().enumerate().filter(|(_, rule)| rule.counts(&line)).map(|(index, _)| index);
            assert_eq!(found, alone.collect(), "{line}");
        }
    }
}

/// The file of the Mirai system as it is shipped, with what the operator adds.
fn original(mirai: &str) -> (Option<Config>, Vec<String>) {
    changed(mirai, &[])
}

/// The same with other words in it.
fn changed(mirai: &str, changes: &[(&str, &str)]) -> (Option<Config>, Vec<String>) {
    let mut patterns = include_str!("fixtures/mirai/error_patterns.json").to_owned();
    for (from, to) in changes {
        assert!(patterns.contains(from), "the file has no {from}");
        patterns = patterns.replace(from, to);
    }
    taken_over(mirai, patterns)
}

/// What a file comes to.
fn taken_over(mirai: &str, patterns: String) -> (Option<Config>, Vec<String>) {
    let file = |path: &str, text: String| Some(SourceFile { path: path.into(), text, mode: 0o600 });
    let text = format!("[mirai]\npatterns_file = \"/m/scripts/error_patterns.json\"\n{mirai}");
    let compiled = compile(&Sources {
        toml: file("w.toml", text),
        patterns: file("/m/scripts/error_patterns.json", patterns),
        home: "/home/x".into(),
        ..Sources::default()
    });
    (compiled.config, compiled.problems.iter().map(ToString::to_string).collect())
}

/// What an operator adds who lets it act.
const ALLOWED: &str = include_str!("fixtures/mirai/trusted.toml");

/// Each of the defects that its patterns are known for is told, with a line of an ordinary day that shows it.
#[test]
fn the_original_patterns_are_accepted_and_their_dangers_told() {
    let (config, problems) = original(ALLOWED);
    let all = problems.join("\n");
    let Some(config) = config else { panic!("{all}") };
    assert_eq!(config.scan.rules.len(), 12);
    assert_eq!(config.probes.len(), 5, "its health checks");
    for (pattern, line) in [
        ("memory_error", "the meeting room"),
        ("port_in_use", "support ticket already filed"),
        ("disk_full", "disk is 20% full"),
        ("database_connection_error", "connect to ollama"),
        ("redis_connection_error", "redis pool"),
        ("ssl_certificate_error", "certificate renewed"),
        ("http_4xx", "HTTP/1.1 404 HTTP/1.1 500"),
        ("http_5xx", "HTTP/1.1 404 HTTP/1.1 500"),
        ("http_4xx", "but no access line, such as"),
        ("http_5xx", "but no access line, such as"),
        ("python_exception", "no error: 0 errors"),
        ("file_not_found", "so it was made"),
        ("permission_denied", "(publickey)"),
        ("json_decode_error", "using json.decoder"),
        ("memory_error", "\"OOM\" is short"),
        ("port_in_use", "unbounded gap"),
    ] {
        let told = problems.iter().any(|told| told.contains(pattern) && told.contains(line));
        assert!(told, "{pattern}: {line}\n{all}");
    }
    for watched in &config.scan.rules {
        let place = format!("target[{}]", watched.target);
        assert!(problems.iter().any(|told| told.contains(&place)), "{place} is not listed\n{all}");
    }
    let unsafe_ = |told: &&String| !told.contains(": warning: ");
    assert_eq!(problems.iter().filter(unsafe_).count(), 0, "{all}");
}

#[test]
fn every_field_of_the_original_takes_effect() {
    let (config, problems) = original(ALLOWED);
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    let target =
        |name: &str| config.policy.targets.iter().find(|target| target.name.as_str() == name).unwrap();
    let database = target("database_connection_error");
    assert_eq!(database.ladder[0].tries, 3);
    assert_eq!((database.cooldown.as_secs(), database.backoff[1].as_secs()), (300, 60));
    assert!(target("ssl_certificate_error").ladder.is_empty(), "auto_fix is false");
    let action = |name: &str| config.actions.values().find(|action| action.name.as_str() == name).unwrap();
    assert!(action("database_connection_error-fix").backup.is_some(), "backup_before_fix");
    assert_eq!(action("database_connection_error-fix").steps().len(), 3);
    let every = |name: &str| target(name).probes[0].every.map(|every| every.as_secs());
    assert_eq!(
        [every("disk_space"), every("http_endpoint")],
        [Some(300), None],
        "every pass is often enough"
    );
    let severity = |name: &str| target(name).severity.word();
    assert_eq!(["http_4xx", "python_exception", "http_5xx"].map(severity), ["warning", "error", "critical"]);
    assert_eq!(["redis_connection", "disk_space"].map(severity), ["warning", "critical"], "critical");
    assert_eq!(target("http_5xx").window.attempts, 3, "max_retries");
    let check = |name: &str| config.probes.iter().find(|probe| probe.target.as_str() == name).unwrap();
    let timeout = |name: &str| check(name).check.timeout().as_secs();
    assert_eq!(["database_connection", "redis_connection", "http_endpoint"].map(timeout), [5, 5, 10]);
    let steps = |name: &str| format!("{:?}", action(name).steps());
    for (seen, wanted) in [
        (format!("{:?}", check("disk_space").check), "max: Some(90)"),
        (format!("{:?}", check("memory_usage").check), "Some(85)"),
        (format!("{:?}", check("http_endpoint").check), "/api/health"),
        (steps("permission_denied-fix"), r#"paths: ["data", "logs", "uploads"], mode: Some(493)"#),
        (steps("permission_denied-fix"), r#"owner: Some("www-data")"#),
        (steps("disk_full-fix"), "older_than: 2592000s"),
        (steps("file_not_found-fix"), r#"dirs: ["data", "logs", "uploads", "cache"]"#),
        (steps("port_in_use-fix"), "port: 5100"),
        (steps("redis_connection_error-fix"), "redis-server.service"),
        (steps("http_5xx-fix"), "mirai.service"),
    ] {
        assert!(seen.contains(wanted), "{wanted}: {seen}");
    }
    let told = "http_endpoint: its interval is 30 s, and it is asked every 60 s; write a shorter interval";
    assert!(problems.iter().any(|problem| problem.contains(told)), "{problems:#?}");
}

/// It names nobody but e-mail, which is not there: then whoever is there is told.
#[test]
fn a_channel_that_is_not_there_silences_no_other() {
    let (config, problems) = original(ALLOWED);
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    assert!(config.policy.targets.iter().all(|target| target.channels.is_none()));
    let told =
        "notification_channels: email cannot be used, so the usual channels are told; add a table [email]";
    assert!(problems.iter().any(|problem| problem.contains(told)), "{problems:#?}");
}

/// Whoever is not root sees whose a port is, but not which unit holds it.
#[test]
fn the_ports_of_the_servers_are_known_by_their_users() {
    let (config, problems) = original(ALLOWED);
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    for (name, user) in
        [("database_connection_error-fix", "postgres"), ("redis_connection_error-fix", "redis")]
    {
        let action = config.actions.values().find(|action| action.name.as_str() == name).unwrap();
        let steps = format!("{:?}", action.steps());
        assert!(steps.contains(&format!("rightful: User(\"{user}\")")), "{steps}");
    }
}

/// Without the word of the operator what stands in a log leads to nothing but a message.
#[test]
fn untrusted_patterns_tell_and_do_not_act() {
    let (config, problems) = original("");
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    assert!(config.actions.is_empty() && config.policy.targets.iter().all(|target| target.ladder.is_empty()));
    assert!(
        problems.iter().any(|told| told.contains("fixes are left out") && told.contains("http_5xx")),
        "{problems:?}"
    );
}

/// A temporary file that is removed holds up no restart of the service.
#[test]
fn only_what_interrupts_a_service_is_disruptive() {
    let (config, problems) = original(ALLOWED);
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    let disruptive = config.actions.values().filter(|action| action.name.as_str().ends_with("-fix"));
    let disruptive: BTreeSet<&str> =
        disruptive.filter(|action| action.disruptive).map(|action| action.name.as_str()).collect();
    let wanted =
        ["http_5xx", "database_connection_error", "memory_error", "port_in_use", "redis_connection_error"];
    assert_eq!(disruptive, wanted.map(|name| format!("{name}-fix")).iter().map(String::as_str).collect());
    for target in config.policy.targets.iter().filter(|target| !target.ladder.is_empty()) {
        let wanted = wanted.contains(&target.name.as_str());
        assert_eq!(target.ladder[0].disruptive, wanted, "{}", target.name);
    }
}

/// A file at mode 000 is no less closed than a directory; and a look demands no mode that nobody named.
#[test]
fn permissions_are_those_of_files_too() {
    let (config, problems) = original(ALLOWED);
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    let steps =
        |name: &str| format!("{:?}", config.actions.values().find(|it| it.name.as_str() == name).unwrap());
    let fix = steps("permission_denied-fix");
    for wanted in [
        "mode: Some(493), file_mode: Some(420), owner: Some(\"www-data\")",
        "paths: [\"data\", \"logs\", \"uploads\"], keep: 5",
    ] {
        assert!(fix.contains(wanted), "{wanted}: {fix}");
    }
    let look = steps("file_not_found-fix");
    assert!(
        look.contains("mode: None, file_mode: None, owner: None, recursive: true, check_only: true"),
        "{look}"
    );
}

/// Who wants no messages gets none, of checks as little as of patterns; and the log is no channel of ours.
#[test]
fn nobody_is_told_who_is_not_named() {
    for change in [
        ("\"enable_notifications\": true", "\"enable_notifications\": false"),
        ("\"log\",\n      \"email\"", "\"log\""),
    ] {
        let (config, problems) = changed(ALLOWED, &[change]);
        let Some(config) = config else { panic!("{}", problems.join("\n")) };
        assert_eq!(config.policy.targets.len(), 17);
        for target in &config.policy.targets {
            assert_eq!(target.channels.as_deref(), Some(&[][..]), "{change:?}: {}", target.name);
        }
    }
}

#[test]
fn what_is_to_be_tried_no_times_is_told_only() {
    let (config, problems) = changed(ALLOWED, &[("\"max_retries\": 3", "\"max_retries\": 0")]);
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    assert!(config.actions.is_empty() && config.policy.targets.iter().all(|target| target.ladder.is_empty()));
    assert!(problems.iter().any(|told| told.contains("max_retries is 0")), "{problems:#?}");
}

#[test]
fn a_fix_that_says_too_little_is_left_out_aloud() {
    let changes = [
        (",\n          \"port\": 5100", ""),
        ("\"service\": \"redis\"", "\"paths\": []"),
        ("\"data\",\n            \"logs\",\n            \"uploads\",\n            \"cache\"", ""),
    ];
    let (config, problems) = changed(ALLOWED, &changes);
    assert!(config.is_some(), "{problems:#?}");
    for told in [
        "port_in_use.kill_process_on_port: it has no port, so it is left out; add \"port\": 5100",
        "redis_connection_error.service_restart: it has no service",
        "file_not_found.create_missing_dirs: it has no directories",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(told)), "{told}: {problems:#?}");
    }
}

/// Its program took any text for a name and any number for a time.
#[test]
fn what_its_program_took_is_taken_here() {
    let patterns = r#"{
        "error_patterns": [
            {"id": "disk full 1", "pattern": "No space left on device: disk 1", "severity": "info",
             "auto_fix": true, "actions": [{"type": "temp_file_cleanup"}]},
            {"id": "接続エラー", "pattern": "connection to the ledger failed", "severity": "High"},
            {"id": "twice", "pattern": "twice is once too often"},
            {"id": "twice", "pattern": "twice is twice too often"}
        ],
        "health_checks": [
            {"name": "DB接続", "type": "redis", "timeout": 2.5, "interval": 90.5},
            {"name": "slow", "type": "http", "url": "http://127.0.0.1:1/", "timeout": 90},
            {"name": "disk", "type": "disk", "threshold": 90.5}
        ],
        "auto_fix_config": {"retry_delay": 0.5, "cooldown_period": 600.0}
    }"#;
    let (config, problems) = taken_over(ALLOWED, patterns.to_owned());
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    let names: Vec<&str> = config.policy.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["disk-full-1", "pattern-2", "twice", "twice-2", "db", "slow", "disk"]);
    let first = &config.policy.targets[0];
    let times = (first.backoff[1].as_millis(), first.cooldown.as_secs(), first.settle.as_secs());
    assert_eq!(times, (500, 600, 600));
    let timeouts: Vec<u128> = config.probes.iter().map(|probe| probe.check.timeout().as_millis()).collect();
    assert_eq!(timeouts[..2], [2500, 59_000]);
    for told in [
        "pattern 1: \"disk full 1\" is no name here, so it is called disk-full-1",
        "disk-full-1: its severity is \"info\", which is taken for warning",
        "pattern-2: its severity is \"High\", which is taken for critical",
        "pattern 4: there is another one called \"twice\"; here it is called twice-2",
        "check 1: \"DB接続\" is no name here, so it is called db",
        "slow: its timeout is 90 s, and here it is 59000 ms",
        "disk: its threshold is 90.5, and here it is 90",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(told)), "{told}: {problems:#?}");
    }
}

/// Where the channel that it names is there, it alone is told, of patterns and of checks.
#[test]
fn the_channel_that_is_named_is_told() {
    let email = "[email]\nhost = \"127.0.0.1\"\nfrom = \"w@example.org\"\nto = [\"ops@example.org\"]\n";
    let (config, problems) = original(&format!("{ALLOWED}{email}"));
    let Some(config) = config else { panic!("{}", problems.join("\n")) };
    for target in &config.policy.targets {
        let channels = target.channels.as_deref().unwrap_or_default();
        assert_eq!(
            channels.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["email"],
            "{}",
            target.name
        );
    }
}
