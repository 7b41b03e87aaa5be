//! Is the memory full? By what the kernel says is available, for what it holds as cache is not in use.

use super::{Seen, judged, kernel_file, percent, size};
use crate::probe::figures::{Figures, gb, rounded};
use crate::recovery::evidence::Reading;
use crate::section::{Section, parse};

/// The predecessor's threshold.
const MAX: u8 = 85;

/// A probe of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The share in percent from which on it counts as full.
    pub max: Option<u8>,
    /// Bytes that must be available.
    pub min_available: Option<u64>,
}

/// The memory of this machine in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    total: u64,
    available: u64,
}

impl Memory {
    /// Reads `check.memory = { … }`.
    pub fn read(section: &mut Section<'_>) -> Self {
        let max = section.opt("max", parse::percent);
        let min_available = section.opt("min_available", parse::bytes);
        let is_asked = section.has("max") || section.has("min_available");
        Self { max: if is_asked { max } else { Some(MAX) }, min_available }
    }

    pub(super) fn look(&self) -> Seen {
        let fill = Fill::now()?;
        Ok((self.judge(fill), fill.figures()))
    }

    fn judge(&self, fill: Fill) -> Reading {
        let (used, available) = (fill.usage(), size(fill.available));
        let mut wrong = Vec::new();
        if let Some(max) = self.max.filter(|max| used >= f64::from(*max)) {
            wrong.push(format!(
                "{used:.0} % of the memory is used, {max} % is too much; {available} are available"
            ));
        }
        if let Some(least) = self.min_available.filter(|least| fill.available < *least) {
            wrong.push(format!("only {available} of memory are available, less than {}", size(least)));
        }
        judged(format!("{used:.0} % used, {available} available"), &wrong)
    }
}

impl Fill {
    pub(super) fn now() -> Result<Self, String> {
        let text = kernel_file("/proc/meminfo")?;
        Self::parse(&text).ok_or_else(|| "/proc/meminfo does not say what is available".to_owned())
    }

    /// Lines like `MemAvailable:    3456 kB`.
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        Some(Self { total: field("MemTotal").filter(|total| *total > 0)?, available: field("MemAvailable")? })
    }

    fn usage(&self) -> f64 {
        percent(self.used(), self.total)
    }

    fn used(&self) -> u64 {
        self.total.saturating_sub(self.available)
    }

    pub(super) fn figures(&self) -> Figures {
        let usage = rounded(self.usage());
        let parts = [
            ("total_gb", gb(self.total)),
            ("used_gb", gb(self.used())),
            ("available_gb", gb(self.available)),
        ];
        [("usage_percent", usage)].into_iter().chain(parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cached_is_not_in_use() {
        let text =
            "MemTotal:        8000 kB\nMemFree:          100 kB\nMemAvailable:    1201 kB\nCached: 1101 kB\n";
        let memory = Memory { max: Some(85), min_available: Some(1201 * 1024) };
        let fill = Fill::parse(text).unwrap();
        assert_eq!(memory.judge(fill), Reading::Pass("85 % used, 1 MiB available".to_owned()));
        let full = memory.judge(Fill { available: 1200 * 1024, ..fill });
        let told = "85 % of the memory is used, 85 % is too much; 1 MiB are available, and only 1 MiB of memory are \
                    available, less than 1 MiB";
        assert_eq!(full.detail(), told);
    }

    #[test]
    fn rubbish_is_no_memory() {
        for text in [
            "",
            "MemTotal: 0 kB\nMemAvailable: 0 kB",
            "MemTotal: x kB",
            "MemTotal: 1 kB\n",
            "MemAvailable: 1 kB",
        ] {
            assert_eq!(Fill::parse(text), None, "{text}");
        }
        assert!(Fill::now().unwrap().total > 0);
    }
}
