//! What the watchdog remembers on disk: the state document with its clock, the predecessor's files that are
//! imported once and kept up to date, and what to assume when nothing can be read.

use super::clock::{Anchor, Clock, timeline_of_wall};
use super::kicks::Seen;
use super::legacy::{self, Legacy};
use super::store::{Loaded, Store};
use crate::recovery::evidence::{Name, SelfTrouble};
use crate::recovery::outbox::{Draft, Fate, Kind, line};
use crate::recovery::policy::{Policy, Severity, TargetPolicy};
use crate::recovery::state::State;
use crate::recovery::time::Now;
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
    saved: Option<(State, Seen)>,
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
        let mut store = Store::new(&directory.join("state.json"), VERSION);
        let loaded: Loaded<Document> = store.load();
        let mut memory = Self::new(directory, store);
        let start = match loaded {
            Loaded::Current(document) => memory.resume(document),
            Loaded::Previous(document, why) => {
                let mut start = memory.resume(document);
                // What was done between the two generations is not known.
                start.state.spend(policy, start.clock.now().at);
                let what = format!("the last saved state was damaged ({why}); the one before it is used");
                Start { trouble: Some(unreadable(&what)), ..start }
            }
            Loaded::Fresh => memory.begin(policy),
            Loaded::Unreadable { reason, set_aside } => {
                let kept = set_aside.map(|path| format!("; kept as {}", path.display())).unwrap_or_default();
                spent(policy, &format!("the saved state cannot be read ({reason}){kept}"))
            }
            Loaded::Newer { version } => {
                spent(policy, &format!("the saved state is of a newer version ({version}) of this program"))
            }
        };
        (memory, start)
    }

    fn new(directory: &Path, store: Store) -> Self {
        Self {
            directory: directory.to_owned(),
            store,
            saved: None,
            mirrored: None,
            unsaved: None,
            seen: Seen::default(),
        }
    }

    /// Reads what is there and changes nothing: for those who only look. What cannot be read counts as spent.
    pub fn peek(directory: &Path, policy: &Policy) -> (Self, Start) {
        let mut memory = Self::new(directory, Store::new(&directory.join("state.json"), VERSION));
        let start = match memory.store.peek::<Document>() {
            Ok(Some(document)) => memory.resume(document),
            Ok(None) => {
                Start { state: State::default(), clock: Clock::start(None), booted: false, trouble: None }
            }
            Err(why) => spent(policy, &format!("the saved state cannot be read ({why})")),
        };
        (memory, start)
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
            state = State::assume_spent(policy, now.at);
        }
        Start { state, clock, booted: false, trouble: None }
    }

    /// Makes the state durable. An unchanged state costs nothing.
    ///
    /// # Errors
    /// Why it could not be saved; also kept in [`Self::unsaved`].
    pub fn save(&mut self, state: &State, clock: &Clock) -> Result<(), String> {
        let unchanged = self.saved.as_ref().is_some_and(|(s, seen)| s == state && *seen == self.seen);
        if unchanged && self.unsaved.is_none() {
            return Ok(());
        }
        let document = Document { anchor: clock.anchor(), seen: self.seen.clone(), state: state.clone() };
        let result = self.store.save(&document);
        self.unsaved = result.clone().err();
        if result.is_ok() {
            self.saved = Some((document.state, document.seen));
        }
        result
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

/// Nothing readable: every budget counts as spent, and a person is told.
fn spent(policy: &Policy, what: &str) -> Start {
    let clock = Clock::start(None);
    let state = State::assume_spent(policy, clock.now().at);
    Start { state, clock, booted: false, trouble: Some(unreadable(what)) }
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
mod tests {
    use super::*;
    use crate::config::{Sources, compile};
    use crate::recovery::window::Window;
    use std::fs;

    fn policy() -> Policy {
        policy_of(&[])
    }

    fn policy_of(env: &[(&str, &str)]) -> Policy {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources { env, home: "/home/pico".into(), ..Sources::default() };
        compile(&sources).config.unwrap().policy
    }

    fn gateway(state: &State) -> &crate::recovery::state::TargetState {
        &state.targets[&Name::parse("gateway").unwrap()]
    }

    fn free_in(state: &State, policy: &Policy, now: Now) -> u64 {
        let window: Window = policy.targets[0].window;
        window.free_at(&gateway(state).attempts).since(now.at).as_secs()
    }

    #[test]
    fn what_the_predecessor_did_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let wall = super::super::clock::wall();
        let stamps = format!("{}\n{}\n{}\n{}\n", wall - 5000, wall - 100, wall - 50, wall - 10);
        fs::write(dir.path().join("restart_gateway_times.log"), stamps).unwrap();
        fs::write(dir.path().join("alert_gateway_limit.ts"), format!("{}\n", wall - 60)).unwrap();
        let policy = policy();
        let (_, start) = Memory::open(dir.path(), &policy);
        let now = start.clock.now();
        assert_eq!(gateway(&start.state).attempts.len(), 3, "the one of long ago does not count any more");
        let wait = free_in(&start.state, &policy, now);
        assert!((495..=500).contains(&wait), "{wait}");
        assert!(start.state.outbox.is_quiet(&line(), "gateway_limit", policy.alerts.cooldown, now.at));
        fs::write(dir.path().join("restart_gateway_times.log"), "").unwrap();
        let (_, again) = Memory::open(dir.path(), &policy);
        assert_eq!(gateway(&again.state).attempts.len(), 3, "our own state counts from then on");
    }

    #[test]
    fn nothing_readable_means_that_every_budget_is_spent() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state.json"), "garbage").unwrap();
        let policy = policy();
        let (_, start) = Memory::open(dir.path(), &policy);
        assert!(free_in(&start.state, &policy, start.clock.now()) >= 590);
        assert_eq!(start.trouble.unwrap().key, "state_unreadable");
    }

    #[test]
    fn a_first_start_that_cannot_save_has_no_budget_either() {
        let dir = tempfile::tempdir().unwrap();
        // A directory in the place of the temporary file: nothing can be saved, whoever we are.
        fs::create_dir(dir.path().join("state.json.tmp")).unwrap();
        let policy = policy();
        let (memory, start) = Memory::open(dir.path(), &policy);
        assert!(memory.unsaved.is_some());
        assert!(free_in(&start.state, &policy, start.clock.now()) >= 590);
    }

    #[test]
    fn the_predecessors_files_follow_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let policy = policy_of(&[
            ("PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL", "http://ollama.example:11434/v1/models"),
            ("PICOCLAW_WATCHDOG_WEBHOOK_URL", "https://gateway.example/webhook/line"),
        ]);
        let (mut memory, start) = Memory::open(dir.path(), &policy);
        let (mut state, now) = (start.state, start.clock.now());
        let entry = state.targets.entry(policy.targets[0].name.clone()).or_default();
        entry.attempts = vec![now.at.before(std::time::Duration::from_secs(7))];
        let counted = [("gateway", "health", 2), ("ollama", "answers", 3), ("webhook", "reach", 4)];
        for (target, probe, fails) in counted {
            let [target, probe] = [target, probe].map(|text| Name::parse(text).unwrap());
            assert!(policy.target(&target).unwrap().probe(&probe).is_some(), "the built-in file has it");
            let entry = state.targets.entry(target).or_default();
            entry.probes.entry(probe).or_default().fails = fails;
        }
        memory.mirror(&policy, &state, now).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("restart_gateway_times.log"), format!("{}\n", now.wall - 7));
        assert_eq!(read("health_fail_count"), "2\n");
        assert_eq!(read("ollama_fail_count"), "3\n");
        assert_eq!(read("webhook_fail_count"), "4\n");
    }

    #[test]
    fn those_who_only_look_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let policy = policy();
        fs::write(dir.path().join("state.json"), "garbage").unwrap();
        let (_, start) = Memory::peek(dir.path(), &policy);
        assert!(start.trouble.is_some());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(dir.path().join("state.json")).unwrap(), "garbage");
    }
}
