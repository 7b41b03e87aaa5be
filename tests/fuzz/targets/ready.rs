//! Any body in the place of a gateway's `/ready` or `/health`: a reading whose words fit on one line, and a
//! blame only for whom the rules name.
//!
//! One byte chooses the status, one what is demanded; the rest is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::config::{Config, SourceFile, Sources, compile};
use picoclaw_watchdog::probe::Check;
use picoclaw_watchdog::probe::http::{Answer, BODY_CAP, Http};
use picoclaw_watchdog::recovery::evidence::Reading;
use std::sync::LazyLock;
use std::time::Duration;

/// Five checks of a name and a message of 120 characters each, where one may be shown as up to ten.
const DETAIL_CHARS_MAX: usize = 5 * 2 * 120 * 10;

const TOML: &str = r#"
[[target]]
name = "gateway"
unit = "g"
[[target.probe]]
name = "plain"
check.http = { url = "http://127.0.0.1:1/health" }
[[target.probe]]
name = "json"
check.http = { url = "http://127.0.0.1:1/health", json = [{ pointer = "/status", equals = "ok" }] }
[[target.probe]]
name = "blames"
check.http = { url = "http://127.0.0.1:1/ready", blame = { "ollama*" = "ollama" } }
[[target]]
name = "ollama"
unit = "o"
"#;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let toml = Some(SourceFile { path: "w.toml".into(), text: TOML.to_owned(), mode: 0o600 });
    let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
    compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems))
});

fn probes() -> Vec<&'static Http> {
    let http = |check: &'static Check| match check {
        Check::Http(http) => Some(http),
        Check::Port(_) | Check::Object(_) | Check::Ollama(_) | Check::LineWebhook(_) => None,
        Check::Tailscale(_) | Check::Funnel(_) | Check::Reach(_) => None,
        Check::Postgres(_) | Check::Redis(_) | Check::Files(_) | Check::Machine(_) => None,
    };
    CONFIG.probes.iter().filter_map(|probe| http(&probe.check)).collect()
}

fuzz_target!(|data: &[u8]| {
    let [status, demanded, body @ ..] = data else { return };
    let status = [200, 200, 503, 500, 404, 401, 302, 429][usize::from(status % 8)];
    let probes = probes();
    let http = probes[usize::from(*demanded) % probes.len()];
    let cut = body.len() > BODY_CAP;
    let body = body[..body.len().min(BODY_CAP)].to_vec();
    let (reading, blames) =
        http.judge(&Answer { status, body, cut, ..Answer::default() }, Duration::from_millis(2));
    for words in blames.iter().map(|blame| blame.reason.as_str()).chain([reading.detail()]) {
        assert!(!words.is_empty() && words.chars().count() <= DETAIL_CHARS_MAX, "{words:?}");
        assert!(!words.chars().any(char::is_control), "{words:?}");
    }
    assert!(blames.iter().all(|blame| blame.target.as_str() == "ollama") && blames.len() <= 1);
    match reading {
        Reading::Pass(_) => assert!(status == 200 || !blames.is_empty(), "{status} passes for nothing"),
        Reading::Fail(_) => assert!(![401, 302, 429].contains(&status)),
        Reading::Unknown(_) => assert!(cut || [401, 302, 429].contains(&status)),
    }
});
