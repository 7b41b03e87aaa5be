//! The rules about rules: what they read must exist and not be our own, and what is dangerous about them is refused.
//! It reports and changes nothing.

use super::check::unknown;
use super::plan::Plan;
use super::target::{Draft, Question};
use crate::logscan::follow::{Kind, Own};
use crate::logscan::lint;
use crate::logscan::matcher::Matcher;
use crate::logscan::rule::Rule;
use crate::recovery::evidence::{Name, QUOTED};
use crate::recovery::policy::{Language, Manager};
use crate::recovery::text::fault::{Advice, Fault, Headline};
use crate::recovery::text::{Message, render};
use crate::section::{Section, Spot};
use glob::Pattern;
use std::time::Duration;

/// What the journal has of us.
const OWN_UNITS: [&str; 2] = ["picoclaw-watchdog.service", "picoclaw-watchdog-once.service"];
/// What we run in: the journal counts our lines as theirs, too.
const HOLDERS: [&str; 4] = ["system.slice", "app.slice", "user@1000.service", "user-1000.slice"];
/// The same of any user, without the number.
const HOLDERS_OF_USERS: [&str; 2] = ["user@.service", "user-.slice"];

/// Reports all that is wrong with the rules and with the logs that they read; `own` are the files that we write.
pub(super) fn check(root: &Section<'_>, plan: &Plan, own: &Own) {
    logs_are_known_and_read(root, plan);
    logs_are_not_our_own(root, plan, own);
    for (target, asked, rule) in rules(plan) {
        findings(root, target, asked, rule);
    }
    fit_together(root, plan);
}

fn rules(plan: &Plan) -> impl Iterator<Item = (&Draft, &Question, &Rule)> {
    let on = plan.targets.iter().filter(|target| target.off.is_none());
    let asked = on.flat_map(|target| target.questions.iter().map(move |asked| (target, asked)));
    let asked = asked.filter(|(_, asked)| asked.off.is_none());
    asked.filter_map(|(target, asked)| Some((target, asked, asked.rule.as_ref()?)))
}

/// Where a key of a rule is, or else its name.
fn spot<'q>(asked: &'q Question, key: &str) -> &'q Spot {
    asked.keys.iter().find(|(name, _)| *name == key).map_or(&asked.spot, |(_, spot)| spot)
}

fn logs_are_known_and_read(root: &Section<'_>, plan: &Plan) {
    let names = || plan.logs.iter().map(|log| log.source.name.as_str());
    for (_, asked, rule) in rules(plan) {
        for log in rule.logs.iter().filter(|log| !names().any(|name| name == log.as_str())) {
            unknown(root, spot(asked, "in"), "source", log.as_str(), names());
        }
    }
    // A rule that is switched off for now still says what the log is for.
    let all =
        || plan.targets.iter().flat_map(|target| &target.questions).filter_map(|asked| asked.rule.as_ref());
    for log in plan.logs.iter().filter(|log| !all().any(|rule| rule.logs.contains(&log.source.name))) {
        let hint = format!("write in = [\"{}\"] in a check.log, or remove it", log.source.name);
        root.error(&log.spot, "no rule reads it", hint);
    }
}

/// What reads its own words acts on them for ever, as the predecessor did.
fn logs_are_not_our_own(root: &Section<'_>, plan: &Plan, own: &Own) {
    for log in &plan.logs {
        let own = match &log.source.kind {
            Kind::Files { patterns } => patterns
                .iter()
                .find_map(|pattern| own.meant_by(pattern))
                .map(|path| path.display().to_string()),
            Kind::Journal { units, .. } => units.iter().find_map(|unit| own_unit(unit)),
        };
        if let Some(own) = own {
            let hint = "name the log of the service instead";
            root.error(&log.spot, format!("it reads what we write ourselves: {own}"), hint);
        }
    }
}

/// The unit of ours that journalctl would read for this name or pattern, which it completes.
fn own_unit(unit: &str) -> Option<String> {
    if let Some(own) = OWN_UNITS.into_iter().find(|own| reads(unit, own)) {
        return Some(own.to_owned());
    }
    let anybody: String = unit.chars().filter(|c| !c.is_ascii_digit()).collect();
    let holds = HOLDERS.iter().any(|holder| reads(unit, holder))
        || HOLDERS_OF_USERS.iter().any(|holder| reads(&anybody, holder));
    holds.then(|| format!("{unit} has the lines of all units in it, ours too"))
}

fn reads(unit: &str, name: &str) -> bool {
    let short = name.trim_end_matches(".service");
    Pattern::new(unit).is_ok_and(|pattern| pattern.matches(name) || pattern.matches(short))
}

fn findings(root: &Section<'_>, target: &Draft, asked: &Question, rule: &Rule) {
    for finding in lint::findings(rule, &own_texts(target, asked)) {
        let spot = spot(asked, finding.key);
        match rule.strict {
            true => root.error(spot, finding.what, finding.hint),
            false => root.warn(spot, finding.what, finding.hint),
        }
    }
}

/// What we write about a target: our names for things are in the log, in alerts and in what actions say. What it would
/// quote is left out, for that is what the rule is about.
fn own_texts(target: &Draft, asked: &Question) -> Vec<String> {
    let (name, probe) = (&target.policy.name, &asked.policy.name);
    let actions: Vec<String> = target.ladder.iter().map(|step| step.action.to_string()).collect();
    let seen = format!("{probe}: {QUOTED}");
    let mut texts = own_lines(name, &seen);
    texts.extend(actions.iter().flat_map(|action| own_attempts(name, action, &seen)));
    texts.extend([Language::En, Language::Ja].iter().flat_map(|language| {
        let alert = own_alert(*language, name, &seen, &actions);
        alert.lines().map(str::to_owned).collect::<Vec<_>>()
    }));
    texts
}

/// Lines of the log about what is seen, in each of its levels.
fn own_lines(name: &Name, seen: &str) -> Vec<String> {
    vec![
        format!("level=ERROR target={name} result=NG action=detect detail=\"{seen}\""),
        format!("level=WARN target={name} result=NG action=detect detail=\"{seen}\""),
        format!("level=INFO target={name} result=OK action=none detail=\"healthy\""),
        format!("level=INFO target={name} result=OK action=recovered detail=\"{name} recovered by itself\""),
    ]
}

/// Lines of the log about what is done.
fn own_attempts(name: &Name, action: &str, seen: &str) -> [String; 3] {
    let line = |level: &str, result: &str, detail: &str| {
        let end = format!("action={action} id=1 detail=\"attempt 1{detail}\"");
        format!("level={level} target={name} result={result} {end}")
    };
    [
        line("WARN", "NG", &format!(" (1 of 3 in the window): {seen}")),
        line("ERROR", "NG", " failed: "),
        line("INFO", "OK", " done: ; now verifying"),
    ]
}

/// A message about it.
fn own_alert(language: Language, name: &Name, seen: &str, tried: &[String]) -> String {
    let headline = if tried.is_empty() { Headline::NothingRepairs } else { Headline::NoHelp };
    let fault = Fault {
        target: name,
        headline,
        age: Duration::from_secs(132),
        seen: seen.to_owned(),
        asked_for: 0,
        tried,
        ruling: None,
        dependents: Vec::new(),
        advice: Advice::None,
    };
    render(language, Manager::User, &Message::Fault(fault))
}

/// Each compiles alone, or it would not be here; together they may still be too much.
fn fit_together(root: &Section<'_>, plan: &Plan) {
    let all: Vec<_> = rules(plan).collect();
    if all.is_empty() {
        return;
    }
    match Matcher::new(all.iter().map(|(_, _, rule)| *rule)) {
        Ok(matcher) => {
            for (index, why) in matcher.slow() {
                let hint = "give every alternative two characters or more that have to be there";
                let what = format!("it is slow to look for: {why}");
                root.warn(spot(all[index].1, "pattern"), what, hint);
            }
        }
        Err(refused) => {
            for refused in refused {
                let spot = all.get(refused.pattern).map(|(_, asked, _)| spot(asked, "pattern"));
                root.error(
                    spot.unwrap_or(&root.here()),
                    refused.reason,
                    "make it simpler, or two rules of it",
                );
            }
        }
    }
}
