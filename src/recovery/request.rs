//! What a person asks for by a kick. It skips thresholds and waits, never a limit.

use super::decide::{Answer, Pass};
use super::evidence::{Kick, KickRefusal, KickWish, Name};
use super::gate::{Asker, Hold};
use super::health::{self, Health};
use super::time::Age;
use super::verdict::Ruling;
use std::collections::BTreeMap;
use std::time::Duration;

impl Pass<'_> {
    /// Answers one kick, and carries out what it may.
    pub(super) fn answer(&mut self, kick: &Kick, rulings: &mut BTreeMap<Name, Ruling>) -> Answer {
        let mut answer = Answer {
            action: kick.action.clone(),
            source: kick.source.clone(),
            attempt: None,
            text: String::new(),
        };
        answer.text = match &kick.wish {
            Err(KickRefusal::Disabled) => "refused: kicks are switched off".to_owned(),
            Err(KickRefusal::Forged) => "refused: wrong token".to_owned(),
            Err(KickRefusal::Invalid(why)) => format!("refused: {why}"),
            Ok(KickWish::Check(name)) => match rulings.get(name) {
                Some(ruling) => self.describe(name, ruling),
                None => format!("refused: {name} is not watched"),
            },
            Ok(KickWish::Recover(name)) => match self.recover_on_request(name, &kick.source) {
                Err(text) => format!("refused: {text}"),
                Ok(ruling) => {
                    answer.attempt = self.attempts.last().map(|attempt| attempt.id);
                    let text = ruling.to_string();
                    rulings.insert(name.clone(), ruling);
                    text
                }
            },
        };
        answer
    }

    fn describe(&self, name: &Name, ruling: &Ruling) -> String {
        let found = self.policy.target(name).zip(self.state.targets.get(name));
        match found.map(|(policy, target)| health::assess(policy, target)) {
            Some(Health::Healthy) => format!("{name}: healthy"),
            Some(Health::Unhealthy(why)) => format!("{name}: {why}; {ruling}"),
            Some(Health::Unknown(_) | Health::Off(_)) | None => format!("{name}: {ruling}"),
        }
    }

    fn recover_on_request(&mut self, name: &Name, source: &str) -> Result<Ruling, String> {
        let policy = self.policy.target(name).ok_or_else(|| format!("{name} is not watched"))?;
        let rung = policy.ladder.first().ok_or_else(|| Hold::NoLadder.to_string())?;
        if self.attempts.iter().any(|attempt| attempt.target == *name) {
            return Err(format!("{name} is being repaired at this moment"));
        }
        let until = self.policy.kicks.free_at(&self.state.kicks);
        if self.now.at < until {
            let wait = Age(until.since(self.now.at));
            return Err(format!("the budget of kicks is spent ({}), next in {wait}", self.policy.kicks));
        }
        let allowed = self.ask(policy, rung, Asker::Person).and_then(|()| self.fits(rung, Duration::ZERO));
        allowed.map_err(|hold| hold.to_string())?;
        self.state.kicks.push(self.now.at);
        self.state.targets.entry(name.clone()).or_default().asked_for.push(self.now.at);
        Ok(self.attempt(policy, rung, format!("asked for by {source}")))
    }
}
