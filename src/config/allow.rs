//! What actions may touch beyond what is our own: `[allow]`. A name in an action is not enough, so that a slip or a
//! copied example cannot reach what nobody thought of.

use super::Manager;
use super::plan::Plan;
use crate::action::Action;
use crate::section::Section;
use crate::values::UnitName;

/// What is allowed; nothing where there is no `[allow]`.
#[derive(Default)]
pub(super) struct Allow {
    units: Vec<UnitName>,
}

/// Reads `[allow]`.
pub(super) fn read(root: &mut Section<'_>) -> Allow {
    let read = |allow: &mut Section<'_>| {
        Some(Allow { units: allow.list("units", UnitName::parse).unwrap_or_default() })
    };
    root.table("allow", read).unwrap_or_default()
}

impl Allow {
    /// Reports every action that goes beyond it.
    pub(super) fn check(&self, root: &Section<'_>, plan: &Plan, manager: Manager) {
        for entry in &plan.actions {
            let action = entry.action.as_ref();
            let own = || action.and_then(Action::own_unit).filter(|_| manager == Manager::System);
            let unit = action.and_then(Action::system_unit).or_else(own);
            if let Some(unit) = unit.filter(|unit| !self.units.contains(unit)) {
                let hint = format!("write units = [\"{unit}\"] under [allow], or add it there");
                root.error(&entry.spot, format!("{unit} is not among the units that may be changed"), hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{SourceFile, Sources, compile};

    fn problems(allow: &str) -> Vec<String> {
        let text = format!(
            "[[target]]\nname = \"a\"\nunit = \"a\"\nladder = [{{ action = \"db\" }}]\n\
             [action.db]\ndo.restart-system-unit = {{ unit = \"postgresql\" }}\n{allow}"
        );
        problems_of(text)
    }

    fn problems_of(text: String) -> Vec<String> {
        let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
        let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
        compiled.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_listed_units_of_the_system_may_be_restarted() {
        assert_eq!(problems("[allow]\nunits = [\"redis\", \"postgresql.service\"]\n"), [""; 0]);
        for allow in ["", "[allow]\n", "[allow]\nunits = [\"postgresql@15-main\"]\n"] {
            let told = problems(allow);
            assert!(told.len() == 1 && told[0].starts_with("w.toml:5:"), "{told:?}");
            let why = "postgresql.service is not among the units that may be changed; write units = \
                       [\"postgresql.service\"] under [allow]";
            assert!(told[0].contains(why), "{told:?}");
        }
        let told = problems("[allow]\nunits = [\"../x\"]\n");
        assert!(told.iter().any(|told| told.contains("is not a unit name")), "{told:?}");
    }

    #[test]
    fn where_all_units_are_the_system_s_all_have_to_be_listed() {
        let with = |line: &str| {
            problems_of(format!(
                "{line}\n[[target]]\nname = \"a\"\nunit = \"a\"\nladder = [{{ action = \"a\" }}]\n\
                 [action.a]\ndo.restart-unit = {{ unit = \"a\" }}\n"
            ))
        };
        assert_eq!(with("manager = \"user\""), [""; 0]);
        let told = with("manager = \"system\"");
        assert!(told.len() == 1 && told[0].contains("a.service is not among the units"), "{told:?}");
        assert_eq!(with("manager = \"system\"\nallow.units = [\"a\"]"), [""; 0]);
        assert!(with("manager = \"init\"")[0].contains("write \"user\" or \"system\""));
    }
}
