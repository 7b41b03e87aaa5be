//! The shape of an `error_patterns.json`. Every field is read; those that nobody knows are kept to be named.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The whole file.
#[derive(Debug, Deserialize)]
pub(super) struct PatternsFile {
    #[serde(default)]
    pub(super) error_patterns: Vec<Pattern>,
    #[serde(default)]
    pub(super) health_checks: Vec<HealthCheck>,
    #[serde(default)]
    pub(super) auto_fix_config: AutoFix,
    #[serde(flatten)]
    unread: Map<String, Value>,
}

/// What is looked for, and what is done about it.
#[derive(Debug, Deserialize)]
pub(super) struct Pattern {
    pub(super) id: String,
    /// For people; in Japanese as shipped.
    #[serde(default)]
    pub(super) name: String,
    pub(super) pattern: String,
    #[serde(default = "error")]
    pub(super) severity: String,
    #[serde(default)]
    pub(super) auto_fix: bool,
    #[serde(default)]
    pub(super) actions: Vec<Fix>,
    #[serde(flatten)]
    unread: Map<String, Value>,
}

fn error() -> String {
    "error".to_owned()
}

/// One action of a fix; which of the fields count depends on the type.
#[derive(Debug, Deserialize)]
pub(super) struct Fix {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    #[allow(dead_code, reason = "it is read, for it is known, and means something to people only")]
    description: String,
    pub(super) service: Option<String>,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) directories: Vec<String>,
    #[serde(default)]
    pub(super) paths: Vec<String>,
    pub(super) owner: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) days: Option<u32>,
    #[serde(flatten)]
    unread: Map<String, Value>,
}

/// Something that is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct HealthCheck {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) interval: Option<f64>,
    pub(super) timeout: Option<f64>,
    pub(super) threshold: Option<f64>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) critical: bool,
    #[serde(flatten)]
    unread: Map<String, Value>,
}

/// How fixes are made.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct AutoFix {
    pub(super) max_retries: u32,
    pub(super) retry_delay: f64,
    pub(super) cooldown_period: f64,
    pub(super) enable_notifications: bool,
    notification_channels: Option<Vec<String>>,
    pub(super) backup_before_fix: bool,
    #[serde(flatten)]
    unread: Map<String, Value>,
}

/// What the predecessor ships.
impl Default for AutoFix {
    fn default() -> Self {
        Self {
            max_retries: 3,
            retry_delay: 60.0,
            cooldown_period: 300.0,
            enable_notifications: true,
            notification_channels: None,
            backup_before_fix: false,
            unread: Map::new(),
        }
    }
}

impl AutoFix {
    /// Who is told besides the log, which is always written; none when the file leaves that open.
    pub(super) fn channels(&self) -> Option<Vec<String>> {
        let named = self.notification_channels.as_ref()?;
        Some(named.iter().filter(|name| name.as_str() != "log").cloned().collect())
    }
}

impl PatternsFile {
    /// The fields that nothing reads, by their place.
    pub(super) fn unread(&self) -> Vec<String> {
        let of = |place: String, unread: &Map<String, Value>| {
            unread.keys().map(|key| format!("{place}{key}: unknown field")).collect::<Vec<_>>()
        };
        let mut all = of(String::new(), &self.unread);
        all.extend(of("auto_fix_config.".to_owned(), &self.auto_fix_config.unread));
        for pattern in &self.error_patterns {
            all.extend(of(format!("{}.", pattern.id), &pattern.unread));
            let fixes = pattern
                .actions
                .iter()
                .flat_map(|fix| of(format!("{}.{}.", pattern.id, fix.kind), &fix.unread));
            all.extend(fixes);
        }
        all.extend(self.health_checks.iter().flat_map(|check| of(format!("{}.", check.name), &check.unread)));
        all
    }
}
