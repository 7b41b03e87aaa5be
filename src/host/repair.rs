//! Carrying out an attempt, with the diagnostics bundle that is taken beside it. Whether it was a good idea is
//! not asked here.

use super::errand::Ended;
use super::{Host, bundle, chronicle, clock};
use crate::action::Action;
use crate::action::tools::Tools;
use crate::recovery::decide::Attempt;
use crate::recovery::evidence::{LateFailure, Name, Reading};
use crate::recovery::record::Outcome;
use crate::recovery::time::Age;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A version that is older than this is worth little, and reading everything costs some milliseconds a file.
const KEEP_EVERY: Duration = Duration::from_secs(3600);

impl Host {
    /// Performs the action of an attempt. Its bundle has a head start, and never keeps it waiting for more.
    pub(super) async fn carry_out(&self, attempt: &Attempt) -> Outcome {
        let Some(action) = self.config.actions.get(&attempt.action) else {
            return Outcome::Failed(format!("there is no action {}", attempt.action));
        };
        let mut bundle = pin!(self.bundle(attempt));
        match timeout(bundle::HEAD_START, &mut bundle).await {
            Ok(()) => self.act(action, attempt).await,
            Err(_) => tokio::join!(self.act(action, attempt), bundle).0,
        }
    }

    /// An action that takes long is only begun here, and never while the last one of its kind is under way.
    async fn act(&self, action: &Action, attempt: &Attempt) -> Outcome {
        if let Some(since) = self.errands.under_way(&action.name) {
            return Outcome::Failed(format!("not asked again: still under way since {} ago", Age(since)));
        }
        if let Err(why) = action.allowed(&self.clients).await {
            return Outcome::Failed(format!("not asked: {why}"));
        }
        match action.is_errand() {
            true => self.errands.begin(action, Some(attempt), self.tools()),
            false => action.perform(&self.tools()).await,
        }
    }

    /// Keeps whole versions of what a repair may have to restore: at the start, and every hour.
    pub(super) fn keep_good_versions(&mut self) {
        let now = self.clock.now().at;
        if self.keep_again.is_some_and(|again| now < again) {
            return;
        }
        self.keep_again = Some(now.after(KEEP_EVERY));
        let keepers = self.config.actions.values().flat_map(Action::steps).filter_map(Action::keeper);
        for keeper in keepers.collect::<Vec<_>>() {
            self.errands.begin(&keeper, None, self.tools());
        }
    }

    /// Waits for what goes on beside the passes, no longer than this.
    pub async fn finish_errands(&mut self, limit: Duration) {
        let ended = self.errands.finish(limit).await;
        self.remember(&ended);
    }

    /// The errands that have ended since the last pass: those that failed, for the core.
    pub(super) fn late_failures(&mut self) -> Vec<LateFailure> {
        let ended = self.errands.ended();
        self.remember(&ended);
        let failure = |Ended { attempt, outcome }| match outcome {
            Outcome::Failed(why) => Some(LateFailure { target: attempt.target, action: attempt.action, why }),
            Outcome::Done(_) | Outcome::Running(_) => None,
        };
        ended.into_iter().filter_map(failure).collect()
    }

    fn remember(&mut self, ended: &[Ended]) {
        let now = self.clock.now();
        if let Some(history) = &mut self.history {
            ended.iter().for_each(|end| history.outcome(&end.attempt, &end.outcome, now));
        }
    }

    async fn bundle(&self, attempt: &Attempt) {
        let unit = self.config.units.iter().find(|(target, _)| *target == attempt.target);
        let contents = bundle::Contents {
            head: format!(
                "attempt {} of {}: {} because {}\n\n===== the unit =====\n{:#?}\n\n===== last readings =====\n{}{}",
                attempt.id,
                attempt.target,
                attempt.action,
                attempt.why,
                self.units.get(&attempt.target),
                self.last_readings(&attempt.target),
                self.log_analysis(),
            ),
            manager: self.config.manager,
            unit: unit.map(|(_, unit)| unit.to_string()),
            logs: self.config.logs.get(&attempt.target).cloned().unwrap_or_default(),
            secrets: self.config.secrets.clone(),
        };
        let name = format!("{}-{}-{}", clock::stamp(), attempt.target, attempt.id);
        match bundle::take(&self.diagnostics(), &name, &contents).await {
            Ok(path) => chronicle::bundle(attempt, &path),
            Err(why) => chronicle::no_bundle(attempt, &why),
        }
    }

    /// What the probes of a target have answered last, those of this pass among them.
    fn last_readings(&self, target: &Name) -> String {
        let of_target = self.seen.iter().filter(|((of, _), _)| of == target);
        let line = |((_, probe), reading): (&(Name, Name), &Reading)| match reading {
            Reading::Pass(detail) => format!("{probe}: pass {detail}"),
            Reading::Fail(detail) => format!("{probe}: fail {detail}"),
            Reading::Unknown(detail) => format!("{probe}: unknown {detail}"),
        };
        of_target.map(line).collect::<Vec<_>>().join("\n")
    }

    fn tools(&self) -> Tools {
        let (bus, clients) = (self.bus.clone(), self.clients.clone());
        // Who follows no log keeps nobody from rotating it.
        let scan = self.scanner.as_ref().map(|_| Arc::clone(&self.scanned)).unwrap_or_default();
        Tools { bus, clients, state: self.config.paths.state.clone(), scan }
    }

    fn diagnostics(&self) -> PathBuf {
        self.config.paths.state.join("diagnostics")
    }
}
