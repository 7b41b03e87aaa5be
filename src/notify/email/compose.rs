//! One message as it goes over the wire. What a service said may be in it, so nothing of it can become a header.

use crate::recovery::outbox::Letter;
use crate::values::one_line;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};

/// Longer subjects are cut by those who show them.
const SUBJECT_CHARS_MAX: usize = 120;

/// The message, all of it ASCII. The identity follows from the letter's key, so that whoever gets it twice can know
/// that.
pub(super) fn message(from: &Mailbox, to: &Mailbox, letter: &Letter) -> Result<String, lettre::error::Error> {
    let subject = one_line(letter.text.lines().next().unwrap_or_default(), SUBJECT_CHARS_MAX);
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(letter.raised_wall);
    // RFC 3834: nobody's "I am on holiday" comes back.
    let automatic =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let message = lettre::Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(subject)
        .date(written)
        .message_id(Some(format!("<{}@{}>", letter.retry_key, from.email.domain())))
        .raw_header(automatic)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text.clone())?;
    Ok(String::from_utf8_lossy(&message.formatted()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests::letter;

    fn of(text: &str) -> String {
        let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
        let letter = Letter { text: text.to_owned(), ..letter() };
        message(&mailbox("Watchdog <w@example.org>"), &mailbox("me@example.org"), &letter).unwrap()
    }

    #[test]
    fn a_message_is_exact_and_the_same_every_time() {
        let text = "[WATCHDOG] gateway: down.\nDo: look";
        assert_eq!(of(text), of(text));
        assert_eq!(
            of(text),
            "From: Watchdog <w@example.org>\r\nTo: me@example.org\r\nSubject: [WATCHDOG] gateway: down.\r\n\
             Date: Fri, 20 Feb 2026 03:00:00 +0000\r\n\
             Message-ID: <123e4567-e89b-12d3-a456-426614174000@example.org>\r\n\
             Auto-Submitted: auto-generated\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\r\n[WATCHDOG] gateway: down.\r\nDo: look"
        );
    }

    #[test]
    fn japanese_arrives_in_ascii() {
        let text = of("[WATCHDOG] gateway: 停止しています。\n再起動を3回試しました。");
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("Subject: [WATCHDOG] gateway: =?utf-8?b?"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_becomes_a_header(text: String) {
            for text in [text.clone(), format!("x\r\nBcc: thief@example.org\r\n\r\n{text}"), format!("\rBcc: a\n{text}")] {
                let message = of(&text);
                let head = message.split("\r\n\r\n").next().unwrap();
                let names: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']))
                    .map(|line| line.split(':').next().unwrap()).collect();
                proptest::prop_assert_eq!(names, ["From", "To", "Subject", "Date", "Message-ID",
                    "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding"]);
                let plain = message.is_ascii() && !head.contains(['\0', '\u{7f}']);
                proptest::prop_assert!(plain, "{message}");
            }
        }
    }
}
