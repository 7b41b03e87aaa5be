//! A message for programs: one JSON object, in the shape in which the log scanner of the Mirai system wrote its alerts,
//! with a time zone, and with what else a reader may sort by.

use crate::recovery::outbox::{Kind, Letter};
use crate::recovery::policy::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

#[derive(Serialize)]
struct Record<'a> {
    timestamp: String,
    severity: Severity,
    message: &'a str,
    target: Option<&'a str>,
    kind: Kind,
    key: &'a str,
    incident: u64,
    id: &'a str,
}

/// The object, on one line. Its `id` is the same at every try.
pub(super) fn json(letter: &Letter, zone: &TimeZone) -> String {
    let record = Record {
        timestamp: rfc3339(letter.raised_wall, zone),
        severity: letter.severity,
        message: &letter.text,
        target: letter.target.as_ref().map(|target| target.as_str()),
        kind: letter.kind,
        key: &letter.key,
        incident: letter.incident,
        id: &letter.retry_key,
    };
    // Texts and numbers in a struct always have a JSON form.
    serde_json::to_string(&record).unwrap_or_default()
}

fn rfc3339(epoch: u64, zone: &TimeZone) -> String {
    let moment = i64::try_from(epoch).ok().and_then(|second| Timestamp::from_second(second).ok());
    let zoned = moment.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests::letter;

    #[test]
    fn a_record_is_one_line_with_a_time_zone() {
        let letter = Letter { text: "down\n\"now\"".to_owned(), ..letter() };
        let zone = TimeZone::posix("JST-9").unwrap();
        assert_eq!(
            json(&letter, &zone),
            "{\"timestamp\":\"2026-02-20T12:00:00+09:00\",\"severity\":\"critical\",\"message\":\"down\\n\\\"now\\\"\",\
             \"target\":\"gateway\",\"kind\":\"fault\",\"key\":\"gateway_limit\",\"incident\":7,\
             \"id\":\"123e4567-e89b-12d3-a456-426614174000\"}"
        );
    }
}
