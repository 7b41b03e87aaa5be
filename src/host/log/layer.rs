//! Lets the program log with `tracing::info!(subject = "gateway", result = "OK", action = "none", "detail")`
//! and puts each event into the operations log. It must not change what is said.

use super::{Entry, Level, OpsLog};
use crate::host::clock;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Events of this crate are ours; of other crates only their warnings are.
const OURS: &str = "picoclaw_watchdog";

/// The layer over the log. The log is shared, because somebody must ask it for its trouble.
#[derive(Debug)]
pub struct OpsLayer {
    log: Arc<Mutex<OpsLog>>,
    level: LevelFilter,
}

impl OpsLayer {
    /// Writes our events up to `level` into `log`.
    pub fn new(log: Arc<Mutex<OpsLog>>, level: LevelFilter) -> Self {
        Self { log, level }
    }
}

impl<S: Subscriber> Layer<S> for OpsLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = metadata.target().starts_with(OURS);
        let level = if ours { self.level } else { self.level.min(LevelFilter::WARN) };
        metadata.is_event() && *metadata.level() <= level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let entry = Entry {
            level: level(*event.metadata().level()),
            target: &words.subject,
            result: &words.result,
            action: &words.action,
            id: words.id,
            detail: &words.detail,
        };
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write(clock::wall(), entry);
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    }
}

/// The fields of one event; those without a place of their own are added to the detail.
#[derive(Default)]
struct Words {
    subject: String,
    result: String,
    action: String,
    id: Option<u64>,
    detail: String,
}

impl Words {
    fn put(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let place = match field.name() {
            "subject" => &mut self.subject,
            "result" => &mut self.result,
            "action" => &mut self.action,
            "message" => {
                // The message comes first, whatever order the fields were given in.
                self.detail.insert_str(0, &text.to_string());
                return;
            }
            name => {
                let _ = write!(self.detail, " {name}={text}");
                return;
            }
        };
        *place = text.to_string();
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "id" => self.id = Some(value),
            _ => self.put(field, format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::log::{LogSettings, parse_zone};
    use crate::values::Secret;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn an_event_becomes_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ops.log");
        let zone = parse_zone("UTC").unwrap();
        let secrets = vec![Secret::new("hunter2")];
        let log = OpsLog::new(LogSettings {
            path: path.clone(),
            zone,
            max_bytes: 1 << 20,
            keep: 1,
            secrets,
            mirror: false,
        });
        let layer = OpsLayer::new(Arc::new(Mutex::new(log)), LevelFilter::INFO);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(subject = "gateway", result = "OK", action = "none", "up after {} s", 3);
            tracing::info!(subject = "gateway", result = "OK", action = "restart", id = 17_u64, "done");
            tracing::warn!(attempt = 2, key = %"hunter2", "no fields");
            tracing::debug!("too fine");
            tracing::info!(target: "zbus", "of no interest");
            tracing::error!(target: "zbus", "of interest");
        });
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> =
            text.lines().filter_map(|line| line.split_once("] ")).map(|(_, rest)| rest).collect();
        assert_eq!(
            lines,
            [
                "level=INFO target=gateway result=OK action=none detail=\"up after 3 s\"",
                "level=INFO target=gateway result=OK action=restart id=17 detail=\"done\"",
                "level=WARN target=- result=- action=- detail=\"no fields attempt=2 key=***\"",
                "level=ERROR target=- result=- action=- detail=\"of interest\"",
            ]
        );
    }
}
