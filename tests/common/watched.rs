//! A machine with the watchdog running in it, as a user would have it: installed and enabled with make, the built-in
//! configuration with a few times shortened, a LINE endpoint inside.

use super::installation::{Installation, install};
use super::{Machine, OpsLog, Recorded, repository, wait_until_showing};
use std::fs;
use std::ops::Deref;
use std::process::{Child, Stdio};
use std::time::Duration;

/// The gateway's unit, unless a test wants another.
pub(crate) const GATEWAY: &str = "picoclaw-gateway.service";
/// The watchdog's unit.
pub(crate) const UNIT: &str = "picoclaw-watchdog.service";
const LOG: &str = "/home/pico/.picoclaw/logs/ops-watchdog.log";
const RECORD: &str = "/home/pico/line/record";
/// How long anything may take that does not wait for a configured time; five machines may be busy at once.
const SOON: Duration = Duration::from_secs(90);
/// A message that follows another within a minute waits for that minute to end.
const A_MINUTE_OF_COMPANY: Duration = Duration::from_secs(60);

/// Of the built-in configuration, what would take minutes. The relations between the times stay as they are.
const SHORTENED: &[(&str, &str)] = &[
    (r#"reprobe = "2s""#, r#"reprobe = "300ms""#),
    (r#"backoff = ["0s", "10s", "30s"]"#, r#"backoff = ["0s", "1s", "3s"]"#),
    (r#"settle = "60s""#, r#"settle = "2s""#),
    (r#"start_allowance = "180s""#, r#"start_allowance = "4s""#),
    (r#"half_open = ["10m", "20m", "40m", "60m"]"#, r#"half_open = ["4s", "1h"]"#),
    (r#"alert_after = "5m""#, r#"alert_after = "10s""#),
];

/// The variables that shorten the rest, and LINE.
const ENV: &str = "\
PICOCLAW_WATCHDOG_INTERVAL_SEC=2
PICOCLAW_WATCHDOG_HEALTH_TIMEOUT_SEC=1
PICOCLAW_WATCHDOG_LOCAL_TIMEOUT_SEC=1
PICOCLAW_WATCHDOG_EXTERNAL_TIMEOUT_SEC=1
PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED=true
PICOCLAW_WATCHDOG_LINE_NOTIFY_TO=U00000000000000000000000000000000
PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN=line-token-of-the-tests
PICOCLAW_WATCHDOG_LINE_PUSH_ENDPOINT=http://127.0.0.1:18792/v2/bot/message/push
";

/// The machine; it derefs to [`Machine`].
pub(crate) struct Watched {
    machine: Machine,
    gateway: String,
    _line: Child,
}

impl Deref for Watched {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Watched {
    /// Boots and installs; the gateway and the watchdog are not started yet. `changes` are made to the built-in
    /// configuration after the usual ones.
    ///
    /// # Panics
    /// When a change does not apply: it would be a test of something else.
    #[track_caller]
    pub(crate) fn install(name: &str, changes: &[(&str, &str)], wanted: &Installation<'_>) -> Option<Self> {
        let machine = Machine::up_or_skip(name)?;
        let env = format!("{ENV}{}", wanted.env);
        install(&machine, &Installation { env: &env, ..*wanted });
        machine.write("/home/pico/.picoclaw/watchdog.toml", &config(changes));
        machine.write("/home/pico/line/control/.keep", "");
        let line = ["stand-in", "line", "--control", "line/control", "--record", "line/record"];
        let line = machine.resident(&line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Some(Self { machine, gateway: wanted.gateway.to_owned(), _line: line })
    }

    /// As [`Self::install`], then everything is started and healthy.
    #[track_caller]
    pub(crate) fn up(name: &str, changes: &[(&str, &str)], wanted: &Installation<'_>) -> Option<Self> {
        let watched = Self::install(name, changes, wanted)?;
        watched.start_gateway();
        watched.enable();
        watched.wait("all is well at first", |log| !log.lines(&["action=end ", "all well"]).is_empty());
        Some(watched)
    }

    /// Starts the gateway, and waits until it answers.
    #[track_caller]
    pub(crate) fn start_gateway(&self) {
        self.user_ok(&["systemctl", "--user", "start", &self.gateway]);
        self.wait_for_gateway();
    }

    /// Kills the gateway as the kernel does when memory is short.
    #[track_caller]
    pub(crate) fn kill_gateway(&self) {
        self.user_ok(&["systemctl", "--user", "kill", "--signal=KILL", &self.gateway]);
    }

    /// Waits until the gateway answers.
    #[track_caller]
    pub(crate) fn wait_for_gateway(&self) {
        let answers = || self.gateway_status("/health").filter(|code| *code == 200);
        wait_until_showing(SOON, "the gateway answers", || self.tails(), answers);
    }

    /// Starts the watchdog as the README says; comes back when it says that it is ready.
    #[track_caller]
    pub(crate) fn enable(&self) {
        let output = self.user(&["make", "-C", "src", "enable-watchdog"]);
        assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), self.tails());
    }

    /// Adds to the watchdog's unit.
    #[track_caller]
    pub(crate) fn drop_in(&self, unit: &str, text: &str) {
        self.write(&format!("/home/pico/.config/systemd/user/{unit}.d/test.conf"), text);
        self.user_ok(&["systemctl", "--user", "daemon-reload"]);
    }

    /// Waits until a cycle that began after this call says that all is well.
    #[track_caller]
    pub(crate) fn wait_until_well(&self) -> OpsLog {
        let known = self.log().0.len();
        let well = |line: &str| line.contains("action=end ") && line.contains("all well");
        self.wait("all is well again", |log| log.0[known..].lines().any(well))
    }

    /// What LINE has received, oldest first.
    pub(crate) fn pushes(&self) -> Vec<Recorded> {
        let text = self.read(RECORD);
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until LINE has received a message with these words, and gives all of its body.
    #[track_caller]
    pub(crate) fn wait_for_push(&self, words: &str) -> String {
        let found = || self.pushes().into_iter().map(|push| push.body).find(|body| body.contains(words));
        wait_until_showing(
            SOON + A_MINUTE_OF_COMPANY,
            &format!("LINE hears of {words:?}"),
            || format!("{:#?}\n{}", self.pushes(), self.tails()),
            found,
        )
    }

    /// What `explain` says.
    pub(crate) fn explain(&self) -> String {
        String::from_utf8_lossy(&self.user(&[".local/bin/picoclaw-watchdog", "explain"]).stdout).into_owned()
    }
}

/// Whatever was installed in it: the watchdog of pico.
impl Machine {
    /// The log as it is now.
    pub(crate) fn log(&self) -> OpsLog {
        OpsLog(self.read(LOG))
    }

    /// Waits until the log says so.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&OpsLog) -> bool) -> OpsLog {
        wait_until_showing(SOON, what, || self.tails(), || Some(self.log()).filter(&is_so))
    }

    /// Waits for so many more cycles, to show that something does not happen.
    #[track_caller]
    pub(crate) fn cycles(&self, more: usize) -> OpsLog {
        let wanted = self.log().cycles() + more;
        self.wait("more cycles are over", |log| log.cycles() >= wanted)
    }
}

fn config(changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(repository().join("config/watchdog.toml")).unwrap();
    for (from, to) in SHORTENED.iter().chain(changes) {
        assert!(text.contains(from), "the configuration has no {from}");
        text = text.replace(from, to);
    }
    text
}
