//! Messages in English. Prose only: what is said is in [`super::Message`].

use super::fault::{Advice, Fault, Headline};
use super::{End, Lasting, Message, bare, in_runs, lines, names, start};
use crate::recovery::digest::{Sums, Week};
use crate::recovery::policy::Manager;
use crate::recovery::quota::{Quota, Scarce};
use crate::recovery::state::{HEALS_MAX, Incident, Offline, Pause};
use crate::recovery::time::Age;
use std::time::Duration;

pub(super) fn render(manager: Manager, message: &Message<'_>) -> String {
    let journalctl = manager.journalctl();
    match message {
        Message::Fault(facts) => fault(manager, facts),
        Message::Recovered { target, end, lasted, incident } => {
            recovered(target.map_or("watchdog", |name| name.as_str()), end, *lasted, incident)
        }
        Message::LeftAlone { target, why, down, unit } => lines([
            Some(format!("{target}: left alone, because {why}.")),
            down.map(|down| format!("Down for {}.", Age(down))),
            Some("It stays down until it is started.".to_owned()),
            unit.map(|unit| format!("Do: {}", start(manager, unit, why))),
        ]),
        Message::Lasting { target, what, age, seen } => lines([
            Some(format!("{target}: {} for {}.", lasting(*what), Age(*age))),
            Some(format!("Seen: {seen}")),
            Some(lasting_advice(*what).to_owned()),
            Some(look(target.as_str())),
        ]),
        Message::OwnTrouble { key, text, age } => lines([
            Some(format!("watchdog: {text}.")),
            Some(noticed(*age)),
            Some(format!("Do: {}", own_advice(manager, key))),
        ]),
        Message::ForgedKick { action, source } => lines([
            Some(format!("a kick with a wrong token was refused: {action} from {source}.")),
            Some("Nothing was done. If it was not you: who can write the kick file? Do: change PICOCLAW_WATCHDOG_KICK_TOKEN".to_owned()),
        ]),
        Message::HealedOften { target, unit, times, per } => lines([
            Some(format!("{target}: was repaired {}{times} times within {}.", at_least(*times), Age(*per))),
            Some("Each repair, ours or a restart by systemd, helped, but something is wrong with it.".to_owned()),
            unit.map(|unit| format!("Do: look for the cause: {journalctl} -u {unit} --since -{}s -p warning", per.as_secs())),
            Some(look(target.as_str())),
        ]),
        Message::BackOnline { offline, lasted } => back_online(offline, *lasted),
        Message::PauseOver { target, pause, lasted } => pause_over(*target, pause, *lasted),
        Message::Digest(week) => digest(week),
        Message::Test { metered: true, quota } => test(*quota),
        Message::Test { metered: false, .. } => {
            "test: this message was asked for, and it arrived.\nNothing is left to do.".to_owned()
        }
        Message::PassedOn { text, channel, why } => {
            let why = if why.is_empty() { "no answer" } else { why };
            format!("{}\n(Told on this channel because {channel} has not taken it: {why})", bare(text))
        }
        Message::QuotaRunsOut(scarce) => quota_runs_out(scarce),
    }
}

fn fault(manager: Manager, fault: &Fault<'_>) -> String {
    let now = fault.ruling.map(|(ruling, wait)| match wait {
        Some(wait) => format!("Now: {ruling}, next in {}", Age(wait)),
        None => format!("Now: {ruling}"),
    });
    lines([
        Some(format!("{}: {}.", fault.target, headline(fault))),
        Some(format!("Down for {}: {}", Age(fault.age), fault.seen)),
        in_runs(fault.tried).map(|tried| format!("Tried: {tried}")),
        now,
        names(&fault.dependents).map(|names| format!("Also failing because of it: {names}")),
        advice(manager, fault).map(|text| format!("Do: {text}")),
        Some(look(fault.target.as_str())),
    ])
}

fn headline(fault: &Fault<'_>) -> String {
    match fault.headline {
        Headline::LimitReached(window) => match fault.asked_for {
            0 => format!("repair limit reached ({window})"),
            asked => format!("repair limit reached ({window}; {asked} of them asked for by a person)"),
        },
        Headline::NoHelp => "repairs do not help".to_owned(),
        Headline::NothingRepairs => "down, and nothing here can repair it".to_owned(),
        Headline::OnlyAPerson => "down, and only a person can help".to_owned(),
        Headline::CannotNow => "down, and it cannot be repaired now".to_owned(),
        Headline::StillDown => "still down".to_owned(),
    }
}

fn advice(manager: Manager, fault: &Fault<'_>) -> Option<String> {
    let (systemctl, journalctl) = (manager.systemctl(), manager.journalctl());
    let target = fault.target;
    match &fault.advice {
        Advice::CheckUnit(unit) => Some(format!(
            "check the unit: {systemctl} status {unit}; is its name right in watchdog.toml or .env?"
        )),
        Advice::FreePort(held) => Some(format!("stop the other process, for {held}")),
        Advice::StartElsewhere => {
            Some(format!("put {target} right where it runs. Nothing is restarted here because of it"))
        }
        Advice::StartManager => Some(format!("look at the service manager: {}", manager.itself())),
        Advice::FreeDisk => Some(format!("make room: df -h {}", manager.directory())),
        Advice::ReadJournal(unit) => {
            Some(format!("see why it does not stay up: {journalctl} -u {unit} -n 50"))
        }
        Advice::None => None,
    }
}

/// More than can be counted is said as such.
fn at_least(times: usize) -> &'static str {
    if times < HEALS_MAX { "" } else { "at least " }
}

fn look(target: &str) -> String {
    format!("Look: picoclaw-watchdog explain {target}")
}

fn recovered(who: &str, end: &End, lasted: Duration, incident: &Incident) -> String {
    let next = match end {
        End::RepairedBy(_) | End::ByItself | End::RunsAgain => "Nothing is left to do.",
        End::LeftAlone(_) => "It stays down until it is started.",
        End::Unwatched => "If that was not meant: picoclaw-watchdog check",
    };
    lines([
        Some(format!("{who}: {end} after {}.", Age(lasted))),
        Some(format!("It was: {}", incident.cause)),
        in_runs(&incident.tried).map(|tried| format!("Tried: {tried}")),
        Some(next.to_owned()),
    ])
}

fn lasting(what: Lasting) -> &'static str {
    match what {
        Lasting::NotReady => "alive, but not ready",
        Lasting::Blind => "cannot be judged",
    }
}

fn lasting_advice(what: Lasting) -> &'static str {
    match what {
        Lasting::NotReady => "Nothing is restarted because of it. Do: mend what is named there.",
        Lasting::Blind => "Nothing is done about it until it can be. Do: mend what is in the way.",
    }
}

fn noticed(age: Duration) -> String {
    if age.is_zero() { "Noticed just now.".to_owned() } else { format!("Noticed {} ago.", Age(age)) }
}

/// What helps against trouble of our own.
fn own_advice(manager: Manager, key: &str) -> String {
    let kept = manager.directory();
    match key {
        "state_not_durable" | "log_not_written" | "alerts_log_not_written" => {
            format!("make room, or give the directory back to its owner: df -h {kept}; ls -ld {kept}")
        }
        "state_unreadable" => "nothing, unless it comes back; then look at the disk".to_owned(),
        "config_rejected" => {
            format!("picoclaw-watchdog check, then {} reload picoclaw-watchdog", manager.systemctl())
        }
        _ => format!("picoclaw-watchdog doctor; {} -u picoclaw-watchdog -n 50", manager.journalctl()),
    }
}

fn back_online(offline: &Offline, lasted: Duration) -> String {
    lines([
        Some(format!("online again after {} without the internet.", Age(lasted))),
        Some(format!("It was: {}", offline.why)),
        names(&offline.hidden.iter().cloned().collect::<Vec<_>>())
            .map(|names| format!("Could not be judged meanwhile: {names}")),
        Some(
            "Nothing outside was repaired or blamed in that time. If it happens often, look at the router."
                .to_owned(),
        ),
    ])
}

fn pause_over(target: Option<&str>, pause: &Pause, lasted: Duration) -> String {
    let missed: Vec<&str> = pause.missed.iter().map(String::as_str).collect();
    let reason = (!pause.reason.is_empty()).then(|| format!("It was for: {}", pause.reason));
    let meanwhile = match missed.is_empty() {
        true => "Meanwhile nothing happened.".to_owned(),
        false => format!("Meanwhile: {}", missed.join("; ")),
    };
    lines([
        Some(format!("{}: the pause is over after {}.", target.unwrap_or("everything"), Age(lasted))),
        reason,
        Some(meanwhile),
        Some("Look: picoclaw-watchdog status".to_owned()),
    ])
}

fn digest(week: &Week) -> String {
    let targets =
        week.targets.iter().map(|(name, sums, uptime)| format!("{name}: up {uptime}{}", figures(sums)));
    let quota = week.quota.as_ref().map(|quota| match quota.limit {
        Some(limit) => format!("Messages: {} of {limit} used this month", quota.used),
        None => format!("Messages: {} this month, without a limit", quota.used),
    });
    let all: Vec<String> = targets.chain(quota).collect();
    format!("the last {}:\n{}", Age(week.span), all.join("\n"))
}

fn figures(sums: &Sums) -> String {
    let mut text = match sums.detect.count {
        0 => ", no incident".to_owned(),
        1 => ", 1 incident".to_owned(),
        count => format!(", {count} incidents"),
    };
    if let Some((mean, worst)) = sums.detect.mean_and_worst() {
        text.push_str(&format!(", seen after {} (worst {})", Age(mean), Age(worst)));
    }
    if let Some((mean, worst)) = sums.repair.mean_and_worst() {
        text.push_str(&format!(", over after {} (worst {})", Age(mean), Age(worst)));
    }
    match sums.attempts {
        0 => text,
        1 => text + ", 1 repair",
        attempts => format!("{text}, {attempts} repairs"),
    }
}

fn test(quota: Option<&Quota>) -> String {
    let cost = match quota.and_then(|quota| Some((quota.left()?, quota.limit?))) {
        Some((left, limit)) => format!("It costs 1 of the {left} left of {limit} this month"),
        None => "It costs 1 message of this month".to_owned(),
    };
    format!(
        "test: this message was asked for, and it arrived.\n{cost}, and never one that is kept for faults.\nNothing is left to do."
    )
}

fn quota_runs_out(scarce: &Scarce) -> String {
    let Scarce { left, limit, reserve } = scarce;
    format!(
        "the messages of this month are nearly used: {left} of {limit} left.\nThe last {reserve} are kept for faults and their ends; reminders, notices and digests stay in the log.\nDo: wait for the next month, or choose a larger plan. Look: picoclaw-watchdog alerts"
    )
}
