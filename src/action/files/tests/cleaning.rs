//! What is removed, and what never is.

use super::*;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

#[tokio::test]
async fn what_is_meant_and_old_goes_and_all_else_stays() {
    let place = Place::new();
    for path in ["a.tmp", "sub/b.tmp", "sub/c.log", "d.tmp", "new.tmp", ".hidden.tmp", ".git/e.tmp"] {
        place.write(path, "12345");
    }
    place.modify("d.tmp", SystemTime::now() + Duration::from_secs(86_400 + 60));
    place.modify("new.tmp", SystemTime::now() + THREE_DAYS);
    let clean = place.read(Files::clean, "match = \"*.tmp\"");
    let told = done(place.still(&clean).await);
    assert!(told.starts_with("removed 2 files, which frees 8 KiB: ") && place.all().len() == 9, "{told}");
    assert_eq!(done(place.later(&clean).await), told);
    assert_eq!(place.all(), [".git", ".git/e.tmp", ".hidden.tmp", "d.tmp", "new.tmp", "sub", "sub/c.log"]);
    assert_eq!(done(place.later(&clean).await), "found nothing to remove");
}

#[tokio::test]
async fn a_cache_goes_as_a_whole_but_its_root_stays() {
    let place = Place::new();
    for path in ["a", "sub/b", "sub/deep/c", "sub/deep/.keep", "other/d"] {
        place.write(path, "");
    }
    fs::create_dir(place.root.join("empty")).unwrap();
    let clean = place.read(Files::clean, "match = \"*\"\nolder_than = \"1m\"\nempty_dirs = true");
    let told = done(place.later(&clean).await);
    assert!(told.contains("removed 4 files") && told.contains("removed empty directories: "), "{told}");
    assert_eq!(place.all(), ["sub", "sub/deep", "sub/deep/.keep"]);
}

#[tokio::test]
async fn the_newest_stay_however_old_they_are() {
    let place = Place::new();
    for (name, hours) in [("a", 9), ("b", 7), ("c", 5), ("d", 5), ("e", 3)] {
        place.write(name, "");
        place.modify(name, SystemTime::now() - Duration::from_secs(hours * 3600));
    }
    let keeping = |number: u32| place.read(Files::clean, &format!("match = \"*\"\nkeep_newest = {number}"));
    assert_eq!(done(place.later(&keeping(5)).await), "found nothing to remove");
    done(place.later(&keeping(2)).await);
    let c_and_d_may_differ = place.all().len();
    assert!((2..=3).contains(&c_and_d_may_differ) && place.root.join("e").exists(), "{:?}", place.all());
}

#[tokio::test]
async fn strange_names_are_names() {
    let place = Place::new();
    for name in ["-rf", "--", "*", "a b", "\n", "$(reboot)", "..."] {
        place.write(name, "");
    }
    fs::write(place.root.join(std::ffi::OsStr::from_bytes(b"\xff\xfe\x80")), "").unwrap();
    place.write("kept/file", "");
    let clean = place.read(Files::clean, "match = [\"*\", \".*\"]\ndepth = 0");
    let told = done(place.later(&clean).await);
    assert!(told.starts_with("removed 8 files") && !told.contains('\n'), "{told}");
    assert_eq!(place.all(), ["kept", "kept/file"]);
}

#[tokio::test]
async fn links_go_and_what_they_lead_to_stays() {
    let place = Place::new();
    let outside = place.root.with_file_name("outside");
    symlink(outside.join("file.tmp"), place.root.join("link.tmp")).unwrap();
    symlink(&outside, place.root.join("dir")).unwrap();
    symlink("/", place.root.join("all.tmp")).unwrap();
    fs::hard_link(outside.join("file.tmp"), place.root.join("hard.tmp")).unwrap();
    nix::unistd::mkfifo(&place.root.join("fifo.tmp"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let clean = place.read(Files::clean, "match = \"*.tmp\"\nempty_dirs = true");
    let told = done(place.later(&clean).await);
    assert!(told.contains("removed 3 files, which frees 0 bytes"), "{told}");
    assert_eq!(place.all(), ["dir", "fifo.tmp"]);
    assert_eq!(fs::read_to_string(outside.join("file.tmp")).unwrap(), "outside");
}

#[tokio::test]
async fn what_cannot_be_removed_is_said() {
    let place = Place::new();
    place.write("deep/a.tmp", "");
    let clean = Files { timeout: Duration::ZERO, ..place.read(Files::clean, "match = \"*.tmp\"") };
    let told = failed(place.later(&clean).await);
    assert!(told.starts_with("nothing was removed, for it was not done within"), "{told}");
    assert_eq!(place.all(), ["deep", "deep/a.tmp"]);
}
