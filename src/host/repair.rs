//! Carrying out an attempt, with the diagnostics bundle that is taken beside it. Whether it was a good idea is
//! not asked here.

use super::{Host, bundle, chronicle, clock};
use crate::recovery::decide::Attempt;
use crate::recovery::record::Outcome;
use std::path::PathBuf;
use std::pin::pin;
use tokio::time::timeout;

impl Host {
    /// Performs the action of an attempt. Its bundle has a head start, and never keeps it waiting for more.
    pub(super) async fn carry_out(&self, attempt: &Attempt) -> Outcome {
        let Some(action) = self.config.actions.get(&attempt.action) else {
            return Outcome::Failed(format!("there is no action {}", attempt.action));
        };
        let mut bundle = pin!(self.bundle(attempt));
        match timeout(bundle::HEAD_START, &mut bundle).await {
            Ok(()) => action.perform(&self.bus).await,
            Err(_) => tokio::join!(action.perform(&self.bus), bundle).0,
        }
    }

    async fn bundle(&self, attempt: &Attempt) {
        let unit = self.config.units.iter().find(|(target, _)| *target == attempt.target);
        let contents = bundle::Contents {
            head: format!(
                "attempt {} of {}: {} because {}\n\n===== the unit =====\n{:#?}\n\n===== last readings =====\n{}",
                attempt.id,
                attempt.target,
                attempt.action,
                attempt.why,
                self.units.get(&attempt.target),
                self.seen.get(&attempt.target).map_or("none yet", String::as_str)
            ),
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

    fn diagnostics(&self) -> PathBuf {
        self.config.paths.state.join("diagnostics")
    }
}
