//! Reads the tables of the shell: paths, log, LINE, kicks and alert times.

use super::channels::Routing;
use super::target::{self, growing};
use super::{LineSettings, LogSettings, Manager, NO_LINE, Paths};
use crate::probe::reference::Reference;
use crate::recovery::evidence::{KickWish, Name};
use crate::recovery::policy::{AlertPolicy, Language};
use crate::recovery::window::Window;
use crate::section::{Section, Spot, parse};
use crate::values::Secret;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where LINE takes push messages.
const LINE_ENDPOINT: &str = "https://api.line.me/v2/bot/message/push";

/// A kick token can be tried without limit by whoever may write the file; 16 characters are not guessed.
const LEAST_KICK_TOKEN: usize = 16;

/// The predecessor's cooldown.
const COOLDOWN: Duration = Duration::from_secs(900);

/// Reminders of one incident: soon, then ever more rarely.
const REMINDERS: [Duration; 4] = [
    Duration::from_secs(900),
    Duration::from_secs(3600),
    Duration::from_secs(21_600),
    Duration::from_secs(86_400),
];

/// What lasts this long is no passing trouble of a network.
const LASTING: Duration = Duration::from_secs(1800);

/// A service that has to be mended so often has a fault of its own, which a person should look into.
const HEALED_OFTEN: Window = Window { attempts: 5, per: Duration::from_secs(86_400) };

/// A few retries are no failure yet; a quarter of an hour without a word is.
const FALLBACK_AFTER: Duration = Duration::from_secs(900);

/// One reference point may have a fault of its own; two at once share only our line.
const QUORUM: u32 = 2;

/// A fifth of LINE's free 200 messages a month is enough for the faults of a bad week.
const RESERVE_PERCENT: u32 = 20;

/// Longest of all waits between messages.
const MOST: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn paths(root: &mut Section<'_>, home: &Path) -> Paths {
    let pico = home.join(".picoclaw");
    let default =
        Paths { state: pico.join("state/watchdog"), log: pico.join("logs/ops-watchdog.log"), home: pico };
    let read = root.table("paths", |paths| {
        Some(Paths {
            home: paths.or("home", default.home.clone(), parse::path(home)),
            state: paths.or("state", default.state.clone(), parse::path(home)),
            log: paths.or("log", default.log.clone(), parse::path(home)),
        })
    });
    read.unwrap_or(default)
}

/// Whose units the targets name.
pub(super) fn manager(text: &str) -> Result<Manager, String> {
    match text {
        "user" => Ok(Manager::User),
        "system" => Ok(Manager::System),
        _ => Err(format!("{text:?} is no service manager; write \"user\" or \"system\"")),
    }
}

pub(super) fn log(root: &mut Section<'_>) -> LogSettings {
    let default = LogSettings { timezone: String::new(), max_bytes: 5 * 1024 * 1024, keep: 5 };
    let read = root.table("log", |log| {
        Some(LogSettings {
            timezone: log.or("timezone", default.timezone.clone(), timezone),
            // Less could not hold a day of trouble, more is slow to read on a small machine.
            max_bytes: log.or("max_bytes", default.max_bytes, parse::within(64 * 1024..=1024 * 1024 * 1024)),
            keep: log.or("keep", default.keep, parse::within(0..=100)),
        })
    });
    read.unwrap_or(default)
}

/// Looks at the letters only: which zones exist is for the machine that keeps the log to say.
fn timezone(text: &str) -> Result<String, String> {
    // Some systems set TZ=:Asia/Tokyo.
    let name = text.trim_start_matches(':');
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-,.:<>".contains(c));
    let wrong = || format!("{text:?} is not a time zone; write something like \"Asia/Tokyo\" or \"JST-9\"");
    Some(name.to_owned()).filter(|_| good).ok_or_else(wrong)
}

/// When people are told, still without the channels, and where `alerts.log` is, if it is wanted.
pub(super) fn alerts(root: &mut Section<'_>, home: &Path) -> (AlertPolicy, Option<PathBuf>) {
    let default = AlertPolicy {
        channels: Vec::new(),
        fallback_after: FALLBACK_AFTER,
        cooldown: COOLDOWN,
        reminders: REMINDERS.to_vec(),
        lasting: LASTING,
        language: Language::En,
        manager: Manager::User,
        option: None,
        healed_often: HEALED_OFTEN,
        reserve_percent: RESERVE_PERCENT,
        digest: false,
    };
    let read = root.table("alerts", |alerts| {
        let log = alerts.or("log", None, |text| match text {
            "" => Ok(None),
            path => parse::path(home)(path).map(Some),
        });
        let policy = AlertPolicy {
            channels: Vec::new(),
            fallback_after: alerts.or("fallback_after", FALLBACK_AFTER, parse::span(Duration::ZERO..=MOST)),
            cooldown: alerts.or("cooldown", COOLDOWN, parse::span(Duration::ZERO..=MOST)),
            reminders: growing(alerts, "reminders", &REMINDERS),
            lasting: alerts.or("lasting", LASTING, parse::span(Duration::ZERO..=MOST)),
            language: alerts.or("language", default.language, language),
            manager: default.manager,
            option: None,
            healed_often: target::window(alerts, "healed_often", HEALED_OFTEN),
            reserve_percent: alerts.or("reserve_percent", RESERVE_PERCENT, parse::within(0..=90)),
            digest: alerts.or("digest", default.digest, digest),
        };
        Some((policy, log))
    });
    read.unwrap_or((default, None))
}

/// The reference points, and how many of them must fail before we count as offline.
pub(super) fn offline(root: &mut Section<'_>) -> (Vec<Reference>, Option<u32>) {
    let read = root.table("offline", |offline| {
        let references = offline.list("references", Reference::parse).unwrap_or_default();
        let most = u32::try_from(references.len()).unwrap_or(u32::MAX);
        let quorum = offline.or("quorum", most.min(QUORUM), parse::within(1..=100));
        if quorum > most && most > 0 {
            let what = format!("can never be reached with {most} reference points");
            offline.error(&offline.spot("quorum"), what, format!("write at most {most}"));
        }
        Some((references, quorum))
    });
    match read {
        Some((references, quorum)) if !references.is_empty() => (references, Some(quorum)),
        Some(_) | None => (Vec::new(), None),
    }
}

fn language(text: &str) -> Result<Language, String> {
    match text {
        "en" => Ok(Language::En),
        "ja" => Ok(Language::Ja),
        _ => Err(format!("{text:?} is not a language of messages; write \"en\" or \"ja\"")),
    }
}

fn digest(text: &str) -> Result<bool, String> {
    match text {
        "off" => Ok(false),
        "weekly" => Ok(true),
        _ => Err(format!("{text:?} is not a digest; write \"off\" or \"weekly\"")),
    }
}

pub(super) fn line(root: &mut Section<'_>) -> (LineSettings, Routing) {
    let absent = LineSettings::Off { reason: NO_LINE.to_owned() };
    let read = root.table("line", |line| Some((read_line(line), Routing::of_line(line))));
    read.unwrap_or_else(|| (absent, Routing::of_nothing()))
}

fn read_line(line: &mut Section<'_>) -> LineSettings {
    let enabled = line.or("enabled", true, parse::flag);
    let endpoint =
        line.or("endpoint", LINE_ENDPOINT.to_owned(), |text| parse::private_url(text).map(String::from));
    let to = line.or("to", String::new(), parse::text);
    let token = line.secret("token");
    if !enabled {
        return LineSettings::Off { reason: because("switched off", &line.spot("enabled")) };
    }
    let sendable = |token: &Secret| token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    for (key, missing, what) in [
        ("to", to.is_empty(), "LINE stays off: there is nobody to write to"),
        ("token", token.is_empty(), "LINE stays off: there is no token"),
        (
            "token",
            !sendable(&token),
            "LINE stays off: the token holds blanks or other signs that no token has",
        ),
    ] {
        if missing {
            line.warn(&line.spot(key), what, format!("fill {key}, or set enabled = false"));
            return LineSettings::Off {
                reason: because(what.trim_start_matches("LINE stays off: "), &line.spot(key)),
            };
        }
    }
    if endpoint.contains("://api.line.me/") && !is_line_id(&to) {
        let hint = "it should be U, C or R and 32 hexadecimal digits, as the webhook events show it";
        line.warn(&line.spot("to"), "this does not look like the id of a user, group or room", hint);
    }
    LineSettings::On { endpoint, to, token }
}

pub(super) fn because(what: &str, spot: &Spot) -> String {
    if spot.note().is_empty() { what.to_owned() } else { format!("{what} ({})", spot.note()) }
}

fn is_line_id(to: &str) -> bool {
    to.strip_prefix(['U', 'C', 'R'])
        .is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The kicks as they were read, without what each of them means.
pub(super) struct Kicks {
    pub(super) enabled: bool,
    pub(super) token: Secret,
    pub(super) file: PathBuf,
    pub(super) window: Window,
}

/// What one request means; whether that can be granted is not looked at yet.
pub(super) struct Wish {
    pub(super) action: String,
    pub(super) wish: KickWish,
    pub(super) spot: Spot,
}

impl Wish {
    pub(super) fn target(&self) -> &Name {
        match &self.wish {
            KickWish::Recover(target) | KickWish::Check(target) => target,
        }
    }
}

pub(super) fn kick(root: &mut Section<'_>, home: &Path, paths: &Paths) -> (Kicks, Vec<Wish>) {
    let file = paths.state.join("kick_request");
    let absent = Kicks { enabled: false, token: Secret::new(""), file: file.clone(), window: target::WINDOW };
    let read = root.table("kick", |kick| {
        let enabled = kick.or("enabled", false, parse::flag);
        let token = kick.secret("token");
        let enabled = enabled && is_guarded(kick, &token);
        let file = kick.or("file", file, parse::path(home));
        let window = target::window(kick, "window", target::WINDOW);
        let wishes = kick.table("actions", |actions| Some(wishes(actions))).unwrap_or_default();
        Some((Kicks { enabled, token, file, window }, wishes))
    });
    read.unwrap_or((absent, Vec::new()))
}

/// Without a good token anybody who can write the file could have the gateway restarted.
fn is_guarded(kick: &Section<'_>, token: &Secret) -> bool {
    let what = match token.expose() {
        "" => "kicks stay off: there is no token",
        text if text.len() < LEAST_KICK_TOKEN => "kicks stay off: the token is too short",
        text if text.contains('|') => "kicks stay off: a request cannot hold a token with a | in it",
        _ => return true,
    };
    let hint =
        format!("fill it with {LEAST_KICK_TOKEN} or more random letters and digits, or set enabled = false");
    kick.warn(&kick.spot("token"), what, hint);
    false
}

fn wishes(actions: &mut Section<'_>) -> Vec<Wish> {
    actions.named(|name, section| {
        let action = Name::parse(name).map_err(|sentence| section.error(&section.here(), sentence, ""));
        let recover = section.has("recover").then(|| section.opt("recover", Name::parse));
        let check = section.has("check").then(|| section.opt("check", Name::parse));
        let (wish, key) = match (recover, check) {
            (Some(target), None) => (KickWish::Recover(target?), "recover"),
            (None, Some(target)) => (KickWish::Check(target?), "check"),
            _ => {
                let hint = "write { recover = \"target\" } or { check = \"target\" }";
                section.error(&section.here(), "exactly one wish is needed", hint);
                return None;
            }
        };
        Some(Wish { action: action.ok()?.as_str().to_owned(), wish, spot: section.spot(key) })
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, compile};
    use crate::recovery::policy::Language;

    #[test]
    fn a_variable_chooses_the_language() {
        for (value, language) in [("", Language::En), ("en", Language::En), ("ja", Language::Ja)] {
            let env = [("PICOCLAW_WATCHDOG_ALERT_LANGUAGE".to_owned(), value.to_owned())].into();
            let sources = Sources { env, home: "/home/pico".into(), ..Sources::default() };
            let config = compile(&sources).config.unwrap();
            assert_eq!(config.policy.alerts.language, language, "{value}");
        }
    }
}
