//! The history: a bounded record of what was seen and decided, from which an action can be explained later
//! and a night can be run again. It is written by whoever holds the lock, only when something changes; it is
//! no state, nothing is decided from it, and nothing waits for it.

mod file;
mod known;
mod record;

pub use file::{FILE_BYTES_MAX, OLD_FILES, read};
pub use record::{Line, Record, VERSION};

use super::chronicle;
use super::view::TargetView;
use crate::cycle::{Report, Scope};
use crate::recovery::decide::Attempt;
use crate::recovery::evidence::{Evidence, Name};
use crate::recovery::health;
use crate::recovery::outbox::{Fate, Letter, Outbox};
use crate::recovery::policy::Policy;
use crate::recovery::record::Outcome;
use crate::recovery::state::{Incident, State, TargetState};
use crate::recovery::time::{Now, Timestamp};
use crate::recovery::verdict::{Ruling, Verdict};
use crate::values::{Secret, mask};
use file::File;
use known::Known;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How much of the end is read to go on where another run left off. It holds some hundred lines.
const TAIL_BYTES: u64 = 64 * 1024;

/// The recorder.
#[derive(Debug)]
pub struct History {
    file: File,
    /// As they look within a JSON text.
    secrets: Vec<Secret>,
    known: Known,
    /// The pass under way: what it looks at, what it saw, and whether its line is written.
    pass: Option<Seen>,
    /// The targets as they were before this pass, and as they were last offered to the disk.
    before: BTreeMap<Name, TargetState>,
    offered: BTreeMap<Name, TargetState>,
    /// The open incidents and the fates of letters that were told.
    incidents: BTreeSet<u64>,
    fates: BTreeMap<u64, Fate>,
    keyframe_due: bool,
    /// The moment of the last line. What a pass came to is written after what its attempts came to, and must
    /// not look earlier: time that goes back is the mark of a state that was lost.
    latest: Timestamp,
    works: bool,
}

#[derive(Debug)]
struct Seen {
    now: Now,
    scope: Scope,
    evidence: Evidence,
    /// What of it is new, until that is written.
    news: Option<Box<Evidence>>,
    /// Whether it has a line even when nothing is done in it.
    worth: bool,
}

impl History {
    /// Begins to record, from the state that was found at the start.
    pub fn begin(state_dir: &Path, state: &State, secrets: &[Secret], now: Now) -> Self {
        let mut history = Self::new(state_dir, state, secrets);
        history.write(now, &[keyframe(state)]);
        history
    }

    /// Goes on where the last run left off, if that can be seen: a run a minute must not begin anew each time.
    pub fn resume(state_dir: &Path, state: &State, secrets: &[Secret], now: Now) -> Self {
        let lines = file::tail(state_dir, TAIL_BYTES);
        let is_keyframe = |line: &Line| matches!(line.record, Record::Keyframe { .. });
        let Some(from) = lines.iter().rposition(is_keyframe) else {
            return Self::begin(state_dir, state, secrets, now);
        };
        Self { known: Known::after(&lines[from..]), ..Self::new(state_dir, state, secrets) }
    }

    fn new(state_dir: &Path, state: &State, secrets: &[Secret]) -> Self {
        let mut history = Self {
            file: File::new(state_dir),
            secrets: Vec::new(),
            known: Known::default(),
            pass: None,
            before: state.targets.clone(),
            offered: state.targets.clone(),
            incidents: open_incidents(state).map(|(_, open)| open.id).collect(),
            fates: state.outbox.letters.iter().map(|letter| (letter.id, letter.fate.clone())).collect(),
            keyframe_due: false,
            latest: Timestamp(0),
            works: true,
        };
        history.set_secrets(secrets);
        history
    }

    /// Masks these from now on.
    pub fn set_secrets(&mut self, secrets: &[Secret]) {
        let escaped = |secret: &Secret| {
            let quoted = serde_json::Value::from(secret.expose()).to_string();
            Secret::new(quoted.trim_matches('"'))
        };
        self.secrets = secrets.iter().map(escaped).collect();
    }

    /// A pass has seen this.
    pub fn saw(&mut self, scope: &Scope, evidence: &Evidence, now: Now) {
        let (news, worth) = self.known.news(evidence);
        // When a quick look was made matters as much as what it saw; a look at nothing is one for a letter.
        let partial = match scope {
            Scope::Everything => false,
            Scope::Targets(names) | Scope::Units(names) => !names.is_empty(),
        };
        self.pass = Some(Seen {
            now,
            scope: scope.clone(),
            evidence: evidence.clone(),
            news: Some(Box::new(news)),
            worth: worth || partial,
        });
    }

    /// A state is about to be saved. Attempts that follow are explained from the one before it.
    pub fn offered(&mut self, state: &State) {
        if self.offered != state.targets {
            self.before = std::mem::replace(&mut self.offered, state.targets.clone());
        }
    }

    /// An attempt is about to be carried out.
    pub fn attempt(&mut self, policy: &Policy, attempt: &Attempt, now: Now) {
        let Some(verdict) = self.verdict(policy, attempt, now) else { return };
        let record = Record::Attempt {
            id: attempt.id,
            action: attempt.action.clone(),
            why: attempt.why.clone(),
            verdict: Box::new(verdict),
        };
        self.flush(true);
        self.write(now, &[record]);
    }

    /// The verdict behind an attempt, with what was seen. That of the pass itself comes after the attempt was
    /// charged, when all readings are forgotten.
    fn verdict(&self, policy: &Policy, attempt: &Attempt, now: Now) -> Option<TargetView> {
        let of = policy.target(&attempt.target)?;
        let seen = self.pass.as_ref()?;
        let mut state = State { targets: self.before.clone(), ..State::default() };
        health::fold(policy, &mut state, &seen.evidence, seen.now);
        let target = state.targets.entry(attempt.target.clone()).or_default();
        of.window.prune(&mut target.attempts, seen.now.at);
        target.attempts.push(seen.now.at);
        let after = self.offered.get(&attempt.target);
        target.incident = after.and_then(|after| after.incident.clone());
        let health = health::assess(of, target);
        let ruling = Ruling::Act { action: attempt.action.clone(), number: attempt.number.0 };
        Some(TargetView::new(of, target, &Verdict::new(of, target, health, ruling, now.at)))
    }

    /// An attempt was carried out.
    pub fn outcome(&mut self, attempt: &Attempt, outcome: &Outcome, now: Now) {
        let word = match outcome {
            Outcome::Done(_) => "done",
            Outcome::Running(_) => "running",
            Outcome::Failed(_) => "failed",
        };
        let detail = outcome.detail().to_owned();
        self.write(now, &[Record::Outcome { id: attempt.id, word: word.to_owned(), detail }]);
    }

    /// A pass is over.
    pub fn pass(&mut self, state: &State, report: &Report) {
        self.flush(false);
        let mut records = self.opened(state);
        for closed in &report.closed {
            records.push(Record::Closed {
                target: closed.target.clone(),
                incident: closed.incident,
                lasted_ms: u64::try_from(closed.lasted.as_millis()).unwrap_or(u64::MAX),
                how: closed.how.clone(),
            });
        }
        self.letters(&state.outbox, &mut records);
        self.write(report.now, &records);
        if std::mem::take(&mut self.keyframe_due) {
            self.write(report.now, &[keyframe(state)]);
        }
    }

    fn opened(&mut self, state: &State) -> Vec<Record> {
        let new = open_incidents(state).filter(|(_, open)| !self.incidents.contains(&open.id));
        let record = |(target, open): (&Name, &Incident)| Record::Opened {
            target: target.clone(),
            incident: open.id,
            cause: open.cause.clone(),
        };
        let records = new.map(record).collect();
        self.incidents = open_incidents(state).map(|(_, open)| open.id).collect();
        records
    }

    fn letters(&mut self, outbox: &Outbox, records: &mut Vec<Record>) {
        for letter in &outbox.letters {
            let told = self.fates.get(&letter.id);
            if told.is_none() {
                records.push(written(letter));
            }
            if told != Some(&letter.fate) {
                records.push(Record::Fate { letter: letter.id, fate: letter.fate.clone() });
                self.fates.insert(letter.id, letter.fate.clone());
            }
        }
        self.fates.retain(|id, _| outbox.letter(*id).is_some());
    }

    /// Writes what the pass under way has seen, if that is worth it and was not written yet.
    fn flush(&mut self, acts: bool) {
        let Some(seen) = self.pass.as_mut().filter(|seen| seen.worth || acts) else { return };
        let Some(news) = seen.news.take() else { return };
        let record = Record::Pass { scope: seen.scope.clone(), seen: news };
        let now = seen.now;
        self.write(now, &[record]);
    }

    fn write(&mut self, now: Now, records: &[Record]) {
        self.latest = self.latest.max(now.at);
        let at = self.latest;
        let line = |record: &Record| {
            let line = Line { v: VERSION, at, wall: now.wall, record: record.clone() };
            // Our records hold texts, numbers and maps with text keys, which always have a JSON form.
            mask(&serde_json::to_string(&line).unwrap_or_default(), &self.secrets) + "\n"
        };
        let lines: String = records.iter().map(line).collect();
        if lines.is_empty() {
            return;
        }
        match self.file.append(&lines) {
            Ok(begun) => {
                self.works = true;
                if begun {
                    // Each file can be understood by itself: where things stand, then all of what is seen.
                    self.keyframe_due = true;
                    self.known = Known::default();
                }
            }
            Err(why) => {
                if std::mem::replace(&mut self.works, false) {
                    chronicle::trouble("history", &format!("not recorded until it works again: {why}"));
                }
            }
        }
    }
}

fn open_incidents(state: &State) -> impl Iterator<Item = (&Name, &Incident)> {
    state.targets.iter().filter_map(|(name, target)| Some((name, target.incident.as_deref()?)))
}

/// Where things stand. Of the letters only those that still wait, or that an open incident refers to.
fn keyframe(state: &State) -> Record {
    let mut state = state.clone();
    let heard = open_incidents(&state).flat_map(|(_, open)| open.heard.values());
    let referred: Vec<u64> = heard.filter_map(|heard| heard.letter).collect();
    let matters = |letter: &Letter| {
        matches!(letter.fate, Fate::Pending | Fate::Withheld) || referred.contains(&letter.id)
    };
    state.outbox.letters.retain(|letter| matters(letter));
    Record::Keyframe { version: env!("CARGO_PKG_VERSION").to_owned(), state: Box::new(state) }
}

fn written(letter: &Letter) -> Record {
    Record::Letter {
        letter: letter.id,
        channel: letter.channel.clone(),
        key: letter.key.clone(),
        kind: letter.kind,
        target: letter.target.clone(),
        incident: letter.incident,
        text: letter.text.clone(),
    }
}

#[cfg(test)]
mod tests;
