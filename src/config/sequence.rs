//! Actions that consist of others: `do.all = ["a", "b"]`. They are read by name, and put together when all actions
//! are known. A sequence holds no sequence, so none can ever hold itself.

use super::check::unknown;
use super::plan::{Entry, Plan};
use crate::action::all::{All, MAX_STEPS};
use crate::action::allow::Allow;
use crate::action::backup::Backup;
use crate::action::{Action, Do};
use crate::recovery::evidence::Name;
use crate::section::{Section, Spot, parse};

/// A sequence as it is written.
pub(super) struct Sequence {
    pub(super) names: Vec<Name>,
    /// None when the author did not say; then it is as its steps are.
    disruptive: Option<bool>,
    dry_run: bool,
    backup: Option<Backup>,
    spot: Spot,
}

impl Sequence {
    /// Reads `[action.NAME]` if it is a sequence.
    pub(super) fn read(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        if !section.has_within("do", "all") {
            return None;
        }
        let spot = section.spot("do.all");
        let disruptive = section.opt("disruptive", parse::flag);
        let (dry_run, backup) = Action::read_care(section, allow);
        let names = section.table("do", |section| section.list("all", Name::parse)).unwrap_or_default();
        if !(1..=MAX_STEPS).contains(&names.len()) {
            let hint = format!("write 1 to {MAX_STEPS} names of other actions");
            section.error(&spot, "no sequence of this length can be carried out", hint);
        }
        Some(Self { names, disruptive, dry_run, backup, spot })
    }

    fn join(&self, name: Name, known: &[Entry]) -> Option<Action> {
        let find = |name: &Name| known.iter().find(|entry| entry.name == *name)?.action.clone();
        let steps = self.names.iter().map(find).collect::<Option<Vec<Action>>>()?;
        let disruptive = self.disruptive.unwrap_or_else(|| steps.iter().any(|step| step.disruptive));
        let (dry_run, backup) = (self.dry_run, self.backup.clone());
        Some(Action { name, disruptive, dry_run, backup, act: Do::All(All { steps }) })
    }
}

/// Puts all sequences together, of those actions that are none.
pub(super) fn join(mut entries: Vec<Entry>) -> Vec<Entry> {
    let made: Vec<Option<Action>> =
        entries.iter().map(|entry| entry.sequence.as_ref()?.join(entry.name.clone(), &entries)).collect();
    for (entry, made) in entries.iter_mut().zip(made) {
        entry.action = entry.action.take().or(made);
    }
    entries
}

/// Reports steps that are no actions, or sequences themselves.
pub(super) fn check(root: &Section<'_>, plan: &Plan) {
    let sequences = plan.actions.iter().filter_map(|entry| entry.sequence.as_ref());
    for (sequence, name) in sequences.flat_map(|one| one.names.iter().map(move |name| (one, name))) {
        match plan.action(name) {
            None => {
                let known = plan.actions.iter().filter(|entry| entry.sequence.is_none());
                let known = known.map(|entry| entry.name.as_str());
                unknown(root, &sequence.spot, "action", name.as_str(), known);
            }
            Some(step) if step.sequence.is_some() => {
                let what = format!("{name} is a sequence itself");
                root.error(&sequence.spot, what, "write its steps here instead");
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, SourceFile, Sources, compile};
    use crate::recovery::evidence::Name;

    const TEXT: &str = r#"
[[target]]
name = "a"
unit = "a.service"
settle = "8m"
ladder = [{ action = "both" }]
[action.both]
do.all = ["port", "vacuum"]
[action.port]
disruptive = false
do.check-port = { port = 80, user = "www-data" }
[action.vacuum]
disruptive = false
do.vacuum = { url = "postgresql://me:${DB_PASSWORD}@127.0.0.1/" }
"#;

    fn compiled(from: &str, to: &str) -> (Option<Config>, Vec<String>) {
        assert!(TEXT.contains(from));
        let toml = Some(SourceFile { path: "w.toml".into(), text: TEXT.replace(from, to), mode: 0o600 });
        let env = [("DB_PASSWORD".to_owned(), "hunter22".to_owned())].into();
        let compiled = compile(&Sources { toml, env, home: "/home/x".into(), ..Sources::default() });
        (compiled.config, compiled.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_sequence_holds_its_steps_and_is_as_they_are() {
        let (config, problems) = compiled("8m", "8m");
        assert_eq!(problems, [""; 0]);
        let config = config.unwrap();
        let both = &config.actions[&Name::parse("both").unwrap()];
        let names: Vec<&str> = both.steps().iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["port", "vacuum"]);
        assert!(both.is_errand() && !both.disruptive);
        assert_eq!(config.secrets.len(), 1, "a step's secret is masked, too");
        assert!(!config.policy.targets[0].ladder[0].disruptive);
    }

    #[test]
    fn it_needs_the_time_of_all_its_steps() {
        let told = compiled("8m", "4m").1;
        assert!(told.len() == 1 && told[0].contains("both may take 303s"), "{told:?}");
    }

    #[test]
    fn steps_are_other_actions_and_no_sequences() {
        let told = compiled(r#"["port", "vacuum"]"#, r#"["prt", "both"]"#).1;
        assert!(told[0].contains("no action is called prt; did you mean port?"), "{told:?}");
        assert!(told[1].contains("both is a sequence itself; write its steps here instead"), "{told:?}");
        assert!(told.iter().any(|told| told.contains("action.vacuum: no ladder leads to")), "{told:?}");
        for steps in ["[]".to_owned(), format!("[{}]", r#""port","#.repeat(9))] {
            let told = compiled(r#"["port", "vacuum"]"#, &steps).1;
            assert!(told.iter().any(|told| told.contains("write 1 to 8 names")), "{told:?}");
        }
    }
}
