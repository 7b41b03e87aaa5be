//! Whether the logs that rules are about can be read: files, the journal, and the bell that rings for new lines. What
//! stands in them is the daemon's business.

use super::{Finding, ask};
use crate::config::Config;
use crate::logscan::follow::{Kind, Source};
use crate::recovery::evidence::Name;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::unistd::{AccessFlags, access};
use std::path::{Path, PathBuf};

/// Where journald keeps its files, on the disk and in memory.
const JOURNALS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
/// Files looked at for one pattern; one that means more is a mistake, and said by the daemon.
const FILES_MAX: usize = 1000;

/// Looks at every source.
pub(super) async fn check(config: &Config, user: &str, uid: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut files = 0;
    for Source { name, kind, .. } in &config.scan.sources {
        match kind {
            Kind::Files { patterns } => {
                let looked = patterns.iter().flat_map(|pattern| look(name, &pattern.to_string(), user));
                findings.extend(looked);
                files += 1;
            }
            Kind::Journal { user: own, .. } => findings.push(journal(name, *own, user, uid).await),
        }
    }
    findings.extend((files > 0).then(|| bell(ring())));
    findings
}

/// What keeps us from reading what a path or pattern means; one good word when nothing does.
fn look(source: &Name, pattern: &str, user: &str) -> Vec<Finding> {
    // An unreadable directory hides what is in it, and glob passes over it in silence unless asked.
    let (mut found, mut denied) = (0, Vec::new());
    for entry in glob::glob(pattern).into_iter().flatten().take(FILES_MAX) {
        match entry {
            Ok(path) if access(&path, AccessFlags::R_OK).is_ok() => found += 1,
            Ok(path) => denied.push(path),
            Err(error) => denied.push(error.path().to_owned()),
        }
    }
    denied.extend(closed_above(Path::new(pattern)).filter(|_| found == 0 && denied.is_empty()));
    if !denied.is_empty() {
        return denied.iter().take(1).map(|path| unreadable(source, path, denied.len(), user)).collect();
    }
    match found {
        0 => {
            let fix = "correct the path, if the service has ever written its log; else it is found once it is there";
            vec![Finding::warn("logs", format!("{source}: there is no file {pattern}"), fix)]
        }
        _ => vec![Finding::ok("logs", format!("{source}: {pattern} can be read"))],
    }
}

/// A directory on the way that does not let us in.
fn closed_above(path: &Path) -> Option<PathBuf> {
    let there =
        path.ancestors().skip(1).find(|above| access(*above, AccessFlags::F_OK) != Err(Errno::ENOENT))?;
    let closed = there.ancestors().filter(|above| access(*above, AccessFlags::X_OK).is_err());
    closed.last().map(Path::to_owned)
}

fn unreadable(source: &Name, path: &Path, count: usize, user: &str) -> Finding {
    let at = path.display();
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let rights = if path.is_dir() { "rX" } else { "r" };
    Finding::fail(
        "logs",
        format!("{source}: {user} may not read {at}{more}"),
        format!(
            "sudo setfacl -m u:{user}:{rights} '{at}', and let its logrotate keep that; or put {user} into its group"
        ),
    )
}

/// Whether systemd's journal can be read: with its program, and from its files.
async fn journal(source: &Name, own: bool, user: &str, uid: u32) -> Finding {
    if let Err(why) = ask::said(["journalctl", "--version"]).await {
        return Finding::fail(
            "logs",
            format!("{source}: the journal cannot be read: {why}"),
            "sudo apt install systemd",
        );
    }
    let own_file = format!("user-{uid}.journal");
    let names = ["system.journal", own_file.as_str()];
    judge_journal(source, own, user, &journals(&names[..if own { 2 } else { 1 }]))
}

/// The files of the journal by these names, and whether we may read each.
fn journals(names: &[&str]) -> Vec<bool> {
    let machines = JOURNALS.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
    let files = machines.flat_map(|machine| names.iter().map(move |name| machine.path().join(name)));
    files.filter(|file| file.exists()).map(|file| access(&file, AccessFlags::R_OK).is_ok()).collect()
}

fn judge_journal(source: &Name, own: bool, user: &str, readable: &[bool]) -> Finding {
    if readable.contains(&true) {
        return Finding::ok("logs", format!("{source}: the journal can be read"));
    }
    let group =
        format!("sudo usermod -aG systemd-journal {user}, and log in anew (or restart the user manager)");
    match (own, readable.is_empty()) {
        (false, true) => {
            Finding::unknown("logs", format!("{source}: the system has no journal that we can see"))
        }
        (false, false) => {
            Finding::fail("logs", format!("{source}: {user} may not read the journal of the system"), group)
        }
        // journald gives users files of their own only where it keeps the journal on the disk.
        (true, _) => Finding::fail(
            "logs",
            format!(
                "{source}: {user} has no journal that can be read, for journald keeps none for single users"
            ),
            format!("sudo mkdir -p /var/log/journal && sudo systemctl restart systemd-journald; or {group}"),
        ),
    }
}

/// Asks for a bell and for one watch, as the daemon does, and gives both back.
fn ring() -> Result<(), Errno> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch("/", AddWatchFlags::IN_CREATE).map(drop)
}

fn bell(rings: Result<(), Errno>) -> Finding {
    let exhausted = |key: &str, enough: &str| {
        Finding::warn(
            "inotify",
            format!("new lines are seen only once a cycle, for fs.inotify.{key} is used up"),
            format!(
                "echo fs.inotify.{key}={enough} | sudo tee /etc/sysctl.d/60-inotify.conf && sudo sysctl --system"
            ),
        )
    };
    match rings {
        Ok(()) => Finding::ok("inotify", "new lines are noticed at once"),
        Err(Errno::EMFILE) => exhausted("max_user_instances", "1024"),
        Err(Errno::ENOSPC) => exhausted("max_user_watches", "524288"),
        Err(error) => {
            Finding::unknown("inotify", format!("whether new lines are noticed at once: {}", error.desc()))
        }
    }
}

#[cfg(test)]
mod tests;
