//! The variables of the environment and of `.env`: where each is used, which of ours are not, and which
//! of them are secrets.

use super::{Config, SourceFile, Sources, dotenv};
use crate::action::Action;
use crate::notify::Way;
use crate::probe::Check;
use crate::section::{
    Findings, Origin, Problem, Severity, Use, Variable, Variables, did_you_mean, names_a_secret,
};
use crate::values::Secret;
use std::collections::BTreeSet;
use std::iter;

/// The prefix of variables that are meant for us and nobody else.
const OUR_PREFIX: &str = "PICOCLAW_WATCHDOG_";

/// Shorter values of variables named like secrets are more likely `true` or `4096` than secret, and
/// masking them would spoil every text. Our own tokens are masked whatever their length.
const LEAST_SECRET: usize = 8;

/// A variable in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The variable.
    pub name: String,
    /// The key whose value mentions it.
    pub path: String,
    /// Where it is set; none when it is not.
    pub origin: Option<Origin>,
}

/// All variables that are set.
pub(super) struct Known {
    pub(super) variables: Variables,
    /// Whether `.env` holds a secret, even one that the environment overrides.
    secret_in_dotenv: bool,
}

impl Known {
    /// Those of `.env`, and above them those of the environment.
    pub(super) fn new(sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        let mut variables =
            sources.dotenv.as_ref().map(|file| of_dotenv(file, sources, problems)).unwrap_or_default();
        let secret =
            |(name, variable): (&String, &Variable)| names_a_secret(name) && !variable.value.is_empty();
        let secret_in_dotenv = variables.iter().any(secret);
        variables.extend(sources.env.iter().map(|(name, value)| {
            let variable = Variable { value: value.clone(), origin: Origin::Environment };
            (name.clone(), variable)
        }));
        Self { variables, secret_in_dotenv }
    }

    /// A secret that others can read is not one.
    pub(super) fn readable_by_others(&self, sources: &Sources, literal_secret: bool) -> Vec<Problem> {
        const READ_BY_GROUP_OR_OTHERS: u32 = 0o044;
        let files = [(&sources.dotenv, self.secret_in_dotenv), (&sources.toml, literal_secret)];
        let secret = files.into_iter().filter(|(_, secret)| *secret).filter_map(|(file, _)| file.as_ref());
        let loose = secret.filter(|file| file.mode & READ_BY_GROUP_OR_OTHERS != 0);
        loose
            .map(|file| {
                let path = file.path.display().to_string();
                let hint = format!("chmod 600 {path}");
                Problem::new(Severity::Warning, path, "others can read this file, and it holds secrets", hint)
            })
            .collect()
    }

    /// Variables that are ours by name, but that the file does not use.
    pub(super) fn without_effect(&self, findings: &Findings, file: &str) -> Vec<Problem> {
        let used: BTreeSet<&str> = findings.uses.iter().map(|used| used.name.as_str()).collect();
        let ours = self.variables.iter().filter(|(name, _)| name.starts_with(OUR_PREFIX));
        let idle = ours.filter(|(name, _)| !used.contains(name.as_str()));
        let warning = |(name, Variable { origin, .. }): (&String, &Variable)| {
            let near = did_you_mean(name, used.iter().copied());
            let what = format!("{name} has no effect, for {file} does not use it");
            let problem = |place: &str| Problem::new(Severity::Warning, place, &what, &near);
            match origin {
                Origin::Environment => Some(problem("environment")),
                Origin::File { path, line } => Some(problem(path).at_line(*line)),
                // A file of one's own need not use all that a profile sets.
                Origin::Profile(_) => None,
            }
        };
        idle.filter_map(warning).collect()
    }

    /// What is to be masked everywhere: our own tokens, and whatever else is named like a secret, since
    /// the gateway's log may hold it and ends up in our bundles.
    pub(super) fn secrets(&self, config: &Config) -> Vec<Secret> {
        let mut values = BTreeSet::from([config.kick.token.expose()]);
        values.extend(config.ways.values().flat_map(Way::secrets).map(Secret::expose));
        let asked = config.probes.iter().flat_map(|probe| {
            let excuses = probe.excuses.iter().map(|excuse| &excuse.check);
            iter::once(&probe.check).chain(excuses)
        });
        values.extend(asked.flat_map(Check::secrets).map(Secret::expose));
        values.extend(config.actions.values().flat_map(Action::secrets).map(Secret::expose));
        values.extend(config.lifesign.iter().map(|lifesign| lifesign.url.expose()));
        let named = self.variables.iter().filter(|(name, _)| names_a_secret(name));
        let long =
            named.map(|(_, variable)| variable.value.as_str()).filter(|value| value.len() >= LEAST_SECRET);
        values.extend(long);
        values.into_iter().filter(|value| !value.is_empty()).map(Secret::new).collect()
    }

    /// Where the file uses variables, and where those are set.
    pub(super) fn mentions(&self, findings: Findings) -> Vec<Mention> {
        let origin = |name: &str| self.variables.get(name).map(|variable| variable.origin.clone());
        let mention = |Use { name, path }| Mention { origin: origin(&name), name, path };
        findings.uses.into_iter().map(mention).collect()
    }
}

fn of_dotenv(file: &SourceFile, sources: &Sources, problems: &mut Vec<Problem>) -> Variables {
    let path = file.path.display().to_string();
    let dotenv = dotenv::parse(&file.text, &sources.env, &sources.home);
    problems.extend(dotenv.refusals.iter().map(|refusal| {
        let hint = "the line has no effect here";
        Problem::new(Severity::Warning, &path, refusal.what, hint).at_line(refusal.line)
    }));
    let variable = |(name, (value, line))| {
        let origin = Origin::File { path: path.clone(), line };
        (name, Variable { value, origin })
    };
    dotenv.values.into_iter().map(variable).collect()
}
