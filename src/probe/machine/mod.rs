//! How full this machine is: its disks, its memory, what tasks wait for, its load. The kernel tells it in
//! microseconds and without waiting for anybody; what it could make us wait for is not asked. Only the metrics
//! take a moment.

mod cpu;
mod disk;
mod memory;
pub mod metrics;
mod mounts;
mod pressure;

pub use cpu::Cpu;
pub use disk::Disk;
pub(super) use disk::plain;
pub use memory::Memory;
pub use pressure::Pressure;

use super::figures::Figures;
use crate::recovery::evidence::Reading;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes read of a file of the kernel's. The longest, the list of mounts, has some hundred bytes for each.
const FILE_CAP: u64 = 1024 * 1024;

/// One question about this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machine {
    /// How full a disk is.
    Disk(Disk),
    /// How full the memory is.
    Memory(Memory),
    /// Whether tasks wait for something.
    Pressure(Pressure),
    /// How much waits for a processor.
    Cpu(Cpu),
}

impl Machine {
    /// Looks once.
    pub fn look(&self) -> (Reading, Figures) {
        let seen = match self {
            Self::Disk(disk) => disk.look(),
            Self::Memory(memory) => memory.look(),
            Self::Pressure(pressure) => pressure.look(),
            Self::Cpu(cpu) => cpu.look(),
        };
        seen.unwrap_or_else(|why| (Reading::Unknown(why), Figures::new()))
    }

    /// The word for the kind, as in `check.disk`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Disk(_) => "disk",
            Self::Memory(_) => "memory",
            Self::Pressure(_) => "pressure",
            Self::Cpu(_) => "cpu",
        }
    }
}

/// What was seen, or why nothing could be.
type Seen = Result<(Reading, Figures), String>;

/// Whether a look at a directory and what is in it ends; the kernel's list of mounts tells, which touches none of them.
///
/// # Errors
/// Why it might not.
pub(super) fn may_hang(path: &Path) -> Result<(), String> {
    let mountinfo = kernel_file("/proc/self/mountinfo")?;
    mounts::remote(&mountinfo, path).map_or(Ok(()), |remote| Err(mounts::hazard(&remote, path)))
}

/// A file of the kernel's.
fn kernel_file(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_CAP).read_to_string(&mut text));
    read.map(|_| text).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// The part of the whole in percent; of nothing, nothing.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// Bytes as a person says them: whole gibibytes, or mebibytes where there are few.
fn size(bytes: u64) -> String {
    match bytes >> 30 {
        0..10 => format!("{} MiB", bytes >> 20),
        gib => format!("{gib} GiB"),
    }
}

/// A reading that passes when nothing is wrong.
fn judged(well: String, wrong: &[String]) -> Reading {
    if wrong.is_empty() { Reading::Pass(well) } else { Reading::Fail(wrong.join(", and ")) }
}
