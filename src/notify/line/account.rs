//! What LINE says of an account: whose token it is, whether it knows the recipient, whether a message has the right
//! form. Nothing is sent to anybody, and nothing is retried.

use super::{Line, SEND_TIMEOUT};
use crate::values::{Secret, mask, one_line};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::time::Instant;

/// An answer of LINE, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It agrees, and names whom it talks of; empty where there is nobody to name.
    Yes(String),
    /// It refuses, with this status and these words.
    No(u16, String),
    /// It did not answer.
    Silent(String),
}

impl Line {
    /// Whose token it is. Takes at most ten seconds, as each of these.
    pub async fn bot(&self, client: &Client) -> Said {
        self.question(client, Method::GET, "info", None).await
    }

    /// Whether the bot may write to the recipient. None for a room, of which LINE does not tell.
    pub async fn recipient(&self, client: &Client) -> Option<Said> {
        let what = match self.to.chars().next()? {
            'U' => format!("profile/{}", self.to),
            'C' => format!("group/{}/summary", self.to),
            _ => return None,
        };
        Some(self.question(client, Method::GET, &what, None).await)
    }

    /// Whether a message of ours has the right form.
    pub async fn validate(&self, client: &Client) -> Said {
        let body = serde_json::json!({ "messages": [{ "type": "text", "text": "picoclaw-watchdog" }] });
        self.question(client, Method::POST, "message/validate/push", Some(body)).await
    }

    async fn question(&self, client: &Client, method: Method, what: &str, body: Option<Value>) -> Said {
        let secrets = [self.token.clone(), Secret::new(&self.to)];
        let tidy = |text: &str| one_line(&mask(text, &secrets), super::REASON_CHARS_MAX);
        let Some(bot) = self.endpoint.trim_end_matches('/').strip_suffix("/message/push") else {
            return Said::Silent(
                "LINE cannot be asked: the endpoint does not end in /message/push".to_owned(),
            );
        };
        let mut request = client.request(method, format!("{bot}/{what}")).bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        match exchange(request).await {
            Ok((200, body)) => Said::Yes(tidy(name(&body))),
            Ok((status, body)) => Said::No(status, tidy(body["message"].as_str().unwrap_or_default())),
            Err(why) => Said::Silent(tidy(&why)),
        }
    }
}

/// The name in any of these answers.
fn name(body: &Value) -> &str {
    ["displayName", "groupName"].iter().find_map(|key| body[key].as_str()).unwrap_or_default()
}

async fn exchange(request: RequestBuilder) -> Result<(u16, Value), String> {
    let deadline = Instant::now() + SEND_TIMEOUT;
    let mut response = super::answered(request, deadline).await?;
    let status = response.status().as_u16();
    let body = super::read(&mut response, deadline).await;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
