//! What a request says, and whether it may be believed. No file is touched here, and the token goes no
//! further.

use crate::recovery::evidence::KickRefusal;
use crate::values::Secret;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use subtle::ConstantTimeEq;

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

/// Reads and judges a line; `Err` is why there is none.
pub(super) fn check(
    line: Result<String, String>,
    now_wall: u64,
    settings: &KickSettings,
    seen: &Seen,
) -> (ReceivedKick, Result<(), KickRefusal>) {
    match line.and_then(|line| parse(&line)) {
        Ok((kick, token)) => {
            let verdict = judge(&kick, &token, now_wall, settings, seen);
            (kick, verdict)
        }
        Err(_) if !settings.enabled => (unreadable(), Err(KickRefusal::Disabled)),
        Err(reason) => (unreadable(), invalid(reason)),
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
pub(super) const PUNCTUATION: &str = ":_@.+-";

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || PUNCTUATION.contains(c)
}

/// Whether a word may be an action or a source.
pub fn printable(word: &str) -> bool {
    (1..=FIELD_CHARS_MAX).contains(&word.len()) && word.chars().all(plain)
}

fn sanitised(source: &str) -> String {
    // Without an ellipsis: it would be none of the characters that a source may have.
    let kept: String = source.chars().filter(|c| plain(*c)).take(FIELD_CHARS_MAX).collect();
    if kept.is_empty() { UNREADABLE.to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_771_556_400;
    const TOKEN: &str = "to|ken";

    fn settings() -> KickSettings {
        KickSettings { enabled: true, token: Secret::new(TOKEN) }
    }

    fn verdict_of(line: impl Into<String>) -> (ReceivedKick, Result<(), KickRefusal>) {
        check(Ok(line.into()), NOW, &settings(), &Seen::default())
    }

    fn refusal(verdict: Result<(), KickRefusal>) -> String {
        let Err(KickRefusal::Invalid(reason)) = verdict else { panic!("{verdict:?}") };
        reason
    }

    #[test]
    fn the_token_is_everything() {
        for token in ["", "to", "token", "to|ken ", "TO|KEN", "to|ken|"] {
            let (kick, verdict) = verdict_of(format!("restart_gateway|{token}|me|{NOW}"));
            assert_eq!(verdict, Err(KickRefusal::Forged), "{token:?}");
            assert!(!format!("{kick:?}").contains("ken"), "{kick:?}");
        }
    }

    #[test]
    fn without_a_token_or_switched_off_nothing_is_taken() {
        let with = |settings: KickSettings, line: &str| {
            check(Ok(line.to_owned()), NOW, &settings, &Seen::default()).1
        };
        let without = KickSettings { enabled: true, token: Secret::new("") };
        assert!(refusal(with(without, &format!("a||me|{NOW}"))).contains("no kick token"));
        for line in [format!("a|{TOKEN}|me|{NOW}"), "garbage".to_owned()] {
            let off = KickSettings { enabled: false, ..settings() };
            assert_eq!(with(off, &line), Err(KickRefusal::Disabled));
        }
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
        for (line, reason) in [
            ("", "form"),
            ("a|b|c", "form"),
            ("a|to|ken|me|soon", "Unix seconds"),
            ("a|to|ken|me|-1", "Unix seconds"),
            ("re start|to|ken|me|1", "action"),
            ("|to|ken|me|1", "action"),
        ] {
            let (kick, verdict) = verdict_of(line);
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
        let cut = "x".repeat(FIELD_CHARS_MAX);
        assert_eq!(
            verdict_of(format!("a|{TOKEN}|{long}|{NOW}")).0.source,
            cut,
            "an ellipsis is no such letter"
        );
        assert_eq!(verdict_of(format!("a|{TOKEN}||{NOW}")).0.source, UNREADABLE);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut seen = Seen::default();
        let kick = |epoch| ReceivedKick { action: "a".into(), source: "b".into(), epoch };
        (0..200).for_each(|epoch| seen.remember(&kick(epoch)));
        assert_eq!(seen.0.len(), SEEN_MAX);
        assert!(seen.contains(&kick(199)) && !seen.contains(&kick(135)) && seen.contains(&kick(136)));
    }
}
