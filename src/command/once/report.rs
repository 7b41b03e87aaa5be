//! What a run of `once` checked, found, repaired and left: cycle by cycle and in total, for a build server. It only
//! collects what views and passes say.

use crate::cycle;
use crate::exit::Exit;
use crate::host::checkup::{Checkup, rfc3339};
use crate::host::files;
use crate::host::view::{Grade, View};
use crate::recovery::record::Outcome;
use jiff::tz::TimeZone;
use nix::unistd::{AccessFlags, access};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The version of this schema; it grows when a field changes its meaning.
const SCHEMA: u32 = 1;

/// All cycles.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) schema: u32,
    pub(super) version: String,
    pub(super) exit_code: u8,
    pub(super) totals: Totals,
    pub(super) cycles: Vec<Round>,
    /// Why there was none, when everything is switched off.
    pub(super) off: Option<String>,
    /// How things were at the end.
    #[serde(flatten)]
    pub(super) checkup: Checkup,
}

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Totals {
    pub(super) cycles: usize,
    /// Those at whose end all was well.
    pub(super) clean: usize,
    /// Checks made in all of them.
    pub(super) checked: usize,
    /// Targets that were found unwell, each counted once.
    pub(super) found: usize,
    /// Attempts made.
    pub(super) attempts: usize,
    /// Incidents that ended.
    pub(super) repaired: usize,
    /// Targets that are unwell at the end.
    pub(super) left: usize,
}

/// One cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Round {
    /// When it ended, in RFC 3339.
    pub(super) at: String,
    pub(super) took_ms: u64,
    pub(super) status: Option<Grade>,
    /// Checks made at its end.
    pub(super) checked: usize,
    /// What was unwell at any time in it, by target, as it was seen first.
    pub(super) found: BTreeMap<String, String>,
    pub(super) attempts: Vec<Done>,
    pub(super) repaired: Vec<Repaired>,
    /// What is unwell at its end, by target.
    pub(super) left: BTreeMap<String, String>,
    #[serde(skip)]
    wall: u64,
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Done {
    pub(super) target: String,
    pub(super) action: String,
    /// `done`, `under_way` or `failed`; whether it helped is told by what is left.
    pub(super) outcome: &'static str,
    pub(super) detail: String,
}

/// An incident that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Repaired {
    pub(super) target: String,
    pub(super) how: String,
    pub(super) lasted_s: u64,
}

impl Round {
    /// Collects what one pass of it came to.
    pub(super) fn pass(&mut self, view: &View, report: &cycle::Report) {
        for (target, summary) in unwell(view) {
            self.found.entry(target).or_insert(summary);
        }
        self.attempts.extend(report.done.iter().map(|(attempt, outcome)| Done {
            target: attempt.target.to_string(),
            action: attempt.action.to_string(),
            outcome: match outcome {
                Outcome::Done(_) => "done",
                Outcome::Running(_) => "under_way",
                Outcome::Failed(_) => "failed",
            },
            detail: outcome.detail().to_owned(),
        }));
        self.repaired.extend(report.closed.iter().map(|closed| Repaired {
            target: closed.target.to_string(),
            how: closed.how.to_string(),
            lasted_s: closed.lasted.as_secs(),
        }));
    }

    /// It is over.
    pub(super) fn end(&mut self, view: &View, took: Duration) {
        self.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.status = Some(view.overall);
        self.checked = view.targets.len();
        self.left = unwell(view).collect();
        self.wall = view.at;
    }
}

fn unwell(view: &View) -> impl Iterator<Item = (String, String)> {
    let targets = view.targets.iter().filter(|target| target.grade != Grade::Healthy);
    targets.map(|target| (target.name.clone(), target.summary.clone()))
}

impl Report {
    /// Sums up the cycles; `view` is how things were after the last one.
    pub(super) fn new(mut cycles: Vec<Round>, checkup: Checkup, view: &View, zone: &TimeZone) -> Self {
        cycles.iter_mut().for_each(|round| round.at = rfc3339(round.wall, zone));
        let found: BTreeMap<_, _> = cycles.iter().flat_map(|round| &round.found).collect();
        let totals = Totals {
            cycles: cycles.len(),
            clean: cycles.iter().filter(|round| round.left.is_empty()).count(),
            checked: cycles.iter().map(|round| round.checked).sum(),
            found: found.len(),
            attempts: cycles.iter().map(|round| round.attempts.len()).sum(),
            repaired: cycles.iter().map(|round| round.repaired.len()).sum(),
            left: cycles.last().map_or(0, |round| round.left.len()),
        };
        let (version, exit_code) = (view.version.clone(), Exit::from(view.overall).code());
        Self { schema: SCHEMA, version, exit_code, totals, cycles, off: view.off.clone(), checkup }
    }

    /// Writes it in the form that the name of the file asks for.
    pub(super) fn write(&self, file: &Path) -> Result<(), String> {
        let text = if is(file, "md") { self.markdown() } else { super::super::to_json(self) };
        files::replace(file, text.as_bytes()).map_err(|error| format!("writing {}: {error}", file.display()))
    }
}

fn is(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Whether a report could be written, as far as its name and its directory tell. Who is to read it should hear of that
/// before anything was repaired.
pub(super) fn check(file: Option<&Path>) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    if !is(file, "md") && !is(file, "json") {
        return Err("--report: write a file that ends with .md or .json".to_owned());
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    access(parent, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
        format!("--report: nothing can be written into {}: {}", parent.display(), error.desc())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::probe::machine::metrics::Metrics;

    pub(in super::super) fn report() -> Report {
        let word = |text: &str| text.to_owned();
        let unwell = || BTreeMap::from([(word("cache"), word("failing: no answer | <b> `x` @all\nsecond"))]);
        let attempt = Done {
            target: word("cache"),
            action: word("restart"),
            outcome: "failed",
            detail: word("exit code 1"),
        };
        let first = Round {
            found: unwell(),
            attempts: vec![attempt],
            left: unwell(),
            checked: 2,
            wall: 0,
            ..Round::default()
        };
        let repaired = Repaired { target: word("cache"), how: word("recovered by itself"), lasted_s: 9 };
        let second =
            Round { found: unwell(), repaired: vec![repaired], checked: 2, wall: 60, ..Round::default() };
        let json = r#"{"schema":1,"version":"0.1.0","at":0,"pid":1,"interval_s":60,"overall":"healthy","targets":[],
                       "alerts":{"channel_off":"","accepted":0,"pending":0,"withheld":0,"refused":0,"last_answer":""}}"#;
        let view: View = serde_json::from_str(json).unwrap();
        let checkup = Checkup::new(&view, &TimeZone::UTC, Metrics::default());
        Report::new(vec![first, second], checkup, &view, &TimeZone::UTC)
    }

    #[test]
    fn the_sums_count_a_target_once() {
        let report = report();
        let wanted = Totals { cycles: 2, clean: 1, checked: 4, found: 1, attempts: 1, repaired: 1, left: 0 };
        assert_eq!((report.totals, report.exit_code), (wanted, 0));
        assert_eq!(report.cycles[1].at, "1970-01-01T00:01:00+00:00");
    }

    #[test]
    fn the_name_says_the_form() {
        let dir = tempfile::tempdir().unwrap();
        for (name, begins) in [("a.md", "# "), ("a.JSON", "{")] {
            assert_eq!(check(Some(&dir.path().join(name))), Ok(()));
            report().write(&dir.path().join(name)).unwrap();
            assert!(std::fs::read_to_string(dir.path().join(name)).unwrap().starts_with(begins));
        }
        assert!(check(Some(Path::new("report.txt"))).is_err() && check(None).is_ok());
        let why = check(Some(Path::new("/proc/none/a.md"))).unwrap_err();
        assert!(why.contains("into /proc/none: No such file"), "{why}");
        assert!(report().write(Path::new("/proc/none/a.md")).is_err());
    }
}
