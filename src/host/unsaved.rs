//! For those who only look while a running watchdog cannot save its state: what it remembers is then newer than what
//! they can read. What it published fills the gap as far as the budget goes.

use super::log::stamp;
use super::view::View;
use super::{Host, publish};
use crate::recovery::evidence::Name;
use crate::recovery::state::State;
use crate::recovery::time::Now;
use jiff::tz::TimeZone;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// What a person has to know before they read anything that comes from the state on the disk.
pub fn warning(state: &Path, zone: &TimeZone) -> Option<String> {
    let why = publish::running(state)?.unsaved?;
    let saved = state.join("state.json").metadata().and_then(|facts| facts.modified()).ok();
    let saved = saved.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|at| stamp(at.as_secs(), zone));
    let from = saved.map_or("before its first save".to_owned(), |at| format!("from {at}"));
    Some(format!("the running watchdog cannot save its state ({why}); what follows is {from}"))
}

impl Host {
    /// Takes over what a running watchdog knows and could not save: that it cannot, and the attempts it has made.
    pub fn heed_unsaved(&mut self, state: &mut State, now: Now) {
        let Some(view) = publish::running(&self.config.paths.state).filter(|view| view.unsaved.is_some())
        else {
            return;
        };
        charge(&view, state, now);
        self.memory.unsaved = view.unsaved;
    }
}

/// Charges what was published. When the attempts between the first and the last were made is not known: counted as the
/// first they end with it, as the last they hold longest, and only the last way allows nothing that is not allowed.
fn charge(view: &View, state: &mut State, now: Now) {
    let ago = |wall: u64| now.at.before(Duration::from_secs(now.wall.saturating_sub(wall)));
    for told in &view.targets {
        let Ok(name) = Name::parse(&told.name) else { continue };
        let target = state.targets.entry(name).or_default();
        if told.attempts_used <= target.attempts.len() {
            continue;
        }
        let seen = ago(view.at);
        let age = told.frees_in_s.map_or(0, |frees| told.window_s.saturating_sub(frees));
        let mut made = vec![seen; told.attempts_used];
        if let Some(first) = made.first_mut() {
            *first = seen.before(Duration::from_secs(age));
        }
        target.attempts = made;
    }
}
