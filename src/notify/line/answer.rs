//! What an answer of LINE means: status, headers and body in, one [`Delivery`] out. Nothing is sent here.

use crate::recovery::evidence::Delivery;
use serde::Deserialize;

/// What an answer of LINE means. `id` is its `X-Line-Request-Id`, `accepted_id` its
/// `X-Line-Accepted-Request-Id`. Reasons quote the answer as it is: they are not fit to print yet.
pub fn classify(status: u16, id: Option<&str>, accepted_id: Option<&str>, body: &[u8]) -> Delivery {
    let reply: Reply = serde_json::from_slice(body).unwrap_or_default();
    let said = reply.said();
    let accepted = |id: Option<&str>| Delivery::Accepted { request_id: id.unwrap_or("unknown").to_owned() };
    match status {
        200 if id.is_none() && body.trim_ascii_start().starts_with(b"<") => {
            Delivery::Retry("a web page answered in the place of LINE".to_owned())
        }
        200 => accepted(id),
        // LINE may leave the header out, so any of the three signs will do.
        409 if accepted_id.is_some()
            || said.contains("already accepted")
            || !reply.sent_messages.is_empty() =>
        {
            accepted(accepted_id.or(id))
        }
        429 if said.contains("monthly limit") => Delivery::QuotaSpent(
            "the LINE channel has sent all messages of its plan for this month".to_owned(),
        ),
        429 => Delivery::Retry(format!("LINE limits the rate of requests{said}")),
        400 | 401 | 403 | 404 | 405 | 410 | 413 | 415 => Delivery::Refused(refusal(status, &said)),
        _ => Delivery::Retry(format!("LINE answered {status}{said}")),
    }
}

/// What a person can do about an error that no repetition will cure.
fn refusal(status: u16, said: &str) -> String {
    match status {
        400 if said.contains("Failed to send messages") => {
            "LINE does not know the recipient: an id is valid for one \
             provider only; check PICOCLAW_WATCHDOG_LINE_NOTIFY_TO"
                .to_owned()
        }
        401 => format!(
            "LINE refuses the channel access token: issue a new one and set \
             PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN{said}"
        ),
        403 => {
            format!("this LINE account may not push messages: check the plan and role of its channel{said}")
        }
        404 | 405 | 410 => format!(
            "LINE takes no pushes at this address ({status}): check PICOCLAW_WATCHDOG_LINE_PUSH_ENDPOINT{said}"
        ),
        _ => format!("LINE finds fault with the request ({status}); this is a bug of the watchdog{said}"),
    }
}

/// The parts of LINE's answer that matter. LINE has no error codes: `message` is what tells errors apart.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reply {
    message: String,
    details: Vec<Detail>,
    sent_messages: Vec<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    message: String,
    property: String,
}

impl Reply {
    /// LINE's own words, to be appended to ours.
    fn said(&self) -> String {
        let mut said = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        for detail in &self.details {
            said.push_str(&format!("; {} {}", detail.property, detail.message));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::line::tests::{accepted, kind, reason};

    #[test]
    fn every_row_of_the_table() {
        let error = |message: &str| format!(r#"{{"message":"{message}"}}"#);
        let rows = [
            (200, String::new(), "accepted"),
            (200, "garbage \u{0}".to_owned(), "accepted"),
            (200, " <!DOCTYPE html><title>Sign in</title>".to_owned(), "retry"),
            (202, "{}".to_owned(), "retry"),
            (302, String::new(), "retry"),
            (400, error("The request body has 1 error(s)"), "refused"),
            (400, error("Failed to send messages"), "refused"),
            (401, error("Authentication failed due to the following reason: invalid token"), "refused"),
            (403, error("Access to this API is not available for your account"), "refused"),
            (404, "<html>".to_owned(), "refused"),
            (407, String::new(), "retry"),
            (408, String::new(), "retry"),
            (409, error("The retry key is already accepted"), "accepted"),
            (409, r#"{"sentMessages":[{"id":"1"}]}"#.to_owned(), "accepted"),
            (409, error("Conflict"), "retry"),
            (410, String::new(), "refused"),
            (413, String::new(), "refused"),
            (415, String::new(), "refused"),
            (429, error("You have reached your monthly limit."), "quota"),
            (429, error("The API rate limit has been exceeded. Try again later."), "retry"),
            (429, "slow down".to_owned(), "retry"),
            (500, error("Internal error"), "retry"),
            (503, "<html>busy</html>".to_owned(), "retry"),
            (999, r#"{"message":7,"details":"x"}"#.to_owned(), "retry"),
        ];
        for (status, body, expected) in rows {
            assert_eq!(kind(&classify(status, None, None, body.as_bytes())), expected, "{status} {body}");
        }
        assert_eq!(classify(409, Some("second"), Some("first"), b""), accepted("first"));
        assert_eq!(classify(200, Some("a"), None, b"<html>"), accepted("a"), "LINE signs every answer");
    }

    #[test]
    fn refusals_say_what_to_do() {
        let said = |status, body: &str| reason(classify(status, None, None, body.as_bytes()));
        assert!(said(401, "").contains("PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN"));
        assert!(
            said(400, r#"{"message":"Failed to send messages"}"#)
                .contains("PICOCLAW_WATCHDOG_LINE_NOTIFY_TO")
        );
        assert!(said(404, "").contains("PICOCLAW_WATCHDOG_LINE_PUSH_ENDPOINT"));
        let details = r#"{"message":"The request body has 1 error(s)",
            "details":[{"message":"May not be empty","property":"messages[0].text"}]}"#;
        assert!(said(400, details).ends_with("has 1 error(s); messages[0].text May not be empty"));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_is_too_strange(status in 100_u16..600, id: Option<String>, body: Vec<u8>) {
            let delivery = classify(status, id.as_deref(), None, &body);
            proptest::prop_assert!(status == 200 || status == 409 || kind(&delivery) != "accepted");
        }
    }
}
