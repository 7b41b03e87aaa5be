//! Which rung stands next, and what an attempt leaves to be compared with. Whether it may be tried now is the
//! gate's question.

use super::health::{self, Health};
use super::policy::{Rung, TargetPolicy};
use super::starts;
use super::state::{Phase, Spent, TargetState, pattern};

/// Why no rung can be proposed.
pub(super) enum Nothing {
    /// There is no ladder.
    Configured,
    /// There is one, and this is why nothing on it is left.
    Left(Spent),
}

/// The rung that stands next. What has changed nothing before is climbed over; single tries, once that is
/// all there is, stay on the top.
pub(super) fn next_rung<'p>(
    policy: &'p TargetPolicy,
    target: &mut TargetState,
    why: &str,
) -> Result<&'p Rung, Nothing> {
    let top = policy.ladder.last().ok_or(Nothing::Configured)?;
    if matches!(target.phase, Phase::Exhausted { .. }) {
        return Ok(policy.rung(target.climbed).unwrap_or(top));
    }
    let mut spent = Spent::Ladder;
    while let Some(rung) = policy.rung(target.climbed) {
        let futile = target.incident.as_ref().is_some_and(|incident| incident.is_futile(&rung.action, why));
        if !futile {
            return Ok(rung);
        }
        spent = Spent::Futile;
        target.climbed = target.climbed.saturating_add(1);
    }
    Err(Nothing::Left(spent))
}

/// How the fault looks before an attempt, so that afterwards it can be told whether that changed anything.
pub(super) fn remember_the_fault(policy: &TargetPolicy, target: &mut TargetState) {
    if let Health::Unhealthy(why) = health::assess(policy, target)
        && let Some(incident) = &mut target.incident
    {
        incident.pattern = pattern(&why);
    }
    if starts::over_at(policy, target).is_some() && !target.starts.is_empty() {
        starts::unlearn(target);
    }
}
