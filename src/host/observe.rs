//! Asks: units over the bus first, then all probes side by side, each under its own deadline. It judges
//! nothing and remembers nothing.

use super::Host;
use crate::config::Config;
use crate::cycle::Scope;
use crate::probe::clients::Clients;
use crate::probe::figures::Figures;
use crate::probe::reference;
use crate::probe::{Answer, Probe, Unit};
use crate::recovery::evidence::{Excused, Name, ProbeReport, Reading, ReferenceReport, Resting, UnitReport};
use crate::recovery::policy::Manager;
use crate::systemd::Bus;
use crate::values::{Secret, UnitName, mask};
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::pin::pin;
use std::rc::Rc;
use tokio::sync::watch;

/// The bus on which units are asked for.
pub(super) fn bus(manager: Manager) -> Bus {
    match manager {
        Manager::User => Bus::user(),
        Manager::System => Bus::system(),
    }
}

/// The units in scope, in the order of the configuration.
pub async fn units(bus: &Bus, config: &Config, scope: &Scope) -> Vec<UnitReport> {
    let wanted = config.units.iter().filter(|(target, _)| in_scope(scope, target, true));
    let asked = wanted
        .map(|(target, unit)| async { UnitReport { target: target.clone(), facts: bus.facts(unit).await } });
    join_all(asked).await
}

/// Says that a pass must not wait any longer for those who have not answered yet.
#[derive(Clone, Debug)]
pub struct Hurry(Rc<watch::Sender<bool>>);

impl Hurry {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Rc::new(watch::Sender::new(false)))
    }

    /// From now on.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }

    async fn raised(&self) {
        // The sender is ours, so there is always somebody to wait for.
        let _ = self.0.subscribe().wait_for(|raised| *raised).await;
    }
}

/// What the probes in scope have answered.
#[derive(Debug)]
pub struct Answers {
    /// In the order of the configuration.
    pub reports: Vec<ProbeReport>,
    /// What was measured, in the same order.
    pub figures: Vec<Figures>,
    /// Whether they were cut short: who has not answered then is asked anew in a later pass.
    pub cut: bool,
}

/// The probes in scope but those that rest.
pub async fn probes(
    clients: &Clients,
    config: &Config,
    units: &[UnitReport],
    (scope, resting): (&Scope, &Resting),
    hurry: &Hurry,
) -> Answers {
    let rests = |probe: &Probe| resting.has(&probe.target, &probe.name);
    let wanted = config.probes.iter().enumerate();
    let wanted = wanted.filter(|(_, probe)| in_scope(scope, &probe.target, false) && !rests(probe));
    let asked = wanted.map(|(index, probe)| async move {
        let unit = unit_of(config, units, &probe.target);
        let remembered = resting.excuse(&probe.target, &probe.name);
        (index, ask(probe, clients, unit.as_ref(), remembered).await)
    });
    let mut asked: FuturesUnordered<_> = asked.collect();
    let (mut answers, mut raised) = (Vec::with_capacity(asked.len()), pin!(hurry.raised()));
    loop {
        tokio::select! {
            biased;
            answer = asked.next() => match answer {
                Some(answer) => answers.push(answer),
                None => break,
            },
            () = &mut raised => break,
        }
    }
    answers.sort_unstable_by_key(|(index, _)| *index);
    let (reports, figures) = answers.into_iter().map(|(_, answer)| answer).unzip();
    Answers { reports, figures, cut: !asked.is_empty() }
}

/// A probe that outlives its own deadline is our defect, and must not hold up the cycle all the same.
async fn ask(
    probe: &Probe,
    clients: &Clients,
    unit: Option<&Unit>,
    remembered: Option<&str>,
) -> (ProbeReport, Figures) {
    /// What a probe may need beyond its own deadline to say that it is over.
    const GRACE: std::time::Duration = std::time::Duration::from_secs(1);
    let limit = probe.timeout() + GRACE;
    let answer = tokio::time::timeout(limit, probe.ask_again(clients, unit, remembered)).await;
    let late = |_| Reading::Unknown("the probe itself did not end in time".to_owned()).into();
    let Answer { reading, blames, figures, excused, overdue: _ } = answer.unwrap_or_else(late);
    let (target, name) = (probe.target.clone(), probe.name.clone());
    (ProbeReport { target, probe: name, reading, blames, excused }, figures)
}

/// Asks the probes, and beside them the reference points as soon as an external one keeps us waiting: it will fail, most
/// likely, and to ask them after it would make the pass longer than the slowest probe.
pub(super) async fn probes_and_references(
    clients: &Clients,
    config: &Config,
    units: &[UnitReport],
    looked_at: (&Scope, &Resting),
    hurry: &Hurry,
) -> (Answers, Option<Vec<ReferenceReport>>) {
    /// Those that are well have answered by then; what is left of a usual time limit is enough for the reference points.
    const KEPT_WAITING: std::time::Duration = std::time::Duration::from_secs(1);
    let mut probes = pin!(probes(clients, config, units, looked_at, hurry));
    if !has_external(config, looked_at) {
        return (probes.await, None);
    }
    if let Ok(answers) = tokio::time::timeout(KEPT_WAITING, &mut probes).await {
        return (answers, None);
    }
    let (mut references, mut known) = (pin!(reference::ask_all(&config.references)), None);
    let answers = loop {
        tokio::select! {
            biased;
            answers = &mut probes => break answers,
            reports = &mut references, if known.is_none() => known = Some(reports),
        }
    };
    // Who must not wait for the probes must not wait for these either.
    if known.is_none() && !answers.cut {
        known = Some(references.await);
    }
    (answers, known)
}

/// Whether anything external is asked at all.
fn has_external(config: &Config, (scope, resting): (&Scope, &Resting)) -> bool {
    let external = |name: &Name| config.policy.target(name).is_some_and(|target| target.external);
    let asked =
        |probe: &Probe| in_scope(scope, &probe.target, false) && !resting.has(&probe.target, &probe.name);
    !config.references.is_empty() && config.probes.iter().any(|probe| external(&probe.target) && asked(probe))
}

impl Host {
    /// The reference points while something external fails, and until they are well again; asked now, unless they were
    /// in this pass.
    pub(super) async fn references(
        &mut self,
        asked: Option<Vec<ReferenceReport>>,
        probes: &[ProbeReport],
        scope: &Scope,
    ) -> Vec<ReferenceReport> {
        let policy = &self.config.policy;
        let external = |name: &Name| policy.target(name).is_some_and(|target| target.external);
        // A name that cannot be resolved is nobody's failure, and still the first sign of a dead line.
        let passes = |report: &ProbeReport| matches!(report.reading, Reading::Pass(_));
        let wanted = self.cut_off || probes.iter().any(|report| !passes(report) && external(&report.target));
        // A unit that changed is answered at once; nothing external is asked in such a pass.
        let in_haste = matches!(scope, Scope::Units(_));
        if !wanted || in_haste || self.config.references.is_empty() {
            return Vec::new();
        }
        let reports = match asked {
            Some(reports) => reports,
            None => reference::ask_all(&self.config.references).await,
        };
        self.cut_off = reports.iter().any(|report| matches!(report.reading, Reading::Fail(_)));
        reports
    }
}

/// Takes the secrets out of an answer.
pub fn mask_report(report: &mut ProbeReport, secrets: &[Secret]) {
    let (Reading::Pass(text) | Reading::Fail(text) | Reading::Unknown(text)) = &mut report.reading;
    let said = match &mut report.excused {
        Some(Excused::Anew { said, .. }) => Some(said),
        Some(Excused::Still) | None => None,
    };
    for text in report.blames.iter_mut().map(|blame| &mut blame.reason).chain([text]).chain(said) {
        *text = mask(text, secrets);
    }
}

fn unit_of(config: &Config, units: &[UnitReport], target: &Name) -> Option<Unit> {
    let (_, name): &(Name, UnitName) = config.units.iter().find(|(of, _)| of == target)?;
    let facts = units.iter().find(|report| report.target == *target)?.facts.as_ref().ok()?;
    Some(Unit { name: name.clone(), main_pid: facts.main_pid })
}

pub(super) fn in_scope(scope: &Scope, target: &Name, is_unit: bool) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Targets(names) => names.contains(target),
        Scope::Units(names) => is_unit && names.contains(target),
    }
}
