//! Directories that are made, and modes and owners that are set.

use super::*;
use nix::unistd::{Uid, User};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn mode(place: &Place, path: &str) -> u32 {
    fs::symlink_metadata(place.root.join(path)).unwrap().mode() & 0o7777
}

fn set_mode(place: &Place, path: &str, mode: u32) {
    fs::set_permissions(place.root.join(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn missing_directories_are_made_and_nothing_else() {
    let place = Place::new();
    fs::create_dir(place.root.join("data")).unwrap();
    set_mode(&place, "data", 0o700);
    let dirs = place
        .read(Files::create_dirs, "dirs = [\"data\", \"logs\", \"cache/a/b\", \"-rf\"]\nmode = \"0750\"");
    assert_eq!(done(place.still(&dirs).await), "made logs, cache/a/b, -rf");
    assert_eq!(place.all(), ["data"]);
    assert!(done(place.later(&dirs).await).starts_with("made logs, cache/a/b"));
    assert_eq!(place.all(), ["-rf", "cache", "cache/a", "cache/a/b", "data", "logs"]);
    assert_eq!(
        (mode(&place, "data"), mode(&place, "cache/a/b"), mode(&place, "logs")),
        (0o700, 0o750, 0o750)
    );
    assert_eq!(done(place.later(&dirs).await), "found all directories there");
}

#[tokio::test]
async fn what_is_in_the_way_is_left_and_told() {
    let place = Place::new();
    place.write("data", "a file");
    symlink("../outside", place.root.join("logs")).unwrap();
    let dirs = place.read(Files::create_dirs, "dirs = [\"data\", \"logs/new\", \"cache\"]");
    let told = done(place.later(&dirs).await);
    assert_eq!(
        told,
        "made cache; left as they were: data, logs/new (something that is no directory has its name)"
    );
    assert!(!place.root.with_file_name("outside").join("new").exists());
}

#[tokio::test]
async fn modes_are_set_where_they_are_wrong_and_never_through_a_link() {
    let place = Place::new();
    for path in ["data/a", "data/sub/b", "data/twice", "other/c"] {
        place.write(path, "");
        set_mode(&place, path, 0o600);
    }
    let outside = place.root.with_file_name("outside").join("file.tmp");
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&outside, place.root.join("data/link")).unwrap();
    fs::hard_link(&outside, place.root.join("data/hard")).unwrap();
    set_mode(&place, "data", 0o2000);
    let text = "paths = [\"data\"]\nmode = \"0755\"\nfile_mode = \"0644\"";
    let check = place.read(Files::permissions, &format!("{text}\ncheck_only = true"));
    if !Uid::effective().is_root() {
        assert!(failed(place.later(&check).await).contains("left as they were: data (permission denied)"));
    }
    let told = failed(place.later(&place.read(Files::permissions, text)).await);
    assert!(
        told.contains("left as they were: data/hard (they have a second name, maybe elsewhere)"),
        "{told}"
    );
    assert_eq!(
        (mode(&place, "data"), mode(&place, "data/a"), mode(&place, "data/sub/b")),
        (0o2755, 0o644, 0o644)
    );
    assert_eq!((mode(&place, "other/c"), mode(&place, "data/hard")), (0o600, 0o600));
    fs::remove_file(place.root.join("data/hard")).unwrap();
    assert_eq!(done(place.later(&check).await), "found everything as it should be");
    set_mode(&place, "data/a", 0o4755);
    assert_eq!(failed(place.later(&check).await), "1 not as they should be: data/a");
    assert_eq!(mode(&place, "data/a"), 0o4755, "it was only looked at");
}

#[tokio::test]
async fn an_owner_is_given_or_a_person_is_told_how() {
    let place = Place::new();
    place.write("data/a", "");
    let files = place.read(Files::permissions, "paths = [\"data\"]\nowner = \"daemon\"");
    let outcome = place.later(&files).await;
    let owner = fs::metadata(place.root.join("data/a")).unwrap().uid();
    if Uid::effective().is_root() {
        assert!(done(outcome).starts_with("mended 2 not as they should be: "));
        assert_eq!(owner, User::from_name("daemon").unwrap().unwrap().uid.as_raw());
    } else {
        let told = failed(outcome);
        assert!(told.contains("sudo chown -R daemon /") && told.contains("permission denied"), "{told}");
        assert_eq!(owner, Uid::effective().as_raw());
    }
}

#[tokio::test]
async fn a_directory_that_root_makes_belongs_to_whom_the_one_above_belongs() {
    let place = Place::new();
    let daemon = User::from_name("daemon").unwrap().unwrap().uid.as_raw();
    let given = std::os::unix::fs::chown(&place.root, Some(daemon), None).is_ok();
    done(place.later(&place.read(Files::create_dirs, "dirs = [\"a/b\"]")).await);
    let owner = fs::metadata(place.root.join("a/b")).unwrap().uid();
    assert_eq!(owner == daemon, given);
}

#[tokio::test]
async fn a_file_that_nobody_can_read_is_mended_too() {
    let place = Place::new();
    place.write("data/x.json", "[]");
    set_mode(&place, "data/x.json", 0o000);
    let mend = place.read(Files::permissions, "paths = [\"data\"]\nmode = \"755\"\nfile_mode = \"0644\"");
    assert_eq!(done(place.later(&mend).await), "mended 1 not as they should be: data/x.json");
    assert_eq!((mode(&place, "data/x.json"), place.text("data/x.json")), (0o644, "[]".to_owned()));
}

#[tokio::test]
async fn without_a_mode_a_look_asks_for_access_only() {
    let place = Place::new();
    place.write("data/sub/a", "");
    set_mode(&place, "data/sub", 0o700);
    set_mode(&place, "data/sub/a", 0o400);
    let look = place.read(Files::permissions, "paths = [\"data\"]\ncheck_only = true");
    assert_eq!(done(place.later(&look).await), "found everything as it should be");
    set_mode(&place, "data/sub/a", 0o000);
    let file = place.later(&look).await;
    set_mode(&place, "data/sub", 0o000);
    let dir = place.later(&look).await;
    let flat = place.read(Files::permissions, "paths = [\"data/sub\"]\ncheck_only = true\nrecursive = false");
    let flat = place.later(&flat).await;
    set_mode(&place, "data/sub", 0o700);
    if !Uid::effective().is_root() {
        for (outcome, left) in [(file, "data/sub/a"), (dir, "data/sub"), (flat, "data/sub")] {
            let told = failed(outcome);
            assert!(told.ends_with(&format!("left as they were: {left} (permission denied)")), "{told}");
        }
    }
    let absent = place.read(Files::permissions, "paths = [\"gone\"]\ncheck_only = true");
    assert!(failed(place.later(&absent).await).contains("gone (it does not exist)"));
}
