//! PostgreSQL and Redis as Debian packages them, under systemd, stopped, hung, full and refusing: what a restart heals
//! is restarted and proven well; what it would only make worse is told and left alone.

use crate::common::{Machine, OpsLog, UNIT, repository, wait_until_showing, watchdog_binary};
use std::fs;
use std::ops::Deref;
use std::time::Duration;

const POSTGRES: &str = "postgresql@15-main.service";
const REDIS: &str = "redis-server.service";
const SUDOERS: &str = "/etc/sudoers.d/picoclaw-watchdog";
const ALERTS: &str = "/home/pico/alerts.log";
/// A restart of a hung PostgreSQL takes eight seconds, and five machines may be busy at once.
const SOON: Duration = Duration::from_secs(60);

/// PostgreSQL's own patience with a server that does not stop, else a minute, and few connections. Both have a disk of
/// their own that is soon full. Redis would be started with its old data.
const SERVERS: &str = "
echo \"pg_ctl_options = '-t 5'\" >/etc/postgresql/15/main/pg_ctl.conf
printf '%s\\n' max_connections=6 superuser_reserved_connections=1 max_wal_senders=0 max_wal_size=32MB \
    min_wal_size=32MB >>/etc/postgresql/15/main/postgresql.conf
data=/var/lib/postgresql/15/main
mount -t tmpfs -o size=96m,mode=700,uid=postgres,gid=postgres tmpfs /mnt
cp -a $data/. /mnt; mount --bind /mnt $data
mount -t tmpfs -o size=1m,mode=750,uid=redis,gid=redis tmpfs /var/lib/redis
systemctl start $1 $2
until runuser -u postgres -- psql -qc \"create role app login password 'app'\"; do sleep 0.2; done
until redis-cli ping; do sleep 0.2; done";

const CONFIG: &str = r#"
interval = "2s"
reprobe = "300ms"
hold_off = "0s"
[alerts]
log = "~/alerts.log"
lasting = "2s"
[allow]
units = ["postgresql@15-main.service", "redis-server.service"]
[[target]]
name = "database"
settle = "70s"
stable_passes = 2
stable_for = "1s"
backoff = ["0s"]
ladder = [{ action = "restart-database", tries = 9 }]
window = { attempts = 9, per = "60s" }
[[target.probe]]
name = "answers"
check.postgres = { CHECK, timeout = "1500ms" }
[[target]]
name = "redis"
settle = "70s"
stable_passes = 2
stable_for = "1s"
backoff = ["0s"]
ladder = [{ action = "restart-redis", tries = 9 }]
window = { attempts = 9, per = "60s" }
[[target.probe]]
name = "ping"
check.redis = { timeout = "1s" }
# Shorter than PostgreSQL's own patience: the restart goes on without us, and is waited for.
[action.restart-database]
do.restart-system-unit = { unit = "postgresql@15-main.service", timeout = "2s" }
# Redis never stops while a script holds it, and systemd would wait for ever.
[action.restart-redis]
do.restart-system-unit = { unit = "redis-server.service", timeout = "20s", kill_after = "3s" }
"#;

/// The servers in a machine of their own, and the watchdog beside them; it derefs to [`Machine`].
struct Servers(Machine);

impl Deref for Servers {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0
    }
}

impl Servers {
    /// `check` is how PostgreSQL is asked.
    #[track_caller]
    fn up(name: &str, check: &str) -> Option<Self> {
        let needed =
            ["/etc/postgresql/15/main", "/usr/bin/redis-server", "/usr/bin/redis-cli", "/usr/bin/sudo"];
        let servers = Self(Machine::up_with_or_skip(name, &needed)?);
        servers.as_root(SERVERS, &[POSTGRES, REDIS]);
        servers.put(&watchdog_binary(), "/home/pico/.local/bin/picoclaw-watchdog");
        let unit = fs::read_to_string(repository().join("systemd/user").join(UNIT)).unwrap();
        servers.write(&format!("/home/pico/.config/systemd/user/{UNIT}"), &unit);
        servers.write("/home/pico/.picoclaw/watchdog.toml", &CONFIG.replace("CHECK", check));
        let printed = servers.user_ok(&[".local/bin/picoclaw-watchdog", "doctor", "--print-sudoers"]) + "\n";
        servers.as_root(r#"umask 227; printf %s "$1" >"$2"; visudo -c -f "$2""#, &[&printed, SUDOERS]);
        servers.user_ok(&["systemctl", "--user", "daemon-reload"]);
        servers.user_ok(&["systemctl", "--user", "start", UNIT]);
        servers.soon("all is well at first", |log| !log.lines(&["action=end ", "all well"]).is_empty());
        Some(servers)
    }

    #[track_caller]
    fn as_root(&self, script: &str, arguments: &[&str]) -> String {
        self.root_ok(&[&["bash", "-euc", script, "script"], arguments].concat())
    }

    #[track_caller]
    fn soon(&self, what: &str, is_so: impl Fn(&OpsLog) -> bool) -> OpsLog {
        wait_until_showing(SOON, what, || self.tails(), || Some(self.log()).filter(&is_so))
    }

    /// Makes a fault, and waits until it is found in these words, repaired, and proven so.
    #[track_caller]
    fn healed(&self, target: &str, fault: impl FnOnce(), words: &str) {
        let whose = format!("target={target} ");
        let repaired =
            |log: &OpsLog| log.lines(&[&whose, "action=recovered", "was repaired by restart-"]).len();
        let found = |log: &OpsLog| log.lines(&[&whose, words]).len();
        let before = self.log();
        fault();
        self.soon(&format!("{target} is found: {words}"), |log| found(log) > found(&before));
        self.soon(&format!("{target} is repaired: {words}"), |log| repaired(log) > repaired(&before));
        self.serves();
    }

    /// Both take commands, whatever the watchdog says.
    #[track_caller]
    fn serves(&self) {
        self.as_root("runuser -u postgres -- psql -qc 'select 1'; redis-cli ping | grep PONG", &[]);
    }

    /// Runs this beside everything else until its server ends.
    fn hold(&self, script: &str) {
        self.as_root(r#"setsid bash -c "$1" </dev/null >/dev/null 2>&1 &"#, &[script]);
    }

    fn main_pids(&self) -> [String; 2] {
        [POSTGRES, REDIS].map(|unit| self.root_ok(&["systemctl", "show", "--value", "-p", "MainPID", unit]))
    }

    /// Waits until people are told of a target in these words.
    #[track_caller]
    fn told(&self, target: &str, words: &str) {
        let told = || Some(self.read(ALERTS)).filter(|told| told.contains(target) && told.contains(words));
        let context = || format!("{}\n{}", self.read(ALERTS), self.tails());
        wait_until_showing(SOON, &format!("people are told: {words}"), context, told);
    }
}

/// As the application does: who only knocks is not told that what is left is kept for superusers.
const LOGIN: &str = r#"url = "postgres://app:app@127.0.0.1/postgres""#;

#[test]
fn servers_that_hang_or_refuse_everybody_are_restarted_and_proven_well() {
    let Some(servers) = Servers::up("servers", LOGIN) else { return };
    // Hung: every process of it stands still, and its port still takes connections.
    let freeze = |unit: &str| drop(servers.root_ok(&["systemctl", "kill", "--signal=STOP", unit]));
    servers.healed("database", || freeze(POSTGRES), "no answer within 1.5 s");
    servers.healed("redis", || freeze(REDIS), "no answer within 1 s");
    // It says so only after a while, and by then it may have been restarted for its silence.
    let loops = "redis-cli config set busy-reply-threshold 100; redis-cli eval 'while true do end' 0";
    let busy = || servers.hold(loops);
    servers.healed("redis", busy, "a script keeps it busy");
    let log = servers.log();
    assert!(!log.lines(&["it did not stop within 3s and was killed"]).is_empty(), "{}", log.0);

    // Full: others hold all connections.
    let sleeper = "PGPASSWORD=app psql -h 127.0.0.1 -U app postgres -c 'select pg_sleep(600)' &";
    let crowd = || servers.hold(&sleeper.repeat(9));
    servers.healed("database", crowd, "rejects connections: ");
    let crowd =
        || servers.hold("redis-cli config set maxclients 2; redis-cli subscribe a & redis-cli subscribe b");
    servers.healed("redis", crowd, "max number of clients");

    // Refusing, for nobody is there.
    for (target, unit) in [("database", POSTGRES), ("redis", REDIS)] {
        servers.healed(target, || drop(servers.root_ok(&["systemctl", "stop", unit])), "connection refused");
    }
    assert_eq!(servers.read(ALERTS), "", "what was repaired woke nobody");
}

/// A query that needs room on the disk, as most of an application's do.
const WRITES: &str = r#"url = "postgres://app:app@127.0.0.1/postgres", query = "create temp table w as select repeat(md5(i::text), 9) from generate_series(1, 300) i""#;

#[test]
fn what_a_restart_would_make_worse_is_told_and_left_alone() {
    let Some(servers) = Servers::up("servers-full", WRITES) else { return };
    let before = servers.main_pids();
    let fill = "head -c 200M /dev/zero >$1/fill || redis-cli bgsave";
    servers.as_root("redis-cli set a $(head -c 20000 /dev/urandom | base64 -w0); redis-cli save", &[]);
    servers.as_root(fill, &["/var/lib/redis"]);
    servers.told("redis", "a restart would make it worse: it takes no changes");
    servers.as_root(fill, &["/mnt"]);
    servers.told("database", "a restart would make it worse: its disk is full; make room there");
    servers.as_root("rm /mnt/fill /var/lib/redis/fill; redis-cli bgsave", &[]);
    let known = servers.log().0.len();
    let well = |line: &str| line.contains("action=end ") && line.contains("all well");
    servers.soon("all is well again", |log| log.0[known..].lines().any(well));

    servers.as_root("redis-cli config set requirepass secret", &[]);
    servers.told("redis", "it answers, but wants a password");
    servers.as_root("runuser -u postgres -- psql -qc \"alter role app password 'other'\"", &[]);
    servers.told("database", "it answers, but not to us: password authentication failed");
    let log = servers.cycles(2);
    assert!(log.lines(&["in the window): "]).is_empty(), "{}", log.0);
    assert_eq!(servers.main_pids(), before);
}
