//! Whether the wall clock is kept right. The watchdog itself counts on another one; but people read stamps, and
//! signatures and certificates are refused when the hour is wrong.

use super::Finding;
use super::ask::{self, Properties, property};

/// Asks the machine.
pub(super) async fn check() -> Vec<Finding> {
    vec![match ask::said(["timedatectl", "show", "-p", "NTPSynchronized", "-p", "NTP"]).await {
        Ok(text) => judge(&ask::pairs(&text)),
        Err(why) => Finding::unknown("clock", format!("whether the clock is right is not known: {why}")),
    }]
}

fn judge(told: &Properties) -> Finding {
    match (property(told, "NTPSynchronized"), property(told, "NTP")) {
        ("yes", _) => Finding::ok("clock", "the clock is synchronised"),
        ("no", "yes") => Finding::warn(
            "clock",
            "the clock is not synchronised yet, though it is meant to be",
            "timedatectl timesync-status",
        ),
        ("no", _) => Finding::warn("clock", "the clock is not synchronised", "sudo timedatectl set-ntp true"),
        (_, _) => Finding::unknown("clock", "timedatectl does not say whether the clock is synchronised"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn every_answer_has_its_grade() {
        let grade = |text| judge(&ask::pairs(text)).grade;
        assert_eq!(grade("NTP=no\nNTPSynchronized=yes\n"), Grade::Ok);
        assert_eq!(grade("NTPSynchronized=no\nNTP=yes\n"), Grade::Warn);
        assert_eq!(grade("NTPSynchronized=no\nNTP=no\n"), Grade::Warn);
        assert_eq!(grade("Timezone=Asia/Tokyo\n"), Grade::Unknown);
    }
}
