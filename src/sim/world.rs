//! The simulated world as the watchdog meets it: what a pass can ask of it, and what it can do to it.

use super::Sim;
use super::blueprint::{Answer, Asks, Question, Remedy};
use super::fault::Repair;
use super::story::{self, What};
use super::thing::{Face, QUICK, Thing};
use crate::cycle::{ANCHOR_EVERY, Scope, World};
use crate::recovery::decide::{Answer as KickAnswer, Attempt};
use crate::recovery::evidence::{
    Blame, Delivery, Evidence, Name, ProbeReport, Reading, Receipt, ReferenceReport, Resting, UnitReport,
};
use crate::recovery::outbox::{Fate, Letter, Outbox, line};
use crate::recovery::record::Outcome;
use crate::recovery::state::State;
use crate::recovery::time::{Age, Now};
use std::rc::Rc;
use std::time::Duration;

/// Where the wall clock of every world begins: in February 2026.
const EPOCH: u64 = 1_770_000_000;
/// What takes less is not counted: healthy passes keep the full minute then.
const COUNTS_FROM: Duration = Duration::from_millis(100);
/// What reference points are called; how many there are does not matter, for all fail together.
const REFERENCES: [&str; 3] = ["router", "dns", "elsewhere"];
/// How often the channel is asked for the month's quota, when something was sent.
const QUOTA_EVERY: Duration = Duration::from_secs(3600);

impl World for Sim {
    fn now(&mut self) -> Now {
        self.entropy = self.entropy.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let wall = (EPOCH + self.now.0 / 1000).saturating_add_signed(self.wall_error);
        Now { at: self.now.before(self.lag), wall, entropy: self.entropy }
    }

    async fn observe(&mut self, scope: &Scope, resting: &Resting) -> Evidence {
        let mut evidence = Evidence { unsaved: self.unsaved.clone(), ..Evidence::default() };
        evidence.kicks = std::mem::take(&mut self.kicks);
        // A person who asks wants an answer about now, whatever this pass was for.
        let scope = if evidence.kicks.is_empty() { scope } else { &Scope::Everything };
        self.ask_units(scope, &mut evidence);
        self.ask_probes(scope, resting, &mut evidence);
        let now = self.now;
        evidence.receipts = self.receipts.extract_if(.., |(at, _)| *at <= now).map(|(_, r)| r).collect();
        evidence.orders = std::mem::take(&mut self.orders);
        evidence.fresh = self.fresh.take();
        self.ask_quota(&mut evidence);
        evidence
    }

    fn compose(&mut self, letters: &[&Letter]) -> String {
        letters.iter().map(|letter| letter.text.as_str()).collect::<Vec<_>>().join("\n---\n")
    }

    fn save(&mut self, state: &State) -> Result<(), String> {
        self.charged_at = self.now;
        let recent = self.now.since(self.saved_at) < ANCHOR_EVERY;
        if recent && self.disk.as_ref() == Some(state) && self.unsaved.is_none() {
            return Ok(());
        }
        if self.burn() {
            return Ok(());
        }
        let result = if self.disk_works { Ok(()) } else { Err("No space left on device".to_owned()) };
        self.unsaved = result.clone().err();
        if self.disk.as_ref().is_none_or(|saved| saved.outbox != state.outbox) {
            self.read_letters(&state.outbox);
        }
        if result.is_ok() {
            self.saved_at = self.now;
            self.disk = Some(state.clone());
        }
        // Killed right after the save, before anything else happens.
        self.burn();
        result
    }

    async fn perform(&mut self, attempt: &Attempt) -> Outcome {
        if self.dead {
            return Outcome::Failed("killed".to_owned());
        }
        let remedy = self.remedies.get(&attempt.action).cloned();
        let restart = matches!(remedy, Some(Remedy::Restart { .. }));
        let per = self.policy.target(&attempt.target).map(|target| target.window.per).unwrap_or_default();
        self.performed.push((self.charged_at, attempt.target.clone()));
        self.ledger.attempt(attempt, restart, per, self.charged_at);
        let outcome = match remedy {
            Some(remedy) => self.carry_out(attempt, &remedy),
            None => Outcome::Failed(format!("there is no action {}", attempt.action)),
        };
        self.story.tell_later(What::Does, story::attempt(attempt, &outcome));
        self.burn();
        outcome
    }

    fn send(&mut self, letter: &Letter) {
        if self.dead || self.burn() {
            return;
        }
        let push = self.letters_of(letter);
        let is_line = letter.channel == line();
        let reserve = is_line && self.in_reserve();
        let (online, now) = (self.online, self.now);
        let channel =
            if is_line { &mut self.channel } else { self.others.entry(letter.channel.clone()).or_default() };
        let before = channel.accepted.len();
        let (takes, delivery) = channel.push(&push, online, now);
        if let Some(got) = channel.accepted.get(before) {
            self.ledger.received(push.iter().filter_map(|letter| letter.target.as_ref()), got, reserve);
        }
        if letter.tries == 1
            && let Delivery::Retry(why) | Delivery::QuotaSpent(why) | Delivery::Later { reason: why, .. } =
                &delivery
        {
            self.story
                .tell_later(What::Line, format!("message {}{} has to wait: {why}", letter.id, to(letter)));
        }
        if !self.burn() {
            self.receipts.push((self.now.after(takes), Receipt { alert: letter.id, delivery }));
        }
    }

    fn answer(&mut self, answer: &KickAnswer, outcome: Option<&Outcome>) {
        let outcome = outcome.map(|outcome| format!(": {}", outcome.detail())).unwrap_or_default();
        let text = format!("{}{outcome}", answer.text);
        self.story.tell_later(What::Answers, format!("{}: {text}", answer.action));
        self.answers.push(text);
    }
}

impl Sim {
    /// All letters of the push that begins with this one, as they were saved before it is sent.
    fn letters_of(&self, head: &Letter) -> Vec<Letter> {
        let saved = self.disk.iter().flat_map(|state| state.outbox.push(head.id));
        let rest = saved.filter(|letter| letter.id != head.id).cloned();
        std::iter::once(head.clone()).chain(rest).collect()
    }

    /// One step towards the end of the fuse; true when the watchdog is dead at this point.
    fn burn(&mut self) -> bool {
        self.steps += 1;
        match &mut self.fuse {
            // What only memory holds, because the disk refuses it, a kill would lose; nothing can keep that.
            Some(0) if self.unsaved.is_some() => {}
            Some(0) => {
                self.fuse = None;
                self.dead = true;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.dead
    }

    fn ask_units(&mut self, scope: &Scope, evidence: &mut Evidence) {
        for thing in &self.things {
            let Some(service) = thing.service.as_ref().filter(|_| in_scope(scope, &thing.name, true)) else {
                continue;
            };
            let facts = match self.bus_answers {
                true => Ok(service.facts(self.now)),
                false => Err("the bus does not answer".to_owned()),
            };
            if self.seen.get(&thing.name) != Some(&service.version) {
                self.seen.insert(thing.name.clone(), service.version);
            }
            evidence.units.push(UnitReport { target: thing.name.clone(), facts });
        }
    }

    /// All probes are asked side by side, so the slowest counts.
    fn ask_probes(&mut self, scope: &Scope, resting: &Resting, evidence: &mut Evidence) {
        let questions = Rc::clone(&self.questions);
        let (mut slowest, mut cut_off) = (Duration::ZERO, false);
        let asked = |question: &&Question| {
            in_scope(scope, &question.target, false) && !resting.has(&question.target, &question.probe)
        };
        for question in questions.iter().filter(asked) {
            let Some(thing) = self.things.iter().find(|thing| thing.name == question.target) else {
                continue;
            };
            let (took, reading, blames) = read(question, thing, self.face(thing));
            slowest = slowest.max(took);
            cut_off |= thing.external && matches!(reading, Reading::Fail(_));
            let (target, probe) = (question.target.clone(), question.probe.clone());
            evidence.probes.push(ProbeReport { target, probe, reading, blames, excused: None });
        }
        if slowest >= COUNTS_FROM {
            self.now = self.now.after(slowest);
        }
        let wanted = cut_off && self.policy.offline_quorum.is_some();
        evidence.references = if wanted { self.references() } else { Vec::new() };
    }

    fn references(&self) -> Vec<ReferenceReport> {
        let reading = match self.online {
            true => Reading::Pass("answers".to_owned()),
            false => Reading::Fail("no answer".to_owned()),
        };
        REFERENCES.map(|name| ReferenceReport { name: name.to_owned(), reading: reading.clone() }).into()
    }

    /// What a probe of a target meets, seen from here.
    fn face(&self, thing: &Thing) -> Face {
        if thing.external && !self.online {
            return Face::Silent;
        }
        if self.is_let_down(thing) { Face::Status(502) } else { thing.face(self.now) }
    }

    fn ask_quota(&mut self, evidence: &mut Evidence) {
        let due = match self.quota_asked {
            None => true,
            Some((at, requests)) => requests != self.channel.requests && self.now.since(at) >= QUOTA_EVERY,
        };
        if due && self.channel.limit.is_some() && self.policy.alerts.usable().is_ok() {
            self.quota_asked = Some((self.now, self.channel.requests));
            evidence.quota = self.channel.quota(self.online);
        }
    }

    /// Whether the month's quota is down to the part that is kept.
    fn in_reserve(&self) -> bool {
        let Some(limit) = self.channel.limit else { return false };
        let kept = limit * u64::from(self.policy.alerts.reserve_percent) / 100;
        self.channel.used + kept >= limit
    }

    /// Tells and books what is new among the letters.
    fn read_letters(&mut self, outbox: &Outbox) {
        for letter in &outbox.letters {
            if !self.ledger.letter(letter) {
                continue;
            }
            let (id, key) = (format!("{}{}", letter.id, to(letter)), &letter.key);
            let (what, text) = match &letter.fate {
                Fate::Pending => (What::Writes, format!("message {id} ({key}):\n{}", letter.text)),
                Fate::Withheld => {
                    (What::Writes, format!("message {id} ({key}), for later:\n{}", letter.text))
                }
                Fate::Accepted { .. } => (What::Line, accepted(letter)),
                Fate::Refused { reason, .. } => (What::Line, format!("message {id} is refused: {reason}")),
                Fate::Superseded { reason } => (What::Line, format!("message {id} is not sent: {reason}")),
            };
            self.story.tell_later(what, text);
        }
    }

    fn carry_out(&mut self, attempt: &Attempt, remedy: &Remedy) -> Outcome {
        let timeout = remedy.timeout();
        let repair = self.things.iter().find(|thing| thing.name == attempt.target).map(|t| t.repair.clone());
        match (repair.unwrap_or_default(), remedy) {
            (Repair::Fails(says), _) => Outcome::Failed(says),
            (Repair::Hangs, Remedy::Restart { unit, .. }) => {
                self.now = self.now.after(timeout);
                Outcome::Running(format!("systemd is still restarting {unit}"))
            }
            (Repair::Hangs, Remedy::Command { .. }) => {
                self.now = self.now.after(timeout);
                Outcome::Failed(format!("no end within {}", Age(timeout)))
            }
            (Repair::Useless, _) => Outcome::Done("exit code 0".to_owned()),
            (Repair::Works, Remedy::Restart { unit, .. }) => self.restart_unit(unit, &attempt.action),
            (Repair::Works, Remedy::Command { .. }) => {
                let now = self.now;
                if let Some(thing) = self.thing_mut(&attempt.target) {
                    thing.treat(&attempt.action);
                    // A program that mends a service is one that starts it.
                    let _ = thing.restart(now);
                }
                Outcome::Done("exit code 0".to_owned())
            }
        }
    }

    fn restart_unit(&mut self, unit: &str, action: &Name) -> Outcome {
        if !self.bus_answers {
            return Outcome::Failed("systemd cannot be asked: the bus does not answer".to_owned());
        }
        let now = self.now;
        let of_unit = |thing: &&mut Thing| thing.service.as_ref().is_some_and(|service| service.unit == unit);
        let Some(thing) = self.things.iter_mut().find(of_unit) else {
            return Outcome::Failed(format!("Unit {unit} not found."));
        };
        match thing.restart(now) {
            Ok(()) => {
                thing.treat(action);
                Outcome::Done(format!("{unit} restarted"))
            }
            Err(why) => Outcome::Failed(format!("restarting {unit}: {why}")),
        }
    }
}

fn accepted(letter: &Letter) -> String {
    let (id, to) = (letter.id, to(letter));
    match letter.tries {
        1 => format!("message {id}{to} is accepted"),
        tries => format!("message {id}{to} is accepted, at try {tries}"),
    }
}

/// Where a letter goes, when that is not the usual channel.
fn to(letter: &Letter) -> String {
    if letter.channel == line() { String::new() } else { format!(" to {}", letter.channel) }
}

fn in_scope(scope: &Scope, target: &Name, is_unit: bool) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Targets(names) => names.contains(target),
        Scope::Units(names) => is_unit && names.contains(target),
    }
}

/// What a probe reads off what it meets, and how long that takes.
fn read(question: &Question, thing: &Thing, face: Face) -> (Duration, Reading, Vec<Blame>) {
    let judge = match &question.asks {
        Asks::Port(port) => return (Duration::ZERO, read_port(*port, thing, &face), Vec::new()),
        Asks::Steady => return (Duration::ZERO, read_steady(&face), Vec::new()),
        Asks::Service(judge) => judge,
    };
    let in_time = |took: Duration, status: Option<u16>, body: &str| {
        if took > question.timeout && took > QUICK {
            return (question.timeout, no_answer(question), Vec::new());
        }
        let (reading, blames) = judge(&Answer { status, body, took });
        (took, reading, blames)
    };
    match face {
        Face::Well(took) => in_time(took, None, ""),
        Face::NotReady(took, ..) if !question.is_readiness => in_time(took, None, ""),
        Face::NotReady(took, check, says) => {
            let checks = serde_json::json!({ "checks": { check: { "status": "fail", "message": says } } });
            in_time(took, Some(503), &checks.to_string())
        }
        Face::Status(status) => in_time(QUICK, Some(status), ""),
        Face::Silent | Face::Taken(_) => (question.timeout, no_answer(question), Vec::new()),
        Face::Gone(words) => (Duration::ZERO, Reading::Fail(words), Vec::new()),
    }
}

fn read_steady(face: &Face) -> Reading {
    match face {
        Face::Well(_) | Face::NotReady(..) => Reading::Pass("as it was".to_owned()),
        Face::Silent | Face::Status(_) | Face::Taken(_) | Face::Gone(_) => {
            Reading::Unknown("it cannot be asked now".to_owned())
        }
    }
}

fn no_answer(question: &Question) -> Reading {
    Reading::Fail(format!("no full answer within {}", Age(question.timeout)))
}

fn read_port(port: u16, thing: &Thing, face: &Face) -> Reading {
    match face {
        Face::Gone(_) => Reading::Fail(format!("nothing listens on port {port}")),
        Face::Taken(by) => {
            let unit = thing.service.as_ref().map_or("its service", |service| service.unit.as_str());
            Reading::Fail(format!("port {port} is held by {by}, not by {unit}"))
        }
        Face::Well(_) | Face::NotReady(..) | Face::Silent | Face::Status(_) => {
            Reading::Pass("listening".to_owned())
        }
    }
}
