//! Backups on a real file system: whole, bounded, and none at all rather than half of one.

use super::*;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

fn setting() -> (TempDir, Backup, PathBuf) {
    let kept = tempfile::tempdir().unwrap();
    let top = kept.path().canonicalize().unwrap();
    let root = top.join("root");
    fs::create_dir_all(root.join("data/sub")).unwrap();
    let backup =
        Backup { root, paths: vec!["data".into(), "missing".into()], keep: 3, max_bytes: DEFAULT_BYTES };
    (kept, backup, top.join("state"))
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn kept_in(state: &Path) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> =
        fs::read_dir(state.join(PLACE)).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    kept
}

#[tokio::test]
async fn any_other_program_can_read_it() {
    let (_kept, backup, state) = setting();
    let long = format!("data/sub/{}", "long-name-".repeat(20));
    let contents = BTreeMap::from([
        ("data/a", "one".to_owned()),
        ("data/-rf", String::new()),
        (&long, "x".repeat(300_000)),
    ]);
    for (path, text) in &contents {
        fs::write(backup.root.join(path), text).unwrap();
    }
    symlink("/etc/passwd", backup.root.join("data/link")).unwrap();
    nix::unistd::mkfifo(&backup.root.join("data/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let told = backup.make(&name("fix"), &state, Keep::Contents).await.unwrap();
    assert!(told.starts_with("3 files (292.9 KiB) were kept in fix-backups/fix-2"), "{told}");
    let path = &kept_in(&state)[0];
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).unwrap()));
    let mut found = BTreeMap::new();
    let mut others = Vec::new();
    for mut entry in archive.entries().unwrap().map(Result::unwrap) {
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        match entry.header().entry_type().is_file() {
            true => drop(found.insert(path, text)),
            false => others.push(path),
        }
    }
    let wanted: BTreeMap<String, String> =
        contents.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    others.sort();
    assert_eq!((found, others), (wanted, ["data", "data/link", "data/sub"].map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn what_does_not_fit_leaves_nothing() {
    let (_kept, backup, state) = setting();
    fs::write(backup.root.join("data/a"), "x".repeat(2000)).unwrap();
    let exact = Backup { max_bytes: 2000, ..backup.clone() };
    exact.make(&name("fix"), &state, Keep::Contents).await.unwrap();
    let small = Backup { max_bytes: 1999, ..backup };
    let why = small.make(&name("fix"), &state, Keep::Contents).await.unwrap_err();
    assert_eq!(
        why,
        "data/a: with it, this is more than 1.9 KiB; name fewer paths, or raise max_bytes of this backup"
    );
    assert_eq!(kept_in(&state).len(), 1);
}

#[tokio::test]
async fn a_way_out_is_refused_and_nothing_is_kept() {
    let (_kept, backup, state) = setting();
    let elsewhere = Backup { paths: vec!["link/hostname".into()], ..backup };
    symlink("/etc", elsewhere.root.join("link")).unwrap();
    let why = elsewhere.make(&name("fix"), &state, Keep::Contents).await.unwrap_err();
    assert_eq!(why, "link/hostname: a symbolic link is on the way, and none is followed");
    assert!(kept_in(&state).is_empty());
}

#[tokio::test]
async fn the_oldest_of_an_action_go() {
    let (_kept, backup, state) = setting();
    backup.make(&name("fix-b"), &state, Keep::Contents).await.unwrap();
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(backup.make(&name("fix"), &state, Keep::Contents).await.unwrap());
    }
    let kept = kept_in(&state);
    assert_eq!(kept.len(), 4, "{kept:?}");
    let names = kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    let newest: Vec<&str> = names.filter(|name| !name.starts_with("fix-b-")).collect();
    assert!(made.iter().skip(2).zip(newest).all(|(told, name)| told.ends_with(name)), "{made:?}");
}

#[tokio::test]
async fn a_damaged_archive_is_no_backup() {
    let (kept, backup, state) = setting();
    fs::write(backup.root.join("data/a"), "text ".repeat(9999)).unwrap();
    backup.make(&name("fix"), &state, Keep::Contents).await.unwrap();
    let good = fs::read(&kept_in(&state)[0]).unwrap();
    let content = pack::Content { entries: 3, files: 1, bytes: 5 * 9999 };
    let bent = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let cases =
        [good.clone(), good[..good.len() - 1].to_vec(), good[..50].to_vec(), bent(60), bent(good.len() - 6)];
    let mut verdicts = Vec::new();
    for bytes in cases {
        let path = kept.path().join("copy");
        fs::write(&path, bytes).unwrap();
        let mut pace = Pace::new(TIMEOUT);
        verdicts.push(verify::read_back(File::open(&path).unwrap(), content, &mut pace).await.is_ok());
    }
    assert_eq!(verdicts, [true, false, false, false, false]);
}

/// What is in an archive, by name.
fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).unwrap()));
    let one = |mut entry: tar::Entry<'_, _>| {
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    };
    archive.entries().unwrap().map(|entry| one(entry.unwrap())).collect()
}

/// A repair that makes files readable must not wait until they are.
#[tokio::test]
async fn what_cannot_be_read_stops_no_repair_of_permissions() {
    let (_kept, backup, state) = setting();
    let closed = |path: &str, mode| {
        fs::set_permissions(backup.root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::write(backup.root.join("data/x.json"), "secret").unwrap();
    fs::write(backup.root.join("data/y.json"), "open").unwrap();
    closed("data/x.json", 0o000);
    closed("data/sub", 0o2000);
    let small = Backup { max_bytes: 5, ..backup.clone() };
    let told = small.make(&name("fix"), &state, Keep::Permissions).await.unwrap();
    let both = backup.make(&name("fix-b"), &state, Keep::Both).await.unwrap();
    let whole = backup.make(&name("fix-c"), &state, Keep::Contents).await;
    closed("data/sub", 0o700);
    assert!(told.starts_with("modes and owners of 4 were kept in fix-backups/fix-2"), "{told}");
    let files = if nix::unistd::Uid::effective().is_root() { 2 } else { 1 };
    assert!(both.starts_with(&format!("{files} files (")), "{both}");
    let [list, all] = [0, 1].map(|index| unpacked(&kept_in(&state)[index]));
    assert_eq!(list.keys().collect::<Vec<_>>(), ["permissions.facl"]);
    for wanted in ["# file: data/x.json\n", "# file: data/sub\n", "# flags: -s-\nuser::---\n"] {
        assert!(list["permissions.facl"].contains(wanted), "{list:?}");
    }
    assert_eq!(
        (&all["data/y.json"], &all["permissions.facl"]),
        (&"open".to_owned(), &list["permissions.facl"])
    );
    if !nix::unistd::Uid::effective().is_root() {
        assert!(told.ends_with(", without what is in data/sub (permission denied)"), "{told}");
        assert!(both.contains(", without what is in data/") && both.contains("data/x.json"), "{both}");
        assert!(!all.contains_key("data/x.json"));
        assert!(whole.unwrap_err().ends_with(": permission denied"), "half of it is no backup");
    }
}
