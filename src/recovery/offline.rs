//! Are we offline? When the reference points fail together, the fault is our own connection: what is reached
//! over the internet is then neither blamed nor repaired, and told of once, on return.

use super::evidence::{Evidence, Name, ProbeReport, Reading, ReferenceReport};
use super::policy::Policy;
use super::state::{Offline, State};
use super::time::Now;
use std::borrow::Cow;

/// Judges the reference points. Returns a time offline that has just ended.
///
/// They are asked only while something external fails, so silence changes nothing; but an external answer
/// that passes proves as well as they could that we are back. Where there are none any more, nobody could ever say so.
pub(super) fn judge(policy: &Policy, state: &mut State, evidence: &Evidence, now: Now) -> Option<Offline> {
    let Some(quorum) = policy.offline_quorum else { return state.offline.take() };
    let failing: Vec<&ReferenceReport> =
        evidence.references.iter().filter(|r| matches!(r.reading, Reading::Fail(_))).collect();
    if failing.len() >= quorum as usize {
        state.offline.get_or_insert_with(|| {
            let said = failing.iter().map(|r| format!("{}: {}", r.name, r.reading.detail()));
            let why = said.collect::<Vec<_>>().join("; ");
            Offline { since: now.at, why, hidden: Default::default() }
        });
        return None;
    }
    let back = !evidence.references.is_empty() || evidence.probes.iter().any(|r| proves_online(policy, r));
    if back { state.offline.take() } else { None }
}

fn proves_online(policy: &Policy, report: &ProbeReport) -> bool {
    matches!(report.reading, Reading::Pass(_)) && is_external(policy, report)
}

fn is_external(policy: &Policy, report: &ProbeReport) -> bool {
    policy.target(&report.target).is_some_and(|target| target.external)
}

/// The evidence as it may be believed: while we are offline, a failure of something external says nothing.
pub(super) fn discount<'e>(policy: &Policy, state: &mut State, evidence: &'e Evidence) -> Cow<'e, Evidence> {
    let Some(offline) = &mut state.offline else { return Cow::Borrowed(evidence) };
    let mut evidence = evidence.clone();
    for report in evidence.probes.iter_mut().filter(|report| is_external(policy, report)) {
        if let Reading::Fail(what) | Reading::Unknown(what) = &report.reading {
            report.reading = Reading::Unknown(format!("we are offline ({what})"));
            offline.hidden.insert(report.target.clone());
        }
    }
    let external = |name: &Name| policy.target(name).is_some_and(|target| target.external);
    for report in &mut evidence.probes {
        report.blames.retain(|blame| !external(&blame.target));
    }
    Cow::Owned(evidence)
}
