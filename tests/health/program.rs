//! The program as a whole: what `once` and `status` print for scripts, the report, and cycles in bursts.

use crate::common::{Home, StandIn};
use serde_json::Value;
use std::fs;
use std::process::Output;

/// A server that answers, one that nobody runs and that is not critical, and the machine.
fn config(url: &str, severity: &str, more: &str) -> String {
    format!(
        r#"
interval = "1h"
{more}
[log]
timezone = "JST-9"
[[target]]
name = "http_endpoint"
[[target.probe]]
name = "answers"
check.http = {{ url = "{url}" }}
[[target]]
name = "redis_connection"
severity = "{severity}"
[[target.probe]]
name = "ping"
fail_after = 1
check.redis = {{ port = 9 }}
[[target]]
name = "disk_space"
[[target.probe]]
name = "full"
check.disk = {{ mount = "/proc", max = "100%" }}
[[target]]
name = "memory_usage"
severity = "warning"
[[target.probe]]
name = "full"
check.memory = {{ max = "100%" }}
"#
    )
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Whether this is a moment in RFC 3339 with the offset of Japan.
fn is_stamp(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 25 && text.ends_with("+09:00") && text.parse::<jiff::Timestamp>().is_ok()
}

#[test]
fn once_prints_what_the_scripts_of_the_predecessor_read() {
    let server = StandIn::gateway(&[]);
    let home = Home::new(&config(&server.url("/health"), "error", ""));
    let output = home.ask(&["once", "--json"]);
    assert_eq!(output.status.code(), Some(1), "not critical: {output:?}");
    let told = json(&output);
    assert_eq!((&told["overall_status"], &told["overall"]), (&"degraded".into(), &"degraded".into()));
    assert!(is_stamp(&told["timestamp"]), "{told}");
    let checks = &told["checks"];
    assert_eq!(checks.as_object().unwrap().len(), 4);
    assert!(checks.as_object().unwrap().values().all(|check| is_stamp(&check["timestamp"])), "{checks}");
    let endpoint = &checks["http_endpoint"];
    assert_eq!((&endpoint["status"], &endpoint["critical"]), (&"healthy".into(), &true.into()));
    assert!(endpoint["status_code"] == 200 && endpoint["response_time_ms"].is_number(), "{endpoint}");
    let redis = &checks["redis_connection"];
    assert_eq!((&redis["status"], &redis["critical"]), (&"unhealthy".into(), &false.into()));
    assert!(redis["message"].as_str().unwrap().contains("connection refused"), "{redis}");
    for name in ["usage_percent", "total_gb", "used_gb", "free_gb"] {
        assert!(checks["disk_space"][name].is_number(), "{name}: {checks}");
    }
    assert!(checks["memory_usage"]["available_gb"].as_f64().unwrap() > 0.0);
    let metrics = &told["metrics"];
    for (part, name) in [
        ("cpu", "usage_percent"),
        ("cpu", "count"),
        ("memory", "total_gb"),
        ("memory", "used_gb"),
        ("network", "bytes_sent_mb"),
        ("network", "bytes_recv_mb"),
        ("processes", "count"),
    ] {
        assert!(metrics[part][name].is_number(), "{part}.{name}: {metrics}");
    }
    // What was there before is there still.
    assert!(told["schema"] == 1 && told["targets"][1]["severity"] == "error", "{told}");

    home.configure(&config(&server.url("/health"), "critical", ""));
    let output = home.ask(&["once", "--json"]);
    assert_eq!((output.status.code(), &json(&output)["overall_status"]), (Some(2), &"critical".into()));
}

#[test]
fn cycles_end_when_they_are_clean_and_leave_a_report() {
    let server = StandIn::gateway(&[]);
    let well = config(&server.url("/health"), "critical", "")
        .replace("check.redis = { port = 9 }", "check.memory = {}");
    let home = Home::new(&well.replace("check.memory = {}", "check.memory = { max = \"100%\" }"));
    let (report, page) = (home.path("report.json"), home.path("report.md"));
    let many = ["once", "--cycles", "9", "--gap", "100ms", "--until-clean", "2", "--report"];
    let output = home.ask(&[&many[..], &[report.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(
        (&told["totals"]["cycles"], &told["totals"]["clean"], &told["exit_code"]),
        (&2.into(), &2.into(), &0.into())
    );
    assert_eq!(told["overall_status"], "healthy");
    assert!(is_stamp(&told["cycles"][1]["at"]), "{told}");

    home.configure(&config(&server.url("/health"), "critical", ""));
    let output = home.ask(&["once", "--cycles", "2", "--gap", "100ms", "--report", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = fs::read_to_string(&page).unwrap();
    assert!(told.starts_with("# picoclaw-watchdog: critical\n"), "{told}");
    assert!(told.contains("## Left\n\n- redis_connection: `") && told.contains("| 2 | 20"), "{told}");

    for wrong in
        [&["once", "--report", "report.txt"][..], &["once", "--gap", "2"], &["once", "--cycles", "0"]]
    {
        assert_eq!(home.ask(wrong).status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn a_daemon_looks_in_bursts_and_status_has_the_same_shape() {
    let server = StandIn::gateway(&[]);
    let bursts = "cycle = { burst = 3, gap = \"100ms\", rest = \"1h\" }";
    let home =
        Home::new(&config(&server.url("/health"), "warning", bursts).replace("interval = \"1h\"\n", ""));
    let daemon = home.start();
    daemon.wait("a burst is over", |log| log.cycles() >= 3);
    // Whoever asks for something during the rest begins a burst.
    assert_eq!(home.ask(&["pause", "disk_space", "--for", "1h"]).status.code(), Some(0));
    daemon.wait("a second one is over", |log| log.cycles() >= 6);
    let told = json(&home.ask(&["status", "--json"]));
    assert_eq!((&told["interval_s"], &told["overall_status"]), (&3600.into(), &"degraded".into()));
    assert_eq!(told["checks"]["http_endpoint"]["status_code"], 200);
    assert!(
        is_stamp(&told["checks"]["disk_space"]["timestamp"]) && told["metrics"]["cpu"]["count"].is_number()
    );

    assert_eq!(home.ask(&["run", "--burst", "0"]).status.code(), Some(64));
    assert_eq!(home.ask(&["run", "--rest", "soon"]).status.code(), Some(64));
}
