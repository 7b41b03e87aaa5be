//! Is there more to do than the processors can? By the load of the last five minutes for each of them. Tasks that wait
//! for a disk count, too; that is how the kernel counts.

use super::{Seen, judged, kernel_file};
use crate::probe::figures::rounded;
use crate::recovery::evidence::Reading;
use crate::section::Section;
use nix::unistd::{SysconfVar, sysconf};

/// The most that anybody may write: a machine with this load answers nobody.
const MOST: f64 = 1000.0;

/// A probe of the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The load per processor, in hundredths, from which on it is too much.
    pub max_load: u32,
}

impl Cpu {
    /// Reads `check.cpu = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        Some(Self { max_load: section.need("max_load", hundredths)? })
    }

    pub(super) fn look(&self) -> Seen {
        let text = kernel_file("/proc/loadavg")?;
        let load = parse(&text).ok_or_else(|| "/proc/loadavg is not understood".to_owned())?;
        let each = load / f64::from(count());
        let figures =
            [("load_5m", rounded(load)), ("load_per_cpu", rounded(each)), ("count", count().into())];
        Ok((self.judge(each), figures.into()))
    }

    fn judge(&self, each: f64) -> Reading {
        let max = f64::from(self.max_load) / 100.0;
        let wrong = (each >= max).then(|| {
            format!("the load of the last 5 minutes was {each:.1} for each processor, {max} is too much")
        });
        judged(format!("load {each:.1} for each processor"), wrong.as_slice())
    }
}

/// The second of `1.29 0.86 0.98 2/108 21205`.
fn parse(text: &str) -> Option<f64> {
    text.split(' ').nth(1)?.parse::<f64>().ok().filter(|load| load.is_finite())
}

/// How many processors are there; at least one runs this.
pub(super) fn count() -> u32 {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    online.and_then(|count| u32::try_from(count).ok()).unwrap_or(1).max(1)
}

/// A load like `2` or `1.5`.
fn hundredths(text: &str) -> Result<u32, String> {
    let load = text.parse::<f64>().ok().filter(|load| (0.01..=MOST).contains(load));
    let load =
        load.ok_or_else(|| format!("{text:?} is not a load; write one for each processor, like 1.5"))?;
    // Within its bounds it has at most six digits.
    Ok((load * 100.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_shared_by_all_processors() {
        assert_eq!(parse("1.29 0.86 0.98 2/108 21205\n"), Some(0.86));
        assert_eq!([parse(""), parse("1.0"), parse("1 x"), parse("1 NaN")], [None; 4]);
        let cpu = Cpu { max_load: hundredths("1.5").unwrap() };
        assert_eq!(cpu.judge(1.49), Reading::Pass("load 1.5 for each processor".to_owned()));
        let fails = "the load of the last 5 minutes was 1.5 for each processor, 1.5 is too much";
        assert_eq!(cpu.judge(1.5), Reading::Fail(fails.to_owned()));
        assert!(cpu.look().is_ok());
    }

    #[test]
    fn a_load_has_bounds() {
        assert_eq!([hundredths("2"), hundredths("0.01")], [Ok(200), Ok(1)]);
        for bad in ["", "0", "-1", "NaN", "inf", "1001", "x"] {
            assert!(hundredths(bad).is_err(), "{bad}");
        }
    }
}
