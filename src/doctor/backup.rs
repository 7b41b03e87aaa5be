//! Whether the store of the backup lets us look: key, bucket, account. Asked as the daemon asks it. How old the
//! backup is, is the daemon's business, not that of this host.

use super::Finding;
use crate::config::Config;
use crate::probe::Check;
use crate::probe::clients::Clients;
use crate::probe::object::MISCONFIGURED;
use crate::recovery::evidence::Reading;

/// Asks every store.
pub(super) async fn check(config: &Config, clients: &Clients) -> Vec<Finding> {
    let mut findings = Vec::new();
    for probe in &config.probes {
        if let Check::Object(object) = &probe.check {
            findings.push(judge(object.ask(clients).await));
        }
    }
    findings
}

fn judge(reading: Reading) -> Finding {
    match reading {
        Reading::Pass(seen) | Reading::Fail(seen) => {
            Finding::ok("backup", format!("its store lets us look, and this is what is there: {seen}"))
        }
        Reading::Unknown(why) => match why.strip_prefix(MISCONFIGURED) {
            Some(why) => Finding::fail("backup", format!("its store does not let us look: {why}"), FIX),
            None => Finding::unknown("backup", why),
        },
    }
}

/// The text before it says which of these is wrong.
const FIX: &str = "correct PICOCLAW_WATCHDOG_R2_ACCOUNT, PICOCLAW_WATCHDOG_R2_BUCKET, \
                   PICOCLAW_WATCHDOG_R2_ACCESS_KEY_ID and PICOCLAW_WATCHDOG_R2_SECRET_ACCESS_KEY in ~/.picoclaw/.env; a \
                   new key that may read objects is made in Cloudflare's dashboard, under R2, API tokens";

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn only_what_keeps_us_from_looking_is_a_failure() {
        let grade = |reading| judge(reading).grade;
        assert_eq!(grade(Reading::Pass("fresh".to_owned())), Grade::Ok);
        assert_eq!(grade(Reading::Fail("stale: .last-sync is 3 h old".to_owned())), Grade::Ok);
        assert_eq!(grade(Reading::Unknown("429: asked too often".to_owned())), Grade::Unknown);
        let refused =
            "misconfigured probe: b at h: 403 SignatureDoesNotMatch: the secret key does not belong to it";
        let finding = judge(Reading::Unknown(refused.to_owned()));
        assert!(
            finding.grade == Grade::Fail && finding.what.contains("SignatureDoesNotMatch"),
            "{finding:?}"
        );
        assert!(finding.fix.unwrap().contains("R2_SECRET_ACCESS_KEY"));
    }
}
