//! The month's quota, asked of LINE: how many messages the plan allows and how many were used. It sends
//! nothing, costs nothing of the quota, and must not retry.

use super::{Line, SEND_TIMEOUT};
use crate::recovery::evidence::QuotaReading;
use crate::values::{Secret, mask, one_line};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// What `GET …/quota` answers: `value` only when the plan has a limit.
#[derive(Deserialize)]
struct Limit {
    r#type: String,
    #[serde(default)]
    value: Option<u64>,
}

/// What `GET …/quota/consumption` answers; approximate, pushes of others included.
#[derive(Deserialize)]
struct Consumption {
    #[serde(rename = "totalUsage")]
    total_usage: u64,
}

impl Line {
    /// Asks for both figures. Takes at most ten seconds.
    ///
    /// # Errors
    /// Why there is no answer, without token and recipient.
    pub async fn quota(&self, client: &Client) -> Result<QuotaReading, String> {
        let deadline = Instant::now() + SEND_TIMEOUT;
        let asked = async {
            let limit: Limit = self.get(client, "quota", deadline).await?;
            let used: Consumption = self.get(client, "quota/consumption", deadline).await?;
            reading(&limit, &used)
        };
        let secrets = [self.token.clone(), Secret::new(&self.to)];
        asked.await.map_err(|why: String| one_line(&mask(&why, &secrets), super::REASON_CHARS_MAX))
    }

    /// Reads one of LINE's answers, which lie beside the push endpoint, so that a stand-in works too.
    async fn get<T: DeserializeOwned>(
        &self,
        client: &Client,
        what: &str,
        deadline: Instant,
    ) -> Result<T, String> {
        let url = beside(&self.endpoint, what)?;
        let request = client.get(url).bearer_auth(self.token.expose());
        let mut response = super::answered(request, deadline).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("LINE answered {status} to the question for the {what}"));
        }
        let body = super::read(&mut response, deadline).await;
        serde_json::from_slice(&body).map_err(|error| format!("LINE's {what} cannot be read: {error}"))
    }
}

fn reading(limit: &Limit, used: &Consumption) -> Result<QuotaReading, String> {
    let limit = match (limit.r#type.as_str(), limit.value) {
        ("none", _) => None,
        ("limited", Some(value)) => Some(value),
        (kind, _) => return Err(format!("LINE names a quota of an unknown kind: {kind}")),
    };
    Ok(QuotaReading { limit, used: used.total_usage })
}

/// The address of another resource of messages: `…/message/push` becomes `…/message/quota`.
fn beside(push: &str, what: &str) -> Result<Url, String> {
    let base = push.trim_end_matches('/').strip_suffix("/push");
    let base = base.ok_or("the quota cannot be asked: the endpoint does not end in /push")?;
    format!("{base}/{what}").parse().map_err(|_| "the endpoint is no URL".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::line::tests::{client, closed, line};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A LINE that gives these two answers, one per connection.
    async fn asked(answers: [(&'static str, &'static str); 2]) -> Result<QuotaReading, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v2/bot/message/push", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for (path, body) in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = [0; 2048];
                let read = socket.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
                assert!(head.starts_with(&format!("get /v2/bot/message/{path} http/1.1\r\n")), "{head}");
                assert!(head.contains("authorization: bearer "), "{head}");
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let reading = line(&endpoint).quota(&client()).await;
        server.abort();
        reading
    }

    #[tokio::test(flavor = "current_thread")]
    async fn both_figures_make_a_reading() {
        let limited = ("quota", r#"{"type":"limited","value":200,"new":1}"#);
        let used = ("quota/consumption", r#"{"totalUsage":42}"#);
        assert_eq!(asked([limited, used]).await, Ok(QuotaReading { limit: Some(200), used: 42 }));
        let none = ("quota", r#"{"type":"none"}"#);
        assert_eq!(asked([none, used]).await, Ok(QuotaReading { limit: None, used: 42 }));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nonsense_is_no_reading() {
        let used = ("quota/consumption", r#"{"totalUsage":42}"#);
        for bad in ["", "<html>", r#"{"type":"limited"}"#, r#"{"type":"other","value":1}"#, r#"{"value":-1}"#]
        {
            assert!(asked([("quota", bad), used]).await.is_err(), "{bad}");
        }
        let limited = ("quota", r#"{"type":"limited","value":200}"#);
        assert!(asked([limited, ("quota/consumption", r#"{"totalUsage":"many"}"#)]).await.is_err());
        assert!(line(&closed()).quota(&client()).await.is_err());
    }

    #[test]
    fn the_quota_lies_beside_the_push() {
        let url = |push| beside(push, "quota").map(|url| url.to_string());
        assert_eq!(
            url("https://api.line.me/v2/bot/message/push").unwrap(),
            "https://api.line.me/v2/bot/message/quota"
        );
        assert_eq!(url("http://127.0.0.1:1/push/").unwrap(), "http://127.0.0.1:1/quota");
        assert!(url("http://127.0.0.1:1/else").is_err());
    }
}
