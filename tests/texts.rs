//! Every message that a person can get, in both languages, as golden files. `UPDATE=1` writes them anew; their
//! difference is then reviewed like code.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

mod core;

use core::*;
use picoclaw_watchdog::recovery::digest::{Sums, Times, Uptime, Week};
use picoclaw_watchdog::recovery::evidence::Reading;
use picoclaw_watchdog::recovery::gate::Hold;
use picoclaw_watchdog::recovery::policy::{Language, Manager, TargetPolicy};
use picoclaw_watchdog::recovery::quota::{Quota, Scarce};
use picoclaw_watchdog::recovery::state::*;
use picoclaw_watchdog::recovery::text::fault::{Fault, Headline};
use picoclaw_watchdog::recovery::text::{End, Lasting, Message, render};
use picoclaw_watchdog::recovery::time::{Now, Timestamp};
use picoclaw_watchdog::recovery::unit::{MASKED, Standing};
use picoclaw_watchdog::recovery::verdict::Ruling;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

const NOW: Now = Now { at: Timestamp(200_000_000), wall: 1_770_000_000, entropy: 0 };

#[test]
fn every_message_in_english() {
    golden("en.txt", &whole(Language::En));
    golden("en-system.txt", &of_the_system(Language::En));
}

#[test]
fn every_message_in_japanese() {
    golden("ja.txt", &whole(Language::Ja));
    golden("ja-system.txt", &of_the_system(Language::Ja));
}

/// What systemd's facts mean is said by our own core, so nothing of it may stay English in Japanese.
#[test]
fn our_own_phrases_about_units_are_all_translated() {
    let text = whole(Language::Ja);
    for english in ["a person", "it failed (", "no such unit", "did not help", "unit: "] {
        assert!(!text.contains(english), "{english}");
    }
}

#[track_caller]
fn golden(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/texts").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{file} differs; UPDATE=1 writes it anew. It would be:\n{text}");
}

fn whole(language: Language) -> String {
    all(|title, message| format!("== {title}\n{}\n\n", render(language, Manager::User, message)))
}

/// The lines that read differently where the units of the system are watched, each once.
fn of_the_system(language: Language) -> String {
    let shown = RefCell::new(BTreeSet::new());
    let text = all(|title, message| {
        let [user, system] =
            [Manager::User, Manager::System].map(|manager| render(language, manager, message));
        let new = |line: &&str| !user.contains(line) && shown.borrow_mut().insert((*line).to_owned());
        let lines: Vec<&str> = system.lines().filter(new).collect();
        if lines.is_empty() { String::new() } else { format!("== {title}\n{}\n\n", lines.join("\n")) }
    });
    assert!(!text.contains("--user") && !text.contains("~/"), "{text}");
    text
}

fn all(show: impl Fn(&str, &Message<'_>) -> String) -> String {
    let mut text = String::new();
    let mut add = |title: &str, message: &Message<'_>| text.push_str(&show(title, message));
    faults(&mut add);
    ends(&mut add);
    conditions(&mut add);
    of_ourselves(&mut add);
    text
}

type Add<'a> = dyn FnMut(&str, &Message<'_>) + 'a;

fn ollama() -> TargetPolicy {
    TargetPolicy { name: name("ollama"), unit: None, ladder: Vec::new(), ..gateway_policy() }
}

fn funnel() -> TargetPolicy {
    TargetPolicy { name: name("funnel"), unit: None, ..gateway_policy() }
}

/// A target whose unit stands like this and whose health probe fails with these words.
fn target(standing: Result<Standing, String>, probe: &str) -> TargetState {
    let mut target = TargetState {
        unit: Some(UnitView { standing, run: "a1".into(), started: None, restarts: 0 }),
        ..TargetState::default()
    };
    if !probe.is_empty() {
        let seen = ProbeState {
            health: ProbeHealth::Unhealthy,
            last: Some(LastReading(Reading::Fail(probe.to_owned()))),
            ..ProbeState::default()
        };
        target.probes.insert(name("health"), seen);
    }
    target
}

fn since(seconds: u64) -> Timestamp {
    NOW.at.before(secs(seconds))
}

fn incident(seconds: u64, cause: &str, tried: &[&str]) -> Incident {
    let mut incident = Incident::open(1, since(seconds), cause);
    incident.tried = tried.iter().map(|text| (*text).to_owned()).collect();
    incident
}

fn faults(add: &mut Add<'_>) {
    let gateway = gateway_policy();
    let failed = "it failed (exit-code)";
    let dead = target(Ok(Standing::Dead(failed.to_owned())), "");
    let unhelped = "restart-gateway (did not help: unit: it failed (exit-code))";
    let tried = incident(132, &format!("unit: {failed}"), &[unhelped, unhelped]);
    let until = NOW.at.after(secs(600));
    let mut say = |title: &str, policy: &TargetPolicy, state: &TargetState, incident, headline, ruling| {
        let ruling: Option<Ruling> = ruling;
        let fault = Fault::gather(policy, state, incident, headline, ruling.as_ref(), NOW);
        let dependents = if title.contains("dependents") { vec![name("funnel")] } else { Vec::new() };
        add(title, &Message::Fault(Fault { dependents, ..fault }));
    };
    let held = |hold| Some(Ruling::Held(hold));

    let half_open = |spent| Hold::HalfOpen { until, spent, action: name("restart-gateway") };
    let limit = Headline::LimitReached(gateway.window);
    say("limit reached", &gateway, &dead, &tried, limit, held(half_open(Spent::Window)));
    say("limit reached, with dependents", &gateway, &dead, &tried, limit, held(half_open(Spent::Window)));
    let kicked = TargetState { asked_for: vec![since(90), since(60), since(30)], ..dead.clone() };
    let first = incident(1, &format!("unit: {failed}"), &[]);
    say("limit reached, by kicks", &gateway, &kicked, &first, limit, held(half_open(Spent::Window)));
    let backoff = held(Hold::Backoff { until: NOW.at.after(secs(20)) });
    say("repairs do not help", &gateway, &dead, &tried, Headline::NoHelp, backoff);
    for spent in [Spent::Futile, Spent::Ladder] {
        let single = held(half_open(spent));
        say("repairs do not help, single tries", &gateway, &dead, &tried, Headline::NoHelp, single);
    }
    let commands =
        incident(40, "health: 502", &["publish-funnel (failed: exit 1: sudo: a password is required)"]);
    let public = target(Ok(Standing::Running), "502 instead of 405");
    let public = TargetState { unit: None, ..public };
    say(
        "limit reached, no unit",
        &funnel(),
        &public,
        &commands,
        limit,
        held(Hold::WindowSpent { window: gateway.window, until }),
    );

    let remote = TargetState { unit: None, ..target(Ok(Standing::Running), "connection refused") };
    let first = incident(64, "health: connection refused", &[]);
    say("nothing can repair it", &ollama(), &remote, &first, Headline::NothingRepairs, held(Hold::NoLadder));

    let words = "systemd knows no such unit; is it installed, and is its name in the configuration right?";
    let missing = target(Ok(Standing::Unusable(words.to_owned())), "");
    let cause = incident(5, &format!("unit: {words}"), &[]);
    say(
        "the unit is unusable",
        &gateway,
        &missing,
        &cause,
        Headline::OnlyAPerson,
        held(Hold::Unusable(words.to_owned())),
    );

    let foreign = "port 18790 is held by nginx (pid 4711), not by picoclaw-gateway.service";
    let taken = target(Ok(Standing::Running), foreign);
    let mut cause = incident(330, &format!("health: {foreign}"), &[]);
    cause.holder = Some((name("health"), foreign.to_owned()));
    let busy = held(Hold::OneAtATime(name("funnel")));
    say("another process holds the port", &gateway, &taken, &cause, Headline::CannotNow, busy);

    let blind = target(Err("the bus does not answer".to_owned()), "no answer within 12 s");
    let cause = incident(330, "health: no answer within 12 s", &[]);
    let hold = held(Hold::Blind("the bus does not answer".to_owned()));
    say("no service manager", &gateway, &blind, &cause, Headline::CannotNow, hold);
    let hung = target(Ok(Standing::Running), "no answer within 12 s");
    say(
        "the state cannot be saved",
        &gateway,
        &hung,
        &cause,
        Headline::CannotNow,
        held(Hold::NotDurable { until }),
    );
    let old = incident(97_200, "health: no answer within 12 s", &[]);
    say("reminder", &gateway, &hung, &old, Headline::StillDown, held(half_open(Spent::Window)));

    // The fault is what is seen now, even where that is no more than why nothing can be known.
    let too_many = "too many open files";
    let last = Some(LastReading(Reading::Unknown(too_many.to_owned())));
    let unsure = ProbeState { last, ..ProbeState::default() };
    let unsure = TargetState { probes: [(name("health"), unsure)].into(), ..hung.clone() };
    let ruling = Some(Ruling::Unsure(format!("health: {too_many}")));
    say("reminder, nothing is known", &gateway, &unsure, &old, Headline::StillDown, ruling);

    let busy = "it is starting (start)";
    let starting = target(Ok(Standing::Busy(busy.to_owned())), "");
    let ruling = Some(Ruling::Unsure(format!("unit: {busy}")));
    say("reminder, it is starting", &gateway, &starting, &old, Headline::StillDown, ruling);

    let others = [
        Ruling::Fine,
        Ruling::LeftAlone("a person stopped it".to_owned()),
        Ruling::Suspect("health: connection refused".to_owned()),
        Ruling::Unsure("unit: it is starting (start)".to_owned()),
        Ruling::Recovering { passes: 1, of: 3 },
        Ruling::Verifying { action: name("restart-gateway"), age: secs(7) },
        Ruling::Act { action: name("restart-gateway"), number: 2 },
        Ruling::Held(Hold::OnPurpose("a person masked it".to_owned())),
        Ruling::Held(Hold::Busy("a restart job is under way".to_owned())),
        Ruling::Held(Hold::StillStarting { age: secs(61), allowance: secs(180), until }),
        Ruling::Held(Hold::Upstream(name("gateway"))),
        Ruling::Held(Hold::Paused { until, reason: "new disk".to_owned() }),
        Ruling::Held(Hold::Paused { until, reason: String::new() }),
        Ruling::Held(Hold::FirstLook { until }),
        Ruling::Held(Hold::Cooldown { until }),
        Ruling::Held(Hold::Offline { since: since(60) }),
        Ruling::Held(Hold::NotItsTurn { until: NOW.at }),
    ];
    for ruling in others {
        say("reminder, other rulings", &gateway, &hung, &first, Headline::StillDown, Some(ruling));
    }
}

fn ends(add: &mut Add<'_>) {
    let told = incident(102, "unit: it failed (signal)", &["restart-gateway (failed: the job failed)"]);
    let gateway = name("gateway");
    for (title, target, end) in [
        ("recovery, repaired", Some(&gateway), End::RepairedBy(name("restart-gateway"))),
        ("recovery, by itself", Some(&gateway), End::ByItself),
        ("recovery, switched off", Some(&gateway), End::LeftAlone("a person stopped it".to_owned())),
        ("recovery, not watched any more", Some(&gateway), End::Unwatched),
        ("recovery of our own", None, End::ByItself),
    ] {
        add(title, &Message::Recovered { target, end: &end, lasted: secs(102), incident: &told });
    }
}

fn conditions(add: &mut Add<'_>) {
    let gateway = name("gateway");
    let unit = Some("picoclaw-gateway.service");
    let why = "a person stopped it";
    for (title, down) in [("left alone", Some(secs(3))), ("left alone, since nobody knows when", None)] {
        add(title, &Message::LeftAlone { target: &gateway, why, down, unit });
    }
    add("left alone, masked", &Message::LeftAlone { target: &gateway, why: MASKED, down: None, unit });
    let stop = incident(32_400, "a person stopped it", &[]);
    let (target, end, lasted) = (Some(&gateway), &End::RunsAgain, secs(32_400));
    add("runs again", &Message::Recovered { target, end, lasted, incident: &stop });
    for (title, what, seen) in [
        ("not ready", Lasting::NotReady, "ready: 503 instead of 200"),
        ("blind", Lasting::Blind, "unit: the bus does not answer"),
    ] {
        add(title, &Message::Lasting { target: &gateway, what, age: secs(1800), seen });
    }
    add("healed too often", &Message::HealedOften { target: &gateway, unit, times: 5, per: secs(86_400) });
    let times = HEALS_MAX;
    add("healed beyond counting", &Message::HealedOften { target: &gateway, unit, times, per: secs(86_400) });
    let hidden = ["funnel", "ollama"].map(name).into();
    let why = "dns: no answer; default gateway: unreachable".to_owned();
    let offline = Offline { since: since(4000), why, hidden };
    add("back online", &Message::BackOnline { offline: &offline, lasted: secs(4000) });
    let quiet = Pause { since: since(7200), until: NOW.at, reason: String::new(), missed: [].into() };
    add(
        "pause over, nothing happened",
        &Message::PauseOver { target: None, pause: &quiet, lasted: secs(7200) },
    );
    let busy = Pause { reason: "new disk".to_owned(), missed: ["gateway".to_owned()].into(), ..quiet };
    let message = Message::PauseOver { target: Some("gateway"), pause: &busy, lasted: secs(7200) };
    add("pause over, with summary", &message);
}

fn of_ourselves(add: &mut Add<'_>) {
    for (seconds, (key, text)) in (0..).step_by(30).zip([
        (
            "state_not_durable",
            "the state cannot be saved: No space left on device. Until it can, one repair per window is made at most",
        ),
        (
            "state_unreadable",
            "the last saved state was damaged (its checksum is wrong); the one before it is used",
        ),
        ("log_not_written", "/home/pico/.picoclaw/logs/ops-watchdog.log: Permission denied"),
        ("alerts_log_not_written", "/home/pico/.picoclaw/logs/alerts.log: Permission denied"),
        (
            "config_rejected",
            "the new configuration cannot be used, the old one stays: watchdog.toml:5:1: error: target[gateway].laddr: unknown key",
        ),
        ("something_new", "what the shell says"),
    ]) {
        add(&format!("own trouble, {key}"), &Message::OwnTrouble { key, text, age: secs(seconds) });
    }
    add("forged kick", &Message::ForgedKick { action: "restart_gateway", source: "line:U0123" });
    let quota = Quota { limit: Some(200), used: 42, at: NOW.at, warned: false };
    add("test", &Message::Test { metered: true, quota: Some(&quota) });
    add("test, quota unknown", &Message::Test { metered: true, quota: None });
    add("test, not counted", &Message::Test { metered: false, quota: None });
    let text = "[WATCHDOG] gateway: down, and nothing here can repair it.";
    let line = name("line");
    add("passed on", &Message::PassedOn { text, channel: &line, why: "LINE answered 500" });
    add("passed on, no answer", &Message::PassedOn { text, channel: &line, why: "" });
    add("quota nearly used", &Message::QuotaRunsOut(Scarce { left: 41, limit: 200, reserve: 40 }));
    let times = |count, total_s: u64, worst_s: u64| Times {
        count,
        total_ms: total_s * 1000,
        worst_ms: worst_s * 1000,
    };
    let bad = Sums { attempts: 7, down_ms: 0, detect: times(3, 39, 26), repair: times(3, 210, 142) };
    let one = Sums { attempts: 1, down_ms: 0, detect: times(1, 6, 6), repair: times(0, 0, 0) };
    let targets = vec![
        (name("gateway"), bad, Uptime(9_996)),
        (name("ollama"), Sums::default(), Uptime(10_000)),
        (name("funnel"), one, Uptime(9_206)),
    ];
    add("digest", &Message::Digest(&Week { span: secs(604_800), targets, quota: Some(quota) }));
    let unlimited = Quota { limit: None, used: 9, at: NOW.at, warned: false };
    add(
        "digest, no limit",
        &Message::Digest(&Week { span: secs(700_000), targets: Vec::new(), quota: Some(unlimited) }),
    );
}
