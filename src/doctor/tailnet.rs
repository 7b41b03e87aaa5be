//! Whether this machine can be reached through Tailscale Funnel at all: its node connected and allowed to publish,
//! its key good for a while. Asked as the daemon asks it. What is published is not looked at: that mends itself.

use super::Finding;
use crate::config::Config;
use crate::probe::Check;
use crate::probe::clients::Clients;
use crate::probe::tailscale::Ask;
use crate::recovery::evidence::Reading;

/// Asks what the configuration asks of Tailscale.
pub(super) async fn check(config: &Config, clients: &Clients) -> Vec<Finding> {
    let mut findings = Vec::new();
    for probe in &config.probes {
        if let Check::Tailscale(tailscale) = &probe.check {
            findings.push(judge(tailscale.ask, tailscale.ask(clients).await));
        }
    }
    findings
}

fn judge(asked: Ask, reading: Reading) -> Finding {
    let why = match reading {
        Reading::Pass(text) => return Finding::ok("tailscale", text),
        Reading::Unknown(why) => return Finding::unknown("tailscale", why),
        Reading::Fail(why) => why,
    };
    let (what, fix) = in_two(&why);
    match asked {
        Ask::Node { .. } => Finding::fail("tailscale", what, fix),
        // It still works; and once it does not, the node says so as well.
        Ask::Expiry { .. } => Finding::warn("tailscale", what, fix),
    }
}

/// What is wrong, and what a person has to do: the probe says both, with a colon between them. One within
/// parentheses is part of what is wrong.
fn in_two(why: &str) -> (&str, &str) {
    let open = |at: usize| why[..at].matches('(').count() > why[..at].matches(')').count();
    let colon = why.match_indices(": ").map(|(at, _)| at).find(|at| !open(*at));
    colon.map_or((why, "tailscale status"), |at| (&why[..at], &why[at + 2..]))
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::probe::tailscale::Node;
    use std::time::{Duration, SystemTime};

    fn judged(node: &str) -> (Grade, String, String) {
        let node: Node = serde_json::from_str(node).unwrap();
        let Finding { grade, what, fix, .. } = judge(Ask::Node { port: 443 }, node.judge(443));
        (grade, what, fix.unwrap_or_default())
    }

    fn connected(capabilities: &str) -> String {
        format!(
            r#"{{"Version":"1.102.2","BackendState":"Running","Self":{{"Online":true,"CapMap":{{{capabilities}}}}}}}"#
        )
    }

    #[test]
    fn what_the_node_lacks_comes_with_what_gives_it() {
        let all = r#""https":null,"funnel":null,"https://tailscale.com/cap/funnel-ports?ports=443":null"#;
        assert_eq!(judged(&connected(all)).0, Grade::Ok);
        let failing = |node: &str| {
            let (grade, what, fix) = judged(node);
            assert_eq!(grade, Grade::Fail, "{what}");
            (what, fix)
        };
        let (what, fix) = failing(r#"{"BackendState":"NeedsLogin"}"#);
        assert_eq!((what.as_str(), fix.as_str()), ("logged out", "run `tailscale up`"));
        let (what, fix) = failing(&connected(""));
        assert!(what.starts_with("HTTPS is off") && fix.contains("under DNS"), "{what} / {fix}");
        let (what, fix) = failing(&connected(r#""https":null"#));
        assert!(what.contains("does not allow Funnel") && fix.contains("nodeAttrs"), "{what} / {fix}");
        let (what, fix) = failing(&connected(r#""https":null,"funnel":null"#));
        assert!(what.ends_with("(allowed: none)") && fix.contains("another public port"), "{what} / {fix}");
        let (_, fix) = failing(r#"{"Version":"1.102.1","BackendState":"Running","Self":{"Online":true}}"#);
        assert_eq!(fix, "upgrade to 1.102.2");
    }

    #[test]
    fn a_key_that_ends_soon_is_a_warning() {
        let node: Node = serde_json::from_str(
            r#"{"BackendState":"Running","Self":{"Online":true,"KeyExpiry":"2026-03-01T00:00:00Z"}}"#,
        )
        .unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_771_800_000);
        let warn = Duration::from_secs(14 * 86_400);
        let finding = judge(Ask::Expiry { warn }, node.judge_key(now, warn));
        assert_eq!(
            (finding.grade, finding.what.as_str()),
            (Grade::Warn, "the node's key ends on 2026-03-01")
        );
        assert!(finding.fix.unwrap().starts_with("run `tailscale up --force-reauth`"));
    }

    #[test]
    fn what_is_not_known_is_no_failure_and_every_failure_has_a_fix() {
        let finding = judge(Ask::Node { port: 443 }, Reading::Unknown("no permission".to_owned()));
        assert_eq!((finding.grade, finding.fix), (Grade::Unknown, None));
        assert_eq!(in_two("something"), ("something", "tailscale status"));
    }
}
