//! Requests of people at the desk of the host: one is taken at a time, and stays claimed until it is answered.

use super::super::{Host, chronicle, clock};
use super::{KickResult, KickSettings, read, remove, write_result};
use crate::recovery::decide::Answer;
use crate::recovery::evidence::{Kick, KickRefusal};
use crate::recovery::record::Outcome;

impl Host {
    /// Takes the requests that wait. One that was read stays claimed until its answer is written.
    pub(in crate::host) fn read_kick(&mut self) -> Option<Kick> {
        let settings =
            KickSettings { enabled: self.config.kick.enabled, token: self.config.kick.token.clone() };
        let file = &self.config.kick.file;
        let (received, verdict) = read(file, clock::wall(), &settings, &self.memory.seen)?;
        if verdict.is_ok() {
            self.memory.seen.remember(&received);
        }
        let unknown = || {
            let known: Vec<&str> = self.config.kick.actions.keys().map(String::as_str).collect();
            let text = format!("unknown action; there are: {}", known.join(", "));
            KickRefusal::Invalid(text)
        };
        let wish = verdict
            .and_then(|()| self.config.kick.actions.get(&received.action).cloned().ok_or_else(unknown));
        let kick = Kick { action: received.action.clone(), source: received.source.clone(), wish };
        self.kick = Some(received);
        Some(kick)
    }

    /// Leaves the answer where the asker can read it.
    pub(in crate::host) fn answer_kick(&mut self, answer: &Answer, outcome: Option<&Outcome>) {
        let Some(kick) = self.kick.take() else { return };
        let outcome = match outcome {
            Some(outcome) => format!("{}: {}", answer.text, outcome.detail()),
            None => answer.text.clone(),
        };
        chronicle::kick(answer, &outcome);
        let file = &self.config.kick.file;
        let result = KickResult {
            action: kick.action,
            source: kick.source,
            epoch: kick.epoch,
            outcome,
            at: clock::wall(),
        };
        for done in [write_result(file, &result), remove(file)] {
            if let Err(why) = done {
                chronicle::trouble("kick", &why);
            }
        }
    }
}
