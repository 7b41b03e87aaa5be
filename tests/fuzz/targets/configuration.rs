//! Any text as the configuration file: it compiles, or every problem is said; and no secret is ever said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::recovery::decide::decide;
use picoclaw_watchdog::recovery::evidence::Evidence;
use picoclaw_watchdog::recovery::state::State;
use picoclaw_watchdog::recovery::time::{Now, Timestamp};
use picoclaw_watchdog::section::Severity;

const SECRET: &str = "zq7-hunter2-zq7";

fn sources(text: &str) -> Sources {
    let env = [
        ("PICOCLAW_WATCHDOG_KICK_TOKEN", SECRET),
        ("PICOCLAW_WATCHDOG_KICK_ENABLED", "true"),
        ("PICOCLAW_WATCHDOG_WEBHOOK_URL", "https://gateway.example/webhook/line"),
        ("A", "a"),
        ("EMPTY", ""),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let toml = Some(SourceFile { path: "w.toml".into(), text: text.to_owned(), mode: 0o600 });
    Sources { toml, env, home: "/home/x".into(), ..Sources::default() }
}

/// What the core relies on without asking again.
fn assert_sane(config: &Config) {
    let policy = &config.policy;
    assert!(policy.reprobe <= policy.cadence.longest() && !policy.reprobe.is_zero());
    assert!(
        policy.offline_quorum.is_none_or(|quorum| (1..=config.references.len()).contains(&(quorum as usize)))
    );
    for target in &policy.targets {
        assert!(target.window.attempts >= 1 && !target.window.per.is_zero());
        assert!(target.stable_passes >= 1 && target.ladder.iter().all(|rung| rung.tries >= 1));
        assert!(target.probes.iter().all(|probe| probe.fail_after >= 1 && probe.pass_after >= 1));
        assert!(target.depends_on.iter().all(|name| policy.target(name).is_some()));
        assert!(target.ladder.iter().all(|rung| config.actions.contains_key(&rung.action)));
    }
    let now = Now { at: Timestamp(10_000_000), wall: 1_770_000_000, entropy: 1 };
    let spent = State::assume_spent(policy, now.at);
    assert!(decide(policy, spent, &Evidence::default(), now).attempts.is_empty());
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let compiled = compile(&sources(&text));
    let errors = compiled.problems.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(compiled.config.is_none(), errors);
    for problem in &compiled.problems {
        let said = problem.to_string();
        assert!(text.contains("hunter2") || !said.contains("hunter2"), "{said:?}");
    }
    if let Some(config) = &compiled.config {
        assert_sane(config);
    }
});
