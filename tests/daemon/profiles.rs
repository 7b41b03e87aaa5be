//! The four generations of the gateway, each with nothing but its profile and the addresses set: healthy as it is,
//! never restarted for an Ollama that is away, and restarted once when it dies itself.

use crate::common::{Installation, OpsLog, Watched};

/// A generation, and what is particular to it.
struct Generation {
    profile: &'static str,
    stand_in: &'static str,
    unit: &'static str,
    /// Its own settings of the unit.
    service: &'static str,
    webhook: &'static str,
    /// The port that is published.
    webhook_port: u16,
    /// What of it is 503 while Ollama is away, and how the stand-in is told so.
    without_ollama: Option<(&'static str, &'static str)>,
}

const ADDRESSES: &str = "\
PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL=http://127.0.0.1:11434/v1/models
PICOCLAW_WATCHDOG_TAILSCALE_SOCKET=/home/pico/ts/tailscaled.sock
";
const SERVED: &str = r#"{"TCP":{"443":{"HTTPS":true}},
    "Web":{"gw.tail1234.ts.net:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:PORT"}}}},
    "AllowFunnel":{"gw.tail1234.ts.net:443":true}}"#;

/// A machine with everything that this generation needs, and all of it well.
fn up(generation: &Generation) -> Option<Watched> {
    let Generation { profile, stand_in, unit, service, webhook, webhook_port, .. } = generation;
    // The handler itself stands for the public way in: so its answer is judged, too.
    let env = format!(
        "PICOCLAW_WATCHDOG_PROFILE={profile}\nPICOCLAW_WATCHDOG_WEBHOOK_URL=http://127.0.0.1:{webhook_port}{webhook}\n{ADDRESSES}"
    );
    let options = format!("--generation {stand_in}");
    let wanted =
        Installation { gateway: unit, env: &env, gateway_options: &options, gateway_service: service };
    let machine = Watched::install(profile, &[], &wanted)?;
    machine.write("/home/pico/ts/serve.json", &SERVED.replace("PORT", &webhook_port.to_string()));
    serve(&machine, &["tailscaled", "--control", "/home/pico/ts"]);
    serve(&machine, &["ollama"]);
    machine.start_gateway();
    machine.enable();
    machine.wait_until_well();
    Some(machine)
}

/// Starts a stand-in as a unit of its name.
fn serve(machine: &Watched, argv: &[&str]) {
    let unit = format!("--unit={}", argv[0]);
    machine.user_ok(
        &[&["systemd-run", "--user", "--quiet", "--collect", &unit, "--", "stand-in"], argv].concat(),
    );
}

fn assert_well(machine: &Watched, target: &str) {
    let output = machine.user(&[".local/bin/picoclaw-watchdog", "status"]);
    let status = String::from_utf8_lossy(&output.stdout);
    assert!(
        status.lines().any(|line| line.starts_with(target) && line.contains(" ok ")),
        "{target}:\n{status}"
    );
}

/// How often the gateway was restarted, by us or by systemd.
fn restarts(machine: &Watched, log: &OpsLog, unit: &str) -> (usize, String) {
    (log.attempts("gateway"), machine.unit(unit, "NRestarts"))
}

/// The one story of all generations; `restarted` is how often its death costs a restart of ours, and of systemd's.
fn story(generation: &Generation, restarted: (usize, &str)) {
    let Some(machine) = up(generation) else { return };
    let unit = generation.unit;
    for target in ["gateway", "ollama", "tailscale", "funnel", "webhook"] {
        assert_well(&machine, target);
    }

    machine.user_ok(&["systemctl", "--user", "stop", "ollama"]);
    if let Some((path, file)) = generation.without_ollama {
        machine.steer_gateway(file, "");
        assert_eq!(machine.gateway_status(path), Some(503));
    }
    machine.wait("Ollama is known to be away", |log| {
        !log.lines(&["target=ollama ", "Ollama is unreachable: connection refused"]).is_empty()
    });
    let log = machine.cycles(4);
    assert_well(&machine, "gateway");
    assert_eq!(restarts(&machine, &log, unit), (0, "0".to_owned()), "{}\n{}", machine.explain(), log.0);
    serve(&machine, &["ollama"]);
    if let Some((_, file)) = generation.without_ollama {
        machine.unsteer_gateway(file);
    }
    machine.wait_until_well();

    machine.kill_gateway();
    machine
        .wait("its incident is closed", |log| !log.lines(&["target=gateway", "action=recovered"]).is_empty());
    machine.wait_until_well();
    let log = machine.cycles(2);
    assert_eq!(restarts(&machine, &log, unit), (restarted.0, restarted.1.to_owned()), "{}", log.0);
    assert_eq!(log.lines(&["target=gateway", "action=recovered"]).len(), 1, "{}", log.0);
    // Of Ollama they may have heard, and of its return.
    let pushes = machine.pushes();
    assert!(pushes.iter().all(|push| !push.body.contains("gateway: ")), "{pushes:?}");
}

/// The webhook on a port of its own.
const PICOCLAW: Generation = Generation {
    profile: "picoclaw",
    stand_in: "g0",
    unit: "picoclaw-gateway.service",
    service: "",
    webhook: "/webhook/line",
    webhook_port: 18791,
    without_ollama: None,
};

#[test]
fn picoclaw_of_february() {
    story(&PICOCLAW, (1, "0"));
}

#[test]
fn picoclaw_main_whose_ready_names_ollama() {
    let generation = Generation {
        profile: "picoclaw-main",
        stand_in: "g1",
        without_ollama: Some(("/ready", "ready-503")),
        ..PICOCLAW
    };
    story(&generation, (1, "0"));
}

/// Its own installation has systemd restart it, and then that is enough.
#[test]
fn rencrow_whose_health_names_ollama() {
    let generation = Generation {
        profile: "rencrow",
        stand_in: "g2",
        unit: "picoclaw.service",
        service: "Restart=always\nRestartSec=5",
        webhook: "/webhook",
        webhook_port: 18790,
        without_ollama: Some(("/health", "health-503")),
    };
    story(&generation, (0, "1"));
}

/// Its /ready is 503 for ever, Ollama or not.
#[test]
fn upstream_whose_ready_is_never_well() {
    let generation = Generation { profile: "upstream", stand_in: "u", webhook_port: 18790, ..PICOCLAW };
    story(&generation, (1, "0"));
}
