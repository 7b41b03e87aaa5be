//! Several actions, one after the other. All of them are tried, also when one before them failed: each helps by
//! itself, and none may count on another.

use super::Action;
use super::tools::Tools;
use crate::recovery::record::Outcome;
use std::time::Duration;

/// More steps than this are a program, and nobody could say in advance how long they take.
pub const MAX_STEPS: usize = 8;

/// A sequence of actions; none of them is a sequence itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct All {
    /// Its steps, at least one.
    pub steps: Vec<Action>,
}

impl All {
    /// The longest that all of it may take, with what is asked before each step.
    pub fn timeout(&self) -> Duration {
        self.steps.iter().map(|step| step.asking() + step.timeout()).sum()
    }

    /// Carries out every step.
    pub async fn perform(&self, tools: &Tools) -> Outcome {
        let mut outcomes = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            outcomes.push((step, perform(step, tools).await));
        }
        Self::told(&outcomes)
    }

    /// What every step would come to. Nothing is changed.
    pub async fn rehearse(&self, tools: &Tools) -> Outcome {
        let mut outcomes = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            outcomes.push((step, Box::pin(step.act.rehearse(tools)).await));
        }
        Self::told(&outcomes)
    }

    fn told(outcomes: &[(&Action, Outcome)]) -> Outcome {
        let told = |is_wanted: fn(&Outcome) -> bool| {
            let wanted = outcomes.iter().filter(|(_, outcome)| is_wanted(outcome));
            wanted.map(|(step, outcome)| format!("{}: {}", step.name, outcome.detail())).collect::<Vec<_>>()
        };
        let failed = told(|outcome| matches!(outcome, Outcome::Failed(_)));
        let running = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Running(_)));
        let all = || told(|_| true).join("; ");
        match (failed.is_empty(), running) {
            (false, _) => Outcome::Failed(failed.join("; ")),
            (true, true) => Outcome::Running(all()),
            (true, false) => Outcome::Done(all()),
        }
    }
}

async fn perform(step: &Action, tools: &Tools) -> Outcome {
    match step.allowed(&tools.clients).await {
        // A step is an action, and only the compiler does not know that it is no sequence.
        Ok(()) => Box::pin(step.perform(tools)).await,
        Err(why) => Outcome::Failed(format!("not asked: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Do, run::Run};
    use super::*;
    use crate::probe::clients::Clients;
    use crate::recovery::evidence::Name;
    use crate::systemd::Bus;
    use std::sync::Arc;

    fn step(name: &str, script: &str) -> Action {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let act = Do::Run(Run { argv, timeout: Duration::from_secs(40) });
        Action { name: Name::parse(name).unwrap(), disruptive: true, dry_run: false, backup: None, act }
    }

    #[tokio::test]
    async fn every_step_is_tried_and_the_failed_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let last = dir.path().join("last");
        let touch = format!("touch '{}'", last.display());
        let tools = Tools {
            bus: Bus::user(),
            clients: Arc::new(Clients::new()),
            state: dir.path().to_owned(),
            scan: Arc::default(),
        };
        let steps = vec![step("a", "exit 3"), step("b", "echo well"), step("c", &touch)];
        let outcome = All { steps }.perform(&tools).await;
        assert_eq!(outcome, Outcome::Failed("a: sh: exit code 3".to_owned()));
        assert!(last.exists());
        let good = All { steps: vec![step("a", "echo well"), step("b", "true")] };
        assert_eq!(
            good.perform(&tools).await,
            Outcome::Done("a: exit code 0: well; b: exit code 0".to_owned())
        );
    }

    #[test]
    fn times_add_up_and_a_long_sequence_is_an_errand() {
        let steps = |count| All { steps: (0..count).map(|_| step("a", "true")).collect() };
        assert_eq!(steps(3).timeout(), Duration::from_secs(120));
        let action = |count| Action { act: Do::All(steps(count)), ..step("all", "") };
        assert!(!action(3).is_errand());
        assert!(action(4).is_errand());
    }
}
