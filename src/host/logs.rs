//! Logs as the host reads them: in every full pass, and between passes when something new is written. What was counted
//! goes into the state with the next save.

use super::observe::in_scope;
use super::{Host, Mode, chronicle};
use crate::cycle::Scope;
use crate::logscan::scanner::{Scan, Scanner};
use crate::recovery::evidence::{Name, ProbeReport, Resting};
use crate::recovery::scan::ScanMark;
use crate::values::one_line;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What there is new while nothing is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The channel has answered, a letter or the question for the quota.
    Answer,
    /// Something was written to a log.
    Lines,
}

impl Host {
    /// Goes on reading where the mark says. Who only looks reads nothing, and sees what was counted so far.
    pub(super) fn open_logs(&mut self, mark: &ScanMark) {
        let plan = &self.config.scan;
        if plan.rules.is_empty() {
            self.scanner = None;
            return;
        }
        let opened = match self.mode {
            Mode::Acts => Scanner::open(plan, mark),
            Mode::Looks => Scanner::look(plan, mark),
        };
        let trouble = opened.as_ref().err().map(|why| format!("no log is read: {why}"));
        self.scanner = opened.ok();
        self.set_trouble("log_rules", trouble);
    }

    /// Waits until there is something new. May be dropped at any time.
    pub async fn news(&mut self) -> News {
        let lines = async {
            match &mut self.scanner {
                Some(scanner) => scanner.rung().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.channel.answered() => News::Answer,
            () = lines => News::Lines,
        }
    }

    /// Reads what is new. Returns the targets that something was found for.
    pub fn read_logs(&mut self) -> BTreeSet<Name> {
        let now = self.clock.now().at;
        let secrets = &self.config.secrets;
        let read = self.scanner.as_mut().and_then(|scanner| scanner.read(now, secrets));
        let Some(scan) = read else { return BTreeSet::new() };
        self.tell_trouble(&scan);
        scan.touched
    }

    /// What lies in the logs when a pass looks, and how far they are read. A unit that died is answered first.
    pub(super) fn scan(&mut self, scope: &Scope) -> Option<Arc<ScanMark>> {
        match scope {
            Scope::Units(_) => return None,
            Scope::Everything => self.scanner.iter_mut().for_each(Scanner::refill),
            Scope::Targets(_) => {}
        }
        self.read_logs();
        self.scanner.as_ref().map(|scanner| Arc::new(scanner.mark().clone()))
    }

    /// What the rules in scope say.
    pub(super) fn found_in_logs(&mut self, scope: &Scope, resting: &Resting) -> Vec<ProbeReport> {
        let now = self.clock.now().at;
        let wanted =
            |target: &Name, probe: &Name| in_scope(scope, target, false) && !resting.has(target, probe);
        self.scanner.iter().flat_map(|scanner| scanner.reports(now, wanted)).collect()
    }

    /// What was found in all logs, for the bundle; empty where none is read.
    pub(super) fn log_analysis(&self) -> String {
        let now = self.clock.now().at;
        let analysis = self.scanner.as_ref().map(|scanner| scanner.analysis(now));
        analysis.map(|text| format!("\n\n===== log rules =====\n{text}")).unwrap_or_default()
    }

    /// A log that cannot be read is told on the channel when that lasts; one that is written faster than it may be read
    /// is said in the log, for the rest comes in the next cycle.
    fn tell_trouble(&mut self, scan: &Scan) {
        if scan.left > 0 {
            chronicle::log_behind(scan.bytes, scan.left);
        }
        scan.late.iter().for_each(|why| chronicle::log_late(why));
        for source in self.config.scan.sources.iter().map(|source| source.name.clone()).collect::<Vec<_>>() {
            let told: Vec<&str> = scan
                .troubles
                .iter()
                .filter(|(name, _)| *name == source)
                .map(|(_, why)| why.as_str())
                .collect();
            let text =
                (!told.is_empty()).then(|| format!("log {source}: {}", one_line(&told.join("; "), 300)));
            self.set_trouble(&format!("log_{source}"), text);
        }
    }
}
