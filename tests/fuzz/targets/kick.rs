//! Any bytes as the kick request file: nothing is granted without the token, nothing twice, and what is
//! shown of the author's words is harmless.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::host::kicks::{EXPIRY_S, KickSettings, Seen, read, read_result, remove};
use picoclaw_watchdog::recovery::evidence::KickRefusal;
use picoclaw_watchdog::values::Secret;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const NOW: u64 = 1_770_000_000;
const TOKEN: &str = "to|ken";

fuzz_target!(|data: &[u8]| {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("kick");
    fs::write(&path, data).expect("room");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::write(dir.path().join("kick.result"), data).expect("room");
    let _ = read_result(&path);

    let settings = KickSettings { enabled: true, token: Secret::new(TOKEN) };
    let mut seen = Seen::default();
    let (kick, verdict) = read(&path, NOW, &settings, &seen).expect("there is one");
    for word in [&kick.action, &kick.source] {
        assert!((1..=80).contains(&word.len()), "{word:?}");
        assert!(word.chars().all(|c| c.is_ascii_alphanumeric() || ":_@.+-".contains(c)), "{word:?}");
    }
    if verdict.is_ok() {
        let line = String::from_utf8_lossy(data);
        assert!(line.contains(&format!("|{TOKEN}|")), "granted without the token: {line:?}");
        assert!(NOW.saturating_sub(kick.epoch) <= EXPIRY_S && kick.epoch <= NOW + 60, "{kick:?}");
        seen.remember(&kick);
        let (again, verdict) = read(&path, NOW, &settings, &seen).expect("it stays claimed");
        assert_eq!(again, kick);
        assert!(matches!(verdict, Err(KickRefusal::Invalid(_))), "granted twice: {kick:?}");
    }
    let off = KickSettings { enabled: false, ..settings };
    assert_eq!(read(&path, NOW, &off, &seen).expect("claimed").1.is_ok(), false);
    remove(&path).expect("it is ours");
    assert!(read(&path, NOW, &off, &seen).is_none());
});
