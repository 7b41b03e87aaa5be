//! What goes into the operations log: one line when something changes, one per attempt and outcome, one per
//! message, one to close each cycle. The words come from verdicts; nothing is explained a second time here.

use super::view::{Grade, TargetView, View};
use crate::cycle::Report;
use crate::recovery::decide::{Answer, Attempt, Closed};
use crate::recovery::evidence::{Name, Order, unquoted};
use crate::recovery::health::Health;
use crate::recovery::outbox::{Fate, Letter, Outbox, line};
use crate::recovery::record::Outcome;
use crate::recovery::time::Age;
use crate::recovery::verdict::Verdict;
use std::collections::BTreeMap;
use std::path::Path;
use tracing::{error, info, warn};

/// What was said last, so that only changes are said.
#[derive(Debug, Default)]
pub struct Chronicle {
    targets: BTreeMap<String, String>,
    fates: BTreeMap<u64, &'static str>,
}

impl Chronicle {
    /// Letters that were there before this process started are old news.
    pub fn new(outbox: &Outbox) -> Self {
        let fates = outbox.letters.iter().map(|letter| (letter.id, letter.fate.word())).collect();
        Self { targets: BTreeMap::new(), fates }
    }

    /// Tells what one pass changed.
    pub fn pass(&mut self, view: &View, report: &Report, outbox: &Outbox) {
        for closed in &report.closed {
            let Closed { target, incident, lasted, how } = closed;
            info!(subject = %target, result = "OK", action = "recovered", "incident {incident} lasted {}: {target} {how}", Age(*lasted));
        }
        for (target, verdict) in view.targets.iter().zip(&report.verdicts) {
            self.target(target, verdict);
        }
        for (attempt, outcome) in &report.done {
            self::outcome(attempt, outcome);
        }
        self.letters(outbox);
    }

    /// The numbers in a sentence change with every pass while something is awaited, and the line that it quotes with
    /// every line of a busy log; only a change of the words is news.
    fn target(&mut self, target: &TargetView, verdict: &Verdict) {
        let sentence = &target.summary;
        let words = match &verdict.health {
            Health::Unhealthy(why) => sentence.replacen(why, unquoted(why), 1),
            Health::Healthy | Health::Unknown(_) | Health::Off(_) => sentence.clone(),
        };
        let words: String = words.chars().filter(|c| !c.is_ascii_digit()).collect();
        let known = self.targets.insert(target.name.clone(), words.clone()).is_some_and(|said| said == words);
        if known || verdict.is_told_elsewhere() {
            return;
        }
        let subject = target.name.as_str();
        match target.grade {
            Grade::Healthy => info!(subject, result = "OK", action = "none", "{sentence}"),
            Grade::Degraded => warn!(subject, result = "NG", action = "detect", "{sentence}"),
            Grade::Critical => error!(subject, result = "NG", action = "detect", "{sentence}"),
        }
    }

    fn letters(&mut self, outbox: &Outbox) {
        for letter in &outbox.letters {
            let now = letter.fate.word();
            if self.fates.insert(letter.id, now) != Some(now) {
                self::letter(letter);
            }
        }
        self.fates.retain(|id, _| outbox.letter(*id).is_some());
    }
}

fn letter(letter: &Letter) {
    let (subject, text) = (letter.key.as_str(), letter.text.as_str());
    let channel = letter.channel.as_str();
    match &letter.fate {
        Fate::Pending if letter.channel == line() => {
            warn!(subject, result = "NG", action = "alert_raised", "#{} {text}", letter.id)
        }
        Fate::Pending => {
            warn!(subject, result = "NG", action = "alert_raised", "#{} to {channel}: {text}", letter.id)
        }
        Fate::Withheld => warn!(
            subject,
            result = "NG",
            action = "skip_notify",
            "#{} not sent, there is no channel: {text}",
            letter.id
        ),
        Fate::Accepted { request_id, .. } => {
            info!(
                subject = channel,
                result = "OK",
                action = "push_sent",
                "#{} {} request_id={request_id}",
                letter.id,
                letter.key
            );
        }
        Fate::Refused { reason, .. } => {
            error!(
                subject = channel,
                result = "NG",
                action = "push_refused",
                "#{} {}: {reason}",
                letter.id,
                letter.key
            );
        }
        Fate::Superseded { reason } => {
            info!(subject, result = "OK", action = "alert_superseded", "#{} {reason}", letter.id)
        }
    }
}

/// An attempt begins.
pub fn attempt(attempt: &Attempt) {
    let Attempt { id, target, action, number, why } = attempt;
    warn!(subject = %target, result = "NG", action = %action, id, "attempt {id} ({} of {} in the window): {why}", number.0, number.1);
}

fn outcome(attempt: &Attempt, outcome: &Outcome) {
    let Attempt { id, target, action, .. } = attempt;
    let detail = outcome.detail();
    match outcome {
        Outcome::Done(_) => {
            info!(subject = %target, result = "OK", action = %action, id, "attempt {id} done: {detail}; now verifying")
        }
        Outcome::Running(_) => {
            info!(subject = %target, result = "OK", action = %action, id, "attempt {id} under way: {detail}; now verifying")
        }
        Outcome::Failed(_) => {
            error!(subject = %target, result = "NG", action = %action, id, "attempt {id} failed: {detail}")
        }
    }
}

/// What went on beside the passes is over. What no attempt has asked for has no number, and no target but "errand".
pub fn errand(action: &Name, attempt: Option<&Attempt>, outcome: &Outcome, took: std::time::Duration) {
    let (detail, took) = (outcome.detail(), Age(took));
    let (subject, id) = (attempt.map_or("errand", |of| of.target.as_str()), attempt.map(|of| of.id));
    match outcome {
        Outcome::Done(_) | Outcome::Running(_) => {
            info!(subject, result = "OK", action = %action, id, "ended after {took}: {detail}")
        }
        Outcome::Failed(_) => {
            warn!(subject, result = "NG", action = %action, id, "failed after {took}: {detail}")
        }
    }
}

/// What went on beside the passes is given up, for the program ends.
pub fn errand_left(action: &Name, after: std::time::Duration) {
    let after = Age(after);
    warn!(subject = "errand", result = "NG", action = %action, "no longer waited for, after {after}; it may go on over there");
}

/// A bundle was taken.
pub fn bundle(attempt: &Attempt, path: &Path) {
    info!(subject = %attempt.target, result = "OK", action = "diagnostics", id = attempt.id, "attempt {}: {}", attempt.id, path.display());
}

/// A bundle could not be taken.
pub fn no_bundle(attempt: &Attempt, why: &str) {
    warn!(subject = %attempt.target, result = "NG", action = "diagnostics", id = attempt.id, "attempt {}: {why}", attempt.id);
}

/// A kick was answered.
pub fn kick(answer: &Answer, outcome: &str) {
    info!(subject = "kick", result = "OK", action = %answer.action, id = answer.attempt, "from {}: {outcome}", answer.source);
}

/// An order of the owner was taken.
pub fn order(order: &Order) {
    let name = |target: &Option<Name>| target.as_ref().map_or("all", Name::as_str).to_owned();
    match order {
        Order::Pause { target, span, reason } => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            info!(subject = name(target), result = "OK", action = "pause", "for {}{why}", Age(*span));
        }
        Order::Resume { target } => {
            info!(subject = name(target), result = "OK", action = "resume", "by the owner");
        }
        Order::TestAlert { channel } => {
            let channel = channel.as_ref().map_or("line", Name::as_str);
            info!(subject = channel, result = "OK", action = "test", "asked for by the owner");
        }
    }
}

/// Something of ours did not work.
pub fn trouble(subject: &str, why: &str) {
    warn!(subject, result = "NG", action = "detect", "{why}");
}

/// Logs are written faster than they may be read.
pub fn log_behind(bytes: u64, left: u64) {
    let what = "the rest comes in the next cycle; see [scan] max_bytes";
    info!(
        subject = "logs",
        result = "NG",
        action = "scan",
        "{bytes} bytes read and {left} more are there: {what}"
    );
}

/// New lines are not noticed at once.
pub fn log_late(why: &str) {
    warn!(subject = "logs", result = "NG", action = "scan", "{why}");
}

/// The channel did not say how many messages are left, so none are kept back.
pub fn quota_unknown(why: &str) {
    info!(subject = "line", result = "NG", action = "quota", "the quota is not known anew: {why}");
}

/// A full cycle is over.
pub fn cycle_end(view: &View, took: std::time::Duration) {
    let result = if view.overall == Grade::Healthy { "OK" } else { "NG" };
    info!(subject = "watchdog", result, action = "end", "{} ({} ms)", view.summary(), took.as_millis());
}
