//! All seven at once, as their owner has them: the gateway and its endpoints, Tailscale, the funnel, the webhook,
//! Ollama, the backup. Each fault is told apart, and mended by what can mend it.

use crate::common::{Installation, OpsLog, UNIT, Watched};

const ENV: &str = "\
PICOCLAW_WATCHDOG_INTERVAL_SEC=3
PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL=http://127.0.0.1:11434/v1/models
PICOCLAW_WATCHDOG_WEBHOOK_URL=http://gw.tail1234.ts.net:18443/webhook/line
PICOCLAW_WATCHDOG_RESOLVER=http://127.0.0.1:18053/dns-query
PICOCLAW_WATCHDOG_TAILSCALE_SOCKET=/home/pico/ts/tailscaled.sock
PICOCLAW_WATCHDOG_R2_ACCOUNT=0123456789abcdef0123456789abcdef
PICOCLAW_WATCHDOG_R2_ACCESS_KEY_ID=not-used-here
PICOCLAW_WATCHDOG_R2_SECRET_ACCESS_KEY=not-used-here-either
PICOCLAW_WATCHDOG_MOLTWORKER_URL=http://127.0.0.1:8787
PICOCLAW_WATCHDOG_CF_ACCESS_CLIENT_ID=stand-in.access
PICOCLAW_WATCHDOG_CF_ACCESS_CLIENT_SECRET=cfast_stand-in
";

/// The worker's own word for the age, so that one stand-in shows the whole circle.
const AGE: &str = r#"[target.probe.check.http]
url = "${PICOCLAW_WATCHDOG_MOLTWORKER_URL}/api/admin/storage"
headers = { "CF-Access-Client-Id" = "${PICOCLAW_WATCHDOG_CF_ACCESS_CLIENT_ID}", "CF-Access-Client-Secret" = "${PICOCLAW_WATCHDOG_CF_ACCESS_CLIENT_SECRET}" }
age = { pointer = "/lastSync", max = "20m" }
timeout = "900ms"
"#;

/// As much in seconds as the real ones have in minutes.
const SHORTENED: &[(&str, &str)] = &[
    (r#"settle = "70s""#, r#"settle = "2s""#),
    (r#"settle = "2m""#, r#"settle = "2s""#),
    (r#"wait = "20s""#, r#"wait = "200ms", timeout = "2s""#),
    (r#"every = "5m""#, r#"every = "3s""#),
    (r#"settle = "10m""#, r#"settle = "40s""#),
    (r#"timeout = "7m""#, r#"timeout = "31s""#),
    (r#"timeout = "8s""#, r#"timeout = "500ms""#),
    (r#"reprobe = "10s""#, r#"reprobe = "300ms""#),
    (r#"references = ["gateway", "dns", "1.1.1.1:443"]"#, r#"references = ["127.0.0.1:9", "127.0.0.2:9"]"#),
];

const PUBLISHED: &str = r#"{"TCP":{"443":{"HTTPS":true}},
    "Web":{"gw.tail1234.ts.net:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:18791"}}}},
    "AllowFunnel":{"gw.tail1234.ts.net:443":true}}"#;

/// What runs beside the gateway.
const STAND_INS: [&[&str]; 3] = [
    &["tailscaled", "--edge-port", "18443", "--resolver-port", "18053", "--control", "ts"],
    &["ollama", "--control", "ollama"],
    &["moltworker", "--port", "8787", "--control", "molt", "--record", "molt/record"],
];

/// The machine with all of them.
struct Site {
    machine: Watched,
}

impl Site {
    fn up() -> Option<Self> {
        let built_in = include_str!("../../config/watchdog.toml");
        let object = &built_in[built_in.find("[target.probe.check.object]")?..];
        let object = &object[..object.find("\n\n")? + 1];
        let changes: Vec<(&str, &str)> = SHORTENED.iter().copied().chain([(object, AGE)]).collect();
        let machine =
            Watched::install("seven", &changes, &Installation { env: ENV, ..Installation::default() })?;
        machine.write("/home/pico/ts/serve.json", PUBLISHED);
        machine.write("/home/pico/ollama/.keep", "");
        machine.write("/home/pico/molt/.keep", "");
        machine.drop_in(UNIT, "[Service]\nEnvironment=PATH=/home/pico/ts:/usr/local/bin:/usr/bin:/bin\n");
        for stand_in in STAND_INS {
            let argv = ["systemd-run", "--user", "--working-directory=/home/pico", "/usr/local/bin/stand-in"];
            machine.user_ok(&[&argv[..], stand_in].concat());
        }
        machine.start_gateway();
        Some(Self { machine })
    }

    /// Switches a control file of a stand-in on.
    fn steer(&self, file: &str, content: &str) {
        self.machine.write(&format!("/home/pico/{file}"), content);
    }

    /// Switches it off.
    fn unsteer(&self, file: &str) {
        self.machine.user_ok(&["rm", &format!("/home/pico/{file}")]);
    }

    /// Waits until this target has been repaired or has come back, for the so-manieth time.
    fn recovered(&self, target: &str, times: usize) -> OpsLog {
        let words = [&format!("target={target}"), "action=recovered"];
        self.machine
            .wait(&format!("{target} is well again"), |log| log.lines(&words.map(|w| w)).len() >= times)
    }

    fn funnel_commands(&self) -> usize {
        self.machine
            .read("/home/pico/ts/commands")
            .lines()
            .filter(|line| line.starts_with("funnel --"))
            .count()
    }
}

/// Bounds the seconds from the first sign of trouble with a target to this word about it, by the log's own stamps. The
/// line is for `make bench`.
#[allow(clippy::print_stdout, reason = "make bench reads it")]
fn measure(log: &OpsLog, what: &str, target: &str, word: &str, most: u64) {
    let took = log.seconds(&[target, word])[0] - log.seconds(&[target, "result=NG"])[0];
    println!("measured: {what} = {took}, at most {most}");
    assert!(took <= most, "{what}: {took} s, at most {most}\n{}", log.0);
}

#[test]
fn each_of_the_seven_is_told_apart_and_mended_by_what_can_mend_it() {
    let Some(site) = Site::up() else { return };
    let machine = &site.machine;
    machine.enable();
    machine.wait_until_well();

    // Somebody switches the funnel off.
    site.steer("ts/serve.json", "{}");
    let log = site.recovered("funnel", 1);
    assert_eq!(site.funnel_commands(), 1, "published once");
    measure(&log, "Funnel switched off, until it is back", "target=funnel ", "action=recovered", 120);

    // The way in is dead although all looks well: two repairs of three commands, then a person.
    let before = site.funnel_commands();
    site.steer("ts/edge-dead", "");
    let body = machine.wait_for_push("public edge");
    assert!(body.contains("webhook"), "{body}");
    let log = machine.log();
    measure(&log, "webhook publicly dead, until it is told", "target=webhook", "alert_raised", 300);
    assert!(site.funnel_commands() - before <= 4, "{} commands", site.funnel_commands() - before);
    site.unsteer("ts/edge-dead");
    site.recovered("webhook", 1);
    assert!(machine.log().lines(&["target=gateway", "action=restart"]).is_empty());

    // Ollama: nothing here can mend it, so people are told, and hear of its end.
    site.steer("ollama/down-500", "");
    let log = machine.wait("people are told", |log| {
        !log.lines(&["target=ollama_remote_outage", "alert_raised"]).is_empty()
    });
    measure(&log, "Ollama down, until it is told", "target=ollama", "alert_raised", 120);
    site.unsteer("ollama/down-500");
    let log = site.recovered("ollama", 1);
    assert_eq!(log.attempts("gateway"), 0, "no restart helps Ollama: {}", log.0);

    // A stale backup is made anew.
    site.steer("molt/last-sync", "3600");
    let log = site.recovered("backup", 1);
    measure(&log, "backup stale, until it is fresh", "target=backup ", "action=recovered", 300);
    assert_eq!(log.attempts("backup"), 1, "{}", log.0);
    assert_eq!(log.attempts("gateway"), 0, "{}", log.0);

    // All at once, with one root: the node is logged out, so nothing behind it is repaired or blamed.
    let raised = |log: &OpsLog| log.lines(&["action=alert_raised"]).len();
    let (before, known) = (site.funnel_commands(), raised(&machine.log()));
    let at_once = "cd ts; echo NeedsLogin > backend; echo '{}' > serve.json; touch edge-dead";
    machine.user_ok(&["bash", "-euc", at_once]);
    let body = machine.wait_for_push("tailscale up");
    assert!(body.contains("because of it: funnel"), "what waits for it is named: {body}");
    let log = machine.cycles(3);
    assert_eq!(raised(&log), known + 1, "one message names the root: {}", log.0);
    assert_eq!(site.funnel_commands(), before, "no command helps who is logged out");
    site.unsteer("ts/edge-dead");
    site.unsteer("ts/backend");
    site.recovered("tailscale", 1);
    site.recovered("funnel", 2);
    let log = machine.wait_until_well();
    assert_eq!(log.attempts("gateway"), 0, "{}", log.0);
}
