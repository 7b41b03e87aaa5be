//! The webhook as LINE sees it, against a LINE that keeps to its documents.

use crate::common::StandIn;
use picoclaw_watchdog::probe::clients::Clients;
use picoclaw_watchdog::probe::line_webhook::LineWebhook;
use picoclaw_watchdog::recovery::evidence::Reading;
use picoclaw_watchdog::values::Secret;
use std::time::Duration;

/// Asks a LINE that is steered by one file, as somebody whose tunnel has this host.
async fn asked(line: &StandIn, host: &str, file: &str, content: &str) -> Reading {
    let probe = LineWebhook {
        token: Secret::new("a-token-of-line"),
        endpoint: line.url("/").parse().unwrap(),
        host: host.to_owned(),
        test: true,
        timeout: Duration::from_millis(if content == "hang" { 700 } else { 20_000 }),
    };
    line.steer(file, content);
    let reading = probe.check(&Clients::new()).await;
    line.unsteer(file);
    reading
}

const HOST: &str = "box.tail1234.ts.net";

#[tokio::test]
async fn a_webhook_fails_only_by_what_line_says_of_it() {
    let line = StandIn::line();
    let well = asked(&line, HOST, "no-such-fault", "").await;
    let told = "LINE called https://box.tail1234.ts.net/webhook/line and got 200".to_owned();
    assert_eq!(well, Reading::Pass(told));
    for (file, content, words) in [
        ("webhook-off", "", "switched off"),
        ("webhook-unset", "", "no webhook URL is set"),
        (
            "webhook-endpoint",
            "https://old.example/callback",
            "LINE calls https://old.example/callback, not box.",
        ),
        ("webhook-test", "COULD_NOT_CONNECT", "look at Funnel"),
        ("webhook-test", "ERROR_STATUS_CODE 502", "gateway behind it"),
        ("webhook-test", "REQUEST_TIMEOUT", "longer than LINE waits"),
    ] {
        let reading = asked(&line, HOST, file, content).await;
        assert!(matches!(&reading, Reading::Fail(why) if why.contains(words)), "{file}: {reading:?}");
    }
}

#[tokio::test]
async fn trouble_with_line_is_not_the_webhooks() {
    let line = StandIn::line();
    for trouble in ["401", "403", "429-rate", "500", "hang", "close"] {
        let reading = asked(&line, HOST, "api", trouble).await;
        assert!(matches!(reading, Reading::Unknown(_)), "{trouble}: {reading:?}");
    }
}
