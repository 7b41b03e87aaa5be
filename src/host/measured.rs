//! How things are after a pass, with what the probes measured last and when each was asked. The measurements are kept
//! beside the state, for nothing is decided from them, and are gone with the process.

use super::view::{AlertsView, Grade, PausedView, SCHEMA, TargetView, View};
use super::{Host, clock};
use crate::cycle::Report;
use crate::probe::figures::Figures;
use crate::recovery::evidence::{Name, ProbeReport};
use crate::recovery::state::State;
use std::collections::BTreeMap;

/// The newest measurement of each probe, by target and probe, and when it was made in Unix seconds.
#[derive(Debug, Default)]
pub(super) struct Measured(BTreeMap<(Name, Name), (u64, Figures)>);

impl Measured {
    /// Takes what came with these answers, in the same order.
    pub(super) fn take(&mut self, reports: &[ProbeReport], figures: Vec<Figures>) {
        let now = clock::wall();
        let places = reports.iter().map(|report| (report.target.clone(), report.probe.clone()));
        self.0.extend(places.zip(figures.into_iter().map(|figures| (now, figures))));
    }

    /// Puts it into a view.
    pub(super) fn show(&self, targets: &mut [TargetView]) {
        for ((target, probe), (at, figures)) in &self.0 {
            let of_target = targets.iter_mut().find(|view| view.name == target.as_str());
            let probes = of_target.map(|view| view.probes.as_mut_slice()).unwrap_or_default();
            let Some(view) = probes.iter_mut().find(|view| view.name == probe.as_str()) else { continue };
            view.asked_at = Some(*at);
            view.figures =
                figures.iter().map(|(name, number)| ((*name).to_owned(), number.clone())).collect();
        }
    }
}

impl Host {
    /// How things are after a pass.
    pub fn view(&mut self, state: &State, report: &Report) -> View {
        let mut targets = TargetView::all(&self.config.policy, state, &report.verdicts, report.now);
        self.measured.show(&mut targets);
        View {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: report.now.wall,
            pid: std::process::id(),
            interval_s: self.config.policy.cadence.longest().as_secs(),
            overall: targets.iter().map(|target| target.grade).max().unwrap_or(Grade::Healthy),
            targets,
            alerts: AlertsView::new(&state.outbox, &self.config.policy.alerts.usable()),
            paused: PausedView::list(state, report.now, &self.config.log.timezone),
            resident: false,
            unsaved: self.memory.unsaved.clone(),
            off: None,
        }
    }
}
