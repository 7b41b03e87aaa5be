//! `make order`: learns which code runs on an ordinary day, and writes `src/order.ld`, by which the linker puts that
//! code side by side. The kernel maps code in blocks of 64 kB around each page that runs; scattered over the binary,
//! one megabyte that runs keeps four and a half resident.

use crate::common::Machine;
use crate::logfile;
use crate::profile::Profile;
use crate::site::{GATEWAY, Site, WATCHDOG};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// Under valgrind the first cycles take long.
const HEALTHY: Duration = Duration::from_secs(45);
const BROKEN: Duration = Duration::from_secs(30);
const DROP_IN: &str = "/home/pico/.config/systemd/user/picoclaw-watchdog.service.d/order.conf";
const VALGRIND: &str =
    "/usr/bin/valgrind --tool=callgrind --demangle=no --callgrind-out-file=/home/pico/calls/%p --";
/// Letters beyond those that tell a name from all others: the `*` that stands for a hash takes in more than hashes.
const MARGIN: usize = 32;
/// So much that does not run may lie among what runs.
const IDLE_PERCENT: u64 = 5;

const HEAD: &str = "\
/* What runs on an ordinary day, side by side: first what the default daemon runs, then what more probes, logs and a
   repair add. The kernel maps code in blocks of 64 kB around each page that runs, so this halves the memory that code
   takes. A name that no longer exists does no harm. Written by `make order`, to be run again after large changes;
   `make build` passes it on. What Rust calls unlikely is little in all, and some of it runs all the time. */
SECTIONS
{
  .text.ordinary :
  {
    *crt1.o(.text)
    /* The C library of a static build. */
    *libc.a:*(.text .text.*)
    *liblibc-*.rlib:*(.text .text.*)
    *(.text.main .text.unlikely.*)
";
const TAIL: &str = "  }
}
INSERT BEFORE .text;
";

/// Runs the `binaries`, which must still have their symbols, and writes the script for the linker. A static build is
/// learned from beside the other: of functions that are the same, the compiler keeps one, and not always that one.
pub(crate) fn write(site: &Site, binaries: &[&Path], script: &Path) {
    let machine = site.machine();
    assert!(
        machine.root(&["which", "valgrind"]).status.success(),
        "valgrind is needed: apt install valgrind"
    );
    machine.write(DROP_IN, &drop_in());
    machine.user_ok(&["bash", "-c", "mkdir -p ~/calls; systemctl --user daemon-reload"]);
    let mut builds: Vec<_> = binaries.iter().map(|binary| symbols(binary)).collect();
    let mut lines = String::new();
    for day in [default_day, seven_day, tls_day, scan, broken_day] {
        for (index, binary) in binaries.iter().enumerate() {
            site.install(binary);
            day(site);
            let prefixes = learn(machine, &builds[index]);
            for names in &mut builds {
                names.retain(|name, _| !prefixes.iter().any(|prefix| name.starts_with(prefix)));
            }
            lines.extend(prefixes.iter().map(|prefix| format!("    *(.text.{prefix}*)\n")));
        }
    }
    std::fs::write(script, format!("{HEAD}{lines}{TAIL}")).unwrap();
}

fn default_day(site: &Site) {
    healthy_day(site, Profile::default());
}

fn seven_day(site: &Site) {
    healthy_day(site, Profile::all_seven());
}

fn tls_day(site: &Site) {
    healthy_day(site, Profile::all_seven().with_tls().with_log());
}

fn healthy_day(site: &Site, profile: Profile) {
    site.start(&profile.patient());
    sleep(HEALTHY);
    // Not every start is the first one: this one finds a saved state.
    site.machine().user_ok(&["systemctl", "--user", "restart", WATCHDOG]);
    site.stop();
}

/// Too quick for a program under valgrind: there is always something that does not answer in time.
fn broken_day(site: &Site) {
    site.start(&Profile::all_seven().quick());
    site.machine().user_ok(&["systemctl", "--user", "kill", "--signal=KILL", GATEWAY]);
    sleep(BROKEN);
    assert!(site.log().contains(" action=restart-gateway "), "no repair was seen");
    site.stop();
}

/// The service with valgrind before it.
fn drop_in() -> String {
    let command = format!("{VALGRIND} %h/.local/bin/picoclaw-watchdog run").replace("%p", "%%p");
    format!("[Service]\nExecStart=\nExecStart={command}\nMemoryMax=infinity\n")
}

/// The functions of the binary, and how many bytes each takes.
fn symbols(binary: &Path) -> BTreeMap<String, u64> {
    let output =
        Command::new("nm").arg("--print-size").arg(binary).output().expect("nm of binutils is there");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names = BTreeMap::new();
    for line in text.lines() {
        // Address, size, kind, name.
        if let [_, size, "t" | "T" | "W", name] = line.split(' ').collect::<Vec<_>>()[..] {
            *names.entry(pattern(name)).or_default() += u64::from_str_radix(size, 16).unwrap();
        }
    }
    assert!(!names.is_empty(), "{} has no symbols", binary.display());
    names
}

/// A log, scanned in one go.
fn scan(site: &Site) {
    let machine = site.machine();
    let log = tempfile::NamedTempFile::new().unwrap();
    logfile::write(log.path(), 1 << 20).unwrap();
    machine.put(log.path(), "/home/pico/app.log");
    machine.put(&crate::scan::rules(), "/home/pico/rules.json");
    let scan =
        format!("{VALGRIND} ~/.local/bin/picoclaw-watchdog logtest --json --rules ~/rules.json ~/app.log");
    machine.user_ok(&["bash", "-c", &scan]);
}

/// What the names begin with of those functions that have run, of `names` that no line of the script takes in yet.
fn learn(machine: &Machine, names: &BTreeMap<String, u64>) -> Vec<String> {
    // The file says each name in full where it comes first.
    let calls = machine.user_ok(&[
        "bash",
        "-c",
        r"grep -rahoE '^c?fn=\([0-9]+\) [0-9A-Za-z_.]+' ~/calls; rm -f ~/calls/*",
    ]);
    let ran: BTreeSet<String> =
        calls.lines().filter_map(|line| line.split(' ').nth(1)).map(pattern).collect();
    let all: Vec<Function<'_>> =
        names.iter().map(|(name, bytes)| Function { name, bytes: *bytes, ran: ran.contains(name) }).collect();
    let mut prefixes = Vec::new();
    cover(&all, 0, &mut prefixes);
    let bytes: u64 = all.iter().filter(|one| one.ran).map(|one| one.bytes).sum();
    println!("{} prefixes of names more, for {} kB that ran", prefixes.len(), bytes / 1000);
    prefixes
}

/// A function: its name without what differs from one build to the next.
struct Function<'a> {
    name: &'a str,
    bytes: u64,
    ran: bool,
}

/// The shortest beginnings of names that all functions have which ran, and hardly any that did not. So a module that
/// runs as a whole takes one line, and its next function is in its place from the first day. `length` of a name is
/// what tells these functions from all others.
fn cover(functions: &[Function<'_>], length: usize, prefixes: &mut Vec<String>) {
    let bytes = |ran| functions.iter().filter(|one| one.ran == ran).map(|one| one.bytes).sum::<u64>();
    let ([first, ..], [.., last]) = (functions, functions) else { return };
    if bytes(true) == 0 {
        return;
    }
    let pairs = first.name.bytes().zip(last.name.bytes());
    let shared = pairs.take_while(|(one, other)| one == other).count();
    if bytes(false) * 100 <= bytes(true) * IDLE_PERCENT {
        return prefixes.push(first.name[..shared.min(length + MARGIN)].to_owned());
    }
    let next = |one: &Function<'_>| one.name.as_bytes().get(shared).copied();
    for part in functions.chunk_by(|one, other| next(one) == next(other)) {
        cover(part, shared + usize::from(next(&part[0]).is_some()), prefixes);
    }
}

/// The name without what differs from one build to the next: the hash of each crate (`Cs…_`), and the number of a copy.
fn pattern(name: &str) -> String {
    let mut parts = name.split('.').next().unwrap_or(name).split("Cs");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric());
        let part = if rest.starts_with('_') { format!("*{rest}") } else { part.to_owned() };
        text.push_str(&format!("Cs{part}"));
    }
    text
}
