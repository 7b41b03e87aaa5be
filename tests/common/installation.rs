//! A machine as a user of the watchdog has it: the repository at ~/src, the watchdog installed with make, and a
//! gateway of ours as a user unit.

use super::machine::text_of;
use super::{GATEWAY, Machine, repository, stand_in_binary, watchdog_binary};
use std::process::{Command, Stdio};

/// Where the gateway's control files lie inside.
const CONTROL: &str = "/home/pico/control";
const BUILT: &str = "/usr/local/lib/picoclaw-watchdog/picoclaw-watchdog";

/// Bash can speak to a port by itself: the machine has no network of the test's, and need not have curl.
const ASK: &str = r#"exec 3<>/dev/tcp/127.0.0.1/18790 && printf 'GET %s HTTP/1.1\r\n\r\n' "$1" >&3 && read -r _ code _ <&3 && echo "$code""#;

/// What a test wants to differ.
pub(crate) struct Installation<'a> {
    /// The gateway's unit.
    pub(crate) gateway: &'a str,
    /// The content of `~/.picoclaw/.env`.
    pub(crate) env: &'a str,
    /// More options for the stand-in gateway, separated by blanks.
    pub(crate) gateway_options: &'a str,
    /// More lines for the `[Service]` section of the gateway's unit.
    pub(crate) gateway_service: &'a str,
}

impl Default for Installation<'_> {
    fn default() -> Self {
        Self { gateway: GATEWAY, env: "", gateway_options: "", gateway_service: "" }
    }
}

/// Installs everything and starts nothing. Gives what `make install-watchdog` printed.
#[track_caller]
pub(crate) fn install(machine: &Machine, wanted: &Installation<'_>) -> String {
    machine.put(&watchdog_binary(), BUILT);
    machine.put(&stand_in_binary(), "/usr/local/bin/stand-in");
    copy_sources(machine);
    machine.user_ok(&["mkdir", "-p", CONTROL]);
    machine.write("/home/pico/.picoclaw/.env", wanted.env);
    let unit = format!("/home/pico/.config/systemd/user/{}", wanted.gateway);
    machine.write(&unit, &gateway_unit(wanted));
    machine.user_ok(&["make", "-C", "src", "install-watchdog", &format!("BINARY={BUILT}")])
}

impl Machine {
    /// Switches a control file of the gateway on.
    pub(crate) fn steer_gateway(&self, name: &str, content: &str) {
        self.write(&format!("{CONTROL}/{name}"), content);
    }

    /// Switches a control file of the gateway off.
    pub(crate) fn unsteer_gateway(&self, name: &str) {
        self.user_ok(&["rm", &format!("{CONTROL}/{name}")]);
    }

    /// The code with which the gateway on its usual port answers; none when nobody answers.
    pub(crate) fn gateway_status(&self, path: &str) -> Option<u16> {
        let output = self.user(&["timeout", "10", "bash", "-c", ASK, "ask", path]);
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }
}

/// What a user clones, without what is only built or tested.
pub(crate) fn copy_sources(machine: &Machine) {
    let parts = ["Makefile", "systemd", "config"].into_iter().filter(|part| repository().join(part).exists());
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(repository()).args(["-cf", "-"]).args(parts);
    let mut packing = pack.stdout(Stdio::piped()).spawn().unwrap();
    let unpack = ["bash", "-euc", "mkdir -p src; tar -C src -xf -"];
    let output = machine.script("user", &unpack).stdin(packing.stdout.take().unwrap()).output().unwrap();
    text_of(&unpack, &output);
    assert!(packing.wait().unwrap().success());
}

/// As the real one: output to a log file, and no `Restart=`, so that recovery is the watchdog's affair.
fn gateway_unit(wanted: &Installation<'_>) -> String {
    let Installation { gateway_options, gateway_service, .. } = wanted;
    format!(
        "[Unit]\nDescription=stand-in gateway\n[Service]\n\
         ExecStart=/usr/local/bin/stand-in gateway --control {CONTROL} {gateway_options}\n\
         {gateway_service}\n[Install]\nWantedBy=default.target\n"
    )
}
