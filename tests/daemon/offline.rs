//! A machine without a network: what is out there is neither blamed nor repaired, and what is ours still is.

use crate::common::{Installation, UNIT, Watched};

const CONFIG: &str = "/home/pico/.picoclaw/watchdog.toml";
const REFERENCES: &str = r#"references = ["gateway", "dns", "1.1.1.1:443"]"#;
/// Nobody listens there, but a refusal is an answer.
const REACHABLE: &str = r#"references = ["127.0.0.1:9", "127.0.0.2:9", "127.0.0.3:9"]"#;

/// The machine of the test has no network at all. Its funnel stands where nobody listens: a real failure, as soon as
/// there is a network again.
#[test]
fn without_a_network_nothing_out_there_is_repaired_and_the_gateway_still_is() {
    let env = "PICOCLAW_WATCHDOG_WEBHOOK_URL=http://127.0.0.1:9/webhook\n";
    let wanted = Installation { env, ..Installation::default() };
    let external =
        (r#"depends_on = ["gateway", "tailscale", "funnel"]"#, "depends_on = [\"gateway\"]\nexternal = true");
    let Some(machine) = Watched::install("offline", &[external], &wanted) else { return };
    machine.start_gateway();
    machine.enable();
    machine.cycles(4);
    machine.kill_gateway();
    machine
        .wait("the gateway is repaired", |log| !log.lines(&["target=gateway", "was repaired by"]).is_empty());
    let explained = machine.explain();
    assert!(explained.contains("we are offline"), "{explained}");
    let log = machine.cycles(2);
    assert!(log.lines(&["action=publish-funnel"]).is_empty(), "{}", log.0);
    assert!(log.alerts().is_empty(), "nobody is told of what is out there: {:?}", log.alerts());

    // Back online, the same failure is the funnel's own.
    machine.write(CONFIG, &machine.read(CONFIG).replace(REFERENCES, REACHABLE));
    machine.user_ok(&["systemctl", "--user", "kill", "--signal=HUP", UNIT]);
    machine.wait("it is repaired now", |log| !log.lines(&["action=publish-funnel"]).is_empty());
}
