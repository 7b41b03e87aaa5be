//! How things are in the shape that the predecessor's scripts read: `timestamp`, `checks`, `overall_status` and
//! `metrics`. It is made of a view and adds no judgement of its own.
//!
//! One check is one target. `error` is a check that could not be made, `unknown` one that has not shown anything yet;
//! both make the whole `degraded`, for what nobody knows is neither well nor proven to be down.

use super::view::{Grade, TargetView, View};
use crate::probe::machine::metrics::Metrics;
use crate::recovery::policy::Severity;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Number;
use std::collections::BTreeMap;

/// A view, and the same in that shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// When, in RFC 3339 with its offset.
    pub timestamp: String,
    /// One entry per target.
    pub checks: BTreeMap<String, CheckView>,
    /// The worst of all: `healthy`, `degraded` or `critical`, as `overall`.
    pub overall_status: Grade,
    /// This machine as a whole.
    pub metrics: Metrics,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckView {
    /// How it is.
    pub status: Status,
    /// Why, or what was seen.
    pub message: String,
    /// When it was asked last, in RFC 3339 with its offset.
    pub timestamp: String,
    /// Whether a failure of it makes the whole critical.
    pub critical: bool,
    /// What was measured.
    #[serde(flatten)]
    pub figures: BTreeMap<String, Number>,
}

/// How a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Healthy,
    /// Not as it should be: down, not ready, suspect, or being proven after a repair.
    Unhealthy,
    /// It could not be asked; the message says what a person must do.
    Error,
    /// Nothing is known of it yet.
    Unknown,
    /// It is off on purpose.
    Skipped,
}

impl Status {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    fn of(target: &TargetView) -> Self {
        let could_not_be_asked = || target.probes.iter().any(|probe| probe.reading == "unknown");
        match (target.health.as_str(), target.grade) {
            ("off", _) => Self::Skipped,
            ("unknown", _) if could_not_be_asked() => Self::Error,
            ("unknown", _) => Self::Unknown,
            (_, Grade::Healthy) => Self::Healthy,
            (_, Grade::Degraded | Grade::Critical) => Self::Unhealthy,
        }
    }
}

impl Checkup {
    /// Makes it of a view; `zone` is that of the log.
    pub fn new(view: &View, zone: &TimeZone, metrics: Metrics) -> Self {
        let check = |target: &TargetView| (target.name.clone(), CheckView::new(target, view.at, zone));
        Self {
            timestamp: rfc3339(view.at, zone),
            checks: view.targets.iter().map(check).collect(),
            overall_status: view.overall,
            metrics,
        }
    }
}

impl CheckView {
    /// What several probes measured under one name is that of the first; `targets` tells them apart.
    fn new(target: &TargetView, at: u64, zone: &TimeZone) -> Self {
        let mut figures = BTreeMap::new();
        for (name, number) in target.probes.iter().flat_map(|probe| &probe.figures) {
            figures.entry(name.clone()).or_insert_with(|| number.clone());
        }
        let asked = target.probes.iter().filter_map(|probe| probe.asked_at).max();
        Self {
            status: Status::of(target),
            message: message(target),
            timestamp: rfc3339(asked.unwrap_or(at), zone),
            critical: target.severity == Severity::Critical,
            figures,
        }
    }
}

fn message(target: &TargetView) -> String {
    let seen = target.probes.iter().map(|probe| probe.detail.as_str()).filter(|detail| !detail.is_empty());
    let seen = seen.collect::<Vec<_>>().join("; ");
    [&target.reason, &seen, &target.summary]
        .into_iter()
        .find(|text| !text.is_empty())
        .cloned()
        .unwrap_or_default()
}

/// A moment (Unix seconds) for programs: `2026-02-20T12:00:00+09:00`.
pub fn rfc3339(epoch: u64, zone: &TimeZone) -> String {
    let moment = i64::try_from(epoch).ok().and_then(|second| Timestamp::from_second(second).ok());
    let zoned = moment.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(json: &str) -> TargetView {
        let whole = format!(
            r#"{{"name":"disk_space","grade":"healthy","health":"healthy","reason":"","summary":"all well","phase":"healthy",
            "ruling":"","attempts_used":0,"attempts_allowed":0,"window_s":600,"frees_in_s":null,"next_in_s":null,
            "incident":null,"probes":[],{json}}}"#
        );
        let mut value: serde_json::Value = serde_json::from_str("{}").unwrap();
        // A later key counts.
        value.as_object_mut().unwrap().extend(serde_json::from_str::<serde_json::Map<_, _>>(&whole).unwrap());
        serde_json::from_value(value).unwrap()
    }

    fn probe(reading: &str, more: &str) -> String {
        format!(
            r#""probes":[{{"name":"p","role":"liveness","reading":"{reading}","detail":"45 % full","fails":0,
            "fail_after":1,"counts":true{more}}}]"#
        )
    }

    #[test]
    fn a_check_has_the_seed_s_shape() {
        let figures = r#","asked_at":1771556400,"figures":{"usage_percent":45.2,"free_gb":250.5}"#;
        let target = view(&format!(r#""severity":"error",{}"#, probe("pass", figures)));
        let check = CheckView::new(&target, 1_771_556_460, &TimeZone::fixed(jiff::tz::offset(9)));
        let json = serde_json::to_value(&check).unwrap();
        let wanted = serde_json::json!({
            "status": "healthy", "message": "45 % full", "timestamp": "2026-02-20T12:00:00+09:00", "critical": false,
            "usage_percent": 45.2, "free_gb": 250.5,
        });
        assert_eq!(json, wanted);
    }

    #[test]
    fn what_is_not_known_is_never_healthy() {
        let status = |health: &str, grade: &str, probes: &str| {
            Status::of(&view(&format!(r#""health":"{health}","grade":"{grade}",{probes}"#))).word()
        };
        assert_eq!(status("healthy", "healthy", &probe("pass", "")), "healthy");
        assert_eq!(status("healthy", "degraded", &probe("fail", "")), "unhealthy");
        assert_eq!(status("unhealthy", "critical", &probe("fail", "")), "unhealthy");
        assert_eq!(status("unknown", "degraded", &probe("unknown", "")), "error");
        assert_eq!(status("unknown", "degraded", &probe("not_asked", "")), "unknown");
        assert_eq!(status("off", "healthy", &probe("unknown", "")), "skipped");
    }
}
