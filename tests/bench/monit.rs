//! Monit with the same checks, in the same run: its figures say how fast this host is today.

use crate::meter::{Cost, Memory, cpu_ms};
use crate::site::Site;
use crate::table::Table;
use std::thread::sleep;
use std::time::Duration;

/// Monit cannot look more often than every second; so many give a steady figure.
const WATCHED: Duration = Duration::from_secs(25);
const WARM_UP: Duration = Duration::from_secs(4);
/// Connections that it makes in a cycle, by which its cycles are counted.
const CONNECTIONS: f64 = 4.0;
const UNIT: &str = "bench-monit.service";

const CONFIG: &str = r#"set daemon 1
set log /home/pico/monit.log
set pidfile /home/pico/monit.pid
set idfile /home/pico/monit.id
set statefile /home/pico/monit.state
check program unit with path "/usr/bin/systemctl --user is-active picoclaw-gateway.service"
  if status != 0 then alert
check host gateway with address 127.0.0.1
  if failed port 18790 type tcp then alert
  if failed port 18791 type tcp then alert
  if failed port 18790 protocol http request "/health" status = 200 then alert
  if failed port 18790 protocol http request "/ready" status = 200 then alert
"#;

/// Measures it, and sets it beside ours.
pub(crate) fn rows(table: &mut Table, site: &Site, ours: &Cost) {
    let machine = site.machine();
    machine.write("/home/pico/monitrc", CONFIG);
    let start =
        ["systemd-run", "--user", "--quiet", "--unit", UNIT, "--", "monit", "-I", "-c", "/home/pico/monitrc"];
    if !machine.user(&start).status.success() {
        return table.note("Monit is not installed: not compared");
    }
    sleep(WARM_UP);
    let (before, began) = (connections(site), cpu_ms(site, UNIT));
    sleep(WATCHED);
    let (after, ended) = (connections(site), cpu_ms(site, UNIT));
    let cpu = (ended - began) / ((after - before) / CONNECTIONS);
    let memory = Memory::of(site, machine.unit(UNIT, "MainPID").parse().unwrap());
    machine.user_ok(&["systemctl", "--user", "stop", UNIT]);
    table.shown("Monit: CPU per cycle, same checks", cpu, "ms");
    table.at_most("  ours in parts of Monit's", ours.cpu_ms / cpu, "", 1.0 / 6.0);
    table.shown("Monit: resident", memory.rss, "MB");
    table.shown("  PSS", memory.pss, "MB");
    table.shown("  anonymous", memory.anonymous, "MB");
}

/// Connections accepted on this machine, where nobody else makes any meanwhile.
fn connections(site: &Site) -> f64 {
    let text = site.read("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:")).map(|line| line.split(' '));
    let (names, mut values) = (lines.next().unwrap(), lines.next().unwrap());
    names.zip(&mut values).find(|(name, _)| *name == "PassiveOpens").unwrap().1.parse().unwrap()
}
