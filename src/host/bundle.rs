//! The diagnostics bundle: what a person wants to see of a target as it was before it was repaired. It is
//! bounded in time, size and number, masked, and must never keep a repair from happening.

use super::files;
use crate::exec::{self, Command};
use crate::recovery::policy::Manager;
use crate::values::{Secret, mask};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bundles kept. With at most three repairs in ten minutes, this covers the last incidents.
const KEPT_MAX: usize = 20;
/// The end of each log that is kept.
const TAIL_BYTES: u64 = 128 * 1024;
/// All bundles together stay below 50 MB: 20 of at most 2.5 MB.
const BUNDLE_BYTES_MAX: usize = 2_500_000;
/// The longest that a tool may take.
const TIME_MAX: Duration = Duration::from_millis(1500);
/// The head start that a bundle has over the repair. The tools need some 30 ms, most of it to start; a large
/// journal on a slow disk needs seconds, and a dead gateway must not wait for those.
pub const HEAD_START: Duration = Duration::from_millis(60);

/// What goes into a bundle.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Why it is taken, and what was seen.
    pub head: String,
    /// The unit whose journal and status are wanted.
    pub unit: Option<String>,
    /// Whose unit it is.
    pub manager: Manager,
    /// Log files whose ends are wanted.
    pub logs: Vec<PathBuf>,
    /// What must be masked.
    pub secrets: Vec<Secret>,
}

/// Takes a bundle and returns its path. What the repair would change first, the ends of the logs, is read at
/// once; the journal keeps what was said, so its reader may end while the repair is under way.
///
/// # Errors
/// Why there is none; the repair goes on without it.
pub async fn take(directory: &Path, name: &str, contents: &Contents) -> Result<PathBuf, String> {
    let mut text = format!("{}\n", contents.head);
    for log in &contents.logs {
        text.push_str(&section(&format!("end of {}", log.display()), &tail(log)));
    }
    let (journal, sockets) =
        tokio::join!(journal(contents.manager, contents.unit.as_deref()), run(&["ss", "-lntp"]));
    text.push_str(&section("the last lines of the unit in the journal", &journal));
    text.push_str(&section("listening sockets", &sockets));
    let mut text = mask(&text, &contents.secrets);
    text.truncate(text.floor_char_boundary(BUNDLE_BYTES_MAX));
    let path = directory.join(format!("{name}.txt"));
    prune(directory);
    files::replace(&path, text.as_bytes()).map_err(|error| format!("writing {}: {error}", path.display()))?;
    Ok(path)
}

fn section(title: &str, text: &str) -> String {
    format!("\n===== {title} =====\n{}\n", text.trim_end())
}

/// Filtering by the run would miss what systemd itself says of it, so the last lines are taken, those since
/// the last start among them.
async fn journal(manager: Manager, unit: Option<&str>) -> String {
    let Some(unit) = unit else { return "(no unit)".to_owned() };
    let user = match manager {
        Manager::User => Some("--user"),
        Manager::System => None,
    };
    let lines = ["--unit", unit, "--lines", "300", "--no-pager", "--output", "short-precise"];
    run(&["journalctl"].into_iter().chain(user).chain(lines).collect::<Vec<_>>()).await
}

async fn run(argv: &[&str]) -> String {
    let finished = exec::run(&Command::new(argv.iter().copied(), TIME_MAX)).await;
    if finished.stdout.is_empty() {
        format!("({} said nothing: {})", argv[0], finished.summary())
    } else {
        finished.stdout
    }
}

/// The last bytes of a file, from the first whole line.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let (mut file, metadata): (File, fs::Metadata) = files::open_plain(path)?;
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        // The log may grow while it is read.
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(cannot be read: {error})"),
    }
}

/// Makes room for one more. Names begin with the time, so the first ones are the oldest.
fn prune(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut bundles: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    bundles.sort_unstable();
    let excess = (bundles.len() + 1).saturating_sub(KEPT_MAX);
    for path in &bundles[..excess] {
        // One that cannot be removed now is tried again with the next bundle.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_bundle_is_masked_bounded_and_one_of_twenty() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("gateway.log");
        fs::write(&log, format!("{}token hunter22\nlast line\n", "x".repeat(300_000))).unwrap();
        let contents = Contents {
            head: "gateway: failed".to_owned(),
            logs: vec![log],
            secrets: vec![Secret::new("hunter22")],
            ..Contents::default()
        };
        let bundles = directory.path().join("diagnostics");
        for n in 0..25 {
            take(&bundles, &format!("2026-{n:02}"), &contents).await.unwrap();
        }
        let mut names: Vec<_> =
            fs::read_dir(&bundles).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        assert_eq!((names.len(), names[0].to_str()), (KEPT_MAX, Some("2026-05.txt")));
        let text = fs::read_to_string(bundles.join("2026-24.txt")).unwrap();
        assert!(text.contains("token ***\nlast line") && text.len() < 200_000, "{}", text.len());
    }
}
