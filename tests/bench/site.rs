//! Where it is measured: a real systemd machine, or, where none can be had, plain processes of this host.

use crate::common::{Installation, Machine, StandIn, install};
use crate::profile::{EDGE_PORT, HUNG_PORT, Profile, RESOLVER_PORT, TLS_PORT};
use std::cell::{Cell, RefCell};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const GATEWAY: &str = "picoclaw-gateway.service";
pub(crate) const WATCHDOG: &str = "picoclaw-watchdog.service";
const PROGRAM: &str = "/home/pico/.local/bin/picoclaw-watchdog";
const STAND_IN: &str = "/usr/local/bin/stand-in";
/// How long a start may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the node publishes.
const PUBLISHED: &str = r#"{"TCP":{"443":{"HTTPS":true}},
    "Web":{"gw.tail1234.ts.net:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:18791"}}}},
    "AllowFunnel":{"gw.tail1234.ts.net:443":true}}"#;

/// What is watched beside the gateway.
fn others(home: &str) -> [Vec<String>; 3] {
    let tailscaled =
        format!("tailscaled --edge-port {EDGE_PORT} --resolver-port {RESOLVER_PORT} --control {home}/ts");
    ["ollama", &tailscaled, "moltworker --record /dev/null"]
        .map(|words| words.split(' ').map(str::to_owned).collect())
}

/// The place of all measurements.
pub(crate) enum Site {
    Systemd { machine: Machine, tls: Cell<bool> },
    Bare(Bare),
}

impl Site {
    /// Brings up all that is watched. The gateway is asked by a thousand at once, so it may have them all.
    pub(crate) fn set_up() -> Self {
        let Some(machine) = Machine::up_or_skip("bench") else { return Self::Bare(Bare::set_up()) };
        let wanted = Installation {
            gateway_options: "--generation g1",
            gateway_service: "LimitNOFILE=8192",
            ..Installation::default()
        };
        install(&machine, &wanted);
        machine.write("/home/pico/ts/serve.json", PUBLISHED);
        machine.user_ok(&["systemctl", "--user", "start", GATEWAY]);
        let site = Self::Systemd { machine, tls: Cell::new(false) };
        for options in others("/home/pico") {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            site.serve(options[0], &[&[STAND_IN], &options[..]].concat());
        }
        site
    }

    pub(crate) fn has_systemd(&self) -> bool {
        matches!(self, Self::Systemd { .. })
    }

    /// The machine, for what only a systemd can do.
    pub(crate) fn machine(&self) -> &Machine {
        match self {
            Self::Systemd { machine, .. } => machine,
            Self::Bare(_) => panic!("only asked where there is a systemd"),
        }
    }

    /// Takes `binary` as the watchdog from the next start on.
    pub(crate) fn install(&self, binary: &Path) {
        match self {
            Self::Systemd { machine, .. } => {
                self.stop();
                machine.put(binary, PROGRAM);
            }
            Self::Bare(bare) => *bare.binary.borrow_mut() = binary.to_owned(),
        }
    }

    /// Starts the watchdog with nothing remembered, waits until it is ready, and gives how long that took, in
    /// milliseconds.
    pub(crate) fn start(&self, profile: &Profile) -> f64 {
        self.stop();
        match self {
            Self::Systemd { machine, .. } => {
                machine.user_ok(&["bash", "-c", "rm -rf ~/.picoclaw/state/watchdog/* ~/.picoclaw/logs/*"]);
                machine.write("/home/pico/.picoclaw/watchdog.toml", &profile.config);
                machine.write("/home/pico/.picoclaw/.env", &profile.env);
                machine.user_ok(&["systemctl", "--user", "start", WATCHDOG]);
                let stamp = |name| machine.unit(WATCHDOG, name).parse::<f64>().unwrap() / 1e3;
                stamp("ActiveEnterTimestampMonotonic") - stamp("ExecMainStartTimestampMonotonic")
            }
            Self::Bare(bare) => bare.start(profile),
        }
    }

    pub(crate) fn stop(&self) {
        match self {
            Self::Systemd { machine, .. } => {
                drop(machine.user_ok(&["systemctl", "--user", "stop", WATCHDOG]))
            }
            Self::Bare(bare) => bare.stop(),
        }
    }

    /// The watchdog's process, as the place numbers it.
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Systemd { machine, .. } => machine.unit(WATCHDOG, "MainPID").parse().unwrap(),
            Self::Bare(bare) => bare.child.borrow().as_ref().unwrap().id(),
        }
    }

    /// A file of the place; none when it is not there.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        match self {
            Self::Systemd { machine, .. } => {
                let output = machine.root(&["cat", path]);
                output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Self::Bare(_) => fs::read_to_string(path).ok(),
        }
    }

    /// The watchdog's log since its start.
    pub(crate) fn log(&self) -> String {
        let home = match self {
            Self::Systemd { .. } => "/home/pico/.picoclaw".to_owned(),
            Self::Bare(bare) => bare.home.path().display().to_string(),
        };
        self.read(&format!("{home}/logs/ops-watchdog.log")).unwrap_or_default()
    }

    /// Makes sure that `count` ports are listened on by somebody who never answers.
    pub(crate) fn hang(&self, count: u16) {
        for port in HUNG_PORT..HUNG_PORT + count {
            self.serve(&format!("hung-{port}"), &[STAND_IN, "listen", &port.to_string()]);
        }
    }

    /// Makes sure that somebody speaks TLS, with a certificate that no one trusts.
    pub(crate) fn serve_tls(&self) -> bool {
        let Self::Systemd { machine, tls } = self else { return false };
        if !tls.get() {
            const MAKE: &str = "cd && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1";
            tls.set(machine.user(&["bash", "-c", MAKE]).status.success());
            let port = TLS_PORT.to_string();
            let files = ["-cert", "/home/pico/cert.pem", "-key", "/home/pico/key.pem"];
            let serve = ["/usr/bin/openssl", "s_server", "-quiet", "-www", "-accept", &port];
            self.serve("tls", &[&serve[..], &files[..]].concat());
        }
        tls.get()
    }

    /// Starts a server that stays until the end; one that is there already stays.
    fn serve(&self, name: &str, argv: &[&str]) {
        match self {
            Self::Systemd { machine, .. } => {
                let unit = format!("--unit=bench-{name}");
                machine.user(&[&["systemd-run", "--user", "--quiet", &unit, "--"], argv].concat());
            }
            Self::Bare(bare) => bare.serve(&argv[1..]),
        }
    }
}

/// Processes of this host.
pub(crate) struct Bare {
    home: TempDir,
    binary: RefCell<PathBuf>,
    child: RefCell<Option<Child>>,
    servers: RefCell<Vec<Child>>,
    _gateway: StandIn,
}

impl Bare {
    fn set_up() -> Self {
        let bare = Self {
            home: tempfile::tempdir().unwrap(),
            binary: RefCell::default(),
            child: RefCell::default(),
            servers: RefCell::default(),
            _gateway: StandIn::gateway(&["--generation", "g1", "--port", "18790", "--webhook-port", "18791"]),
        };
        let home = bare.home.path();
        fs::create_dir(home.join("ts")).unwrap();
        fs::write(home.join("ts/serve.json"), PUBLISHED).unwrap();
        for options in others(&home.display().to_string()) {
            bare.serve(&options.iter().map(String::as_str).collect::<Vec<_>>());
        }
        bare
    }

    fn start(&self, profile: &Profile) -> f64 {
        let home = self.home.path();
        for old in ["state", "logs"] {
            fs::remove_dir_all(home.join(old)).ok();
        }
        fs::write(home.join("watchdog.toml"), profile.config_without_unit()).unwrap();
        fs::write(home.join(".env"), &profile.env).unwrap();
        fs::set_permissions(home.join(".env"), Permissions::from_mode(0o600)).unwrap();
        let socket = home.join("notify");
        fs::remove_file(&socket).ok();
        let systemd = UnixDatagram::bind(&socket).unwrap();
        systemd.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(&*self.binary.borrow());
        command.arg("run").env("HOME", home).env("PICO_HOME", home).env("NOTIFY_SOCKET", &socket);
        let began = Instant::now();
        *self.child.borrow_mut() = Some(command.stdin(Stdio::null()).spawn().unwrap());
        let mut words = [0; 4096];
        loop {
            let count = systemd.recv(&mut words).expect("it gets ready");
            if String::from_utf8_lossy(&words[..count]).lines().any(|line| line == "READY=1") {
                return began.elapsed().as_secs_f64() * 1e3;
            }
        }
    }

    fn stop(&self) {
        if let Some(mut child) = self.child.borrow_mut().take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    fn serve(&self, argv: &[&str]) {
        let mut command = Command::new(crate::common::stand_in_binary());
        let server = command.args(argv).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.servers.borrow_mut().extend(server);
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop();
        for server in self.servers.borrow_mut().iter_mut() {
            server.kill().ok();
            server.wait().ok();
        }
    }
}
