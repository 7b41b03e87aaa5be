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
    let told = backup.make(&name("fix"), &state).await.unwrap();
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
    exact.make(&name("fix"), &state).await.unwrap();
    let small = Backup { max_bytes: 1999, ..backup };
    let why = small.make(&name("fix"), &state).await.unwrap_err();
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
    let why = elsewhere.make(&name("fix"), &state).await.unwrap_err();
    assert_eq!(why, "link/hostname: a symbolic link is on the way, and none is followed");
    assert!(kept_in(&state).is_empty());
}

#[tokio::test]
async fn the_oldest_of_an_action_go() {
    let (_kept, backup, state) = setting();
    backup.make(&name("fix-b"), &state).await.unwrap();
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(backup.make(&name("fix"), &state).await.unwrap());
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
    backup.make(&name("fix"), &state).await.unwrap();
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
