//! Rotation under a program that goes on writing, and what else may happen to a log.

use crate::action::files::Files;
use crate::action::files::tests::{Place, done, failed};
use flate2::read::GzDecoder;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SMALL: &str = "match = \"*.log\"\nabove = \"64KiB\"\nkeep = 100";

/// All that was ever written, in order: the archives from the last to the first, and the log.
fn all_of(place: &Place, log: &str) -> Vec<u8> {
    let mut all = Vec::new();
    for number in (1..=100).rev() {
        if let Ok(file) = File::open(place.root.join(format!("{log}.{number}.gz"))) {
            GzDecoder::new(file).read_to_end(&mut all).unwrap();
        }
    }
    // Where a beginning can only become a hole, ten gigabytes of zeros would be read here.
    let mut rest = File::open(place.root.join(log)).unwrap();
    nix::unistd::lseek(&rest, 0, nix::unistd::Whence::SeekData).unwrap();
    rest.read_to_end(&mut all).unwrap();
    all.retain(|byte| *byte != 0);
    all
}

#[tokio::test]
async fn a_writer_at_full_speed_loses_nothing() {
    let place = Place::new();
    let rotate = place.read(Files::rotate, SMALL);
    let stop = Arc::new(AtomicBool::new(false));
    let writing = std::thread::spawn({
        let (stop, path) = (Arc::clone(&stop), place.root.join("app.log"));
        move || {
            let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
            let mut lines = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                writeln!(
                    log,
                    "{lines} a line of a log, as long as they usually are, of a program that goes on"
                )
                .unwrap();
                lines += 1;
            }
            lines
        }
    });
    let (began, mut rotated) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(60) && rotated < 5 {
        rotated += usize::from(done(place.later(&rotate).await).starts_with("rotated"));
    }
    stop.store(true, Ordering::Relaxed);
    let written = writing.join().unwrap();
    assert!(rotated == 5 && written > 1000, "{rotated} rotations, {written} lines");
    let all = String::from_utf8(all_of(&place, "app.log")).unwrap();
    let numbers = all.lines().map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap());
    assert!(numbers.eq(0..written), "each line once, and in order");
}

#[tokio::test]
async fn archives_are_bounded_and_small_logs_left_alone() {
    let place = Place::new();
    let rotate = place.read(Files::rotate, "match = \"*.log\"\nabove = \"64KiB\"\nkeep = 2");
    place.write("small.log", "x");
    for text in ["a", "b", "c"] {
        let mut log = OpenOptions::new().create(true).append(true).open(place.root.join("app.log")).unwrap();
        log.write_all(text.repeat(100_000).as_bytes()).unwrap();
        let still = done(place.still(&rotate).await);
        assert!(still.starts_with("rotated app.log of "), "{still}");
        let told = done(place.later(&rotate).await);
        assert!(told.contains("are in app.log.1.gz now"), "{told}");
    }
    assert_eq!(place.all(), ["app.log", "app.log.1.gz", "app.log.2.gz", "small.log"]);
    assert!(place.text("app.log").ends_with("cc") && !place.text("app.log").contains('a'));
    assert_eq!(done(place.later(&rotate).await), "found no log above 64 KiB");
}

/// Ten gigabytes of holes take no room, so nothing is done; with data in them, the data alone are packed.
#[tokio::test]
async fn holes_cost_nothing() {
    let place = Place::new();
    let rotate = place.read(Files::rotate, SMALL);
    place.write("app.log", "begin");
    let mut log = OpenOptions::new().write(true).open(place.root.join("app.log")).unwrap();
    log.set_len(10 << 30).unwrap();
    assert_eq!(done(place.later(&rotate).await), "found no log above 64 KiB");
    log.seek(SeekFrom::End(0)).unwrap();
    log.write_all("the end".repeat(50_000).as_bytes()).unwrap();
    let began = Instant::now();
    let told = done(place.later(&rotate).await);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(told.starts_with("rotated app.log: 404 KiB are in"), "{told}");
    assert_eq!(all_of(&place, "app.log").len(), 5 + 7 * 50_000);
}

#[tokio::test]
async fn what_has_a_second_name_or_a_lock_is_left() {
    let place = Place::new();
    let rotate = place.read(Files::rotate, SMALL);
    let long = "x".repeat(100_000);
    place.write("hard.log", &long);
    fs::hard_link(place.root.join("hard.log"), place.root.with_file_name("outside").join("other")).unwrap();
    place.write("locked.log", &long);
    let lock = File::open(place.root.join("locked.log")).unwrap();
    lock.lock().unwrap();
    std::os::unix::fs::symlink("../outside/other", place.root.join("link.log")).unwrap();
    let told = failed(place.later(&rotate).await);
    assert!(
        told.contains("hard.log (it has a second name") && told.contains("locked.log (somebody else"),
        "{told}"
    );
    assert_eq!(place.all(), ["hard.log", "link.log", "locked.log"]);
    assert_eq!(place.text("hard.log"), long);
}

#[tokio::test]
async fn what_a_crash_left_is_no_hindrance() {
    let place = Place::new();
    place.write("app.log", &"x".repeat(100_000));
    place.write(".app.log.rotating", "half an archive");
    done(place.later(&place.read(Files::rotate, SMALL)).await);
    assert_eq!(place.all(), ["app.log", "app.log.1.gz"]);
}

/// A full disk, as a limit that only a process of its own can have: this test runs itself under one.
#[tokio::test]
async fn a_full_disk_costs_no_line() {
    const LOG: &str = "PICOCLAW_TEST_FULL_DISK";
    let place = Place::new();
    let Some(log) = std::env::var_os(LOG) else {
        // What cannot be packed any closer.
        let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let noise = std::iter::successors(Some(1), next).map(|state| (state >> 56) as u8).take(200_000);
        let log = place.root.join("app.log");
        fs::write(&log, noise.collect::<Vec<u8>>()).unwrap();
        let name = "action::files::rotate::tests::a_full_disk_costs_no_line";
        let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact \"$1\"";
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", limited]).arg(std::env::current_exe().unwrap()).arg(name).env(LOG, log);
        // Captured, for its limit holds for a log of all tests, too.
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    };
    fs::rename(log, place.root.join("app.log")).unwrap();
    let before = fs::read(place.root.join("app.log")).unwrap();
    let told = failed(place.later(&place.read(Files::rotate, SMALL)).await);
    assert!(told.contains("app.log (its archive: File too large)"), "{told}");
    assert!(fs::read(place.root.join("app.log")).unwrap() == before && place.all() == ["app.log"]);
}
