//! The figures as people read them.

use std::fmt;

/// All figures, in the order in which they were taken.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A figure without a target.
    pub(crate) fn shown(&mut self, what: &str, figure: f64, unit: &str) {
        self.row([what.to_owned(), number(figure, unit), String::new(), String::new()]);
    }

    /// A figure that is to be at most `most`.
    pub(crate) fn at_most(&mut self, what: &str, figure: f64, unit: &str, most: f64) {
        let verdict = verdict(figure <= most);
        self.row([what.to_owned(), number(figure, unit), format!("≤ {}", number(most, unit)), verdict]);
    }

    /// Many figures in milliseconds, of which the median is to be at most `most`.
    pub(crate) fn spread(&mut self, what: &str, figures: &[f64], most: f64) {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return self.note(&format!("{what}: not measured"));
        };
        let (median, p90) = (sorted[last / 2], sorted[last * 9 / 10]);
        let figure = format!("{} (p90 {}, of {})", number(median, "ms"), number(p90, "ms"), sorted.len());
        self.row([what.to_owned(), figure, format!("≤ {}", number(most, "ms")), verdict(median <= most)]);
    }

    /// What a reader must know beside the figures.
    pub(crate) fn note(&mut self, text: &str) {
        eprintln!("!!!! {text}");
        self.notes.push(text.to_owned());
    }

    /// The same for a README.
    pub(crate) fn markdown(&self) -> String {
        let mut text = "| What | Measured | To reach | |\n|---|---|---|---|\n".to_owned();
        for [what, figure, target, verdict] in &self.rows {
            let what = what.strip_prefix("  ").map_or_else(|| what.clone(), |part| format!("… {part}"));
            text.push_str(&format!("| {what} | {figure} | {target} | {verdict} |\n"));
        }
        for note in &self.notes {
            text.push_str(&format!("\n{note}.\n"));
        }
        text
    }

    /// Printed at once as well, for the whole takes minutes.
    fn row(&mut self, row: [String; 4]) {
        eprintln!("{}: {} {} {}", row[0].trim(), row[1], row[2], row[3]);
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (first, second, third) = (width(0), width(1), width(2));
        for [what, figure, target, verdict] in &self.rows {
            writeln!(f, "{what:first$}  {figure:second$}  {target:third$}  {verdict}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "!!!! {note}"))
    }
}

/// The middle one; not a number when there is none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

fn verdict(good: bool) -> String {
    if good { "reached" } else { "MISSED" }.to_owned()
}

/// Two digits below ten, so that a small figure is not rounded away.
fn number(figure: f64, unit: &str) -> String {
    let digits = if figure.fract() == 0.0 || figure >= 100.0 {
        0
    } else if figure >= 10.0 {
        1
    } else {
        2
    };
    format!("{figure:.digits$} {unit}").trim_end().to_owned()
}
