//! The rules between tables: every name means something, exactly once, and nothing waits for itself. It
//! reports and changes nothing.

use super::plan::Plan;
use super::{rules, sequence};
use crate::logscan::follow::Own;
use crate::recovery::evidence::{KickWish, Name};
use crate::recovery::policy::Role;
use crate::section::parse::written;
use crate::section::{Section, Spot, did_you_mean};
use std::collections::BTreeSet;

/// Reports all that is wrong between the tables. `own` are the files that we write ourselves.
pub(super) fn check(root: &Section<'_>, plan: &Plan, own: &Own) {
    names_are_unique(root, plan);
    ladders_lead_to_actions(root, plan);
    ladders_are_climbed(root, plan);
    sequence::check(root, plan);
    actions_are_used(root, plan);
    errands_have_their_time(root, plan);
    targets_are_known(root, plan);
    kicks_can_be_granted(root, plan);
    nothing_waits_for_itself(root, plan);
    something_is_watched(root, plan);
    rules::check(root, plan, own);
}

fn names_are_unique(root: &Section<'_>, plan: &Plan) {
    let unique = |names: &mut dyn Iterator<Item = (&Name, &Spot)>, what: &str| {
        let mut seen = BTreeSet::new();
        for (name, spot) in names {
            if !seen.insert(name) {
                root.error(spot, format!("there is another {what} called {name}"), "give each its own name");
            }
        }
    };
    unique(&mut plan.targets.iter().map(|target| (&target.policy.name, &target.spot)), "target");
    unique(&mut plan.logs.iter().map(|log| (&log.source.name, &log.spot)), "source");
    for target in &plan.targets {
        let names = &mut target.questions.iter().map(|asked| (&asked.policy.name, &asked.spot));
        unique(names, &format!("probe of {}", target.policy.name));
    }
}

fn ladders_lead_to_actions(root: &Section<'_>, plan: &Plan) {
    for step in plan.targets.iter().flat_map(|target| &target.ladder) {
        if plan.action(&step.action).is_none() {
            let names = plan.actions.iter().map(|entry| entry.name.as_str());
            unknown(root, &step.spot, "action", step.action.as_str(), names);
        }
    }
}

/// Only what is known to be down is repaired: by its unit, by a probe that may say so, or by what another says of it.
fn ladders_are_climbed(root: &Section<'_>, plan: &Plan) {
    let checks = plan.targets.iter().flat_map(|target| &target.questions).filter(|asked| asked.off.is_none());
    let blamed: BTreeSet<&Name> =
        checks.flat_map(|asked| &asked.check).flat_map(|check| check.blamed()).collect();
    for target in &plan.targets {
        let of = &target.policy;
        let may_be_down = target.unit.is_some() || of.probes.iter().any(|probe| probe.role == Role::Liveness);
        let all_off = target.off.is_some() || of.probes.is_empty();
        let Some(step) = target.ladder.iter().find(|step| step.on) else { continue };
        if !may_be_down && !all_off && !blamed.contains(&of.name) {
            let what = "never reached, for no probe here can say that the target is down: all have role = \"readiness\"";
            root.error(&step.spot, what, "leave role out of a probe, name the unit, or remove the ladder");
        }
    }
}

fn actions_are_used(root: &Section<'_>, plan: &Plan) {
    let rungs = plan.targets.iter().flat_map(|target| &target.ladder).map(|rung| &rung.action);
    let steps = plan.actions.iter().filter_map(|entry| entry.sequence.as_ref()).flat_map(|all| &all.names);
    let used: BTreeSet<&Name> = rungs.chain(steps).collect();
    for entry in plan.actions.iter().filter(|entry| !used.contains(&entry.name)) {
        let hint =
            format!("write ladder = [{{ action = \"{}\" }}] in a target, or remove the action", entry.name);
        root.error(&entry.spot, "no ladder leads to this action", hint);
    }
}

/// A rung that is given up before its action can be over would look as if it had not helped.
fn errands_have_their_time(root: &Section<'_>, plan: &Plan) {
    let steps = plan.targets.iter().flat_map(|of| of.ladder.iter().map(move |step| (of, step)));
    for (target, step) in steps.filter(|(_, step)| step.on) {
        let action = plan.action(&step.action).and_then(|entry| entry.action.as_ref());
        let Some(action) = action.filter(|action| action.is_errand()) else { continue };
        let (settle, timeout) = (target.policy.settle, action.timeout());
        if settle < timeout {
            let (settle, timeout) = (written(settle), written(timeout));
            let what = format!("{} may take {timeout}, and settle is over after {settle}", action.name);
            root.error(&step.spot, what, format!("write settle = \"{timeout}\" or more in this target"));
        }
    }
}

fn targets_are_known(root: &Section<'_>, plan: &Plan) {
    for target in &plan.targets {
        let depends_on = target.policy.depends_on.iter().map(|name| (name, &target.depends_on));
        let blamed = target.questions.iter().flat_map(|asked| {
            let names = asked.check.iter().flat_map(|check| check.blamed());
            names.map(|name| (name, &asked.blame))
        });
        for (name, spot) in depends_on.chain(blamed).filter(|(name, _)| plan.target(name).is_none()) {
            unknown(root, spot, "target", name.as_str(), plan.target_names());
        }
    }
}

fn kicks_can_be_granted(root: &Section<'_>, plan: &Plan) {
    for wish in &plan.wishes {
        let name = wish.target();
        match plan.target(name) {
            None => unknown(root, &wish.spot, "target", name.as_str(), plan.target_names()),
            Some(target) if matches!(wish.wish, KickWish::Recover(_)) && target.ladder.is_empty() => {
                root.error(
                    &wish.spot,
                    format!("{name} has no ladder"),
                    "give it one, or write check = … instead",
                );
            }
            Some(_) => {}
        }
    }
}

fn nothing_waits_for_itself(root: &Section<'_>, plan: &Plan) {
    let mut reported = BTreeSet::new();
    for target in &plan.targets {
        let Some(circle) = circle(plan, &target.policy.name) else { continue };
        // A circle whose members are all known from another one is that one, met again on its way round.
        if circle.iter().filter(|name| reported.insert(**name)).count() > 0 {
            let names = circle.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" -> ");
            let what =
                format!("{names} -> {} is a circle in which all would wait for ever", target.policy.name);
            root.error(&target.depends_on, what, "remove one of these dependencies");
        }
    }
}

/// The way from a target through what it depends on back to itself, without the return.
fn circle<'p>(plan: &'p Plan, start: &'p Name) -> Option<Vec<&'p Name>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        let last = way.last().and_then(|name| plan.target(name));
        for next in last.iter().flat_map(|target| &target.policy.depends_on) {
            if next == start {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}

fn something_is_watched(root: &Section<'_>, plan: &Plan) {
    if !plan.targets.is_empty() && plan.targets.iter().all(|target| target.off.is_some()) {
        root.warn(
            &root.spot("target"),
            "nothing is watched, for all targets are switched off",
            "see their when",
        );
    }
}

/// Reports a name that means nothing, with those that do.
pub(super) fn unknown<'n>(
    root: &Section<'_>,
    spot: &Spot,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'n str>,
) {
    let known: BTreeSet<&str> = known.collect();
    let near = did_you_mean(name, known.iter().copied());
    let all = known.into_iter().collect::<Vec<_>>().join(", ");
    let hint = match (near.is_empty(), all.is_empty()) {
        (false, _) => near,
        (true, true) => format!("there is no {what} at all"),
        (true, false) => format!("the {what}s are {all}"),
    };
    root.error(spot, format!("no {what} is called {name}"), hint);
}

#[cfg(test)]
mod tests {
    use crate::config::{SourceFile, Sources, compile};

    const BACKUP: &str = r#"
[[target]]
name = "backup"
settle = "8m"
ladder = [{ action = "back-up-now" }]
[[target.probe]]
name = "age"
check.http = { url = "http://127.0.0.1:1/storage", age = { pointer = "/lastSync", max = "20m" }, timeout = "20s" }
excuse.http = { url = "http://127.0.0.1:1/status", timeout = "10s" }
[action.back-up-now]
do.http = { url = "http://127.0.0.1:1/sync", timeout = "7m" }
"#;

    fn problems(from: &str, to: &str) -> Vec<String> {
        assert!(BACKUP.contains(from));
        problems_of(BACKUP.replace(from, to))
    }

    fn problems_of(text: String) -> Vec<String> {
        let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
        let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
        compiled.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rung_is_not_given_up_before_its_action_can_be_over() {
        assert_eq!(problems("8m", "7m"), [""; 0]);
        let told = "w.toml:5:22: error: target[backup].ladder[0].action: back-up-now may take 7m, and settle is over \
             after 6m; write settle = \"7m\" or more in this target";
        assert_eq!(problems("8m", "6m"), [told]);
    }

    #[test]
    fn a_check_and_its_excuse_fit_into_the_interval_together() {
        let told = problems("10s", "40s");
        assert_eq!(told.len(), 1, "{told:?}");
        let why = "1m, its excuse included, does not fit into the interval of 1m; write at most 59s";
        assert!(told[0].contains(why), "{told:?}");
        assert!(problems("excuse.http", "excuse.htp")[0].contains("did you mean http?"));
    }

    #[test]
    fn an_action_is_switched_off_with_the_rungs_that_lead_to_it() {
        let unset = "url = \"${UNSET}/sync\", headers = { Cookie = \"${UNSET}\" }";
        let without = |when: &str| {
            let text = BACKUP.replace("url = \"http://127.0.0.1:1/sync\"", unset);
            problems_of(text.replace("\"back-up-now\" }", &format!("\"back-up-now\", when = \"{when}\" }}")))
        };
        assert_eq!(without("no"), [""; 0]);
        let told = without("yes");
        assert!(told.len() == 2 && told.iter().all(|told| told.contains("UNSET is not set")), "{told:?}");
        assert!(
            problems("name = \"backup\"", "name = \"backup\"\nwhen = \"no\"")
                .iter()
                .all(|told| told.contains("warning"))
        );
    }
}
