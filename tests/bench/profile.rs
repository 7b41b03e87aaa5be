//! The configurations that are measured: the default file, with only its times and the addresses of stand-ins changed.

use crate::common::repository;

/// How often a quick profile looks. Times the number of cycles, this is how long a measurement takes.
const QUICK_INTERVAL_MS: u32 = 140;
/// How long an endpoint that hangs is waited for.
pub(crate) const HUNG_TIMEOUT_MS: u32 = 2_000;
/// The first port on which somebody listens who never answers.
pub(crate) const HUNG_PORT: u16 = 18_900;
/// The port that speaks TLS.
pub(crate) const TLS_PORT: u16 = 18_443;
/// The public end of the funnel.
pub(crate) const EDGE_PORT: u16 = 18_444;
/// Who knows the public name.
pub(crate) const RESOLVER_PORT: u16 = 18_445;

/// What the file keeps off until it is said where each is. The marker of the stand-in is as old as the measurement.
const ALL_SEVEN: &str = "\
PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL=http://127.0.0.1:11434/v1/models
PICOCLAW_WATCHDOG_OLLAMA_MODEL=chat-v1
PICOCLAW_WATCHDOG_WEBHOOK_URL=http://gw.tail1234.ts.net:18444/webhook/line
PICOCLAW_WATCHDOG_RESOLVER=http://127.0.0.1:18445/dns-query
PICOCLAW_WATCHDOG_TAILSCALE_SOCKET=~/ts/tailscaled.sock
PICOCLAW_WATCHDOG_R2_ACCOUNT=not-used-here
PICOCLAW_WATCHDOG_R2_ACCESS_KEY_ID=not-used-here
PICOCLAW_WATCHDOG_R2_SECRET_ACCESS_KEY=not-used-here-either
PICOCLAW_WATCHDOG_BACKUP_MAX_AGE=1d
";
/// R2 itself is on the internet; this is a store on loopback, with a timeout that can be shortened.
const R2: (&str, &str) = (
    r#"account = "${PICOCLAW_WATCHDOG_R2_ACCOUNT}""#,
    "endpoint = \"http://127.0.0.1:18793\"\ntimeout = \"15s\"",
);

/// A source and a rule that never matches there.
const LOG: &str = r#"
[[source]]
name = "app"
files = ["~/app.log"]
[[target]]
name = "app"
ladder = []
[[target.probe]]
name = "log"
[target.probe.check.log]
in = ["app"]
pattern = '\bout of memory\b'
trusted = true
hits = ["kernel: Out of memory: Killed process 1"]
misses = ["kernel: room"]
"#;

/// A configuration.
pub(crate) struct Profile {
    /// The text of the file.
    pub(crate) config: String,
    /// The text of `.env`.
    pub(crate) env: String,
    /// How often it looks.
    pub(crate) interval_ms: u32,
}

impl Default for Profile {
    /// The default file as it is.
    fn default() -> Self {
        let config = std::fs::read_to_string(repository().join("config/watchdog.toml")).unwrap();
        Self { config, env: String::new(), interval_ms: 60_000 }
    }
}

impl Profile {
    /// The default file with everything on: the gateway, Ollama, the node, the funnel, the webhook and the backup.
    pub(crate) fn all_seven() -> Self {
        let Self { config, interval_ms, .. } = Self::default();
        assert!(config.contains(R2.0), "the configuration has no {}", R2.0);
        Self { config: config.replace(R2.0, R2.1), env: ALL_SEVEN.to_owned(), interval_ms }
    }

    /// Cycles in quick succession.
    pub(crate) fn quick(self) -> Self {
        self.paced(QUICK_INTERVAL_MS, 100)
    }

    /// Cycles with time for whoever does not answer.
    pub(crate) fn patient(self) -> Self {
        self.paced(3_000, HUNG_TIMEOUT_MS)
    }

    /// Every probe is asked in every cycle.
    pub(crate) fn without_rest(self) -> Self {
        self.without("every")
    }

    /// With one more endpoint, which speaks TLS.
    pub(crate) fn with_tls(self) -> Self {
        self.and_endpoint("tls", &format!("https://127.0.0.1:{TLS_PORT}/"))
    }

    /// With a log and a rule.
    pub(crate) fn with_log(mut self) -> Self {
        self.config.push_str(LOG);
        self
    }

    /// With more endpoints, which accept a connection and never answer.
    pub(crate) fn with_hung(self, count: u16) -> Self {
        let url = |n| format!("http://127.0.0.1:{}/", HUNG_PORT + n);
        (0..count).fold(self, |profile, n| profile.and_endpoint(&format!("hung-{n}"), &url(n)))
    }

    /// Ollama accepts connections and never answers.
    pub(crate) fn with_hung_ollama(mut self) -> Self {
        self.env.push_str(&format!(
            "PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL=http://127.0.0.1:{HUNG_PORT}/v1/models\n"
        ));
        self
    }

    /// With so many more targets, each asked over HTTP.
    pub(crate) fn with_crowd(self, count: u16) -> Self {
        let url = "http://127.0.0.1:18790/health";
        (0..count).fold(self, |profile, n| profile.and_endpoint(&format!("crowd-{n}"), url))
    }

    /// Every crash is repaired at once, however many there were: limits are not what is measured here.
    pub(crate) fn without_limits(mut self) -> Self {
        self.env
            .push_str("PICOCLAW_WATCHDOG_RESTART_MAX_COUNT=100\nPICOCLAW_WATCHDOG_RESTART_WINDOW_SEC=1\n");
        self.set("reprobe", "\"100ms\"")
            .set("backoff", "[\"0s\"]")
            .set("stable_passes", "1")
            .set("stable_for", "\"1s\"")
    }

    /// For where no systemd is.
    pub(crate) fn config_without_unit(&self) -> String {
        without(&self.config, "unit")
    }

    fn paced(mut self, interval_ms: u32, timeout_ms: u32) -> Self {
        self.interval_ms = interval_ms;
        let interval = format!("\"{interval_ms}ms\"");
        self.set("interval", &interval)
            .set("reprobe", &interval)
            .set("timeout", &format!("\"{timeout_ms}ms\""))
            .without("slow_after")
    }

    /// Its timeout is set with the pace.
    fn and_endpoint(mut self, name: &str, url: &str) -> Self {
        self.config.push_str(&format!(
            "\n[[target]]\nname = \"{name}\"\n[[target.probe]]\nname = \"get\"\n[target.probe.check.http]\n\
             url = \"{url}\"\ntimeout = \"5s\"\n"
        ));
        self
    }

    /// Gives every line that sets `key` another value.
    fn set(mut self, key: &str, value: &str) -> Self {
        let line =
            |line: &str| if sets(line, key) { format!("{key} = {value}\n") } else { format!("{line}\n") };
        self.config = self.config.lines().map(line).collect();
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.config = without(&self.config, key);
        self
    }
}

fn without(config: &str, key: &str) -> String {
    config.lines().filter(|line| !sets(line, key)).map(|line| format!("{line}\n")).collect()
}

fn sets(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "))
}
