//! A text of a request: it may be a secret, so it never prints, and it may mention the time at which it is sent.
//!
//! `{now}` becomes a time in UTC like `2026-02-08T13:26:33Z`, `{now-2h}` and `{now+5m}` one before or after, and
//! `{now-2h:date}` only its day. All other braces stay as they are: JSON is made of them.

use crate::values::{Secret, parse_duration};
use jiff::{SignedDuration, Timestamp};

/// A text, and what it becomes at a given time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Secret);

/// A mention of the time.
#[derive(Clone, Copy)]
struct Mention {
    shift: SignedDuration,
    only_date: bool,
}

impl Template {
    /// Takes any text whose mentions of the time, if there are any, can be read.
    ///
    /// # Errors
    /// A sentence about the mention that cannot be read.
    pub(in crate::probe) fn parse(text: &str) -> Result<Self, String> {
        render(text, Timestamp::UNIX_EPOCH).map(|_| Self(Secret::new(text)))
    }

    /// The text at this time.
    pub(in crate::probe) fn at(&self, now: Timestamp) -> String {
        // It was read when it was parsed; a text that cannot be read would stay as it is.
        render(self.0.expose(), now).unwrap_or_else(|_| self.0.expose().to_owned())
    }

    /// The text as it is written.
    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }

    /// Whether it mentions the time at all.
    pub(super) fn is_timed(&self) -> bool {
        render(self.0.expose(), Timestamp::UNIX_EPOCH).is_ok_and(|text| text != self.0.expose())
    }
}

fn render(text: &str, now: Timestamp) -> Result<String, String> {
    let (mut rendered, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("{now") {
        rendered.push_str(before);
        let end = after.find('}').filter(|_| after.starts_with(['}', '+', '-', ':']));
        let Some(end) = end else {
            // Something else that begins like it.
            rendered.push_str("{now");
            rest = after;
            continue;
        };
        rendered.push_str(&Mention::parse(&after[..end])?.at(now));
        rest = &after[end + 1..];
    }
    Ok(rendered + rest)
}

impl Mention {
    /// Reads what stands between `{now` and `}`.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{{now{text}}} is not a time; write {{now}}, {{now-2h}}, {{now+5m}} or {{now-2h:date}}")
        };
        let (shift, only_date) = match text.split_once(':') {
            Some((shift, "date")) => (shift, true),
            Some(_) => return Err(wrong()),
            None => (text, false),
        };
        let span = |text| {
            let span = parse_duration(text).map_err(|_| wrong())?;
            SignedDuration::try_from(span).map_err(|_| wrong())
        };
        let shift = match shift.split_at_checked(1) {
            None => SignedDuration::ZERO,
            Some(("-", ago)) => -span(ago)?,
            Some((_, ahead)) => span(ahead)?,
        };
        Ok(Self { shift, only_date })
    }

    fn at(self, now: Timestamp) -> String {
        // Ten years from any present are within the calendar.
        let time = now.checked_add(self.shift).unwrap_or(now);
        time.strftime(if self.only_date { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%SZ" }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_noon(text: &str) -> Result<String, String> {
        let noon = "2026-03-01T12:00:00.9Z".parse().unwrap();
        Template::parse(text).map(|template| template.at(noon))
    }

    #[test]
    fn the_time_is_told_in_utc_and_moved() {
        assert_eq!(at_noon("?since={now-2h}&x").as_deref(), Ok("?since=2026-03-01T10:00:00Z&x"));
        assert_eq!(at_noon("{now}{now+5m}").as_deref(), Ok("2026-03-01T12:00:00Z2026-03-01T12:05:00Z"));
        assert_eq!(at_noon("daily/{now-1d:date}/").as_deref(), Ok("daily/2026-02-28/"));
        assert_eq!(at_noon("{now:date}").as_deref(), Ok("2026-03-01"));
    }

    #[test]
    fn other_braces_stay() {
        for text in ["", "{}", r#"{"now":{"a":1}}"#, "{nowhere}", "{now", "{now-2h", "日{本}"] {
            assert_eq!(at_noon(text).as_deref(), Ok(text));
            assert!(!Template::parse(text).unwrap().is_timed());
        }
        assert!(Template::parse("a{now}").unwrap().is_timed());
    }

    #[test]
    fn a_time_that_cannot_be_read_is_refused() {
        for text in ["{now-2}", "{now-}", "{now-2h:day}", "{now+-2h}", "{now:date:date}", "{now-日}"] {
            let sentence = at_noon(text).unwrap_err();
            assert!(sentence.starts_with(text) && sentence.contains("; write {now}"), "{sentence}");
        }
    }

    #[test]
    fn it_does_not_print() {
        assert!(!format!("{:?}", Template::parse("hunter2").unwrap()).contains("hunter2"));
    }
}
