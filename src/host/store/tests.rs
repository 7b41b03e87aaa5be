//! Real files: every crash point, every kind of damage, and what is left to read afterwards.

use super::*;
use std::os::unix::fs::MetadataExt;

const VERSION: u32 = 2;

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("watchdog/state.json");
    (dir, path)
}

fn load(path: &Path) -> Loaded<Vec<u64>> {
    Store::new(path, VERSION).load()
}

/// Two saves, so that both generations exist: `[1]` before, `[1, 2]` now.
fn saved_twice(path: &Path) -> Store {
    let mut store = Store::new(path, VERSION);
    store.save(&vec![1u64]).unwrap();
    store.save(&vec![1u64, 2]).unwrap();
    store
}

#[test]
fn what_is_saved_loads_and_is_private() {
    let (_dir, path) = place();
    assert_eq!(load(&path), Loaded::Fresh);
    let store = saved_twice(&path);
    assert_eq!(load(&path), Loaded::Current(vec![1, 2]));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    fs::remove_file(&path).unwrap();
    assert_eq!(load(&path), Loaded::Previous(vec![1], format!("{} is missing", path.display())));
    drop(store);
}

#[test]
fn a_crash_right_after_damage_is_no_first_start() {
    let (_dir, path) = place();
    Store::new(&path, VERSION).save(&vec![1u64]).unwrap();
    fs::write(&path, "garbage").unwrap();
    for _ in 0..2 {
        assert!(matches!(load(&path), Loaded::Unreadable { set_aside: Some(_), .. }));
    }
}

#[test]
fn what_would_not_be_read_again_is_not_saved() {
    let (_dir, path) = place();
    let mut store = saved_twice(&path);
    let why = store.save(&vec![u64::MAX; 250_000]).unwrap_err();
    assert!(why.ends_with("and no more than 4194304 are read"), "{why}");
    assert_eq!(load(&path), Loaded::Current(vec![1, 2]));
}

#[test]
fn an_unchanged_state_costs_no_write() {
    let (_dir, path) = place();
    let mut store = saved_twice(&path);
    let inode = || fs::metadata(&path).unwrap().ino();
    let before = inode();
    store.save(&vec![1u64, 2]).unwrap();
    assert_eq!(inode(), before);
    store.save(&vec![3u64]).unwrap();
    assert_ne!(inode(), before);
    fs::remove_file(&path).unwrap();
    store.save(&vec![3u64]).unwrap();
    assert!(path.exists(), "what somebody deleted is written again");
}

#[test]
fn no_flipped_bit_and_no_truncation_is_believed() {
    let (dir, path) = place();
    saved_twice(&path);
    let good = fs::read(&path).unwrap();
    let flipped = (0..good.len() * 8).map(|bit| {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        bad
    });
    let cut = (0..good.len()).map(|length| good[..length].to_vec());
    for bad in flipped.chain(cut) {
        fs::write(&path, &bad).unwrap();
        let found = load(&path);
        assert!(matches!(&found, Loaded::Previous(state, _) if *state == [1]), "{found:?} of {bad:?}");
    }
    let left = fs::read_dir(dir.path().join("watchdog")).unwrap().count();
    assert_eq!(left, 1 + SET_ASIDE_MAX, "the previous generation and a bounded number set aside");
}

#[test]
fn damage_of_both_is_told_and_kept_for_a_person() {
    let (_dir, path) = place();
    let mut store = Store::new(&path, VERSION);
    saved_twice(&path);
    fs::write(&path, "garbage").unwrap();
    fs::write(path.with_extension("prev.json"), vec![b'x'; 5 << 20]).unwrap();
    let Loaded::Unreadable { reason, set_aside } = store.load::<Vec<u64>>() else { panic!() };
    assert!(reason.contains("no header") && reason.contains("longer than"), "{reason}");
    assert_eq!(fs::read_to_string(set_aside.unwrap()).unwrap(), "garbage");
    store.save(&vec![7u64]).unwrap();
    assert_eq!(load(&path), Loaded::Current(vec![7]));
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_generation() {
    for done in 0..=STEPS.len() {
        let (_dir, path) = place();
        let store = saved_twice(&path);
        let document = compose(VERSION, &vec![1u64, 2, 3]).unwrap();
        STEPS[..done].iter().for_each(|step| step(&store, &document).unwrap());
        let expected = if done >= 4 { vec![1, 2, 3] } else { vec![1, 2] };
        assert_eq!(load(&path), Loaded::Current(expected), "after {done} steps");
        saved_twice(&path);
        assert_eq!(load(&path), Loaded::Current(vec![1, 2]), "and saving goes on after {done} steps");
    }
}

#[test]
fn a_torn_temporary_file_is_nothing() {
    let (_dir, path) = place();
    let mut store = saved_twice(&path);
    fs::write(files::suffixed(&path, ".tmp"), "half a docum").unwrap();
    assert_eq!(load(&path), Loaded::Current(vec![1, 2]));
    store.save(&vec![9u64]).unwrap();
    assert_eq!(load(&path), Loaded::Current(vec![9]));
}

#[test]
fn a_save_that_fails_says_why_and_harms_nothing() {
    let (_dir, path) = place();
    let mut store = saved_twice(&path);
    // A directory in the way of the temporary file fails for root too, unlike a read-only mode.
    let obstacle = files::suffixed(&path, ".tmp");
    fs::create_dir_all(obstacle.join("x")).unwrap();
    let error = store.save(&vec![3u64]).unwrap_err();
    assert!(error.contains("state.json"), "{error}");
    assert_eq!(load(&path), Loaded::Current(vec![1, 2]));
    fs::remove_dir_all(&obstacle).unwrap();
    store.save(&vec![3u64]).unwrap();
    assert_eq!(load(&path), Loaded::Current(vec![3]), "and the next one works");
    let below_a_file = path.join("state.json");
    assert!(Store::new(&below_a_file, VERSION).save(&vec![1u64]).is_err());
}

#[test]
fn a_good_previous_generation_is_never_rotated_out_by_a_bad_one() {
    let (_dir, path) = place();
    saved_twice(&path);
    fs::write(&path, "garbage").unwrap();
    let mut store = Store::new(&path, VERSION);
    assert!(matches!(store.load::<Vec<u64>>(), Loaded::Previous(..)));
    let document = compose(VERSION, &vec![5u64]).unwrap();
    STEPS[..3].iter().for_each(|step| step(&store, &document).unwrap());
    assert!(matches!(load(&path), Loaded::Previous(state, _) if state == [1]));
    fs::write(&path, "never loaded by this store").unwrap();
    Store::new(&path, VERSION).save(&vec![6u64]).unwrap();
    let aside = files::suffixed(&path, ".bad.1");
    assert_eq!(fs::read_to_string(aside).unwrap(), "never loaded by this store");
}

#[test]
fn a_newer_state_is_left_alone() {
    let (_dir, path) = place();
    Store::new(&path, VERSION + 1).save(&vec![1u64]).unwrap();
    let mut store = Store::new(&path, VERSION);
    assert_eq!(store.load::<Vec<u64>>(), Loaded::Newer { version: 3 });
    assert!(store.save(&vec![2u64]).unwrap_err().contains("newer"));
    assert_eq!(Store::new(&path, VERSION + 2).load(), Loaded::Current(vec![1u64]), "an older one is read");
    assert!(matches!(Store::new(&path, 9).load::<String>(), Loaded::Unreadable { .. }));
}
