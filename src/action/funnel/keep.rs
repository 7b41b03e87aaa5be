//! Keeps what tailscaled serves before all of it is wiped, so that a person can put it back. The last few are kept, in
//! our own directory, for their owner only.

use serde_json::Value;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where, below the state directory.
const DIRECTORY: &str = "funnel";
/// Resets are rare, and the last one that held something is what is looked for.
const KEPT_MAX: usize = 5;

/// Writes a configuration down and makes it durable, and gives its path.
///
/// # Errors
/// Why it cannot be kept.
pub(super) fn keep(state: &Path, served: &Value, name: &str) -> Result<PathBuf, String> {
    let directory = state.join(DIRECTORY);
    let path = directory.join(format!("serve-{name}.json"));
    let written = write(&directory, &path, served);
    written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    prune(&directory);
    Ok(path)
}

fn write(directory: &Path, path: &Path, served: &Value) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec_pretty(served)?)?;
    file.sync_all()?;
    fs::File::open(directory)?.sync_all()
}

/// Names begin with the time, so the first ones are the oldest.
fn prune(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut kept: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    kept.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    kept.sort_unstable();
    for path in &kept[..kept.len().saturating_sub(KEPT_MAX)] {
        // One that cannot be removed now is tried again the next time.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_last_few_are_kept_for_their_owner_only() {
        let state = tempfile::tempdir().unwrap();
        for n in 0..7 {
            let path = keep(state.path(), &json!({ "n": n }), &format!("2026-{n}")).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let directory = state.path().join(DIRECTORY);
        let mut names: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!((names.len(), names[0].to_str()), (KEPT_MAX, Some("serve-2026-2.json")));
        let last: Value =
            serde_json::from_slice(&fs::read(directory.join("serve-2026-6.json")).unwrap()).unwrap();
        assert_eq!(last, json!({ "n": 6 }));
        assert!(keep(state.path(), &json!({}), "2026-6").unwrap_err().contains("cannot be written"));
    }
}
