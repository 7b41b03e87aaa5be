//! Makes room: the disk must not be filled by what is kept for its repairs.

use crate::beneath::Dir;
use std::ffi::OsStr;

/// All backups of all actions together, in bytes.
const TOTAL_MAX: u64 = 1 << 30;

/// One backup.
struct Kept {
    name: String,
    bytes: u64,
}

impl Kept {
    /// Its action, and when it was made.
    fn parts(name: &str) -> Option<(&str, &str)> {
        name.strip_suffix(".tar.gz")?.rsplit_once('-')
    }
}

/// Removes what is too many of an action, and the oldest of what is too much. The newest stays, whatever its size.
pub(super) fn prune(place: &Dir, keep: usize) {
    let mut kept = all(place);
    while let Some(excess) = excess(&kept, keep) {
        // What cannot be removed now is tried again with the next backup.
        let _ = place.remove(OsStr::new(&kept.remove(excess).name));
    }
}

/// All of them, the oldest first.
fn all(place: &Dir) -> Vec<Kept> {
    let Ok(names) = place.names() else { return Vec::new() };
    let names = names.filter_map(|name| name.ok()?.into_string().ok());
    let one = |name: String| {
        Kept::parts(&name)?;
        let bytes = place.facts(OsStr::new(&name)).ok()?.size;
        Some(Kept { name, bytes })
    };
    let mut kept: Vec<Kept> = names.filter_map(one).collect();
    kept.sort_by(|a, b| made(a).cmp(made(b)));
    kept
}

fn made(kept: &Kept) -> &str {
    Kept::parts(&kept.name).map_or("", |(_, made)| made)
}

/// The one that has to go first, if any has to. The last that was made tells which action's are counted.
fn excess(kept: &[Kept], keep: usize) -> Option<usize> {
    let (newest, older) = kept.split_last()?;
    let action = |kept: &Kept| Kept::parts(&kept.name).map(|(action, _)| action.to_owned());
    let same = |kept: &Kept| action(kept) == action(newest);
    if older.iter().filter(|kept| same(kept)).count() >= keep {
        return older.iter().position(same);
    }
    let total: u64 = kept.iter().map(|kept| kept.bytes).sum();
    (total > TOTAL_MAX && !older.is_empty()).then_some(0)
}
