//! `alerts`: what people were told, and what became of it, read from the state document. `alerts test` leaves an
//! order for one message and waits for its fate. Nothing is sent from here.

use super::to_json;
use crate::cli::Output;
use crate::config::{Config, as_called};
use crate::exit::Exit;
use crate::host::letters::{LetterView, LettersView};
use crate::host::log::parse_zone;
use crate::host::memory::Memory;
use crate::host::{clock, inbox, publish, unsaved};
use crate::recovery::alert::TEST;
use crate::recovery::evidence::Order;
use crate::recovery::policy::{AlertPolicy, ChannelPolicy};
use crate::recovery::state::State;
use crate::recovery::time::Timestamp;
use jiff::tz::TimeZone;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the outcome of a test may take: a pass, and one answer of the channel.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Lists every letter in the retention.
pub fn list(config: &Config, output: Output) -> Exit {
    let (state, now) = match look(config) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let mut view = LettersView::new(&state.outbox, &config.policy.alerts, now);
    view.unsaved = unsaved::warning(&config.paths.state, &zone(config));
    match output.json {
        true => println!("{}", to_json(&view)),
        false => print!("{}", view.table(&zone(config))),
    }
    Exit::Ok
}

/// Sends one message through the running watchdog, after saying what it costs.
pub async fn test(config: &Config, wanted: Option<&str>, yes: bool, output: Output) -> Exit {
    let channel = match tested(&config.policy.alerts, wanted) {
        Ok(channel) => channel,
        Err(exit) => return exit,
    };
    let (state, now) = match look(config) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if channel.metered {
        eprintln!("{}", cost(&LettersView::new(&state.outbox, &config.policy.alerts, now)));
    }
    if !yes
        && channel.metered
        && let Err(exit) = agreed()
    {
        return exit;
    }
    if publish::read(&config.paths.state).is_none() {
        let systemctl = config.manager.systemctl();
        eprintln!("no watchdog seems to run, and only it sends: {systemctl} start picoclaw-watchdog");
        return Exit::Unavailable;
    }
    let order = Order::TestAlert { channel: Some(channel.name.clone()) };
    if let Err(why) = inbox::leave(&config.paths.state, &order, clock::wall()) {
        eprintln!("{why}");
        return Exit::Failed;
    }
    outcome(config, state.outbox.written, output).await
}

/// The channel to test: the wanted one, or the first that can be used.
fn tested<'a>(alerts: &'a AlertPolicy, wanted: Option<&str>) -> Result<&'a ChannelPolicy, Exit> {
    let found = match wanted {
        Some(name) => alerts.channels.iter().find(|channel| channel.name.as_str() == name),
        None => alerts.open().next().or(alerts.channels.first()),
    };
    let Some(channel) = found else {
        let known: Vec<&str> = alerts.channels.iter().map(|channel| channel.name.as_str()).collect();
        eprintln!("there is no such channel; there are: {}", known.join(", "));
        return Err(Exit::Usage);
    };
    if let Err(why) = &channel.on {
        let name = if channel.metered { "LINE" } else { channel.name.as_str() };
        eprintln!("{name} is off, so there is nothing to test: {why}");
        return Err(Exit::Refused);
    }
    Ok(channel)
}

/// The state as it was saved last, and the present on its timeline.
fn look(config: &Config) -> Result<(State, Timestamp), Exit> {
    let (_, start) = Memory::peek(&config.paths.state, &config.policy);
    match start.trouble {
        None => Ok((start.state, start.clock.now().at)),
        Some(trouble) => {
            eprintln!("{}", trouble.text);
            Err(Exit::Failed)
        }
    }
}

fn cost(view: &LettersView) -> String {
    match view.quota.as_ref().and_then(|quota| Some((quota.left?, quota.limit?))) {
        Some((left, limit)) => format!(
            "This costs one of the {left} messages of LINE that are left of {limit} this month; in a group, one for each member."
        ),
        None => {
            "This costs one message of LINE's monthly quota; in a group, one for each member. How many are left is not known.".to_owned()
        }
    }
}

fn agreed() -> Result<(), Exit> {
    if !std::io::stdin().is_terminal() {
        eprintln!("nobody is there to be asked; --yes sends it");
        return Err(Exit::Usage);
    }
    eprint!("Send it? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    eprintln!("not sent");
    Err(Exit::Ok)
}

/// Waits for the fate of the first test that was written after `before`.
async fn outcome(config: &Config, before: u64, output: Output) -> Exit {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = look(config).ok().and_then(|(state, now)| find(config, &state, before, now));
        let over = Instant::now() >= until;
        match found {
            Some(letter) if letter.fate != "pending" || over => return told(config, &letter, output),
            None if over => {
                let look = as_called("picoclaw-watchdog status", config.flag.as_deref());
                eprintln!("left in the inbox, but not taken up within {} s: {look}", PATIENCE.as_secs());
                return Exit::Unavailable;
            }
            Some(_) | None => sleep(LOOK_EVERY).await,
        }
    }
}

fn find(config: &Config, state: &State, before: u64, now: Timestamp) -> Option<LetterView> {
    let letter = state.outbox.letters.iter().find(|letter| letter.id > before && letter.key == TEST)?;
    Some(LetterView::new(letter, &state.outbox, &config.policy.alerts, now))
}

fn told(config: &Config, letter: &LetterView, output: Output) -> Exit {
    match output.json {
        true => println!("{}", to_json(letter)),
        false => println!("test #{}: {}", letter.id, letter.sentence(&zone(config))),
    }
    match letter.fate.as_str() {
        "accepted" => Exit::Ok,
        "pending" => Exit::Unavailable,
        _ => Exit::Refused,
    }
}

fn zone(config: &Config) -> TimeZone {
    parse_zone(&config.log.timezone).unwrap_or(TimeZone::UTC)
}
