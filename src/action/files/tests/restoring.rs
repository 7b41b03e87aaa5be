//! Broken JSON and its last good version.

use super::*;
use std::os::unix::fs::PermissionsExt;

const EVERY: &str = "match = \"*.json\"\ndepth = 3";

fn aside(place: &Place) -> Vec<String> {
    place.all().into_iter().filter(|path| path.contains(".broken-")).collect()
}

#[tokio::test]
async fn the_last_version_that_was_whole_comes_back() {
    let place = Place::new();
    place.write("users.json", "[{\"id\": 1}]");
    place.write("sub/more.json", "{}");
    let json = place.read(Files::restore_json, EVERY);
    assert_eq!(done(place.later(&json).await), "found 2 whole files and restored none");
    let mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(place.root.join("users.json"), mode).unwrap();
    place.write("users.json", "[{\"id\": 1}, {\"id\"");
    let told = "put the last good version in the place of users.json";
    assert_eq!(done(place.still(&json).await), told);
    assert_eq!(place.text("users.json"), "[{\"id\": 1}, {\"id\"");
    assert_eq!(done(place.later(&json).await), told);
    assert_eq!(place.text("users.json"), "[{\"id\": 1}]");
    let kept = fs::metadata(place.root.join("users.json")).unwrap().permissions().mode();
    assert_eq!(kept & 0o7777, 0o640, "its service can still read it");
    assert_eq!(place.text(&aside(&place)[0]), "[{\"id\": 1}, {\"id\"");
    assert_eq!(done(place.later(&json).await), "found 2 whole files and restored none");
}

#[tokio::test]
async fn without_a_good_version_nothing_is_invented() {
    let place = Place::new();
    for (name, content) in
        [("a.json", ""), ("b.json", "[1,"), ("c.json", "\u{feff}{}"), ("d.json", "{\"x\": NaN}")]
    {
        place.write(name, content);
    }
    fs::write(place.root.join("e.json"), b"\"\xff\"").unwrap();
    fs::write(place.root.join("f.json"), " ".repeat((8 << 20) + 1)).unwrap();
    nix::unistd::mkfifo(&place.root.join("fifo.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let told = failed(place.later(&place.read(Files::restore_json, EVERY)).await);
    for why in [
        "a.json (empty, and no good version is known; a person has to mend it)",
        ".json (no JSON, and no good version is known; a person has to mend it)",
        "d.json (maybe no JSON, for NaN",
        "e.json (no text in UTF-8",
        "f.json (more than 8 MiB)",
    ] {
        assert!(told.contains(why), "{why}: {told}");
    }
    assert_eq!((place.text("b.json").as_str(), place.all().len()), ("[1,", 7));
}

#[tokio::test]
async fn what_others_keep_counts_when_it_is_newer_and_whole() {
    let place = Place::new();
    let good = place.root.with_file_name("nightly");
    fs::create_dir(&good).unwrap();
    let json = place.read(Files::restore_json, &format!("{EVERY}\ngood = {good:?}"));
    place.write("a.json", "1");
    place.modify("a.json", SystemTime::now() - Duration::from_secs(3600));
    done(place.later(&json).await);
    for (theirs, comes_back) in [("[2", "1"), ("2", "2")] {
        fs::write(good.join("a.json"), theirs).unwrap();
        place.write("a.json", "{broken");
        done(place.later(&json).await);
        assert_eq!(place.text("a.json"), comes_back);
    }
}

#[tokio::test]
async fn what_is_being_written_is_left_and_few_broken_versions_are_kept() {
    let place = Place::new();
    let json = place.read(Files::restore_json, EVERY);
    place.write("a.json", "{}");
    done(json.perform(&place.tools, Hand::Real).await);
    place.write("a.json", "{");
    let told = failed(json.perform(&place.tools, Hand::Real).await);
    assert!(told.contains("a.json (written just now"), "{told}");
    for _ in 0..9 {
        place.write("a.json", "{");
        done(place.later(&json).await);
    }
    assert_eq!(aside(&place).len(), 5);
    assert_eq!(place.all().len(), 6, "{:?}", place.all());
}

#[tokio::test]
async fn keeping_changes_nothing_and_makes_the_first_repair_possible() {
    let place = Place::new();
    let json = place.read(Files::restore_json, EVERY);
    let keeper = json.keeper().unwrap();
    place.write("a.json", "{}");
    done(keeper.perform(&place.tools, Hand::Real).await);
    place.write("a.json", "{");
    done(place.later(&keeper).await);
    assert_eq!(place.text("a.json"), "{", "that is the repair's business");
    done(place.later(&json).await);
    assert_eq!(place.text("a.json"), "{}");
}
