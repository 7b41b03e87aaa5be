//! The long story of all seven, as a test tells it: how long each fault lasted, by the stamps of the log.

use crate::table::Table;
use std::process::Command;

/// The test that tells it, and what its lines of figures begin with.
const STORY: &str = "seven::each_of_the_seven_is_told_apart_and_mended_by_what_can_mend_it";
const FIGURE: &str = "measured: ";

/// Runs the story; each of its lines of figures says what, how many seconds, and how many at most.
pub(crate) fn rows(table: &mut Table) {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--quiet", "--locked", "--test", "daemon", "--", "--nocapture", "--exact", STORY]);
    let output = command.output().expect("cargo is there");
    let text = String::from_utf8_lossy(&output.stdout);
    // The test runner's own words may stand before it on the line.
    let figures = text.lines().filter_map(|line| Some(line.split_once(FIGURE)?.1));
    let rows: Vec<(&str, f64, f64)> = figures.filter_map(figure).collect();
    for (what, seconds, most) in &rows {
        table.at_most(&format!("long story: {what}"), *seconds, "s", *most);
    }
    if !output.status.success() || rows.is_empty() {
        table.note("the long story was not told to its end: make test says why");
    }
}

/// `WHAT = SECONDS, at most SECONDS`.
fn figure(line: &str) -> Option<(&str, f64, f64)> {
    let (what, rest) = line.split_once(" = ")?;
    let (seconds, most) = rest.split_once(", at most ")?;
    Some((what, seconds.parse().ok()?, most.trim().parse().ok()?))
}
