//! An `error_patterns.json` as it is: what stands in a log is found, and its fixes are made to real files.

use crate::common::Home;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

const CONFIG: &str = r#"
interval = "1s"
reprobe = "200ms"
hold_off = "0s"
[[source]]
name = "app"
files = ["~/app/logs/app.log"]
[mirai]
patterns_file = "~/app/scripts/error_patterns.json"
trusted = true
sources = ["app"]
[allow]
roots = ["~/app"]
"#;

const PATTERNS: &str = r#"{
  "error_patterns": [
    {"id": "Not Found", "name": "ファイル不存在", "pattern": "FileNotFoundError: cache", "severity": "error",
     "auto_fix": true, "actions": [
       {"type": "create_missing_dirs", "directories": ["cache"]},
       {"type": "check_permissions", "paths": ["logs"]}]},
    {"id": "denied", "name": "権限エラー", "pattern": "PermissionError: data", "severity": "error",
     "auto_fix": true, "actions": [{"type": "fix_permissions", "paths": ["data"], "mode": "750"}]},
    {"id": "tells_only", "pattern": "certificate of the ledger expired", "severity": "error",
     "auto_fix": false, "actions": [{"type": "create_missing_dirs", "directories": ["never"]}]}
  ],
  "health_checks": [],
  "auto_fix_config": {"max_retries": 2, "retry_delay": 1, "cooldown_period": 1,
                      "enable_notifications": false, "backup_before_fix": true}
}"#;

#[test]
fn its_fixes_are_made_to_real_files() {
    let home = Home::new(CONFIG);
    for dir in ["logs", "scripts", "data"] {
        fs::create_dir_all(home.path("app").join(dir)).unwrap();
    }
    home.write("app/scripts/error_patterns.json", PATTERNS);
    home.write("app/logs/app.log", "");
    home.write("app/data/x.json", "[]");
    let closed = home.path("app/data/x.json");
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let watchdog = home.start();
    let mut log = OpenOptions::new().append(true).open(home.path("app/logs/app.log")).unwrap();
    log.write_all(
        b"FileNotFoundError: cache/a\nPermissionError: data/x.json\ncertificate of the ledger expired\n",
    )
    .unwrap();
    // What may take longer than a pass, with its backup, goes on beside it and tells its own end.
    let ends = [("action=not-found-fix", " done: "), ("action=denied-fix", "ended after ")];
    watchdog.wait("both are repaired", |log| ends.iter().all(|(by, end)| !log.lines(&[by, end]).is_empty()));
    let mode = |path: &str| fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("app/data"), mode("app/data/x.json")), (0o750, 0o640));
    assert!(home.path("app/cache").is_dir() && !home.path("app/never").exists());
    let kept: Vec<String> = fs::read_dir(home.state().join("fix-backups"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for action in ["denied-fix-", "not-found-fix-"] {
        assert!(kept.iter().any(|name| name.starts_with(action) && name.ends_with(".tar.gz")), "{kept:?}");
    }
    let log = watchdog.cycles(1);
    assert!(log.lines(&["target=tells_only", "attempt"]).is_empty(), "{}", log.0);
}
