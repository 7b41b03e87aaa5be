//! The journal as a source: the development server of Flask writes there. And what visitors write, who are nobody's
//! friends.

use super::site::{APP, GUNICORN, Site, Wanted};
use crate::common::UNIT;

/// The development server; what it says goes to journald.
const WERKZEUG: &str = "ExecStart=/usr/bin/python3 -m flask --app app run --port 5100";

const FILES: &str = "files = [\"${MIRAI_ROOT:-~/Mirai-Knowledge-Systems/backend}/logs/app.log\"]";
const JOURNAL: &str = "journal = [\"mirai-knowledge-app.service\"]";

/// How many tracebacks the rule has counted since the first start.
fn counted(site: &Site) -> u64 {
    let state = site.read("/home/pico/.picoclaw/state/watchdog/state.json");
    let state: serde_json::Value =
        serde_json::from_str(state.lines().nth(1).unwrap_or_default()).unwrap_or_default();
    let total = state.pointer("/state/scan/rules/python_exception~1log/total");
    total.and_then(serde_json::Value::as_u64).unwrap_or_default()
}

/// Waits until that many are counted, and shows that it stays so.
#[track_caller]
fn counts(site: &Site, wanted: u64) {
    site.wait(&format!("{wanted} tracebacks are counted"), |_| counted(site) >= wanted);
    site.cycles(1);
    assert_eq!(counted(site), wanted, "{}", site.tails());
}

#[test]
fn the_journal_is_read_once_through_a_restart_of_ours_and_the_app_is_repaired() {
    let wanted = Wanted { service: WERKZEUG, changes: &[(FILES, JOURNAL)], env: "" };
    let Some(site) = Site::up("mirai-journal", &wanted) else { return };
    site.watch();
    let breaks = |count| {
        site.visit("/api/lose-index");
        assert_eq!(site.visits("/api/search", count), "500");
    };
    breaks(3);
    site.repaired("http_5xx", "restart-app", 1);
    assert_eq!(site.visit("/api/search"), "200");
    counts(&site, 3);
    site.user_ok(&["systemctl", "--user", "stop", UNIT]);
    breaks(2);
    site.watch();
    counts(&site, 5);
    site.user_ok(&["systemctl", "--user", "kill", "--signal=KILL", UNIT]);
    breaks(4);
    counts(&site, 9);
    site.repaired("http_5xx", "restart-app", 2);
    assert_eq!(site.visit("/api/search"), "200");
}

/// What a visitor may write himself: whom he says he is, and where he wants to go.
const LIES: [&str; 4] = [
    "Traceback (most recent call last):",
    "psycopg2.OperationalError: No space left on device MemoryError",
    "\" 500 0 \"-\" HTTP/1.1\" 500",
    "\", \"status\": \"500\", \"status\": 500",
];

#[test]
fn what_a_visitor_says_of_himself_leads_to_nothing() {
    let wanted = Wanted { service: GUNICORN, changes: &[], env: "" };
    let Some(site) = Site::up("mirai-visitor", &wanted) else { return };
    site.allow_sudo();
    site.watch();
    let before = site.unit(APP, "MainPID");
    for lie in LIES {
        for port in ["8080", "5100"] {
            assert_eq!(site.visit_as(port, "/api/search?q=HTTP/1.1%22%20500", &["5", lie]), "200");
        }
    }
    let log = site.cycles(2);
    let access = site.read(&format!("{}/logs/access.log", super::site::ROOT));
    assert!(access.contains("Traceback") && access.contains("No space left"), "{access}");
    assert!(log.lines(&["in the window): "]).is_empty() && site.told().is_empty(), "{}", log.0);
    assert_eq!(site.unit(APP, "MainPID"), before);
}
