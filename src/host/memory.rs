//! What the watchdog remembers on disk: the state document with its clock, the predecessor's files that are
//! imported once and kept up to date, and what to assume when nothing can be read.

use super::clock::{Anchor, Clock, timeline_of_wall};
use super::kicks::Seen;
use super::legacy::{self, Legacy};
use super::publish;
use super::store::{Loaded, Store};
use crate::cycle::ANCHOR_EVERY;
use crate::recovery::evidence::{Name, SelfTrouble};
use crate::recovery::outbox::{Draft, Fate, Kind, line};
use crate::recovery::policy::{Policy, Severity, TargetPolicy};
use crate::recovery::state::State;
use crate::recovery::time::{Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of the document's meaning.
const VERSION: u32 = 3;

/// What is saved as one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Document {
    anchor: Anchor,
    seen: Seen,
    state: State,
}

/// The memory on disk.
#[derive(Debug)]
pub struct Memory {
    directory: PathBuf,
    store: Store,
    /// Where the state goes while the disk refuses it: on the memory disk it outlives us, though not the machine. So a
    /// start that cannot save still knows what was tried and told.
    refuge: Store,
    saved: Option<(State, Seen)>,
    /// When that was.
    saved_at: Timestamp,
    mirrored: Option<Legacy>,
    /// Why the last save failed.
    pub unsaved: Option<String>,
    /// Kicks that were accepted lately, so that none works twice.
    pub seen: Seen,
}

/// What was found at start.
#[derive(Debug)]
pub struct Start {
    /// The state to go on from.
    pub state: State,
    /// The timeline to go on with.
    pub clock: Clock,
    /// Whether the state is of an earlier boot.
    pub booted: bool,
    /// Something a person should know about it.
    pub trouble: Option<SelfTrouble>,
}

impl Memory {
    /// Opens the memory in `directory` and reads what is there.
    pub fn open(directory: &Path, policy: &Policy) -> (Self, Start) {
        let mut memory = Self::new(directory);
        let loaded: Loaded<Document> = memory.store.load();
        let kept = memory.refuge.load().into_state();
        let refuge = newer(kept, loaded.state());
        let start = match loaded {
            Loaded::Fresh if refuge.is_none() => memory.begin(policy),
            Loaded::Fresh => spent(policy, None),
            Loaded::Current(document) => memory.resume_saved(document, policy),
            Loaded::Previous(document, why) => {
                let mut start = memory.resume(document);
                // What was done between the two generations is not known.
                start.state.spend(policy, start.clock.now().at);
                let what = format!("the last saved state was damaged ({why}); the one before it is used");
                Start { trouble: Some(unreadable(&what)), ..start }
            }
            Loaded::Unreadable { reason, set_aside } => {
                let kept = set_aside.map(|path| format!("; kept as {}", path.display())).unwrap_or_default();
                spent(policy, Some(&format!("the saved state cannot be read ({reason}){kept}")))
            }
            Loaded::Newer { version } => spent(
                policy,
                Some(&format!("the saved state is of a newer version ({version}) of this program")),
            ),
        };
        let Some(document) = refuge else { return (memory, start) };
        memory.unsaved = memory.store.rehearse().err();
        let start = Start { trouble: start.trouble, ..memory.resume(document) };
        (memory, start)
    }

    fn new(directory: &Path) -> Self {
        let refuge = publish::place(directory, "unsaved").join("state.json");
        Self {
            directory: directory.to_owned(),
            store: Store::new(&directory.join("state.json"), VERSION),
            refuge: Store::new(&refuge, VERSION),
            saved: None,
            saved_at: Timestamp::default(),
            mirrored: None,
            unsaved: None,
            seen: Seen::default(),
        }
    }

    /// Reads what is there and changes nothing: for those who only look. What cannot be read counts as spent.
    pub fn peek(directory: &Path, policy: &Policy) -> (Self, Start) {
        let mut memory = Self::new(directory);
        let saved = memory.store.peek::<Document>();
        let kept = memory.refuge.peek().ok().flatten();
        let refuge = newer(kept, saved.as_ref().ok().and_then(Option::as_ref));
        let start = match (refuge, saved) {
            (Some(document), _) | (None, Ok(Some(document))) => memory.resume(document),
            (None, Ok(None)) => {
                Start { state: State::default(), clock: Clock::start(None), booted: false, trouble: None }
            }
            (None, Err(why)) => spent(policy, Some(&format!("the saved state cannot be read ({why})"))),
        };
        (memory, start)
    }

    /// What was saved last is not all that was done where saving has stopped since: then limits count as spent, as at a
    /// first start. It is only tried, for a whole save would be of this boot, and what follows a boot would be lost.
    fn resume_saved(&mut self, document: Document, policy: &Policy) -> Start {
        let mut start = self.resume(document);
        self.unsaved = self.store.rehearse().err();
        if self.unsaved.is_some() {
            start.state.spend(policy, start.clock.now().at);
        }
        start
    }

    fn resume(&mut self, document: Document) -> Start {
        self.seen = document.seen;
        let clock = Clock::start(Some(&document.anchor));
        let booted = !clock.is_of_this_boot(&document.anchor);
        Start { state: document.state, clock, booted, trouble: None }
    }

    /// The first start ever: what the predecessor left counts. Where not even this first save works, limits
    /// could not survive a restart of ours, so they count as spent.
    fn begin(&mut self, policy: &Policy) -> Start {
        let clock = Clock::start(None);
        let now = clock.now();
        let mut state = State::default();
        if let Some(legacy) = legacy::read(&self.directory) {
            import(&legacy, policy, &mut state, now);
        }
        if self.save(&state, &clock).is_err() {
            state.spend(policy, now.at);
        }
        Start { state, clock, booted: false, trouble: None }
    }

    /// Makes the state durable. An unchanged state costs nothing, but for its clock once in [`ANCHOR_EVERY`].
    ///
    /// # Errors
    /// Why it could not be saved; also kept in [`Self::unsaved`].
    pub fn save(&mut self, state: &State, clock: &Clock) -> Result<(), String> {
        let unchanged = self.saved.as_ref().is_some_and(|(s, seen)| s == state && *seen == self.seen);
        let now = clock.now().at;
        if unchanged && self.unsaved.is_none() && now.since(self.saved_at) < ANCHOR_EVERY {
            return Ok(());
        }
        let document = Document { anchor: clock.anchor(), seen: self.seen.clone(), state: state.clone() };
        let result = self.store.save(&document);
        match &result {
            Ok(()) => self.refuge.clear(),
            // Without it a restart of ours costs a message and a window, and nothing else.
            Err(_) => drop(self.refuge.save(&document)),
        }
        self.unsaved = result.clone().err();
        if result.is_ok() {
            (self.saved, self.saved_at) = (Some((document.state, document.seen)), now);
        }
        result
    }

    /// We stop: the time that has passed since the last save counts.
    pub fn stop(&mut self, clock: &Clock) {
        if let Some((state, _)) = self.saved.clone().filter(|_| self.unsaved.is_none()) {
            self.saved_at = Timestamp::default();
            // There is nobody left to tell.
            let _ = self.save(&state, clock);
        }
    }

    /// Writes the predecessor's plain files for the people and scripts that read them, when they changed.
    ///
    /// # Errors
    /// What is in the way. Nothing of ours depends on these files.
    pub fn mirror(&mut self, policy: &Policy, state: &State, now: Now) -> Result<(), String> {
        let wanted = export(policy, state, now);
        if self.mirrored.as_ref() != Some(&wanted) {
            legacy::write(&self.directory, &wanted)?;
            self.mirrored = Some(wanted);
        }
        Ok(())
    }
}

/// What could not be saved where it belongs, if it is newer than what lies there.
fn newer(kept: Option<Document>, saved: Option<&Document>) -> Option<Document> {
    let than = saved.map(|saved| saved.anchor.timeline_ms);
    kept.filter(|kept| Some(kept.anchor.timeline_ms) > than)
}

/// Nothing readable: every budget counts as spent, and a person is told what of.
fn spent(policy: &Policy, what: Option<&str>) -> Start {
    let clock = Clock::start(None);
    let state = State::assume_spent(policy, clock.now().at);
    Start { state, clock, booted: false, trouble: what.map(unreadable) }
}

fn unreadable(what: &str) -> SelfTrouble {
    let text =
        format!("{what}. Every restart budget counts as spent, so the first repair waits for a whole window");
    SelfTrouble { key: "state_unreadable".to_owned(), text }
}

/// The predecessor watched one gateway: the target that has a unit.
fn predecessor_target(policy: &Policy) -> Option<&TargetPolicy> {
    policy.targets.iter().find(|target| target.unit.is_some())
}

fn import(legacy: &Legacy, policy: &Policy, state: &mut State, now: Now) {
    if let Some(target) = predecessor_target(policy) {
        let entry = state.targets.entry(target.name.clone()).or_default();
        entry.attempts = legacy.restarts.iter().map(|epoch| timeline_of_wall(&now, *epoch)).collect();
        entry.attempts.sort_unstable();
        target.window.prune(&mut entry.attempts, now.at);
    }
    for (key, epoch) in &legacy.alerts {
        let text = "sent by the predecessor".to_owned();
        let (key, severity) = (key.clone(), Severity::default());
        let draft = Draft { key, kind: Kind::Notice, severity, target: None, incident: 0, text };
        // LINE was the only channel that it had.
        let Some(line) = policy.alerts.channel(&line()) else { continue };
        let id = state.outbox.write(draft, line, now);
        let fate =
            Fate::Accepted { request_id: String::new(), at: timeline_of_wall(&now, *epoch), wall: *epoch };
        state.outbox.letters_mut(|letter| letter.id == id).for_each(|letter| letter.fate = fate.clone());
    }
}

fn export(policy: &Policy, state: &State, now: Now) -> Legacy {
    let mut legacy = Legacy::default();
    if let Some(target) = predecessor_target(policy).and_then(|target| state.targets.get(&target.name)) {
        let wall = |at| now.wall.saturating_sub(now.at.since(at).as_secs());
        legacy.restarts = target.attempts.iter().map(|at| wall(*at)).collect();
    }
    legacy.health_fail_count = fails(policy, state, "gateway", "health");
    legacy.ollama_fail_count = fails(policy, state, "ollama", "answers");
    legacy.webhook_fail_count = fails(policy, state, "webhook", "reach");
    for letter in &state.outbox.letters {
        if let Fate::Accepted { wall, .. } = &letter.fate
            && letter.kind != Kind::Recovery
        {
            legacy.alerts.retain(|(key, _)| *key != letter.key);
            legacy.alerts.push((letter.key.clone(), *wall));
        }
    }
    legacy
}

fn fails(policy: &Policy, state: &State, target: &str, probe: &str) -> u32 {
    let find = |text| Name::parse(text).ok();
    let Some((target, probe)) = find(target).zip(find(probe)) else { return 0 };
    let watched = policy.target(&target).is_some();
    let entry = state.targets.get(&target).filter(|_| watched);
    entry.and_then(|entry| entry.probes.get(&probe)).map_or(0, |probe| probe.fails)
}

#[cfg(test)]
mod tests;
