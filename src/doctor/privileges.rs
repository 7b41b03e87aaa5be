//! What the configured actions need beyond the rights of our own user, as two files for a person to install: the
//! lines of sudoers, and a rule for polkit. Exactly that, and nothing more. It prints and installs nothing.

use super::rights::{bare, is_sudo};
use super::{ask, capabilities};
use crate::action::{Action, Do, sudo};
use crate::config::Config;
use crate::recovery::policy::Manager;
use crate::values::UnitName;
use nix::unistd::Uid;
use std::collections::BTreeSet;
use std::fmt::Write;

const NONE: &str = "none needed: no action that is configured takes more than the rights of";

/// Every action that a ladder leads to, with the steps of sequences in their place.
pub(super) fn steps(config: &Config) -> impl Iterator<Item = &Action> {
    let used: BTreeSet<_> =
        config.policy.targets.iter().flat_map(|target| &target.ladder).map(|rung| &rung.action).collect();
    let actions = config.actions.values().filter(move |action| used.contains(&action.name));
    actions.flat_map(Action::steps)
}

/// A file for /etc/sudoers.d.
pub fn sudoers(config: &Config) -> String {
    let user = sudo::user();
    if Uid::effective().is_root() {
        return format!("# {NONE} {user}\n");
    }
    let needed: Vec<(&Action, Vec<Vec<String>>)> = steps(config)
        .map(|step| (step, as_root(step)))
        .filter(|(_, commands)| !commands.is_empty())
        .collect();
    let drop_in = capabilities::drop_in(config, &ask::user().0, "#");
    if needed.is_empty() {
        return if drop_in.is_empty() { format!("# {NONE} {user}\n") } else { drop_in };
    }
    let mut text = format!(
        "# What the actions of picoclaw-watchdog need, run by {user}, and nothing more. To install it:\n\
         #   {} | sudo EDITOR=tee visudo -f /etc/sudoers.d/picoclaw-watchdog\n",
        sudo::PRINT
    );
    for (step, commands) in needed {
        let commands = commands.iter().map(Vec::as_slice);
        // A text takes everything.
        let _ = write!(text, "# action {}\n{}\n", step.name, sudo::line(&user, commands));
    }
    text + &drop_in
}

/// The commands that an action runs with sudo, without it.
fn as_root(step: &Action) -> Vec<Vec<String>> {
    match &step.act {
        Do::RestartSystemUnit(restart) => restart.commands(),
        Do::PublishFunnel(funnel) if is_sudo(&funnel.elevate) => funnel.commands(),
        Do::Run(run) if is_sudo(&run.argv) => vec![bare(&run.argv).to_vec()],
        Do::PublishFunnel(_) | Do::Run(_) | Do::RestartUnit(_) | Do::Http(_) => Vec::new(),
        Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) | Do::Vacuum(_) => Vec::new(),
        // Its steps were asked for one by one; files are touched by ourselves.
        Do::All(_) | Do::Files(_) => Vec::new(),
    }
}

/// A file for /etc/polkit-1/rules.d, which does for the units of the system what sudoers would, without sudo.
pub async fn polkit(config: &Config) -> String {
    let user = ask::user().0;
    let mut units = BTreeSet::new();
    for unit in steps(config).filter_map(Action::system_unit) {
        units.insert(canonical(unit).await);
    }
    let drop_in = capabilities::drop_in(config, &user, "//");
    if Uid::effective().is_root() || units.is_empty() {
        return if drop_in.is_empty() { format!("// {NONE} {user}\n") } else { drop_in };
    }
    let units: Vec<String> = units.iter().map(|unit| literal(unit)).collect();
    let verbs: BTreeSet<String> = steps(config).flat_map(verbs).map(|verb| literal(&verb)).collect();
    let verbs: Vec<String> = verbs.into_iter().collect();
    format!(
        "// What the actions of picoclaw-watchdog need, run by {user}, and nothing more. To install it:\n\
         //   picoclaw-watchdog doctor --print-polkit | sudo tee /etc/polkit-1/rules.d/50-picoclaw-watchdog.rules\n\
         polkit.addRule(function (action, subject) {{\n\
         \x20   if (action.id === \"org.freedesktop.systemd1.manage-units\" && subject.user === {} &&\n\
         \x20       [{}].indexOf(action.lookup(\"unit\")) >= 0 &&\n\
         \x20       [{}].indexOf(action.lookup(\"verb\")) >= 0) {{\n\
         \x20       return polkit.Result.YES;\n\
         \x20   }}\n\
         }});\n{drop_in}",
        literal(&user),
        units.join(", "),
        verbs.join(", ")
    )
}

/// What systemd asks polkit for: the verbs of systemctl.
fn verbs(step: &Action) -> Vec<String> {
    match &step.act {
        Do::RestartSystemUnit(restart) => {
            restart.commands().into_iter().filter_map(|argv| argv.into_iter().nth(1)).collect()
        }
        Do::RestartUnit(_) | Do::Run(_) | Do::Http(_) | Do::PublishFunnel(_) | Do::Files(_) => Vec::new(),
        Do::SignalUnit(_) | Do::KillListener(_) | Do::CheckPort(_) | Do::Vacuum(_) | Do::All(_) => Vec::new(),
    }
}

/// The name under which systemd asks polkit: `redis.service` is an alias of `redis-server.service`. Where systemd
/// cannot be asked, the name as it was written.
async fn canonical(unit: &UnitName) -> String {
    let asked = ask::unit(Manager::System, unit.as_str(), "Id").await.unwrap_or_default();
    let id = Some(ask::property(&asked, "Id").to_owned()).filter(|id| !id.is_empty());
    id.unwrap_or_else(|| unit.to_string())
}

/// A text of JavaScript. JSON's texts are among them, but for two signs that end a line there.
fn literal(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SourceFile, Sources, compile};

    fn config(actions: &str) -> Config {
        let names = actions.split("[action.").skip(1).filter_map(|part| part.split(']').next());
        let ladder: Vec<String> = names.map(|name| format!("{{ action = \"{name}\" }}")).collect();
        let text = format!(
            "[allow]\nunits = [\"no-such-db\"]\n[[target]]\nname = \"a\"\nunit = \"a\"\nsettle = \"8m\"\n\
             ladder = [{}]\n{actions}",
            ladder.join(", ")
        );
        let toml = Some(SourceFile { path: "w.toml".into(), text, mode: 0o600 });
        let compiled = compile(&Sources { toml, home: "/home/x".into(), ..Sources::default() });
        compiled.config.unwrap_or_else(|| panic!("{:?}", compiled.problems))
    }

    fn commands(actions: &str) -> Vec<String> {
        let config = config(actions);
        steps(&config).flat_map(as_root).map(|command| command.join(" ")).collect()
    }

    #[test]
    fn exactly_what_is_run_as_root_is_listed() {
        let restart = "[action.db]\ndo.restart-system-unit = { unit = \"no-such-db\" }\n";
        let wanted = ["systemctl reset-failed no-such-db.service", "systemctl restart no-such-db.service"];
        assert_eq!(commands(restart), wanted);
        let killing =
            "[action.db]\ndo.restart-system-unit = { unit = \"no-such-db\", kill_after = \"9s\" }\n";
        assert_eq!(commands(killing)[2], "systemctl kill --signal=KILL no-such-db.service");
        assert_eq!(
            steps(&config(killing)).flat_map(verbs).collect::<Vec<_>>(),
            ["reset-failed", "restart", "kill"]
        );
        let step = format!("{restart}[action.both]\ndo.all = [\"db\"]\n").replace("\"db\" }, ", "");
        assert_eq!(commands(&step).len(), 4, "in a sequence, too");
        let run = "[action.a]\ndo.run = { argv = [\"sudo\", \"-n\", \"id\", \"-u\"] }\n";
        assert_eq!(commands(run), ["id -u"]);
        let funnel = "[action.a]\ndo.publish-funnel = { how = \"cycle\" }\n";
        assert_eq!(commands(funnel).len(), 2);
        let harmless = "[action.a]\ndo.run = { argv = [\"id\"] }\n[action.b]\ndo.vacuum = {}\n\
                        [action.c]\ndo.publish-funnel = { elevate = [] }\n";
        assert_eq!(commands(harmless), [""; 0]);
    }

    #[tokio::test]
    async fn nothing_is_printed_for_root_and_where_nothing_is_needed() {
        let harmless = config("[action.a]\ndo.run = { argv = [\"id\"] }\n");
        assert!(sudoers(&harmless).starts_with("# none needed"));
        assert!(polkit(&harmless).await.starts_with("// none needed"));
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(literal("a\"; x\n\u{2028}\\"), r#""a\"; x\n\u2028\\""#);
    }
}
