//! What is wrong with the configuration: all that `check` says, who may change it, and whether a slow pass fits.

use super::Finding;
use crate::config::{Config, SWITCHED_OFF, SourceFile, Sources};
use crate::recovery::policy::Manager;
use crate::recovery::time::Age;
use crate::section::{Problem, Severity};
use std::time::Duration;

/// Whoever may write the configuration decides which commands are run.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// Looks at files and values.
pub(super) fn check(sources: &Sources, problems: &[Problem], config: Option<&Config>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = problems.iter().map(told).collect();
    let files = [&sources.toml, &sources.dotenv];
    findings.extend(files.into_iter().flatten().filter_map(loose));
    if findings.is_empty() {
        let file = sources
            .toml
            .as_ref()
            .map_or("the built-in one".to_owned(), |toml| toml.path.display().to_string());
        findings.push(Finding::ok("config", format!("the configuration is good ({file})")));
    }
    findings.extend(config.map(pace));
    findings
}

/// Everything is switched off: whatever else is well does not help.
pub(super) fn off(manager: Manager) -> Finding {
    Finding::fail(
        "watchdog",
        SWITCHED_OFF,
        format!(
            "take PICOCLAW_WATCHDOG_ENABLED=false out of ~/.picoclaw/.env and the environment, and enabled = false \
             out of the configuration; then {} reload picoclaw-watchdog",
            manager.systemctl()
        ),
    )
}

fn told(problem: &Problem) -> Finding {
    let what = format!("{}{}", place(problem), problem.what);
    let fix = match problem.hint.as_str() {
        "" => "picoclaw-watchdog check".to_owned(),
        hint => hint.to_owned(),
    };
    match problem.severity {
        Severity::Error => Finding::fail("config", what, fix),
        Severity::Warning => Finding::warn("config", what, fix),
    }
}

fn place(problem: &Problem) -> String {
    let Problem { file, line, path, .. } = problem;
    let line = if *line > 0 { format!(":{line}") } else { String::new() };
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    format!("{file}{line}: {path}")
}

fn loose(file: &SourceFile) -> Option<Finding> {
    let path = file.path.display();
    (file.mode & WRITTEN_BY_OTHERS != 0).then(|| {
        let what = format!("others may write {path}, and so choose what is run");
        Finding::fail("config", what, format!("chmod go-w '{path}'"))
    })
}

/// Probes are asked side by side, so the slowest counts; a repair comes after them, unless it goes on beside the
/// passes.
fn pace(config: &Config) -> Finding {
    let probes = config.probes.iter().map(|probe| probe.check.timeout()).max().unwrap_or_default();
    let actions = config.actions.values().map(|action| action.holds_up()).max().unwrap_or_default();
    judge_pace(probes, actions, config.policy.cadence.longest())
}

fn judge_pace(probes: Duration, actions: Duration, interval: Duration) -> Finding {
    let what = format!(
        "with everything hanging a pass takes {} and a repair {} more, at an interval of {}",
        Age(probes),
        Age(actions),
        Age(interval)
    );
    if probes + actions < interval {
        return Finding::ok("pace", what);
    }
    let enough = (probes + actions).as_secs() + 1;
    Finding::warn("pace", what, format!("write interval = \"{enough}s\" or more, or shorter timeouts"))
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::config::compile;

    fn found(text: &str, mode: u32) -> Vec<Finding> {
        let toml = SourceFile { path: "/w.toml".into(), text: text.to_owned(), mode };
        let sources = Sources { toml: Some(toml), home: "/home/x".into(), ..Sources::default() };
        let compiled = compile(&sources);
        check(&sources, &compiled.problems, compiled.config.as_ref())
    }

    #[test]
    fn a_good_configuration_is_said_to_be() {
        let findings = found("[[target]]\nname = \"a\"\nunit = \"a\"\n", 0o600);
        let grades: Vec<Grade> = findings.iter().map(|finding| finding.grade).collect();
        assert_eq!(grades, [Grade::Ok, Grade::Ok], "{findings:?}");
    }

    #[test]
    fn every_problem_is_a_finding_with_its_place_and_its_hint() {
        let findings = found("intervall = \"60s\"\n[[target]]\nname = \"a\"\nunit = \"a\"\n", 0o600);
        let Finding { grade, what, fix, .. } = &findings[0];
        assert!(
            *grade == Grade::Fail && what.contains("/w.toml:1: ") && what.contains("unknown key"),
            "{what}"
        );
        assert!(fix.as_deref().unwrap().contains("interval"), "{fix:?}");
    }

    #[test]
    fn a_file_that_others_may_write_is_a_failure() {
        let findings = found("[[target]]\nname = \"a\"\nunit = \"a\"\n", 0o664);
        assert!(
            findings.iter().any(|finding| finding.fix.as_deref() == Some("chmod go-w '/w.toml'")),
            "{findings:?}"
        );
    }

    #[test]
    fn a_pass_should_end_before_the_next_one_is_due() {
        let s = Duration::from_secs;
        assert_eq!(judge_pace(s(12), s(20), s(60)).grade, Grade::Ok);
        let late = judge_pace(s(40), s(20), s(60));
        assert!(late.grade == Grade::Warn && late.fix.unwrap().contains("61s"));
    }
}
