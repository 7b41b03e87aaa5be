//! The configurations that are measured: the default file, with only its times changed.

use crate::common::repository;

/// How often a quick profile looks. Times the number of cycles, this is how long a measurement takes.
pub(crate) const QUICK_INTERVAL_MS: u32 = 140;
/// How long an endpoint that hangs is waited for.
pub(crate) const HUNG_TIMEOUT_MS: u32 = 2_000;
/// The first port on which somebody listens who never answers.
pub(crate) const HUNG_PORT: u16 = 18_900;
/// The port that speaks TLS.
pub(crate) const TLS_PORT: u16 = 18_443;

/// The text of a configuration.
pub(crate) struct Profile(pub(crate) String);

impl Default for Profile {
    /// The default file as it is.
    fn default() -> Self {
        Self(std::fs::read_to_string(repository().join("config/watchdog.toml")).unwrap())
    }
}

impl Profile {
    /// Cycles in quick succession.
    pub(crate) fn quick(self) -> Self {
        let interval = format!("\"{QUICK_INTERVAL_MS}ms\"");
        self.set("interval", &interval)
            .set("reprobe", &interval)
            .set("timeout", "\"100ms\"")
            .without("slow_after")
    }

    /// With Ollama and the webhook, which the variables switch on.
    pub(crate) fn with_remotes(self) -> Self {
        let text = self.0.replace("${PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL:-}", "on");
        let text = text.replace("${PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL}", "http://127.0.0.1:11434/v1/models");
        let text = text.replace("${PICOCLAW_WATCHDOG_WEBHOOK_URL:-}", "on");
        Self(text.replace("${PICOCLAW_WATCHDOG_WEBHOOK_URL}", "http://127.0.0.1:18791/webhook/line"))
    }

    /// With one more endpoint, which speaks TLS.
    pub(crate) fn with_tls(self) -> Self {
        self.and_endpoint("tls", &format!("https://127.0.0.1:{TLS_PORT}/"), 100)
    }

    /// With endpoints that accept a connection and never answer.
    pub(crate) fn with_hung(self, count: u16) -> Self {
        let calm = self
            .set("interval", "\"3s\"")
            .set("reprobe", "\"3s\"")
            .set("timeout", "\"2s\"")
            .without("slow_after");
        (0..count).fold(calm, |profile, n| {
            let url = format!("http://127.0.0.1:{}/", HUNG_PORT + n);
            profile.and_endpoint(&format!("hung-{n}"), &url, HUNG_TIMEOUT_MS)
        })
    }

    /// Every crash is repaired at once, however many there were: limits are not what is measured here.
    pub(crate) fn without_limits(self) -> Self {
        let text = self.0.replace("${PICOCLAW_WATCHDOG_RESTART_MAX_COUNT:-3}", "100");
        Self(text.replace("${PICOCLAW_WATCHDOG_RESTART_WINDOW_SEC:-600}", "1"))
            .set("reprobe", "\"100ms\"")
            .set("backoff", "[\"0s\"]")
            .set("stable_passes", "1")
            .set("stable_for", "\"1s\"")
    }

    /// For where no systemd is.
    pub(crate) fn without_unit(self) -> Self {
        self.without("unit")
    }

    fn and_endpoint(mut self, name: &str, url: &str, timeout_ms: u32) -> Self {
        self.0.push_str(&format!(
            "\n[[target]]\nname = \"{name}\"\n[[target.probe]]\nname = \"get\"\n[target.probe.check.http]\n\
             url = \"{url}\"\ntimeout = \"{timeout_ms}ms\"\n"
        ));
        self
    }

    /// Gives every line that sets `key` another value.
    fn set(self, key: &str, value: &str) -> Self {
        let line =
            |line: &str| if sets(line, key) { format!("{key} = {value}\n") } else { format!("{line}\n") };
        Self(self.0.lines().map(line).collect())
    }

    fn without(self, key: &str) -> Self {
        Self(self.0.lines().filter(|line| !sets(line, key)).map(|line| format!("{line}\n")).collect())
    }
}

fn sets(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "))
}
