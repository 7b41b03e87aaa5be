//! The knowledge system in a machine of its own, and the watchdog beside it.

use crate::common::{Machine, OpsLog, UNIT, repository, wait_until_showing, watchdog_binary};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::time::Duration;

/// Where the system lives.
pub(super) const ROOT: &str = "/home/pico/Mirai-Knowledge-Systems/backend";
/// Its unit.
pub(super) const APP: &str = "mirai-knowledge-app.service";
/// Under gunicorn, as in production.
pub(super) const GUNICORN: &str = "Type=notify\nExecStart=/usr/bin/gunicorn -c gunicorn.conf.py app:app";
const NGINX: &str = "mirai-nginx.service";
const PORT: &str = "5100";
const FRONT: &str = "8080";
const SUDOERS: &str = "/etc/sudoers.d/picoclaw-watchdog";
/// A restart of everything takes three seconds, and five machines may be busy at once.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// What the stories need of Debian's packages.
const NEEDED: &[&str] = &[
    "/usr/sbin/nginx",
    "/usr/bin/gunicorn",
    "/usr/lib/python3/dist-packages/flask",
    "/usr/lib/python3/dist-packages/psycopg2",
    "/usr/lib/python3/dist-packages/redis",
    "/etc/postgresql/15/main",
    "/usr/bin/redis-server",
    "/usr/bin/sudo",
    "/etc/ssl/private/ssl-cert-snakeoil.key",
];

/// Of the shipped file, what would take minutes. All that is looked for and all that is done stays as it is.
const SHORTENED: &[(&str, &str)] = &[
    ("interval = \"60s\"\nreprobe = \"2s\"", "interval = \"2s\"\nreprobe = \"300ms\"\nhold_off = \"0s\""),
    ("[alerts]\n", "[alerts]\nlog = \"~/alerts.log\"\n"),
    ("within = \"60s\"", "within = \"2s\""),
    ("in = [\"app\"]\n", "in = [\"app\"]\nwithin = \"2s\"\n"),
    // The disk has its own; what is not named then is as for the others.
    ("settle = \"6m\"\nstable_for = \"15m\"\n[[target.probe]]", "[[target.probe]]"),
    ("every = \"5m\"", "every = \"2s\""),
    // A backup comes before it, and has its time.
    (
        "\"restore-json\", tries = 3 }]\ncooldown = \"5m\"\nbackoff = [\"0s\", \"60s\"]",
        "\"restore-json\", tries = 3 }]\ncooldown = \"2s\"\nbackoff = [\"0s\", \"1s\"]\nsettle = \"90s\"\nstable_passes = 2",
    ),
    (
        "cooldown = \"5m\"\nbackoff = [\"0s\", \"60s\"]",
        "cooldown = \"2s\"\nbackoff = [\"0s\", \"1s\"]\nsettle = \"6s\"\nstable_passes = 2\nstable_for = \"5s\"",
    ),
    // As in real time, the log tells of a server before the third look at it does.
    ("name = \"database_connection\"\n", "name = \"database_connection\"\nreprobe = \"2s\"\n"),
    ("name = \"redis_connection\"\n", "name = \"redis_connection\"\nreprobe = \"2s\"\n"),
    ("timeout = \"5s\"", "timeout = \"1s\""),
    ("timeout = \"10s\"", "timeout = \"1s\""),
    ("above = \"10MiB\"", "above = \"64KiB\""),
    ("logs/access.log\"", "logs/*access.log\""),
];

/// The machine; it derefs to [`Machine`].
pub(super) struct Site(Machine);

impl Deref for Site {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0
    }
}

/// What a story wants to differ.
pub(super) struct Wanted<'a> {
    /// How the application is started, as lines of its unit.
    pub(super) service: &'a str,
    /// Changes to the configuration after the usual ones.
    pub(super) changes: &'a [(&'a str, &'a str)],
    /// More variables.
    pub(super) env: &'a str,
}

impl Site {
    /// Boots, and starts everything but the watchdog.
    #[track_caller]
    pub(super) fn up(name: &str, wanted: &Wanted<'_>) -> Option<Self> {
        let site = Self(Machine::up_with_or_skip(name, NEEDED)?);
        site.servers();
        site.system(wanted.service);
        site.put(&watchdog_binary(), "/home/pico/.local/bin/picoclaw-watchdog");
        let unit = fs::read_to_string(repository().join("systemd/user").join(UNIT)).unwrap();
        site.write(&unit_file(UNIT), &unit);
        site.write("/home/pico/.picoclaw/watchdog.toml", &config(wanted.changes));
        let variables = format!("MKS_PORT={PORT}\nPGHOST=127.0.0.1\n{}", wanted.env);
        site.write("/home/pico/.picoclaw/.env", &variables);
        site.user_ok(&["systemctl", "--user", "daemon-reload"]);
        site.user_ok(&["systemctl", "--user", "start", APP, NGINX]);
        wait_until_showing(
            SOON,
            "the application answers",
            || site.tails(),
            || Some(()).filter(|()| site.visit("/api/v1/health") == "200"),
        );
        Some(site)
    }

    /// PostgreSQL with a role for few, and Redis.
    fn servers(&self) {
        self.root_ok(&["systemctl", "start", "postgresql.service", "redis-server.service"]);
        let role = "create role mirai login password 'mirai' connection limit 3";
        let make = ["runuser", "-u", "postgres", "--", "psql", "-qc", role];
        wait_until_showing(SOON, "PostgreSQL takes commands", String::new, || {
            Some(()).filter(|()| self.root(&make).status.success())
        });
    }

    /// The application on a disk of its own that is soon full, and nginx in front of it.
    fn system(&self, service: &str) {
        let script = "mkdir -p $1/{data,logs,uploads,cache} ~/nginx";
        let mount = "size=32m,mode=755,uid=pico,gid=pico";
        self.user_ok(&["mkdir", "-p", ROOT]);
        self.root_ok(&["mount", "-t", "tmpfs", "-o", mount, "tmpfs", ROOT]);
        self.user_ok(&["bash", "-euc", script, "make", ROOT]);
        for (from, to) in [("certs/ssl-cert-snakeoil.pem", "cert"), ("private/ssl-cert-snakeoil.key", "key")]
        {
            let (from, to) = (format!("/etc/ssl/{from}"), format!("/home/pico/nginx/{to}.pem"));
            self.root_ok(&["install", "-o", "pico", &from, &to]);
        }
        self.write(&format!("{ROOT}/app.py"), include_str!("../../fixtures/mirai/app.py"));
        self.write(
            &format!("{ROOT}/gunicorn.conf.py"),
            include_str!("../../fixtures/mirai/gunicorn.conf.py"),
        );
        self.write(&format!("{ROOT}/data/index.json"), "{\"pages\": 1}\n");
        self.write("/home/pico/nginx/nginx.conf", include_str!("../../fixtures/mirai/nginx.conf"));
        self.write("/home/pico/visit.py", include_str!("../../fixtures/mirai/visit.py"));
        let app = format!(
            "[Service]\nWorkingDirectory={ROOT}\n{service}\nKillMode=process\nLimitAS=1G\nRestart=on-failure\n\
             RestartSec=300ms\n"
        );
        self.write(&unit_file(APP), &app);
        let nginx = "[Service]\nExecStart=/usr/sbin/nginx -e stderr -c /home/pico/nginx/nginx.conf\n";
        self.write(&unit_file(NGINX), nginx);
    }

    /// Starts the watchdog, and waits for its first cycle.
    #[track_caller]
    pub(super) fn watch(&self) {
        let known = self.log().cycles();
        self.user_ok(&["systemctl", "--user", "start", UNIT]);
        self.wait("the first cycle is over", |log| log.cycles() > known);
    }

    /// Lets it do as root what it prints itself, and nothing else.
    #[track_caller]
    pub(super) fn allow_sudo(&self) {
        let printed = self.user_ok(&[".local/bin/picoclaw-watchdog", "doctor", "--print-sudoers"]) + "\n";
        let write = r#"umask 227; printf %s "$1" >"$2"; visudo -c -f "$2""#;
        self.root_ok(&["bash", "-euc", write, "write", &printed, SUDOERS]);
    }

    /// Asks the application through nginx; gives the status, or nothing.
    pub(super) fn visit(&self, path: &str) -> String {
        self.visits(path, 1)
    }

    /// As [`Self::visit`], several times in a row; the last status.
    pub(super) fn visits(&self, path: &str, count: u32) -> String {
        self.visit_as(FRONT, path, &[&count.to_string()])
    }

    /// Asks at this port. `more`: how often, as whom, and with what body.
    pub(super) fn visit_as(&self, port: &str, path: &str, more: &[&str]) -> String {
        let argv = [&["python3", "visit.py", port, path], more].concat();
        String::from_utf8_lossy(&self.user(&argv).stdout).trim().to_owned()
    }

    /// Waits until a target has been repaired so often by this action, and proven so.
    #[track_caller]
    pub(super) fn repaired(&self, target: &str, action: &str, times: usize) -> OpsLog {
        let (whose, by) = (format!("target={target} "), format!("was repaired by {action}"));
        self.wait(&format!("{target} is repaired by {action}"), |log| {
            log.lines(&[&whose, "action=recovered", &by]).len() >= times
        })
    }

    /// How many faults people were told of, by target.
    pub(super) fn told(&self) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for line in self.read("/home/pico/alerts.log").lines() {
            // The last line may be half written.
            let alert: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            if let (Some("fault"), Some(target)) = (alert["kind"].as_str(), alert["target"].as_str()) {
                *told.entry(target.to_owned()).or_default() += 1;
            }
        }
        told
    }
}

fn unit_file(unit: &str) -> String {
    format!("/home/pico/.config/systemd/user/{unit}")
}

fn config(changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(repository().join("config/mirai.toml")).unwrap();
    for (from, to) in SHORTENED.iter().chain(changes) {
        assert!(text.contains(from), "the shipped file has no {from}");
        text = text.replace(from, to);
    }
    text
}
