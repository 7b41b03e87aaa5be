//! `pause` and `resume`: leave the owner's order for the watchdog, wait until it was taken, and say what
//! holds now. What a pause means is the core's affair.

use super::{to_json, watched, zone};
use crate::cli::Output;
use crate::config::Config;
use crate::exit::Exit;
use crate::host::inbox::{self, PAUSE_MAX, REASON_CHARS_MAX};
use crate::host::log::stamp;
use crate::host::view::{ALL, PausedView, SCHEMA};
use crate::host::{clock, publish};
use crate::recovery::evidence::{Name, Order};
use crate::recovery::time::Age;
use crate::values::{one_line, parse_duration};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a running watchdog may take: it is told at once, but may be in the middle of a pass. Whoever asks waits only
/// as long as that takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What lies between the save that removes the order and the status that shows it.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(5);

/// What is printed with `--json`.
#[derive(Serialize)]
struct Told<'a> {
    schema: u32,
    order: &'a Order,
    /// Whether a running watchdog has taken it; else it waits for the next cycle.
    taken: bool,
    /// When a pause ends, as Unix seconds.
    until: Option<u64>,
    /// All that is paused, as far as a running watchdog has said.
    paused: Vec<PausedView>,
}

/// `pause TARGET|all --for SPAN`.
pub async fn pause(config: &Config, target: &str, span: &str, reason: &str, output: Output) -> Exit {
    let order = parse_span(span).and_then(|span| {
        let reason = one_line(reason, REASON_CHARS_MAX);
        Ok(Order::Pause { target: parse_target(config, target)?, span, reason })
    });
    give(config, order, output).await
}

/// `resume TARGET|all`.
pub async fn resume(config: &Config, target: &str, output: Output) -> Exit {
    let order = parse_target(config, target).map(|target| Order::Resume { target });
    give(config, order, output).await
}

/// The watchdog that runs may know targets that the file has no more, or that cannot be read from it.
fn parse_target(config: &Config, text: &str) -> Result<Option<Name>, String> {
    let runs = publish::running(&config.paths.state);
    match runs.is_some_and(|view| view.targets.iter().any(|target| target.name == text)) {
        _ if text == ALL => Ok(None),
        true => Name::parse(text).map(Some),
        false => watched(config, text).map(Some),
    }
}

fn parse_span(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("a pause of no length is none; write something like 2h".to_owned()),
        span if span > PAUSE_MAX => Err(format!(
            "{text} is longer than {}; take the target out of the configuration instead",
            Age(PAUSE_MAX)
        )),
        span => Ok(span),
    }
}

async fn give(config: &Config, order: Result<Order, String>, output: Output) -> Exit {
    let order = match order {
        Ok(order) => order,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Usage;
        }
    };
    let left = clock::wall();
    let file = match inbox::leave(&config.paths.state, &order, left) {
        Ok(file) => file,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Failed;
        }
    };
    let taken = is_taken(&config.paths.state, &file).await;
    let paused = if taken { holding(&config.paths.state, &order).await } else { Vec::new() };
    let until = match &order {
        Order::Pause { span, .. } => Some(left + span.as_secs()),
        Order::Resume { .. } | Order::TestAlert { .. } => None,
    };
    let told = Told { schema: SCHEMA, order: &order, taken, until, paused };
    match output.json {
        true => println!("{}", to_json(&told)),
        false => print!("{}", told.text(config)),
    }
    if taken { Exit::Ok } else { Exit::Unavailable }
}

/// Waits until the order is gone from the inbox; not at all where no watchdog has said that it runs.
async fn is_taken(state: &Path, file: &Path) -> bool {
    if publish::read(state).is_none() {
        return false;
    }
    within(PATIENCE, || (!file.exists()).then_some(())).await.is_some()
}

/// What is paused, as the watchdog shows it once it shows this order.
async fn holding(state: &Path, order: &Order) -> Vec<PausedView> {
    let now = || publish::read(state).map(|view| view.paused).unwrap_or_default();
    within(PUBLISHED_WITHIN, || Some(now()).filter(|paused| shows(paused, order))).await.unwrap_or_else(now)
}

fn shows(paused: &[PausedView], order: &Order) -> bool {
    let has = |target: &Option<Name>| {
        paused.iter().any(|paused| paused.target == target.as_ref().map_or(ALL, Name::as_str))
    };
    match order {
        Order::Pause { target, .. } => has(target),
        Order::Resume { target: None } => paused.is_empty(),
        Order::Resume { target } => !has(target),
        Order::TestAlert { .. } => true,
    }
}

async fn within<T>(limit: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= until {
            return None;
        }
        sleep(LOOK_EVERY).await;
    }
}

impl Told<'_> {
    fn text(&self, config: &Config) -> String {
        let verb = if self.taken { "is" } else { "will be" };
        let name = |target: &Option<Name>| target.as_ref().map_or("everything", Name::as_str).to_owned();
        let end = stamp(self.until.unwrap_or_default(), &zone(config));
        let mut text = match self.order {
            Order::Pause { target, span, .. } => {
                format!("{} {verb} paused until {end} ({})\n", name(target), Age(*span))
            }
            Order::Resume { target } => format!("{} {verb} watched again\n", name(target)),
            Order::TestAlert { .. } => String::new(),
        };
        if !self.taken {
            text.push_str("no running watchdog has taken it: it counts from the next cycle of the watchdog or its timer\n");
        }
        let own = |paused: &&PausedView| match self.order {
            Order::Pause { target, .. } => paused.target != target.as_ref().map_or(ALL, Name::as_str),
            Order::Resume { .. } | Order::TestAlert { .. } => true,
        };
        for paused in self.paused.iter().filter(own) {
            text.push_str(&format!("also: {}\n", paused.line()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, compile};

    fn config() -> Config {
        compile(&Sources { home: "/home/pico".into(), ..Sources::default() }).config.unwrap()
    }

    #[test]
    fn an_end_is_mandatory_and_near_enough() {
        assert_eq!(parse_span("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(parse_span("30d"), Ok(PAUSE_MAX));
        for bad in ["0s", "31d", "2", "forever", ""] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_is_watched_can_be_paused() {
        assert_eq!(parse_target(&config(), "all"), Ok(None));
        assert_eq!(parse_target(&config(), "gateway").unwrap().unwrap().as_str(), "gateway");
        let why = parse_target(&config(), "gatway").unwrap_err();
        assert!(why.contains("gatway is not watched; watched are: gateway"), "{why}");
        assert!(parse_target(&config(), "../x").is_err());
    }

    #[test]
    fn who_resumes_a_part_of_a_whole_that_is_paused_is_told() {
        let gateway = Name::parse("gateway").ok();
        let order = Order::Resume { target: gateway };
        let all = PausedView {
            target: ALL.to_owned(),
            until: 100,
            until_local: "12:00".to_owned(),
            left_s: 60,
            reason: "upgrade".to_owned(),
        };
        assert!(shows(std::slice::from_ref(&all), &order));
        let told = Told { schema: 1, order: &order, taken: true, until: None, paused: vec![all] };
        assert_eq!(
            told.text(&config()),
            "gateway is watched again\nalso: all is paused until 12:00 (1 min left): upgrade\n"
        );
    }
}
