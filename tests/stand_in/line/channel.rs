//! What LINE says of an account and of the webhook of its channel, in the forms of its OpenAPI.
//!
//! Control files: `blocked` (the recipient has blocked the bot), `webhook-endpoint` (content: the URL that is set),
//! `webhook-off`, `webhook-unset`, `webhook-test` (content: reason and status of a test call that fails, such as
//! `ERROR_STATUS_CODE 502`).

use super::{Book, body_error, check_messages, error};
use crate::control::Control;
use crate::http::{Reply, Request};
use serde_json::{Value, json};

/// Test calls that LINE takes in an hour; no test lasts longer.
const TESTS_MAX: usize = 60;
/// The longest URL that it takes.
const URL_MAX: usize = 500;
const BOT: &str = r#"{"userId":"U00000000000000000000000000000000","basicId":"@stand-in","displayName":"stand-in","chatMode":"bot","markAsReadMode":"manual"}"#;
const WEBHOOK: &str = "https://box.tail1234.ts.net/webhook/line";

/// Answers a question of somebody who may ask.
pub(super) fn answer(control: &Control, request: &Request, book: &mut Book) -> Reply {
    let path = request.path.as_str();
    match (request.method.as_str(), path) {
        ("GET", "/v2/bot/info") => Reply::json(200, BOT),
        ("GET", "/v2/bot/message/quota") => Reply::json(200, r#"{"type":"limited","value":200}"#),
        ("GET", "/v2/bot/message/quota/consumption") => {
            Reply::json(200, json!({ "totalUsage": book.used }).to_string())
        }
        ("POST", "/v2/bot/message/validate/push") => validate(request),
        ("GET", "/v2/bot/channel/webhook/endpoint") => endpoint(control),
        ("POST", "/v2/bot/channel/webhook/test") => test(control, request, book),
        ("GET", _) if path.starts_with("/v2/bot/profile/U") => profile(control, path),
        _ => error(404, "Not found"),
    }
}

fn validate(request: &Request) -> Reply {
    if request.header("x-line-retry-key").is_some() {
        return error(400, "The retry key is not supported");
    }
    match check_messages(&serde_json::from_str(&request.body).unwrap_or_default()) {
        Ok(_) => Reply::json(200, "{}"),
        Err(property) => body_error(property),
    }
}

fn profile(control: &Control, path: &str) -> Reply {
    let user = path.rsplit('/').next();
    match control.has("blocked") {
        true => error(404, "Not found"),
        false => Reply::json(200, json!({ "displayName": "a person", "userId": user }).to_string()),
    }
}

fn endpoint(control: &Control) -> Reply {
    if control.has("webhook-unset") {
        return error(404, "Webhook endpoint not found");
    }
    let url = control.text("webhook-endpoint").unwrap_or(WEBHOOK.to_owned());
    let active = !control.has("webhook-off");
    Reply::json(200, json!({ "endpoint": url, "active": active }).to_string())
}

fn test(control: &Control, request: &Request, book: &mut Book) -> Reply {
    let order: Value = serde_json::from_str(&request.body).unwrap_or_default();
    if !order.is_object() || order["endpoint"].as_str().is_some_and(|url| url.len() > URL_MAX) {
        return body_error("endpoint");
    }
    book.tests += 1;
    if book.tests > TESTS_MAX {
        return error(429, "The API rate limit has been exceeded. Try again later.");
    }
    let steered = control.text("webhook-test");
    let (reason, status) = steered.as_deref().map_or(("OK", 200), |text| {
        let (reason, status) = text.split_once(' ').unwrap_or((text, "0"));
        (reason, status.parse().unwrap_or(0))
    });
    let answer = json!({
        "success": steered.is_none(), "timestamp": jiff::Timestamp::now().to_string(),
        "statusCode": status, "reason": reason, "detail": status.to_string(),
    });
    Reply::json(200, answer.to_string())
}
