//! Whether the servers of webhooks take connections. Nothing is posted: whoever reads there would see it. Of an address,
//! which is a secret, only the host is shown.

use super::Finding;
use crate::config::Config;
use crate::notify::Way;
use crate::notify::webhook::Webhook;
use crate::recovery::evidence::Name;
use reqwest::Url;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// As long as posting may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks all of them at once.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let hooks = config.ways.iter().filter_map(|(name, way)| match way {
        Way::Webhook(webhook) => Some((name, webhook)),
        Way::Line(_) | Way::Email(_) | Way::File(_) => None,
    });
    futures_util::future::join_all(hooks.map(|(name, webhook)| knock(name, webhook))).await
}

async fn knock(name: &Name, webhook: &Webhook) -> Finding {
    let url = webhook.url.expose().parse::<Url>().ok();
    let place = url.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let Some((host, port)) = place else {
        return Finding::unknown("webhook", format!("{name}: its address names no server"));
    };
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    let bare = host.trim_matches(['[', ']']);
    let met = timeout(DEADLINE, TcpStream::connect((bare, port))).await;
    judge(
        name,
        &format!("{host}:{port}"),
        met.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(drop),
    )
}

fn judge(name: &Name, server: &str, met: io::Result<()>) -> Finding {
    match met {
        Ok(()) => Finding::ok("webhook", format!("{name}: {server} takes connections")),
        Err(error) => Finding::warn(
            "webhook",
            format!("{name}: {server} cannot be reached: {error}"),
            format!("correct url under [[webhook]] {name}, if that is not where it is meant to go"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::notify::webhook::Format;
    use crate::probe::nobody::nobody;
    use crate::values::Secret;

    async fn knocked(address: &str) -> Finding {
        let url = Secret::new(format!("http://{address}/T000/path-that-is-a-token"));
        knock(&Name::parse("chat").unwrap(), &Webhook { url, format: Format::Json, headers: Vec::new() })
            .await
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_said_without_its_secret() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let met = knocked(&address).await;
        assert_eq!(met, Finding::ok("webhook", format!("chat: {address} takes connections")));
        for place in [&nobody().to_string(), "no-such-host.invalid"] {
            let missed = knocked(place).await;
            assert_eq!(missed.grade, Grade::Warn, "{missed:?}");
            assert!(missed.what.contains(place) && !format!("{missed:?}").contains("token"), "{missed:?}");
        }
    }
}
