//! Attacks on the way down, on a real file system.

use super::*;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn setting() -> (TempDir, PathBuf, Dir) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("root");
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::write(root.join("sub/file"), "inside").unwrap();
    fs::create_dir(root.with_file_name("outside")).unwrap();
    fs::write(root.with_file_name("outside").join("file"), "outside").unwrap();
    let opened = Dir::open(&root).unwrap();
    (dir, root, opened)
}

fn os(name: &str) -> &OsStr {
    OsStr::new(name)
}

#[test]
fn nothing_leads_out() {
    let (_kept, root, dir) = setting();
    symlink("../outside", root.join("link")).unwrap();
    symlink("../../outside", root.join("sub/link")).unwrap();
    for way in ["..", "../outside", "link", "sub/link", "sub/../../outside", "/", "/etc"] {
        assert!(dir.dir(Path::new(way)).is_err(), "{way}");
    }
    assert!(dir.dir(Path::new("sub/deep")).is_ok() && dir.dir(Path::new("")).is_ok());
    for name in ["..", ".", "", "../outside/file", "sub/file", "link/file", "/etc/passwd", "sub/"] {
        assert!(dir.file(os(name), Access::Read).is_err(), "{name}");
        assert!(dir.remove(os(name)).is_err() && dir.remove_dir(os(name)).is_err(), "{name}");
        assert!(dir.create(os(name)).is_err() && dir.make_dir(os(name)).is_err(), "{name}");
        assert!(dir.facts(os(name)).is_err() && dir.handle(os(name)).is_err(), "{name}");
        assert!(dir.rename(os("sub"), os(name)).is_err() && dir.link(os("sub"), os(name)).is_err(), "{name}");
    }
    assert_eq!(fs::read_to_string(root.with_file_name("outside").join("file")).unwrap(), "outside");
}

#[test]
fn a_link_on_the_way_to_the_root_is_refused_and_told() {
    let (_kept, root, _dir) = setting();
    let detour = root.with_file_name("detour");
    symlink(&root, &detour).unwrap();
    for path in [detour.clone(), detour.join("sub")] {
        let error = Dir::open(&path).unwrap_err();
        assert_eq!(reason(&error), "a symbolic link is on the way, and none is followed");
    }
}

#[test]
fn what_is_no_plain_file_is_not_opened_and_nothing_waits() {
    let (_kept, root, dir) = setting();
    nix::unistd::mkfifo(&root.join("fifo"), Mode::S_IRWXU).unwrap();
    symlink("sub/file", root.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    for name in ["fifo", "link", "socket", "sub"] {
        assert!(dir.file(os(name), Access::Read).is_err(), "{name}");
        assert!(dir.file(os(name), Access::Change).is_err(), "{name}");
    }
    assert_eq!(dir.facts(os("link")).unwrap().kind, Kind::Link);
    assert_eq!(dir.facts(os("fifo")).unwrap().kind, Kind::Other);
}

#[test]
fn another_file_system_is_not_entered() {
    // There is no way to mount anything without rights, but everywhere something is mounted below the root of all.
    let root = Dir::open(Path::new("/")).unwrap();
    let error = root.dir(Path::new("proc")).unwrap_err();
    assert_eq!(reason(&error), "it is on another file system");
}

#[test]
fn a_mode_is_set_without_the_right_to_read() {
    let (_kept, root, dir) = setting();
    fs::set_permissions(root.join("sub"), Permissions::from_mode(0o000)).unwrap();
    let handle = dir.handle(os("sub")).unwrap();
    handle.set_mode(0o750).unwrap();
    assert_eq!(handle.facts().unwrap().mode, 0o750);
    assert_eq!(dir.facts(os("sub")).unwrap().mode, 0o750);
}

async fn seen(walk: &mut Walk) -> (Vec<String>, Vec<String>) {
    let (mut found, mut closed, mut pace) = (Vec::new(), Vec::new(), Pace::new(Duration::from_secs(20)));
    while let Some(visit) = walk.next(&mut pace).await.unwrap() {
        match visit {
            Visit::Found(entry) => found.push(entry.path.display().to_string()),
            Visit::Done(_) => {}
            Visit::Closed(path, _) => closed.push(path.display().to_string()),
        }
    }
    found.sort();
    (found, closed)
}

#[tokio::test]
async fn a_walk_goes_as_deep_as_it_may() {
    let (_kept, root, dir) = setting();
    symlink("sub", root.join("link")).unwrap();
    let dir = Arc::new(dir);
    let through = async |depth| seen(&mut Walk::through(&dir, depth).unwrap()).await.0;
    assert_eq!(through(0).await, ["link", "sub"]);
    assert_eq!(through(1).await, ["link", "sub", "sub/deep", "sub/file"]);
    let to = seen(&mut Walk::to(&dir, Path::new("sub"), 9).unwrap()).await;
    assert_eq!(to, (vec!["sub".into(), "sub/deep".into(), "sub/file".into()], vec![]));
    assert!(Walk::to(&dir, Path::new("link/file"), 9).is_err());
    let missing = seen(&mut Walk::to(&dir, Path::new("missing"), 9).unwrap()).await;
    assert_eq!(missing, (vec![], vec!["missing".to_owned()]));
}

#[tokio::test]
async fn a_walk_ends_with_its_time_and_lets_others_go_on() {
    let (_kept, root, dir) = setting();
    for number in 0..2000 {
        fs::write(root.join(format!("{number}")), "").unwrap();
    }
    let dir = Arc::new(dir);
    let mut pace = Pace::new(Duration::from_millis(1));
    let mut walk = Walk::through(&dir, 0).unwrap();
    let over = loop {
        match walk.next(&mut pace).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("2000 names in a millisecond"),
            Err(over) => break over,
        }
    };
    assert!(over.contains("not done within"), "{over}");
    let others = AtomicBool::new(false);
    let work = async {
        let (mut pace, began) = (Pace::new(Duration::from_secs(20)), Instant::now());
        while !others.load(Ordering::Relaxed) && began.elapsed() < Duration::from_secs(10) {
            pace.breathe().await.unwrap();
        }
        began.elapsed()
    };
    let (took, ()) = tokio::join!(work, async { others.store(true, Ordering::Relaxed) });
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// A directory and a link to elsewhere have the same name in turn, as fast as can be, while all that is below is
/// removed. What is outside must not lose anything.
#[tokio::test]
async fn a_link_swapped_in_during_the_walk_leads_nowhere() {
    let (_kept, root, dir) = setting();
    let outside = root.with_file_name("outside");
    for number in 0..50 {
        fs::write(outside.join(format!("{number}")), "outside").unwrap();
    }
    symlink("../outside", root.join("other")).unwrap();
    let (stop, dir) = (Arc::new(AtomicBool::new(false)), Arc::new(dir));
    let swapping = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let at = |name: &str| root.join(name);
            let mut swaps = 0;
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [("sub", "aside"), ("other", "sub"), ("sub", "other"), ("aside", "sub")] {
                    fs::rename(at(from), at(to)).unwrap();
                }
                let _ = fs::write(at("sub/again"), "inside");
                swaps += 1;
            }
            swaps
        }
    });
    let (began, mut removed) = (Instant::now(), 0);
    // A busy machine needs more than this second to do it often enough.
    let second = Duration::from_secs(1);
    while began.elapsed() < second || (removed < 10 && began.elapsed() < second * 30) {
        let mut pace = Pace::new(Duration::from_secs(20));
        let mut walk = Walk::through(&dir, 9).unwrap();
        while let Some(visit) = walk.next(&mut pace).await.unwrap() {
            if let Visit::Found(entry) = visit
                && entry.facts.kind == Kind::File
                && entry.dir.remove(&entry.name).is_ok()
            {
                removed += 1;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let swaps: u32 = swapping.join().unwrap();
    assert!(swaps > 10 && removed >= 10, "{swaps} swaps, {removed} removed");
    assert_eq!(fs::read_dir(outside).unwrap().count(), 51);
}
