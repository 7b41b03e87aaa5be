//! Whether messages on LINE would arrive: token, recipient, the form of a message, and the month's quota. Nothing is
//! sent to anybody.

use super::Finding;
use crate::config::{Config, LineSettings, NO_LINE};
use crate::notify::line::{Line, Said};
use crate::probe::clients::Clients;
use crate::recovery::evidence::QuotaReading;
use reqwest::Url;

/// Below this share of the month's messages a bad week spends the rest.
const LOW_PERCENT: u64 = 10;

/// Asks LINE.
pub(super) async fn check(config: &Config, clients: &Clients) -> Vec<Finding> {
    let line = match &config.line {
        LineSettings::Off { reason } => return vec![off(config, reason)],
        LineSettings::On { endpoint, to, token } => {
            Line { endpoint: endpoint.clone(), token: token.clone(), to: to.clone() }
        }
    };
    let url = Url::parse(&line.endpoint).map_err(|error| error.to_string());
    let client = match url.and_then(|url| clients.for_url(&url)) {
        Ok(client) => client,
        Err(why) => return vec![Finding::unknown("line", why)],
    };
    let (bot, recipient, form, quota) =
        tokio::join!(line.bot(client), line.recipient(client), line.validate(client), line.quota(client),);
    let token = token(bot);
    // What a bad token makes of all other answers tells nothing new.
    if token.fix.is_some() {
        return vec![token];
    }
    vec![token, self::recipient(recipient), self::form(form), self::quota(quota)]
}

fn off(config: &Config, reason: &str) -> Finding {
    let others: Vec<&str> = config.policy.alerts.open().map(|channel| channel.name.as_str()).collect();
    if !others.is_empty() {
        return Finding::ok("line", format!("off ({reason}); messages go to {}", others.join(", ")));
    }
    let what = format!("nobody is written to, alerts are only in the log: {reason}");
    // The variables mean something only where the configuration asks for them.
    if reason == NO_LINE {
        let fix = "add [line], [email] or a [[webhook]] to the configuration (README, \"Other channels\")";
        return Finding::warn("line", what, fix);
    }
    Finding::warn(
        "line",
        what,
        "set PICOCLAW_WATCHDOG_LINE_NOTIFY_ENABLED=true, PICOCLAW_WATCHDOG_LINE_NOTIFY_TO and \
         PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN in ~/.picoclaw/.env",
    )
}

fn token(bot: Said) -> Finding {
    match bot {
        Said::Yes(name) => Finding::ok("line", format!("the token is that of the bot {name}")),
        Said::No(401, why) => Finding::fail(
            "line",
            format!("LINE refuses the channel access token: {why}"),
            "issue a new token in the LINE Developers console and set PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN in \
             ~/.picoclaw/.env",
        ),
        Said::No(status, why) => {
            Finding::unknown("line", format!("LINE does not say whose token it is: {status} {why}"))
        }
        Said::Silent(why) => Finding::unknown("line", why),
    }
}

fn recipient(said: Option<Said>) -> Finding {
    match said {
        None => {
            Finding::ok("recipient", "LINE does not tell of rooms; `picoclaw-watchdog alerts test` tries it")
        }
        Some(Said::Yes(name)) => Finding::ok("recipient", format!("messages go to {name}")),
        // LINE accepts a push to somebody who has blocked the bot, and drops it.
        Some(Said::No(400 | 404, why)) => Finding::fail(
            "recipient",
            format!(
                "LINE would accept messages and deliver none, for the recipient does not know the bot: {why}"
            ),
            "add the bot as a friend (or to the group) on LINE and unblock it, or correct \
             PICOCLAW_WATCHDOG_LINE_NOTIFY_TO in ~/.picoclaw/.env",
        ),
        Some(Said::No(status, why)) => {
            Finding::unknown("recipient", format!("LINE does not tell of the recipient: {status} {why}"))
        }
        Some(Said::Silent(why)) => Finding::unknown("recipient", why),
    }
}

fn form(said: Said) -> Finding {
    match said {
        Said::Yes(_) => Finding::ok("message", "LINE finds nothing wrong with a message of ours"),
        Said::No(400, why) => Finding::fail(
            "message",
            format!("LINE finds fault with a message of ours: {why}"),
            "report it: this is a bug of the watchdog",
        ),
        Said::No(status, why) => {
            Finding::unknown("message", format!("LINE did not look at it: {status} {why}"))
        }
        Said::Silent(why) => Finding::unknown("message", why),
    }
}

fn quota(reading: Result<QuotaReading, String>) -> Finding {
    let QuotaReading { limit, used } = match reading {
        Ok(reading) => reading,
        Err(why) => return Finding::unknown("quota", why),
    };
    let Some(limit) = limit else { return Finding::ok("quota", "the plan has no limit of messages") };
    let left = limit.saturating_sub(used);
    let what = format!("{left} of {limit} messages are left this month");
    let fix = "see what they were with `picoclaw-watchdog alerts`; the rest of the month needs a larger plan";
    match left {
        0 => Finding::fail("quota", what, fix),
        left if left * 100 < limit * LOW_PERCENT => Finding::warn("quota", what, fix),
        _ => Finding::ok("quota", what),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::config::{SourceFile, Sources, compile};

    fn no(status: u16) -> Said {
        Said::No(status, "said so".to_owned())
    }

    fn silent() -> Said {
        Said::Silent("LINE cannot be reached".to_owned())
    }

    #[test]
    fn a_refused_token_is_a_failure_and_silence_is_none() {
        let grade = |said| token(said).grade;
        assert_eq!(grade(Said::Yes("pico".to_owned())), Grade::Ok);
        assert_eq!(
            [grade(no(401)), grade(no(500)), grade(silent())],
            [Grade::Fail, Grade::Unknown, Grade::Unknown]
        );
    }

    #[test]
    fn a_recipient_who_does_not_know_the_bot_is_a_failure() {
        let grade = |said| recipient(said).grade;
        assert_eq!([grade(None), grade(Some(Said::Yes("me".to_owned())))], [Grade::Ok, Grade::Ok]);
        assert_eq!([grade(Some(no(404))), grade(Some(no(400)))], [Grade::Fail, Grade::Fail]);
        assert_eq!([grade(Some(no(429))), grade(Some(silent()))], [Grade::Unknown, Grade::Unknown]);
    }

    #[test]
    fn a_message_is_at_fault_only_when_line_says_so() {
        let grade = |said| form(said).grade;
        assert_eq!(
            [grade(Said::Yes(String::new())), grade(no(400)), grade(no(403))],
            [Grade::Ok, Grade::Fail, Grade::Unknown]
        );
    }

    #[test]
    fn the_quota_is_judged_by_what_is_left() {
        let grade = |limit, used| quota(Ok(QuotaReading { limit, used })).grade;
        assert_eq!(
            [grade(None, 9), grade(Some(200), 180), grade(Some(200), 181)],
            [Grade::Ok, Grade::Ok, Grade::Warn]
        );
        assert_eq!([grade(Some(200), 200), grade(Some(200), 999)], [Grade::Fail, Grade::Fail]);
        assert_eq!(quota(Err("no".to_owned())).grade, Grade::Unknown);
    }

    #[test]
    fn without_line_somebody_else_is_told_or_nobody_is() {
        let told = |text: &str| {
            let text = format!("{text}[[target]]\nname = \"a\"\nunit = \"a.service\"\n");
            let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
            let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
            let config = compiled.config.unwrap();
            let LineSettings::Off { reason } = config.line.clone() else { unreachable!() };
            off(&config, &reason)
        };
        let nobody = told("");
        let fix = nobody.fix.clone().unwrap();
        assert!(
            nobody.grade == Grade::Warn && !fix.contains("PICOCLAW"),
            "a variable that nothing reads: {fix}"
        );
        let unset = told("[line]\nto = \"${PICOCLAW_WATCHDOG_LINE_NOTIFY_TO:-}\"\n");
        assert!(unset.fix.unwrap().contains("PICOCLAW_WATCHDOG_LINE_NOTIFY_TO"));
        let phone = told("[[webhook]]\nname = \"phone\"\nurl = \"https://x.example/y\"\n");
        assert_eq!(phone, Finding::ok("line", "off (there is no [line]); messages go to phone"));
    }
}
