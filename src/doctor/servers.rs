//! Whether the servers that are watched let us ask: PostgreSQL and Redis, asked as the daemon asks them. A server that
//! is down is the daemon's business; but before anything has ever gone wrong, it is more often the address.

use super::Finding;
use crate::config::Config;
use crate::probe::clients::Clients;
use crate::probe::object::MISCONFIGURED;
use crate::probe::{Check, Probe};
use crate::recovery::evidence::{LEAVE_UP, Reading};

/// Asks all of them at once, for each may take as long as its timeout.
pub(super) async fn check(config: &Config, clients: &Clients) -> Vec<Finding> {
    let servers = config.probes.iter().filter_map(|probe| Some((probe, about(&probe.check)?)));
    let asked =
        servers.map(async |(probe, about)| judge(about, probe, probe.ask(clients, None).await.reading));
    futures_util::future::join_all(asked).await
}

fn about(check: &Check) -> Option<&'static str> {
    match check {
        Check::Postgres(_) => Some("postgres"),
        Check::Redis(_) => Some("redis"),
        Check::Http(_) | Check::Port(_) | Check::Ollama(_) | Check::Reach(_) => None,
        Check::Files(_) | Check::Machine(_) => None,
        Check::Object(_) | Check::LineWebhook(_) | Check::Tailscale(_) | Check::Funnel(_) => None,
    }
}

fn judge(about: &str, probe: &Probe, reading: Reading) -> Finding {
    let of = format!("{}/{}", probe.target, probe.name);
    match reading {
        Reading::Pass(said) => Finding::ok(about, format!("{of}: {said}")),
        Reading::Fail(why) => match why.strip_prefix(LEAVE_UP) {
            Some(why) => {
                Finding::fail(about, format!("{of}: {why}"), "do what it says; a restart would make it worse")
            }
            None => {
                let fix = "if it is meant to be up and is, correct host, port, socket or url of this probe";
                Finding::warn(about, format!("{of}: {why}"), fix)
            }
        },
        Reading::Unknown(why) => match why.strip_prefix(MISCONFIGURED) {
            Some(why) => {
                let fix = "correct url, user or password of this probe; until then a failure is seen only when nothing answers";
                Finding::fail(about, format!("{of}: {why}"), fix)
            }
            None => Finding::unknown(about, format!("{of}: {why}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::config::{SourceFile, Sources, compile};

    #[test]
    fn who_is_refused_is_told_apart_from_a_server_that_is_down() {
        let text =
            "[[target]]\nname = \"db\"\n[[target.probe]]\nname = \"up\"\ncheck.redis = {}\n".to_owned();
        let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
        let config = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() }).config.unwrap();
        let probe = &config.probes[0];
        assert_eq!(about(&probe.check), Some("redis"));
        let judged = |reading| judge("redis", probe, reading);
        assert_eq!(judged(Reading::Pass("PONG".to_owned())), Finding::ok("redis", "db/up: PONG"));
        assert_eq!(judged(Reading::Fail("connection refused".to_owned())).grade, Grade::Warn);
        let full = judged(Reading::Fail(format!("{LEAVE_UP}it cannot save")));
        assert_eq!((full.grade, full.what.as_str()), (Grade::Fail, "db/up: it cannot save"));
        let refused = judged(Reading::Unknown(format!("{MISCONFIGURED}it wants a password")));
        assert_eq!((refused.grade, refused.what.as_str()), (Grade::Fail, "db/up: it wants a password"));
        assert!(refused.fix.unwrap().contains("password of this probe"));
        assert_eq!(judged(Reading::Unknown("it is still loading".to_owned())).grade, Grade::Unknown);
    }
}
