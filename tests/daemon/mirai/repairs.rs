//! Each of the twelve patterns: a fault is made for real, found in a log, repaired by its action, and proven so.

use super::site::{APP, GUNICORN, ROOT, Site, Wanted};

/// The health of the application is watched, too.
const ENV: &str = "MKS_HEALTHCHECK_URL=http://127.0.0.1:5100/api/v1/health\n";

#[test]
fn twelve_faults_are_found_in_logs_and_repaired() {
    let wanted = Wanted { service: GUNICORN, changes: &[], env: ENV };
    let Some(site) = Site::up("mirai", &wanted) else { return };
    site.allow_sudo();
    site.watch();
    files_and_visitors(&site);
    a_restart_finds_the_index_again(&site);
    databases_that_are_full_or_hang(&site);
    memory_and_the_port(&site);
    a_full_disk_and_a_broken_file(&site);

    let told = site.told();
    assert!(told.values().all(|count| *count == 1), "one alert at most: {told:?}");
    // A certificate is mended by a person. Five different tracebacks within a minute are more than their repair may run.
    let known = ["ssl_certificate_error", "python_exception", "memory_usage"];
    assert!(told.keys().all(|target| known.contains(&target.as_str())), "{told:?}");
    assert_eq!(told.get("ssl_certificate_error"), Some(&1), "{told:?}");
}

/// What disturbs nobody is done at once, side by side.
fn files_and_visitors(site: &Site) {
    let fault = "rmdir $1/cache; chmod 000 $1/uploads; yes 'nothing new' | head -c 1M >$1/logs/batch.log";
    site.user_ok(&["bash", "-euc", fault, "break", ROOT]);
    assert_eq!(site.visit("/api/note"), "409");
    assert_eq!(site.visit("/api/upload"), "409");
    assert_eq!(site.visit_as("8080", "/api/import", &["1", "visitor", "{not json"]), "409");
    assert_eq!(site.visit("/api/mail"), "409");
    assert_eq!(site.visits("/static/nowhere", 300), "404");
    for (target, action) in [
        ("file_not_found", "create-dirs"),
        ("permission_denied", "fix-permissions"),
        ("json_decode_error", "restore-json"),
        ("python_exception", "clean-temp"),
        ("http_4xx", "tidy-logs"),
    ] {
        site.repaired(target, action, 1);
    }
    assert_eq!([site.visit("/api/note"), site.visit("/api/upload")], ["200", "200"]);
    let rotated = site.user_ok(&["bash", "-c", "ls $1/logs", "ls", ROOT]);
    assert!(rotated.contains("batch.log.1.gz"), "{rotated}");
}

fn a_restart_finds_the_index_again(site: &Site) {
    let before = site.unit(APP, "MainPID");
    site.visit("/api/lose-index");
    assert_eq!(site.visits("/api/search", 3), "500");
    site.repaired("http_5xx", "restart-app", 1);
    assert_eq!(site.visit("/api/search"), "200");
    assert_ne!(site.unit(APP, "MainPID"), before);
}

fn databases_that_are_full_or_hang(site: &Site) {
    assert_eq!(site.visit("/api/leak-connections"), "409");
    assert_eq!(site.visit("/api/knowledge"), "409");
    site.repaired("database_connection_error", "restart-postgres", 1);
    assert_eq!(site.visit("/api/knowledge"), "200");

    site.root_ok(&["systemctl", "kill", "--signal=STOP", "redis-server.service"]);
    assert_eq!(site.visit("/api/session"), "409");
    site.repaired("redis_connection_error", "restart-redis", 1);
    assert_eq!(site.visit("/api/session"), "200");
}

fn memory_and_the_port(site: &Site) {
    assert_eq!(site.visit("/api/leak-memory"), "409");
    assert_eq!(site.visit("/api/report"), "409");
    site.repaired("memory_error", "free-memory", 1);
    assert_eq!(site.visit("/api/report"), "200");

    // Long enough before it is read: what was written a moment ago may be half written.
    site.write(&format!("{ROOT}/data/index.json"), "{\"pages\":");
    site.visit("/api/stray");
    site.user_ok(&["systemctl", "--user", "kill", "--kill-whom=main", "--signal=KILL", APP]);
    let log = site.repaired("port_in_use", "free-port", 1);
    assert!(!log.lines(&["port 5100 was freed: ", "ended by SIGTERM"]).is_empty(), "{}", log.0);
    assert_eq!(site.visit("/api/v1/health"), "200");
}

/// The good version was kept when the file was looked at before.
fn a_full_disk_and_a_broken_file(site: &Site) {
    let fill = "yes 'nothing new' | head -c 29M >$1/logs/worker.log";
    site.user_ok(&["bash", "-euc", fill, "fill", ROOT]);
    assert_eq!(site.visit("/api/upload?size=4000000"), "409");
    site.repaired("disk_full", "free-disk", 1);
    assert_eq!(site.visit("/api/upload?size=4000000"), "200");

    assert_eq!(site.visit("/api/index"), "409");
    site.repaired("json_decode_error", "restore-json", 2);
    assert_eq!(site.visit("/api/index"), "200");
    let kept = site.user_ok(&["bash", "-c", "ls $1/data", "ls", ROOT]);
    assert!(kept.contains("index.json.broken-"), "{kept}");
}
