//! The workflow for a build server: it is well-formed, has what it promises, and its scripts do what they say, against
//! a `gh` that only writes down what it is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]
#![allow(clippy::print_stderr, reason = "a skipped test must be seen")]

use serde_json::Value;
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const DAY: i64 = 86_400;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ci/auto-error-fix.yml")
}

/// The workflow as JSON. None without a reader of YAML, after a line that nobody overlooks; under `CI=true` that is a
/// failure.
fn workflow_or_skip() -> Option<Value> {
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let output = Command::new("python3").args(["-c", program]).arg(file()).output();
    let output =
        output.ok().filter(|output| !String::from_utf8_lossy(&output.stderr).contains("No module named"));
    let Some(output) = output else {
        assert!(env::var("CI").as_deref() != Ok("true"), "CI must have python3-yaml: see .ci/run");
        eprintln!("!!!! SKIPPED: python3-yaml is missing, so the workflow was not read");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The scripts of all steps, by their names.
fn scripts(workflow: &Value) -> Vec<(String, String)> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    let steps = jobs.flat_map(|job| job["steps"].as_array().unwrap());
    let script = |step: &Value| Some((step["name"].as_str()?.to_owned(), step["run"].as_str()?.to_owned()));
    steps.filter_map(script).collect()
}

#[test]
fn it_has_the_seed_s_inputs_and_cannot_flood() {
    let Some(workflow) = workflow_or_skip() else { return };
    // YAML takes a bare `on` for a yes.
    let inputs = &workflow["true"]["workflow_dispatch"]["inputs"];
    assert_eq!(
        (&inputs["max_loops"]["default"], &inputs["create_issue"]["default"]),
        (&"15".into(), &"yes".into())
    );
    assert_eq!(inputs["create_issue"]["options"], serde_json::json!(["yes", "no"]));
    assert_eq!(workflow["concurrency"]["group"], "auto-error-fix");
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    assert_eq!(workflow["jobs"]["watch"]["permissions"], serde_json::json!({ "contents": "read" }));
    assert_eq!(workflow["jobs"]["tell"]["permissions"], serde_json::json!({ "issues": "write" }));
    let steps = workflow["jobs"]["watch"]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["with"]["retention-days"] == 30));
    // What a person types into an input is no code.
    assert!(scripts(&workflow).iter().all(|(_, script)| !script.contains("${{")));
}

#[test]
fn its_scripts_are_sound() {
    let Some(workflow) = workflow_or_skip() else { return };
    let dir = tempfile::tempdir().unwrap();
    let has_shellcheck = Command::new("shellcheck").arg("--version").output().is_ok();
    for (name, script) in scripts(&workflow) {
        let path = dir.path().join("script.sh");
        fs::write(&path, format!("#!/usr/bin/env bash\nset -eo pipefail\n{script}")).unwrap();
        let checker = if has_shellcheck { "shellcheck" } else { "bash" };
        let mut check = Command::new(checker);
        let output = if has_shellcheck { &mut check } else { check.arg("-n") }.arg(&path).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Runs a step with stand-ins for programs; the directory is where it ran.
fn run(name: &str, environment: &[(&str, &str)], programs: &[(&str, &str)]) -> Option<(Output, TempDir)> {
    let scripts = scripts(&workflow_or_skip()?);
    let (_, script) = scripts.into_iter().find(|(step, _)| step == name).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (program, text) in programs {
        let path = dir.path().join(program);
        // Written by another process: a child that another test starts meanwhile could hold it open, and then nobody
        // can run it.
        let mut install = Command::new("install");
        install.args(["-m755", "/dev/stdin"]).arg(&path).stdin(Stdio::piped());
        let mut installing = install.spawn().unwrap();
        installing.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{text}\n").as_bytes()).unwrap();
        assert!(installing.wait().unwrap().success());
    }
    let mut bash = Command::new("bash");
    bash.args(["-e", "-c", &script]).current_dir(dir.path()).env_clear().envs(environment.iter().copied());
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    bash.env("PATH", path).env("GITHUB_OUTPUT", "output").env("GITHUB_STEP_SUMMARY", "summary");
    Some((bash.output().unwrap(), dir))
}

/// What is posted when health has this code and GitHub says this of our newest issue; none when skipped.
fn posted(code: &str, issue: &str, works: bool) -> Option<String> {
    let end = if works { "" } else { "exit 1" };
    let gh = format!(
        "case \"$*\" in *\"issue list\"*) echo '{issue}'; {end} ;; *) echo \"$1 $2 $3\" >>posts ;; esac"
    );
    let environment = [("CODE", code), ("LABEL", "l"), ("TITLE", "t"), ("GH_REPO", "r"), ("GH_TOKEN", "x")];
    let (output, dir) = run("Keep one issue", &environment, &[("gh", &gh)])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(fs::read_to_string(dir.path().join("posts")).unwrap_or_default())
}

#[test]
fn one_issue_is_kept_and_written_to_once_a_day() {
    let ago = |seconds: i64| {
        let now = jiff::Timestamp::now().as_second();
        jiff::Timestamp::from_second(now - seconds).unwrap().to_string()
    };
    let issue =
        |state: &str, opened: i64, written: i64| format!("7 {state} {} {}", ago(opened), ago(written));
    let cases = [
        ("2", String::new(), "label create l\nissue create --title\n"),
        ("1", issue("OPEN", 9 * DAY, 3600), ""),
        ("1", issue("OPEN", 9 * DAY, DAY + 60), "issue comment 7\n"),
        ("0", issue("OPEN", 9 * DAY, 60), "issue close 7\n"),
        ("0", issue("CLOSED", 60, 60), ""),
        ("0", String::new(), ""),
        ("2", issue("CLOSED", 3600, 60), "issue reopen 7\n"),
        ("2", issue("CLOSED", 2 * DAY, 60), "label create l\nissue create --title\n"),
    ];
    for (code, issue, wanted) in cases {
        let Some(told) = posted(code, &issue, true) else { return };
        assert_eq!(told, wanted, "{code} {issue:?}");
    }
    assert_eq!(posted("2", "", false).unwrap(), "", "GitHub cannot say what is open");
}

#[test]
fn health_is_told_apart_from_trouble_of_our_own() {
    for (code, told) in [(0, "code=0\n"), (1, "code=1\n"), (2, "code=2\n"), (78, ""), (127, "")] {
        let watchdog = format!("echo \"$@\" >asked; echo report >report.md; echo '{{}}'; exit {code}");
        let environment = [("MAX_LOOPS", "15"), ("WATCHDOG_CONFIG", "c.toml")];
        let Some((output, dir)) =
            run("Look, repair, and look again", &environment, &[("picoclaw-watchdog", &watchdog)])
        else {
            return;
        };
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read_to_string(dir.path().join("output")).unwrap_or_default(), told);
        let asked = fs::read_to_string(dir.path().join("asked")).unwrap();
        assert_eq!(
            asked,
            "once --config c.toml --cycles 15 --gap 2s --until-clean 2 --report report.md --json\n"
        );
    }
}
