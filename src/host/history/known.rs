//! What was written last about every probe and unit, so that only what differs is written again. Two answers
//! are alike when they are of one kind: how many milliseconds a healthy answer took is no news.

use super::record::{Line, Record};
use crate::recovery::evidence::{Evidence, Name, ProbeReport, Reading, ReferenceReport, UnitReport};
use crate::recovery::unit::Standing;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was written last.
#[derive(Debug, Default)]
pub(super) struct Known {
    probes: BTreeMap<(Name, Name), ProbeKind>,
    units: BTreeMap<Name, UnitKind>,
    rest: Rest,
}

/// Pass, fail or unknown, and whom it blames.
type ProbeKind = (u8, Vec<Name>);
/// Standing, run, and how often systemd restarted it.
type UnitKind = Option<(Standing, Arc<str>, u32)>;

/// What is small, and is written whole whenever any of it differs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rest {
    unsaved: bool,
    troubles: Vec<String>,
    references: Vec<(String, u8)>,
}

impl Known {
    /// Takes over what these lines, the end of a history, have told.
    pub(super) fn after(lines: &[Line]) -> Self {
        let mut known = Self::default();
        for line in lines {
            if let Record::Pass { seen, .. } = &line.record {
                known.news(seen);
            }
        }
        known
    }

    /// What of this is new, and whether that is worth a line. It counts as written from now on.
    pub(super) fn news(&mut self, evidence: &Evidence) -> (Evidence, bool) {
        let probes: Vec<ProbeReport> =
            evidence.probes.iter().filter(|report| self.is_new_probe(report)).cloned().collect();
        let units: Vec<UnitReport> =
            evidence.units.iter().filter(|report| self.is_new_unit(report)).cloned().collect();
        let rest = Rest::of(evidence);
        let once = !evidence.kicks.is_empty()
            || !evidence.orders.is_empty()
            || !evidence.late.is_empty()
            || evidence.fresh.is_some();
        let news = once || !probes.is_empty() || !units.is_empty() || rest != self.rest;
        self.rest = rest;
        (Evidence { probes, units, receipts: Vec::new(), ..without_bulk(evidence) }, news)
    }

    fn is_new_probe(&mut self, report: &ProbeReport) -> bool {
        let blamed = report.blames.iter().map(|blame| blame.target.clone()).collect();
        let now = (kind(&report.reading), blamed);
        let place = (report.target.clone(), report.probe.clone());
        self.probes.insert(place, now.clone()) != Some(now)
    }

    fn is_new_unit(&mut self, report: &UnitReport) -> bool {
        let facts = report.facts.as_ref().ok();
        let now = facts.map(|facts| (facts.standing(), facts.invocation.clone(), facts.restarts));
        self.units.insert(report.target.clone(), now.clone()) != Some(now)
    }
}

impl Rest {
    fn of(evidence: &Evidence) -> Self {
        let reference = |report: &ReferenceReport| (report.name.clone(), kind(&report.reading));
        Self {
            unsaved: evidence.unsaved.is_some(),
            troubles: evidence.troubles.iter().map(|trouble| trouble.key.clone()).collect(),
            references: evidence.references.iter().map(reference).collect(),
        }
    }
}

/// A copy without the probes and units, which are most of it.
fn without_bulk(evidence: &Evidence) -> Evidence {
    Evidence {
        probes: Vec::new(),
        units: Vec::new(),
        kicks: evidence.kicks.clone(),
        orders: evidence.orders.clone(),
        late: evidence.late.clone(),
        receipts: Vec::new(),
        troubles: evidence.troubles.clone(),
        unsaved: evidence.unsaved.clone(),
        references: evidence.references.clone(),
        fresh: evidence.fresh,
        // What was found in logs is among the answers of the probes.
        scan: None,
        quota: evidence.quota,
    }
}

fn kind(reading: &Reading) -> u8 {
    match reading {
        Reading::Pass(_) => 0,
        Reading::Fail(_) => 1,
        Reading::Unknown(_) => 2,
    }
}
