//! The request file by which a person asks for something now: one line `action|token|source|epoch`, written
//! beside its place and renamed into it. Here a request is claimed, checked and cleared away; what it may
//! cause is the core's decision.
//!
//! A request is first renamed to a private name, so that a second one written meanwhile is never lost. It is
//! removed once the state that absorbed it is saved; after a crash before that, the next start finds it
//! again, and a request that was already accepted is then refused as a replay.

use super::files;
use crate::recovery::evidence::KickRefusal;
use crate::values::{Secret, one_line};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// A request is four short fields.
const LINE_BYTES_MAX: u64 = 4096;
/// Seconds after which a request is no longer what its author wants now: two cycles of a minute.
pub const EXPIRY_S: u64 = 120;
/// How far ahead of ours the author's clock may be, in seconds.
const AHEAD_S: u64 = 60;
/// Accepted requests remembered. Only a person who knows the token can add one, and after [`EXPIRY_S`] a
/// replay is refused for its age.
const SEEN_MAX: usize = 64;
const FIELD_CHARS_MAX: usize = 80;
const UNREADABLE: &str = "-";

/// What the configuration says of kicks.
#[derive(Clone, Debug)]
pub struct KickSettings {
    /// Whether requests are taken at all.
    pub enabled: bool,
    /// What a request must know. Empty matches nothing.
    pub token: Secret,
}

/// A request as its author wrote it, without its token and fit to print. `-` stands for what could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedKick {
    /// What is asked for, such as `restart_gateway`.
    pub action: String,
    /// Who says they asked, such as `line:U…`; only letters, digits and `:_@.+-` are left of it.
    pub source: String,
    /// When they asked, in Unix seconds of their clock.
    pub epoch: u64,
}

/// The last accepted requests; part of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(VecDeque<String>);

impl Seen {
    /// Remembers an accepted request, so that the same line is refused from now on.
    pub fn remember(&mut self, kick: &ReceivedKick) {
        self.0.push_back(fingerprint(kick));
        let surplus = self.0.len().saturating_sub(SEEN_MAX);
        self.0.drain(..surplus);
    }

    fn contains(&self, kick: &ReceivedKick) -> bool {
        self.0.contains(&fingerprint(kick))
    }
}

fn fingerprint(kick: &ReceivedKick) -> String {
    format!("{}|{}|{}", kick.epoch, kick.action, kick.source)
}

/// What became of a request, for its author to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KickResult {
    /// The action asked for.
    pub action: String,
    /// Who asked.
    pub source: String,
    /// When they asked, as they wrote it.
    pub epoch: u64,
    /// What became of it, in words.
    pub outcome: String,
    /// When it was answered, in Unix seconds.
    pub at: u64,
}

/// Claims and reads the pending request; none when there is none. `now_wall` is in Unix seconds. It stays
/// claimed, and is answered again by the next call, until [`remove`].
pub fn read(
    path: &Path,
    now_wall: u64,
    settings: &KickSettings,
    seen: &Seen,
) -> Option<(ReceivedKick, Result<(), KickRefusal>)> {
    let claimed = claimed(path);
    if fs::symlink_metadata(&claimed).is_err() {
        fs::rename(path, &claimed).ok()?;
    }
    Some(match read_line(&claimed).and_then(|line| parse(&line)) {
        Ok((kick, token)) => {
            let verdict = judge(&kick, &token, now_wall, settings, seen);
            (kick, verdict)
        }
        Err(reason) => {
            (unreadable(), if settings.enabled { invalid(reason) } else { Err(KickRefusal::Disabled) })
        }
    })
}

/// Clears away the request that was read; call it when the state that absorbed it is saved.
///
/// # Errors
/// A sentence saying what is in the way.
pub fn remove(path: &Path) -> Result<(), String> {
    let claimed = claimed(path);
    files::remove(&claimed)
        .or_else(|_| fs::remove_dir(&claimed))
        .map_err(|error| format!("removing {}: {error}", claimed.display()))
}

/// Queues a request.
///
/// # Errors
/// A sentence: a field that cannot be written, a request that is still pending, or what the system says.
pub fn write(path: &Path, action: &str, token: &Secret, source: &str, epoch: u64) -> Result<(), String> {
    if !printable(action) || !printable(source) {
        return Err(format!(
            "action and source may hold letters, digits and {PUNCTUATION:?}, 1 to 80 of them"
        ));
    }
    if token.is_empty() || token.expose().contains(['\n', '\r']) {
        return Err("the kick token is empty or has more than one line".to_owned());
    }
    let line = format!("{action}|{}|{source}|{epoch}\n", token.expose());
    let fresh = files::suffixed(path, &format!(".tmp.{}", std::process::id()));
    let put = files::remove(&fresh)
        .and_then(|()| files::write_new(&fresh, line.as_bytes()))
        .and_then(|_| put_in_place(&fresh, path));
    let _ = files::remove(&fresh);
    put.map_err(|error| format!("queueing the request in {}: {error}", path.display()))
}

/// Tells the author of a request what became of it, in `<kick file>.result`.
///
/// # Errors
/// A sentence saying what failed.
pub fn write_result(kick_file: &Path, result: &KickResult) -> Result<(), String> {
    let path = result_file(kick_file);
    let json = serde_json::to_vec(result).map_err(|error| error.to_string())?;
    files::replace(&path, &json).map_err(|error| format!("writing {}: {error}", path.display()))
}

/// The latest answer, if there is one that can be read.
pub fn read_result(kick_file: &Path) -> Option<KickResult> {
    serde_json::from_slice(&files::read_plain(&result_file(kick_file), LINE_BYTES_MAX).ok()?).ok()
}

/// Linking fails when the name is taken, in one step; a pending request is replaced only when it is too old
/// to be accepted.
fn put_in_place(fresh: &Path, path: &Path) -> io::Result<()> {
    let Err(error) = fs::hard_link(fresh, path) else { return Ok(()) };
    if error.kind() != io::ErrorKind::AlreadyExists {
        return Err(error);
    }
    let age = fs::symlink_metadata(path)?.modified()?.elapsed().unwrap_or_default();
    if age.as_secs() <= EXPIRY_S {
        return Err(io::Error::other("another request is still pending there; is the watchdog running?"));
    }
    fs::rename(fresh, path)
}

/// The request belongs to us and to nobody else, or it is not read: it holds the token.
fn read_line(claimed: &Path) -> Result<String, String> {
    let (file, facts) = files::open_plain(claimed).map_err(|error| match error.raw_os_error() {
        Some(nix::libc::ELOOP) => "it is a symbolic link".to_owned(),
        _ => error.to_string(),
    })?;
    if facts.uid() != nix::unistd::geteuid().as_raw() {
        return Err(format!("it belongs to user {}, not to us", facts.uid()));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(format!(
            "its mode is {:o}, and others must not read the token: use 600",
            facts.mode() & 0o777
        ));
    }
    let bytes = files::read_at_most(file, LINE_BYTES_MAX).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    match line.contains('\n') {
        true => Err("it has more than one line".to_owned()),
        false => Ok(line.to_owned()),
    }
}

/// The token may itself hold `|`, so the fields around it are taken from both ends.
fn parse(line: &str) -> Result<(ReceivedKick, Secret), String> {
    let fields = || {
        let (action, rest) = line.split_once('|')?;
        let (rest, epoch) = rest.rsplit_once('|')?;
        let (token, source) = rest.rsplit_once('|')?;
        Some((action, Secret::new(token), source, epoch))
    };
    let (action, token, source, epoch) = fields().ok_or("it is not of the form action|token|source|epoch")?;
    if !printable(action) {
        return Err("its action is not a name".to_owned());
    }
    let epoch = epoch.parse().map_err(|_| "its time is not in Unix seconds")?;
    Ok((ReceivedKick { action: action.to_owned(), source: sanitised(source), epoch }, token))
}

/// The token is looked at before anything else that the author chose: who does not know it learns nothing.
fn judge(
    kick: &ReceivedKick,
    token: &Secret,
    now_wall: u64,
    settings: &KickSettings,
    seen: &Seen,
) -> Result<(), KickRefusal> {
    if !settings.enabled {
        return Err(KickRefusal::Disabled);
    }
    if settings.token.is_empty() {
        return invalid("no kick token is configured".to_owned());
    }
    if !bool::from(token.expose().as_bytes().ct_eq(settings.token.expose().as_bytes())) {
        return Err(KickRefusal::Forged);
    }
    if now_wall.saturating_sub(kick.epoch) > EXPIRY_S {
        return invalid(format!("it expired: it is {} s old", now_wall - kick.epoch));
    }
    if kick.epoch.saturating_sub(now_wall) > AHEAD_S {
        return invalid(format!("its time lies {} s ahead of our clock", kick.epoch - now_wall));
    }
    if seen.contains(kick) {
        return invalid("it was accepted before".to_owned());
    }
    Ok(())
}

fn invalid(reason: String) -> Result<(), KickRefusal> {
    Err(KickRefusal::Invalid(reason))
}

fn unreadable() -> ReceivedKick {
    ReceivedKick { action: UNREADABLE.to_owned(), source: UNREADABLE.to_owned(), epoch: 0 }
}

/// What an action or a source may hold besides letters and digits: nothing that a log, an alert or a
/// shell could take for more than a word.
const PUNCTUATION: &str = ":_@.+-";

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || PUNCTUATION.contains(c)
}

fn printable(word: &str) -> bool {
    (1..=FIELD_CHARS_MAX).contains(&word.len()) && word.chars().all(plain)
}

fn sanitised(source: &str) -> String {
    let kept: String = source.chars().filter(|c| plain(*c)).collect();
    if kept.is_empty() { UNREADABLE.to_owned() } else { one_line(&kept, FIELD_CHARS_MAX) }
}

fn claimed(path: &Path) -> PathBuf {
    files::suffixed(path, ".taken")
}

fn result_file(kick_file: &Path) -> PathBuf {
    files::suffixed(kick_file, ".result")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, SystemTime};

    const NOW: u64 = 1_771_556_400;
    const TOKEN: &str = "to|ken";

    struct Place(tempfile::TempDir, PathBuf);

    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kick_request");
        Place(dir, path)
    }

    fn put(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn settings() -> KickSettings {
        KickSettings { enabled: true, token: Secret::new(TOKEN) }
    }

    fn verdict_of(bytes: impl AsRef<[u8]>) -> (ReceivedKick, Result<(), KickRefusal>) {
        let Place(_dir, path) = place();
        put(&path, bytes, 0o600);
        read(&path, NOW, &settings(), &Seen::default()).unwrap()
    }

    fn refusal(verdict: Result<(), KickRefusal>) -> String {
        let Err(KickRefusal::Invalid(reason)) = verdict else { panic!("{verdict:?}") };
        reason
    }

    #[test]
    fn what_is_written_is_read_once() {
        let Place(dir, path) = place();
        assert_eq!(read(&path, NOW, &settings(), &Seen::default()), None);
        write(&path, "restart_gateway", &Secret::new(TOKEN), "line:U1", NOW).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (kick, verdict) = read(&path, NOW + 1, &settings(), &Seen::default()).unwrap();
        let expected =
            ReceivedKick { action: "restart_gateway".into(), source: "line:U1".into(), epoch: NOW };
        assert_eq!((&kick, verdict), (&expected, Ok(())));
        let mut seen = Seen::default();
        seen.remember(&kick);
        let again = read(&path, NOW + 2, &settings(), &seen).unwrap().1;
        assert_eq!(refusal(again), "it was accepted before", "a crash before `remove` repeats nothing");
        remove(&path).unwrap();
        assert_eq!(read(&path, NOW, &settings(), &seen), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        remove(&path).unwrap();
    }

    #[test]
    fn a_second_request_is_not_lost_while_the_first_is_handled() {
        let Place(_dir, path) = place();
        write(&path, "one", &Secret::new(TOKEN), "a", NOW).unwrap();
        assert_eq!(read(&path, NOW, &settings(), &Seen::default()).unwrap().0.action, "one");
        write(&path, "two", &Secret::new(TOKEN), "b", NOW).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path, NOW, &settings(), &Seen::default()).unwrap().0.action, "two");
    }

    #[test]
    fn a_pending_request_is_replaced_only_when_it_is_stale() {
        let Place(_dir, path) = place();
        write(&path, "one", &Secret::new(TOKEN), "a", NOW).unwrap();
        let error = write(&path, "two", &Secret::new(TOKEN), "a", NOW).unwrap_err();
        assert!(error.contains("still pending"), "{error}");
        let stale = SystemTime::now() - Duration::from_secs(EXPIRY_S + 5);
        fs::File::open(&path).unwrap().set_modified(stale).unwrap();
        write(&path, "two", &Secret::new(TOKEN), "a", NOW).unwrap();
        assert_eq!(read(&path, NOW, &settings(), &Seen::default()).unwrap().0.action, "two");
        assert!(write(&path, "a|b", &Secret::new(TOKEN), "a", NOW).is_err());
        assert!(write(&path, "a", &Secret::new("x\ny"), "a", NOW).is_err());
        assert!(write(&path.join("nowhere"), "a", &Secret::new(TOKEN), "a", NOW).is_err());
    }

    #[test]
    fn the_token_is_everything() {
        for token in ["", "to", "token", "to|ken ", "TO|KEN", "to|ken|"] {
            let (kick, verdict) = verdict_of(format!("restart_gateway|{token}|me|{NOW}\n"));
            assert_eq!(verdict, Err(KickRefusal::Forged), "{token:?}");
            assert!(!format!("{kick:?}").contains("ken"), "{kick:?}");
        }
        let Place(_dir, path) = place();
        put(&path, format!("a||me|{NOW}"), 0o600);
        let without = KickSettings { enabled: true, token: Secret::new("") };
        assert!(refusal(read(&path, NOW, &without, &Seen::default()).unwrap().1).contains("no kick token"));
        let off = KickSettings { enabled: false, ..settings() };
        assert_eq!(read(&path, NOW, &off, &Seen::default()).unwrap().1, Err(KickRefusal::Disabled));
    }

    #[test]
    fn the_ages_are_exact() {
        for (epoch, good) in [
            (NOW - EXPIRY_S, true),
            (NOW - EXPIRY_S - 1, false),
            (NOW + AHEAD_S, true),
            (NOW + AHEAD_S + 1, false),
            (0, false),
            (u64::MAX, false),
        ] {
            assert_eq!(verdict_of(format!("a|{TOKEN}|me|{epoch}")).1.is_ok(), good, "{epoch}");
        }
    }

    #[test]
    fn garbage_is_refused_with_a_reason() {
        for (bytes, reason) in [
            (&b""[..], "form"),
            (b"a|b|c", "form"),
            (b"a|to|ken|me|soon", "Unix seconds"),
            (b"a|to|ken|me|-1", "Unix seconds"),
            (b"re start|to|ken|me|1", "action"),
            (b"a|to|ken|me|1\nb|to|ken|me|1\n", "more than one line"),
            (b"\xff\xfe|to|ken|me|1", "UTF-8"),
            (&[b'x'; 5000], "longer"),
        ] {
            let (kick, verdict) = verdict_of(bytes);
            assert_eq!(kick, unreadable());
            let said = refusal(verdict);
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn a_source_cannot_forge_a_log_line() {
        let source = "line:U1\u{1b}[31m\" level=ERROR\u{202e} ü; rm -rf /";
        assert_eq!(verdict_of(format!("a|{TOKEN}|{source}|{NOW}")).0.source, "line:U131mlevelERRORrm-rf");
        let long = "x".repeat(300);
        assert_eq!(
            verdict_of(format!("a|{TOKEN}|{long}|{NOW}")).0.source.chars().count(),
            FIELD_CHARS_MAX + 1
        );
        assert_eq!(verdict_of(format!("a|{TOKEN}||{NOW}")).0.source, UNREADABLE);
    }

    #[test]
    fn only_our_own_private_plain_file_is_read() {
        for mode in [0o604, 0o640, 0o620, 0o602, 0o644, 0o666] {
            let Place(_dir, path) = place();
            put(&path, format!("a|{TOKEN}|me|{NOW}"), mode);
            assert!(refusal(read(&path, NOW, &settings(), &Seen::default()).unwrap().1).contains("mode"));
        }
        let Place(dir, path) = place();
        let elsewhere = dir.path().join("elsewhere");
        put(&elsewhere, format!("a|{TOKEN}|me|{NOW}"), 0o600);
        symlink(&elsewhere, &path).unwrap();
        let said = refusal(read(&path, NOW, &settings(), &Seen::default()).unwrap().1);
        assert!(said.contains("symbolic link"), "{said}");
        remove(&path).unwrap();
        assert!(elsewhere.exists(), "the link goes, what it points to stays");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(refusal(read(&path, NOW, &settings(), &Seen::default()).unwrap().1).contains("plain"));
        remove(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(refusal(read(&path, NOW, &settings(), &Seen::default()).unwrap().1).contains("plain"));
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_strangers_file_is_refused() {
        let Place(_dir, path) = place();
        put(&path, format!("a|{TOKEN}|me|{NOW}"), 0o600);
        // Giving a file away needs root; without it there is no stranger to test with.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            assert!(refusal(read(&path, NOW, &settings(), &Seen::default()).unwrap().1).contains("12345"));
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut seen = Seen::default();
        let kick = |epoch| ReceivedKick { action: "a".into(), source: "b".into(), epoch };
        (0..200).for_each(|epoch| seen.remember(&kick(epoch)));
        assert_eq!(seen.0.len(), SEEN_MAX);
        assert!(seen.contains(&kick(199)) && !seen.contains(&kick(135)) && seen.contains(&kick(136)));
    }

    #[test]
    fn the_answer_comes_back_whole() {
        let Place(_dir, path) = place();
        assert_eq!(read_result(&path), None);
        let result = KickResult {
            action: "a".into(),
            source: "b".into(),
            epoch: 5,
            outcome: "restarted \"gateway\"\n".into(),
            at: NOW,
        };
        write_result(&path, &result).unwrap();
        assert_eq!(read_result(&path), Some(result));
        fs::write(result_file(&path), "garbage").unwrap();
        assert_eq!(read_result(&path), None);
    }
}
