//! Reads the sub-checks in a gateway's `/health` or `/ready` body, and tells whose fault a failing one is.
//! Pure: text in, names out. It must not decide whether a status is good.

use crate::recovery::evidence::{Blame, Name};
use crate::values::one_line;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Checks named in one text; the rest is counted, because an alert is read on a phone.
const MAX_NAMED: usize = 5;
/// Characters kept of a check's name and message.
const MAX_CHARS: usize = 120;

/// A rule that gives the failing checks of a body to another target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlameRule {
    /// The name of a check, or its beginning followed by `*`, such as `ollama*`.
    pub pattern: String,
    /// The target at fault.
    pub target: Name,
}

impl BlameRule {
    fn covers(&self, check: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(beginning) => check.starts_with(beginning),
            None => check == self.pattern,
        }
    }
}

/// The failing checks of one body, divided by whose fault they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// One for each target that the rules name.
    pub blames: Vec<Blame>,
    /// The names of the blamed checks, for one line; empty when there are none.
    pub blamed: String,
    /// Name and message of those that no rule covers, for one line; empty when there are none.
    pub own: String,
}

/// Finds the failing checks in a body and divides them. A body of any other shape has none.
pub fn faults(body: &[u8], rules: &[BlameRule]) -> Faults {
    let (mut blamed, mut own) = (Vec::new(), Vec::new());
    let mut shares: BTreeMap<&Name, Vec<String>> = BTreeMap::new();
    for check in failing(body) {
        match rules.iter().find(|rule| rule.covers(&check.name)) {
            Some(rule) => {
                blamed.push(one_line(&check.name, MAX_CHARS));
                shares.entry(&rule.target).or_default().push(check.said());
            }
            None => own.push(check.said()),
        }
    }
    let blames =
        shares.into_iter().map(|(target, said)| Blame { target: target.clone(), reason: list(&said) });
    Faults { blames: blames.collect(), blamed: list(&blamed), own: list(&own) }
}

/// The fields that we read of a body; all generations have others beside them.
#[derive(Deserialize)]
struct Body {
    checks: Checks,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Checks {
    /// Picoclaw up to March 2026, and upstream: keyed by name, `ok` or `fail`.
    ByName(BTreeMap<String, Check>),
    /// The clean-architecture gateway: `ok`, `degraded` or `down`.
    InOrder(Vec<Check>),
}

#[derive(Deserialize)]
struct Check {
    #[serde(default)]
    name: String,
    status: String,
    message: Option<String>,
}

impl Check {
    /// An unknown word is not taken for a failure: blaming it on somebody would be a guess.
    fn fails(&self) -> bool {
        matches!(self.status.as_str(), "fail" | "degraded" | "down")
    }

    fn said(&self) -> String {
        let what = self.message.as_deref().filter(|text| !text.is_empty()).unwrap_or(&self.status);
        format!("{}: {}", one_line(&self.name, MAX_CHARS), one_line(what, MAX_CHARS))
    }
}

fn failing(body: &[u8]) -> Vec<Check> {
    let checks = match serde_json::from_slice(body) {
        Ok(Body { checks: Checks::ByName(map) }) => {
            // The key is the name by which rules know it, whatever the object inside repeats.
            map.into_iter().map(|(name, check)| Check { name, ..check }).collect()
        }
        Ok(Body { checks: Checks::InOrder(list) }) => list,
        Err(_) => Vec::new(),
    };
    checks.into_iter().filter(Check::fails).collect()
}

fn list(items: &[String]) -> String {
    let mut text = items.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if items.len() > MAX_NAMED {
        text.push_str(&format!(" and {} more", items.len() - MAX_NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<BlameRule> {
        vec![BlameRule { pattern: "ollama*".to_owned(), target: Name::parse("ollama").unwrap() }]
    }

    fn shared_out(body: &str) -> (Vec<String>, String) {
        let faults = faults(body.as_bytes(), &rules());
        (faults.blames.into_iter().map(|blame| blame.reason).collect(), faults.own)
    }

    const NOBODY: (Vec<String>, String) = (Vec::new(), String::new());

    #[test]
    fn the_seed_generation_says_nothing_of_others() {
        assert_eq!(shared_out(r#"{"status":"ok","uptime":"1h2m3.456s"}"#), NOBODY);
        assert_eq!(shared_out(r#"{"status":"not ready","uptime":"","checks":{}}"#), NOBODY);
    }

    #[test]
    fn the_first_fork_names_ollama_in_a_map() {
        let body = r#"{"status":"not ready","uptime":"","checks":{
            "ollama":{"name":"ollama","status":"fail","message":"unreachable: connection refused","timestamp":"2026-02-22T10:00:00Z"},
            "ollama_models":{"name":"ollama_models","status":"ok","message":"2/2 models ok","timestamp":"2026-02-22T10:00:00Z"}}}"#;
        assert_eq!(
            shared_out(body),
            (vec!["ollama: unreachable: connection refused".to_owned()], String::new())
        );
    }

    #[test]
    fn the_clean_architecture_names_them_in_an_array() {
        let body = r#"{"status":"down","checks":[
            {"name":"ollama_connection","status":"down","message":"timeout","duration_ms":10000.2},
            {"name":"ollama_model_qwen3","status":"degraded","duration_ms":3},
            {"name":"disk","status":"ok","duration_ms":1}],"timestamp":"2026-03-05T10:00:00Z"}"#;
        let told = "ollama_connection: timeout; ollama_model_qwen3: degraded".to_owned();
        assert_eq!(shared_out(body), (vec![told], String::new()));
        assert_eq!(shared_out(r#"{"status":"ok","checks":null,"timestamp":"2026-03-05T10:00:00Z"}"#), NOBODY);
        assert_eq!(shared_out(r#"{"ready":false}"#), NOBODY);
    }

    #[test]
    fn upstream_has_the_map_and_a_pid() {
        assert_eq!(shared_out(r#"{"status":"ok","uptime":"5s","pid":123}"#), NOBODY);
        let body = r#"{"status":"not ready","uptime":"","checks":{"db":{"name":"db","status":"fail","timestamp":"2026-06-08T00:00:00Z"}}}"#;
        assert_eq!(shared_out(body), (Vec::new(), "db: fail".to_owned()));
    }

    #[test]
    fn rules_match_whole_names_or_beginnings_and_the_first_wins() {
        let rule = |pattern: &str, target: &str| BlameRule {
            pattern: pattern.to_owned(),
            target: Name::parse(target).unwrap(),
        };
        assert!(rule("ollama", "a").covers("ollama") && !rule("ollama", "a").covers("ollama_models"));
        let body = br#"{"checks":{"ollama_a":{"status":"fail"},"ollama_b":{"status":"down"}}}"#;
        let faults = faults(body, &[rule("ollama_b", "b"), rule("*", "rest")]);
        let targets: Vec<&str> = faults.blames.iter().map(|blame| blame.target.as_str()).collect();
        assert_eq!(targets, ["b", "rest"]);
        assert_eq!(faults.blamed, "ollama_a; ollama_b");
    }

    #[test]
    fn garbage_and_unknown_words_blame_nobody() {
        let deep = "[".repeat(100_000);
        let bodies =
            ["", "<html>", "null", "[]", r#"{"checks":7}"#, r#"{"checks":[{"name":"x"}]}"#, deep.as_str()];
        for body in bodies.into_iter().chain([r#"{"checks":{"ollama":{"status":"maintenance"}}}"#]) {
            assert_eq!(shared_out(body), NOBODY, "{}", one_line(body, 40));
        }
    }

    #[test]
    fn a_hundred_thousand_checks_fit_on_one_line() {
        let check = r#"{"name":"disk\u001b[31m","status":"down"}"#;
        let body = format!(r#"{{"checks":[{}]}}"#, vec![check; 100_000].join(","));
        let (_, own) = shared_out(&body);
        assert!(own.ends_with("and 99995 more") && own.starts_with("disk\\u{1b}[31m: down; "), "{own}");
        assert!(own.len() < 1_000);
    }
}
