//! What a person chooses with a word: a profile, a rung, everything off.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail like tests.

use crate::{ALL_ON, built_in, check, file, said, sources, url};
use picoclaw_watchdog::config::{Config, Sources, compile};
use picoclaw_watchdog::probe::Check;

/// The variable that chooses the generation of the gateway.
fn of_profile(name: &str, more: &[(&str, &str)]) -> Config {
    built_in(&[&[("PICOCLAW_WATCHDOG_PROFILE", name)], more].concat())
}

#[test]
fn a_profile_knows_its_gateway_and_a_variable_knows_better() {
    let rencrow = of_profile("rencrow", &ALL_ON);
    let unit = |config: &Config| config.units[0].1.to_string();
    assert_eq!(unit(&rencrow), "picoclaw.service");
    assert_eq!(url(&rencrow, "gateway", "webhook-port"), "port 18790");
    let off = |config: &Config| {
        config.off.iter().map(|off| format!("{}: {}", off.what, off.why)).collect::<Vec<_>>().join("\n")
    };
    let ready =
        "target[gateway].probe[ready]: PICOCLAW_WATCHDOG_READY_ENABLED comes from the profile rencrow";
    assert!(off(&rencrow).contains(ready), "{}", off(&rencrow));
    let upstream = of_profile("upstream", &[("PICOCLAW_WATCHDOG_LINE_WEBHOOK_PORT", "18800")]);
    assert_eq!(url(&upstream, "gateway", "webhook-port"), "port 18800", "what is set wins");
    assert_eq!(unit(&upstream), "picoclaw-gateway.service");
    for same in ["picoclaw", "picoclaw-main"] {
        assert_eq!(of_profile(same, &ALL_ON), built_in(&ALL_ON), "{same}");
    }
}

#[test]
fn a_rung_by_choice_is_there_only_when_chosen() {
    let text = |when: &str| {
        format!(
            "[[target]]\nname = \"a\"\nunit = \"a.service\"\nladder = [{{ action = \"x\", when = {when} }}, {{ action = \"y\" }}]\n\
             [action.x]\ndo.run = {{ argv = [\"x\"] }}\n[action.y]\ndo.run = {{ argv = [\"y\"] }}\n"
        )
    };
    let ladder = |when: &str| {
        let toml = file("/x/watchdog.toml", &text(when), 0o600);
        let compiled = compile(&Sources { toml, ..sources(&[]) });
        assert_eq!(said(&compiled), [""; 0]);
        let ladder = compiled.config.unwrap().policy.targets.remove(0).ladder;
        ladder.iter().map(|rung| rung.action.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ladder("true"), ["x", "y"]);
    assert_eq!(ladder("\"${NOT_SET:-}\""), ["y"]);
}

#[test]
fn the_webhook_that_line_is_asked_about_must_be_ours() {
    let view = [
        ("PICOCLAW_WATCHDOG_LINE_VIEW", "true"),
        ("PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN", "a-line-token"),
    ];
    let config = built_in(&[&ALL_ON[..], &view[..]].concat());
    let line = check(&config, "webhook", "line");
    assert!(matches!(line, Check::LineWebhook(line) if line.host == "gateway.example"), "{line:?}");
}

#[test]
fn ollama_is_asked_for_the_model_that_is_named_and_for_none_otherwise() {
    let models = |more: &[(&str, &str)]| -> Vec<String> {
        let config = built_in(&[&ALL_ON[..], more].concat());
        let Check::Ollama(ollama) = check(&config, "ollama", "answers") else { return Vec::new() };
        ollama.models.iter().map(ToString::to_string).collect()
    };
    assert_eq!(models(&[]), [""; 0]);
    assert_eq!(models(&[("PICOCLAW_WATCHDOG_OLLAMA_MODEL", "chat-v1")]), ["chat-v1:latest"]);
}

#[test]
fn the_whole_can_be_switched_off_and_says_why() {
    let config = built_in(&[("PICOCLAW_WATCHDOG_ENABLED", "no")]);
    assert_eq!((config.enabled, config.off[0].what.as_str()), (false, "everything"));
    assert_eq!(config.off[0].why, "enabled is false: PICOCLAW_WATCHDOG_ENABLED comes from the environment");
}
