//! The configuration from the outside: the default file, the old variables, every mistake, and rubbish.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests may fail like tests.

mod choices;
mod example;

use picoclaw_watchdog::config::{BUILT_IN, Compiled, Config, LineSettings, SourceFile, Sources, compile};
use picoclaw_watchdog::probe::Check;
use picoclaw_watchdog::recovery::evidence::{KickWish, Name};
use picoclaw_watchdog::section::Severity;
use picoclaw_watchdog::values::mask;
use proptest::prelude::*;
use std::{path::Path, path::PathBuf, time::Duration};

pub(crate) fn sources(env: &[(&str, &str)]) -> Sources {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources { env, home: PathBuf::from("/home/x"), ..Sources::default() }
}

pub(crate) fn file(path: &str, text: &str, mode: u32) -> Option<SourceFile> {
    Some(SourceFile { path: path.into(), text: text.to_owned(), mode })
}

pub(crate) fn said(compiled: &Compiled) -> Vec<String> {
    compiled.problems.iter().map(ToString::to_string).collect()
}

/// The configuration of the built-in file with these variables, which must have no problems.
pub(crate) fn built_in(env: &[(&str, &str)]) -> Config {
    let compiled = compile(&sources(env));
    assert_eq!(said(&compiled), [""; 0], "{env:?}");
    compiled.config.expect("no problems, so a configuration")
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn check<'c>(config: &'c Config, target: &str, probe: &str) -> &'c Check {
    let wanted =
        config.probes.iter().find(|found| found.target.as_str() == target && found.name.as_str() == probe);
    &wanted.expect("the probe is on").check
}

pub(crate) fn url(config: &Config, target: &str, probe: &str) -> String {
    match check(config, target, probe) {
        Check::Http(http) => http.call.url.to_string(),
        Check::Port(port) => format!("port {}", port.port),
        Check::Object(object) => object.store.url().to_string(),
        Check::Ollama(ollama) => ollama.base.to_string(),
        Check::Reach(reach) => reach.public.call.url.to_string(),
        other @ (Check::LineWebhook(_) | Check::Tailscale(_) | Check::Funnel(_)) => other.kind().to_owned(),
        other @ (Check::Postgres(_) | Check::Redis(_)) => other.kind().to_owned(),
        other @ (Check::Files(_) | Check::Machine(_)) => other.kind().to_owned(),
    }
}

pub(crate) const ALL_ON: [(&str, &str); 5] = [
    ("PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL", "http://ollama.example:11434/v1/models"),
    ("PICOCLAW_WATCHDOG_WEBHOOK_URL", "https://gateway.example/webhook/line"),
    ("PICOCLAW_WATCHDOG_R2_ACCOUNT", "0123456789abcdef0123456789abcdef"),
    ("PICOCLAW_WATCHDOG_R2_ACCESS_KEY_ID", "a-key-that-may-read"),
    ("PICOCLAW_WATCHDOG_R2_SECRET_ACCESS_KEY", "the-secret-of-that-key"),
];

#[test]
fn the_default_serves_a_gateway_with_nothing_else_set() {
    let config = built_in(&[]);
    assert!(config.enabled);
    assert_eq!(config.paths.state, Path::new("/home/x/.picoclaw/state/watchdog"));
    assert_eq!(config.paths.log, Path::new("/home/x/.picoclaw/logs/ops-watchdog.log"));
    assert_eq!(config.kick.file, Path::new("/home/x/.picoclaw/state/watchdog/kick_request"));
    assert_eq!(config.logs[&name("gateway")], [Path::new("/home/x/.picoclaw/logs/gateway.log")]);
    assert_eq!(config.units[0].1.as_str(), "picoclaw-gateway.service");
    assert_eq!(config.policy.targets.len(), 1, "ollama and funnel are off without their URLs");
    assert_eq!(config.probes.len(), 4);
    assert_eq!(url(&config, "gateway", "health"), "http://127.0.0.1:18790/health");
    assert_eq!(url(&config, "gateway", "webhook-port"), "port 18791");
    let keys = &config.policy.targets[0].keys;
    assert_eq!([keys.limit.as_str(), &keys.attempt_failed], ["gateway_limit", "gateway_restart_failed"]);
    assert_eq!([keys.failing.as_str(), &keys.not_ready], ["health_consecutive", "gateway_not_ready"]);
    assert_eq!(config.kick.actions.keys().collect::<Vec<_>>(), ["restart_gateway"]);
    let off: Vec<String> = config.off.iter().map(|off| format!("{}: {}", off.what, off.why)).collect();
    assert_eq!(
        off,
        [
            "target[gateway].probe[webhook]: PICOCLAW_WATCHDOG_WEBHOOK_URL is not set",
            "target[ollama]: PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL is not set",
            "target[tailscale]: PICOCLAW_WATCHDOG_FUNNEL_ENABLED is not set, PICOCLAW_WATCHDOG_WEBHOOK_URL is not set",
            "target[funnel]: PICOCLAW_WATCHDOG_FUNNEL_ENABLED is not set, PICOCLAW_WATCHDOG_WEBHOOK_URL is not set",
            "target[webhook]: PICOCLAW_WATCHDOG_WEBHOOK_URL is not set",
            "target[backup]: PICOCLAW_WATCHDOG_R2_ACCOUNT is not set",
            "line: switched off (PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED is not set)",
        ]
    );
}

#[test]
fn with_its_urls_the_default_watches_everything() {
    let config = built_in(&ALL_ON);
    let targets: Vec<&str> = config.policy.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(targets, ["gateway", "ollama", "tailscale", "funnel", "webhook", "backup"]);
    assert_eq!(config.policy.targets[4].depends_on, ["gateway", "tailscale", "funnel"].map(name));
    assert_eq!(config.policy.targets[1].keys.failing, "ollama_remote_outage");
    assert_eq!(config.kick.actions["recover_funnel"], KickWish::Recover(name("funnel")));
    assert_eq!(config.kick.actions["check_ollama"], KickWish::Check(name("ollama")));
    assert!(!config.policy.targets[3].ladder[0].disruptive && config.policy.targets[0].ladder[0].disruptive);
}

#[test]
fn a_hang_is_confirmed_in_well_under_a_minute() {
    let config = built_in(&[]);
    let health = config.policy.targets[0].probe(&name("health")).unwrap();
    let hang = check(&config, "gateway", "health").timeout() * health.fail_after
        + config.policy.reprobe * (health.fail_after - 1);
    assert_eq!(hang, Duration::from_secs(26));
}

/// The predecessor's variables (and a value other than the default each), and what must be found of that
/// value in the configuration.
#[test]
fn every_variable_of_the_predecessor_takes_effect() {
    type Seen = fn(&Config) -> String;
    let table: [(&str, &str, Seen); 25] = [
        ("PICO_HOME", "/p", |c| c.paths.home.display().to_string()),
        ("PICOCLAW_WATCHDOG_STATE_DIR", "/s", |c| c.paths.state.display().to_string()),
        ("PICOCLAW_WATCHDOG_LOG_DIR", "/l", |c| c.paths.log.parent().unwrap().display().to_string()),
        ("PICOCLAW_WATCHDOG_LOG_FILE", "/l/f", |c| c.paths.log.display().to_string()),
        ("PICOCLAW_WATCHDOG_ENABLED", "false", |c| c.enabled.to_string()),
        ("PICOCLAW_WATCHDOG_INTERVAL_SEC", "30", |c| c.policy.cadence.longest().as_secs().to_string()),
        ("PICOCLAW_WATCHDOG_GATEWAY_SERVICE", "other.service", |c| c.units[0].1.to_string()),
        ("PICOCLAW_WATCHDOG_GATEWAY_PORT", "1234", |c| url(c, "gateway", "port").replace("port ", "")),
        ("PICOCLAW_WATCHDOG_LINE_WEBHOOK_PORT", "1235", |c| {
            url(c, "gateway", "webhook-port").replace("port ", "")
        }),
        ("PICOCLAW_WATCHDOG_HEALTH_URL", "http://h/", |c| url(c, "gateway", "health")),
        ("PICOCLAW_WATCHDOG_READY_URL", "http://r/", |c| url(c, "gateway", "ready")),
        ("PICOCLAW_WATCHDOG_WEBHOOK_URL", "https://w/", |c| url(c, "webhook", "reach")),
        ("PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL", "http://o/", |c| url(c, "ollama", "answers")),
        ("PICOCLAW_WATCHDOG_LOCAL_TIMEOUT_SEC", "4", |c| seconds(check(c, "gateway", "ready"))),
        ("PICOCLAW_WATCHDOG_EXTERNAL_TIMEOUT_SEC", "6", |c| seconds(check(c, "webhook", "reach"))),
        ("PICOCLAW_WATCHDOG_RESTART_WINDOW_SEC", "700", |c| {
            c.policy.targets[0].window.per.as_secs().to_string()
        }),
        ("PICOCLAW_WATCHDOG_RESTART_MAX_COUNT", "5", |c| c.policy.targets[0].window.attempts.to_string()),
        ("PICOCLAW_WATCHDOG_ALERT_COOLDOWN_SEC", "60", |c| c.policy.alerts.cooldown.as_secs().to_string()),
        ("PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED", "true", |c| {
            matches!(c.line, LineSettings::On { .. }).to_string()
        }),
        ("PICOCLAW_WATCHDOG_LINE_NOTIFY_TO", "C0123456789abcdef0123456789abcdef", |c| line(c, |_, to, _| to)),
        ("PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN", "other-token", |c| line(c, |_, _, token| token)),
        ("PICOCLAW_WATCHDOG_LINE_PUSH_ENDPOINT", "http://127.0.0.1:1/push", |c| {
            line(c, |endpoint, _, _| endpoint)
        }),
        ("PICOCLAW_WATCHDOG_KICK_ENABLED", "true", |c| c.kick.enabled.to_string()),
        ("PICOCLAW_WATCHDOG_KICK_TOKEN", "another-token-of-length", |c| c.kick.token.expose().to_owned()),
        ("PICOCLAW_WATCHDOG_KICK_FILE", "/k", |c| c.kick.file.display().to_string()),
    ];
    for (variable, value, seen) in table {
        let base = base_without(variable);
        let with: Vec<_> = base.iter().copied().chain([(variable, value)]).collect();
        let (before, after) = (compile(&sources(&base)).config.unwrap(), built_in(&with));
        assert_ne!(before, after, "{variable} changes nothing");
        assert_eq!(seen(&after), value, "{variable}");
    }
}

/// Everything on, so that each variable has something to act upon.
fn base_without(variable: &str) -> Vec<(&'static str, &'static str)> {
    let more = [
        ("PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED", "true"),
        ("PICOCLAW_WATCHDOG_LINE_NOTIFY_TO", "U0123456789abcdef0123456789abcdef"),
        ("PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN", "a-line-token"),
        ("PICOCLAW_WATCHDOG_KICK_ENABLED", "true"),
        ("PICOCLAW_WATCHDOG_KICK_TOKEN", "a-kick-token-of-length"),
    ];
    ALL_ON.into_iter().chain(more).filter(|(name, _)| *name != variable).collect()
}

fn seconds(check: &Check) -> String {
    check.timeout().as_secs().to_string()
}

fn line(config: &Config, part: fn(String, String, String) -> String) -> String {
    match &config.line {
        LineSettings::On { endpoint, to, token } => {
            part(endpoint.clone(), to.clone(), token.expose().to_owned())
        }
        LineSettings::Off { reason } => reason.clone(),
    }
}

#[test]
fn variables_reach_every_place_that_they_should() {
    let config = built_in(&[ALL_ON[1], ("PICOCLAW_WATCHDOG_LINE_WEBHOOK_PORT", "7"), ("PICO_HOME", "~/p")]);
    assert!(format!("{:?}", config.actions[&name("publish-funnel")]).contains("port: 7"));
    assert_eq!(config.paths.state, Path::new("/home/x/p/state/watchdog"));
    assert_eq!(config.kick.file, Path::new("/home/x/p/state/watchdog/kick_request"));
    let config =
        built_in(&[("PICOCLAW_WATCHDOG_GATEWAY_PORT", "7"), ("PICOCLAW_WATCHDOG_RESTART_MAX_COUNT", "5")]);
    assert_eq!(url(&config, "gateway", "health"), "http://127.0.0.1:7/health");
    assert_eq!(url(&config, "gateway", "ready"), "http://127.0.0.1:7/ready");
    assert_eq!(config.policy.targets[0].ladder[0].tries, 5);
    let config = built_in(&[("PICOCLAW_CHANNELS_LINE_ENABLED", "false")]);
    assert!(config.probes.iter().all(|probe| probe.name.as_str() != "webhook-port"));
}

#[test]
fn without_line_nothing_is_expected_where_its_webhook_would_be() {
    let config = built_in(&[ALL_ON[1], ("PICOCLAW_CHANNELS_LINE_ENABLED", "false")]);
    let probes: Vec<&str> = config.probes.iter().map(|probe| probe.name.as_str()).collect();
    assert_eq!(probes, ["port", "health", "ready"]);
    assert_eq!(config.policy.targets.len(), 1);
    let off: Vec<String> = config.off.iter().map(|off| format!("{}: {}", off.what, off.why)).collect();
    let line = "PICOCLAW_CHANNELS_LINE_ENABLED comes from the environment";
    for what in
        ["[gateway].probe[webhook-port]", "[gateway].probe[webhook]", "[tailscale]", "[funnel]", "[webhook]"]
    {
        assert!(off.contains(&format!("target{what}: {line}")), "{what}: {off:#?}");
    }
    let with_line = built_in(&[ALL_ON[1]]);
    assert_eq!((with_line.probes.len(), with_line.policy.targets.len()), (10, 4));
}

#[test]
fn the_environment_wins_over_the_file() {
    let dotenv =
        file("/p/.env", "PICOCLAW_WATCHDOG_GATEWAY_PORT=1\nPICOCLAW_WATCHDOG_INTERVAL_SEC=30\n", 0o644);
    let env = [("PICOCLAW_WATCHDOG_GATEWAY_PORT", "2")];
    let compiled = compile(&Sources { dotenv, ..sources(&env) });
    assert_eq!(said(&compiled), [""; 0]);
    let origin = |name: &str| {
        let mention = compiled.variables.iter().find(|mention| mention.name == name).unwrap();
        mention.origin.as_ref().map(ToString::to_string)
    };
    assert_eq!(origin("PICOCLAW_WATCHDOG_GATEWAY_PORT").as_deref(), Some("the environment"));
    assert_eq!(origin("PICOCLAW_WATCHDOG_INTERVAL_SEC").as_deref(), Some("/p/.env line 2"));
    assert_eq!(origin("PICOCLAW_WATCHDOG_LOG_FILE"), None);
    let config = compiled.config.as_ref().unwrap();
    assert_eq!(url(config, "gateway", "port"), "port 2");
    assert_eq!(config.policy.cadence.longest(), Duration::from_secs(30));
}

#[test]
fn a_variable_without_effect_is_pointed_out() {
    let dotenv = file("/p/.env", "\nPICOCLAW_WATCHDOG_GATEWAY_PROT=1\nPICOCLAW_TOOLS=1\n", 0o644);
    let env = [("PICOCLAW_WATCHDOG_FOO", "2")];
    let compiled = compile(&Sources { dotenv, ..sources(&env) });
    assert_eq!(
        said(&compiled),
        [
            "/p/.env:2: warning: PICOCLAW_WATCHDOG_GATEWAY_PROT has no effect, for built-in watchdog.toml does not use it; \
             did you mean PICOCLAW_WATCHDOG_GATEWAY_PORT?",
            "environment: warning: PICOCLAW_WATCHDOG_FOO has no effect, for built-in watchdog.toml does not use it",
        ]
    );
    assert!(compiled.config.is_some(), "warnings refuse nothing");
}

#[test]
fn a_number_that_fits_no_more_names_the_variable_to_set() {
    let compiled = compile(&sources(&[("PICOCLAW_WATCHDOG_INTERVAL_SEC", "10")]));
    let expected = "target[gateway].probe[health].check.http.timeout: 12s does not fit into the interval of 10s \
                    (PICOCLAW_WATCHDOG_HEALTH_TIMEOUT_SEC is not set); write at most 9s, or a longer interval";
    assert!(compiled.config.is_none() && said(&compiled)[0].ends_with(expected), "{:?}", said(&compiled));
    let both = [("PICOCLAW_WATCHDOG_INTERVAL_SEC", "10"), ("PICOCLAW_WATCHDOG_HEALTH_TIMEOUT_SEC", "9")];
    assert_eq!(built_in(&both).policy.cadence.longest(), Duration::from_secs(10));
}

#[test]
fn sources_are_gathered_from_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.toml");
    std::fs::write(&path, "interval = 5\n").unwrap();
    let sources = Sources::gather(Some(&path));
    assert!(sources.home.is_absolute() && sources.env.contains_key("PATH"));
    let compiled = compile(&sources);
    let expected = format!("{}:1:12: error: interval: \"5\" is not a duration", path.display());
    assert!(said(&compiled).iter().any(|said| said.starts_with(&expected)), "{:?}", said(&compiled));
}

#[test]
fn secrets_that_others_can_read_are_pointed_out() {
    let dotenv = |text: &str, mode| Sources { dotenv: file("/p/.env", text, mode), ..sources(&[]) };
    let warned =
        |sources: &Sources| said(&compile(sources)).iter().any(|said| said.contains("chmod 600 /p/"));
    assert!(warned(&dotenv("MY_TOKEN=x", 0o644)) && warned(&dotenv("A_SECRET=x", 0o640)));
    assert!(
        !warned(&dotenv("MY_TOKEN=x", 0o600))
            && !warned(&dotenv("MY_TOKEN=", 0o644))
            && !warned(&dotenv("A=x", 0o644))
    );
    let toml = |text: &str| Sources { toml: file("/p/w.toml", text, 0o644), ..sources(&[]) };
    assert!(warned(&toml(&BUILT_IN.replace("${PICOCLAW_WATCHDOG_KICK_TOKEN:-}", "written-out-in-full"))));
    assert!(!warned(&toml(BUILT_IN)));
}

#[test]
fn what_cannot_be_told_safely_stays_off_and_says_so() {
    let line =
        [("PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED", "true"), ("PICOCLAW_WATCHDOG_LINE_NOTIFY_TO", "me")];
    let compiled = compile(&sources(&line));
    assert!(
        said(&compiled)[0].contains("line.token: LINE stays off: there is no token (PICOCLAW_CHANNELS_LINE")
    );
    let config = compiled.config.unwrap();
    assert_eq!(
        config.policy.alerts.usable().unwrap_err(),
        "there is no token (PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN is not set)"
    );

    let with_token = [line[0], line[1], ("PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN", "t")];
    let compiled = compile(&sources(&with_token));
    assert!(said(&compiled)[0].contains("line.to: this does not look like the id"));
    assert!(matches!(compiled.config.unwrap().line, LineSettings::On { .. }));

    for token in ["", "short", "0123456789|abcdef"] {
        let kick = [("PICOCLAW_WATCHDOG_KICK_ENABLED", "true"), ("PICOCLAW_WATCHDOG_KICK_TOKEN", token)];
        let compiled = compile(&sources(&kick));
        assert!(said(&compiled)[0].contains("kick.token: kicks stay off"), "{token}");
        assert!(!compiled.config.unwrap().kick.enabled);
    }
}

#[test]
fn secrets_are_known_for_masking_and_never_shown() {
    let token = "PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN";
    let dotenv = file(
        "/p/.env",
        &format!("{token}=line-hunter2\nOTHER_API_KEY=key-hunter2\nMAX_TOKENS=4096\n"),
        0o644,
    );
    let env = [
        ("PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED", "true"),
        ("PICOCLAW_WATCHDOG_LINE_NOTIFY_TO", "x"),
        ("PICOCLAW_WATCHDOG_KICK_TOKEN", "kick-hunter2-kick"),
    ];
    let compiled = compile(&Sources { dotenv, ..sources(&env) });
    assert!(!format!("{compiled:?}").contains("hunter2") && !said(&compiled).concat().contains("hunter2"));
    let secrets = compiled.config.unwrap().secrets;
    assert_eq!(mask("line-hunter2 key-hunter2 kick-hunter2-kick 4096", &secrets), "*** *** *** 4096");
}

/// Each `bad-*.toml` gives the messages in the `.out` beside it; `UPDATE=1` writes those anew.
#[test]
fn every_mistake_gives_its_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    assert!(files.len() >= 10, "the fixtures are gone");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let label = path.file_name().unwrap().to_string_lossy();
        let env = [("BAD_NUMBER", "abc"), ("BAD_TOKEN", "hunter2"), ("EMPTY", "")];
        let compiled = compile(&Sources { toml: file(&label, &text, 0o600), ..sources(&env) });
        let found = said(&compiled).iter().map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(compiled.config.is_none(), label.starts_with("bad-"), "{label}:\n{found}");
        let golden = path.with_extension("out");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(&golden).unwrap_or_default(), "{label}");
    }
}

#[test]
fn a_long_chain_of_dependencies_is_looked_through_in_good_time() {
    let target = |n: u32| {
        let all: Vec<String> =
            (0..60).filter(|other| *other != n).map(|other| format!("\"t{other}\"")).collect();
        format!("[[target]]\nname = \"t{n}\"\nunit = \"x\"\ndepends_on = [{}]\n", all.join(","))
    };
    let text: String = (0..60).map(target).collect();
    let compiled = compile(&Sources { toml: file("w.toml", &text, 0o600), ..sources(&[]) });
    assert!(compiled.problems.iter().any(|problem| problem.what.contains("is a circle")));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(toml in proptest::collection::vec(any::<u8>(), 0..400), dotenv in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (toml, dotenv) = (String::from_utf8_lossy(&toml), String::from_utf8_lossy(&dotenv));
        compile(&Sources { toml: file("w.toml", &toml, 0o600), dotenv: file(".env", &dotenv, 0o600), ..sources(&[]) });
    }

    /// Rubbish in the middle of a good file gets much further than rubbish alone.
    #[test]
    fn no_edit_of_a_good_file_makes_it_panic(at in 0..BUILT_IN.len(), cut in 0..80_usize, text in "[\\[\\]{}=a-z\"'${}:,.#\n 0-9-]{0,12}") {
        let cut = (at + cut).min(BUILT_IN.len());
        let edited = String::from_utf8_lossy(&[&BUILT_IN.as_bytes()[..at], text.as_bytes(), &BUILT_IN.as_bytes()[cut..]].concat()).into_owned();
        let compiled = compile(&Sources { toml: file("w.toml", &edited, 0o600), ..sources(&ALL_ON) });
        let errors = compiled.problems.iter().any(|problem| problem.severity == Severity::Error);
        prop_assert_eq!(compiled.config.is_none(), errors);
    }
}
