//! Do tasks wait for memory, a processor or a disk? The kernel's own measure (PSI) of the last minute: a machine may be
//! full and well, or half full and not.

use super::{Seen, judged, kernel_file};
use crate::probe::figures::{Figures, rounded};
use crate::recovery::evidence::Reading;
use crate::section::{Section, parse};

/// A probe of one kind of pressure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// What tasks wait for.
    pub of: Resource,
    /// The share of the last minute in percent in which some task waited, from which on it is too much.
    pub some: Option<u8>,
    /// The same for minutes in which all of them did.
    pub full: Option<u8>,
}

/// What tasks wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Memory.
    Memory,
    /// A processor.
    Cpu,
    /// A disk.
    Io,
}

impl Resource {
    fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Io => "io",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let found = [Self::Memory, Self::Cpu, Self::Io].into_iter().find(|resource| resource.word() == text);
        found.ok_or_else(|| format!("{text:?} has no measure of pressure; write memory, cpu or io"))
    }
}

impl Pressure {
    /// Reads `check.pressure = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let of = section.need("of", Resource::parse);
        let some = section.opt("some", parse::percent);
        let full = section.opt("full", parse::percent);
        if !section.has("some") && !section.has("full") {
            section.error(
                &section.here(),
                "it is not said how much is too much",
                "add some = \"20%\", full = \"10%\", or both",
            );
        }
        Some(Self { of: of?, some, full })
    }

    pub(super) fn look(&self) -> Seen {
        let path = format!("/proc/pressure/{}", self.of.word());
        let text = kernel_file(&path).map_err(|why| {
            format!("{why}: this kernel keeps no measure of pressure (it needs CONFIG_PSI, and psi=1 when it boots)")
        })?;
        self.judge(&text).ok_or_else(|| format!("{path} is not understood"))
    }

    /// Text like `some avg10=0.00 avg60=0.43 avg300=0.62 total=293568273`, and one such line for `full`, which older
    /// kernels do not have for a processor.
    fn judge(&self, text: &str) -> Option<(Reading, Figures)> {
        let share = |kind: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
            line.split(' ').find_map(|word| word.strip_prefix("avg60="))?.parse::<f64>().ok()
        };
        let (some, full) = (share("some ")?, share("full ").unwrap_or_default());
        let mut wrong = Vec::new();
        for (who, share, max) in [("some tasks", some, self.some), ("all tasks", full, self.full)] {
            if let Some(max) = max.filter(|max| share >= f64::from(*max)) {
                let of = self.of.word();
                wrong.push(format!(
                    "{who} waited for {of} in {share:.0} % of the last minute, {max} % is too much"
                ));
            }
        }
        let well = format!("waited for in {some:.0} % of the last minute, by all tasks in {full:.0} %");
        Some((
            judged(well, &wrong),
            [("some_percent", rounded(some)), ("full_percent", rounded(full))].into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measure_has_its_threshold() {
        let text = "some avg10=99.00 avg60=20.00 avg300=1.00 total=1\nfull avg10=99.00 avg60=9.99 avg300=0.00 total=1\n";
        let with = |some, full| {
            let pressure = Pressure { of: Resource::Memory, some, full };
            pressure.judge(text).unwrap().0
        };
        let fails = "some tasks waited for memory in 20 % of the last minute, 20 % is too much".to_owned();
        assert_eq!(with(Some(20), Some(10)), Reading::Fail(fails));
        let well = "waited for in 20 % of the last minute, by all tasks in 10 %".to_owned();
        assert_eq!(with(Some(21), Some(10)), Reading::Pass(well));
        assert!(matches!(with(None, Some(9)), Reading::Fail(why) if why.starts_with("all tasks")));
    }

    #[test]
    fn rubbish_and_a_kernel_without_it_are_no_pressure() {
        let pressure = Pressure { of: Resource::Cpu, some: Some(1), full: None };
        for text in ["", "some", "some avg60=x", "full avg60=1.0"] {
            assert_eq!(pressure.judge(text), None, "{text}");
        }
        assert!(pressure.judge("some avg60=0.50").is_some(), "an older kernel has no line for all");
    }
}
