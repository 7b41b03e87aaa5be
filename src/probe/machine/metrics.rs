//! How this machine is as a whole, in the shape that scripts know: for `--json`, and for nothing else.

use super::{cpu, disk, kernel_file, memory};
use crate::probe::figures::{Figures, mb, rounded};
use serde::Serialize;
use std::fs;
use std::time::Duration;

/// How long the processors are looked at; less is more noise than measure.
const SAMPLE: Duration = Duration::from_millis(200);
/// Processes that are counted; more than any small machine runs.
const MAX_PROCESSES: usize = 100_000;

/// What was measured. A part that cannot be measured is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// `usage_percent` of all processors together, and their `count`.
    pub cpu: Figures,
    /// `usage_percent`, `total_gb`, `used_gb`, `available_gb`.
    pub memory: Figures,
    /// Of the root: `usage_percent`, `total_gb`, `used_gb`, `free_gb`.
    pub disk: Figures,
    /// `bytes_sent_mb` and `bytes_recv_mb` since the boot, over all interfaces.
    pub network: Figures,
    /// Their `count`.
    pub processes: Figures,
}

impl Metrics {
    /// Measures, for as long as the look at the processors takes.
    pub async fn measure() -> Self {
        let before = processors();
        tokio::time::sleep(SAMPLE).await;
        Self {
            cpu: before.zip(processors()).map(|(before, after)| usage(before, after)).unwrap_or_default(),
            memory: memory::Fill::now().map(|fill| fill.figures()).unwrap_or_default(),
            disk: disk::of_root(),
            network: kernel_file("/proc/net/dev").map(|text| network(&text)).unwrap_or_default(),
            processes: processes().map(|count| [("count", count.into())].into()).unwrap_or_default(),
        }
    }
}

/// What the processors have done since the boot.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    idle: u64,
    all: u64,
}

fn processors() -> Option<Ticks> {
    ticks(kernel_file("/proc/stat").ok()?.lines().next()?)
}

/// A line like `cpu  10132153 290696 3084719 46828483 16683 0 25195 0 175628 0`: user, nice, system, idle, iowait,
/// irq, softirq, steal; what guests had is part of the first two.
fn ticks(line: &str) -> Option<Ticks> {
    let fields: Vec<u64> =
        line.strip_prefix("cpu ")?.split_whitespace().map_while(|field| field.parse().ok()).take(8).collect();
    Some(Ticks { idle: fields.get(3)? + fields.get(4)?, all: fields.iter().sum() })
}

fn usage(before: Ticks, after: Ticks) -> Figures {
    let all = after.all.saturating_sub(before.all);
    let busy = all.saturating_sub(after.idle.saturating_sub(before.idle));
    [("usage_percent", rounded(super::percent(busy, all))), ("count", cpu::count().into())].into()
}

/// Lines like `  eth0: 1234 5 0 0 0 0 0 0 5678 9 …`: bytes received are first, bytes sent ninth.
fn network(text: &str) -> Figures {
    let bytes = |line: &str| {
        let fields: Vec<u64> =
            line.split_once(':')?.1.split_whitespace().map_while(|field| field.parse().ok()).collect();
        Some((*fields.first()?, *fields.get(8)?))
    };
    let sum = |(received, sent): (u64, u64), (r, s): (u64, u64)| {
        (received.saturating_add(r), sent.saturating_add(s))
    };
    let (received, sent) = text.lines().filter_map(bytes).fold((0, 0), sum);
    [("bytes_sent_mb", mb(sent)), ("bytes_recv_mb", mb(received))].into()
}

/// The directories in `/proc` that are numbers.
fn processes() -> Option<usize> {
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let entries = fs::read_dir("/proc").ok()?.flatten().take(MAX_PROCESSES);
    Some(entries.filter(|entry| entry.file_name().to_str().is_some_and(is_process)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_disk_is_idle() {
        let before = ticks("cpu  100 0 100 700 100 0 0 0 0 0").unwrap();
        let after = ticks("cpu  130 0 120 820 130 0 0 0 50 0").unwrap();
        assert_eq!(usage(before, after)["usage_percent"], rounded(25.0));
        assert_eq!(usage(after, before)["usage_percent"], rounded(0.0));
        assert!(ticks("cpu0 1 2 3 4 5").is_none() && ticks("cpu  1 2 3").is_none());
    }

    #[test]
    fn all_interfaces_are_one() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 1048576 1 0 0 0 0 0 0 2097152 1 0 0 0 0 0 0\n  e:1048576 1 0 0 0 0 0 0 0 1\n x: 1 2\n";
        assert_eq!(network(text), [("bytes_recv_mb", rounded(2.0)), ("bytes_sent_mb", rounded(2.0))].into());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn this_machine_has_all_of_them() {
        let metrics = Metrics::measure().await;
        assert!(metrics.processes["count"].as_u64().unwrap() > 0);
        let counts = [metrics.cpu.len(), metrics.memory.len(), metrics.disk.len(), metrics.network.len()];
        assert_eq!(counts, [2, 4, 4, 2], "{metrics:?}");
    }
}
