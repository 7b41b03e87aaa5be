//! Carrying out an attempt, with the diagnostics bundle that is taken beside it. Whether it was a good idea is
//! not asked here.

use super::{Host, bundle, chronicle, clock};
use crate::action::Action;
use crate::action::tools::Tools;
use crate::recovery::decide::Attempt;
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
            Ok(()) => self.act(action).await,
            Err(_) => tokio::join!(self.act(action), bundle).0,
        }
    }

    /// An action that takes long is only begun here, and never while the last one of its kind is under way.
    async fn act(&self, action: &Action) -> Outcome {
        if let Some(since) = self.errands.under_way(&action.name) {
            return Outcome::Failed(format!("not asked again: still under way since {} ago", Age(since)));
        }
        if let Err(why) = action.allowed(&self.clients).await {
            return Outcome::Failed(format!("not asked: {why}"));
        }
        match action.is_errand() {
            true => self.errands.begin(action, self.tools()),
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
            self.errands.begin(&keeper, self.tools());
        }
    }

    /// Waits for what goes on beside the passes, no longer than this.
    pub async fn finish_errands(&self, limit: Duration) {
        self.errands.finish(limit).await;
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
                self.seen.get(&attempt.target).map_or("none yet", String::as_str),
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
