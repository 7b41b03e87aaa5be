//! A report as Markdown, for a build server's page or an issue. What others said is quoted as code, so that it can
//! neither mention anybody nor become markup.

use super::report::{Report, Round};
use crate::host::view::Grade;
use crate::values::one_line;
use std::fmt::Write as _;

/// Cycles that are listed one by one; of more the last ones. An issue takes 64 KiB.
const MAX_CYCLES: usize = 30;
/// Lines in a list.
const MAX_LINES: usize = 30;
/// Characters quoted of one text.
const QUOTED_CHARS: usize = 300;

impl Report {
    /// The report for people.
    pub(super) fn markdown(&self) -> String {
        let (totals, end) = (&self.totals, &self.checkup);
        let mut text = format!("# picoclaw-watchdog: {}\n\n", end.overall_status.word());
        let _ = writeln!(
            text,
            "{} at the end of {} cycles, {} of them clean. Checked {}, found {} unwell, {} attempts, {} repaired, {} left.",
            end.timestamp,
            totals.cycles,
            totals.clean,
            totals.checked,
            totals.found,
            totals.attempts,
            totals.repaired,
            totals.left
        );
        if let Some(why) = &self.off {
            let _ = writeln!(text, "\n{}", quoted(why));
        }
        let left = self.cycles.last().into_iter().flat_map(|round| &round.left);
        section(&mut text, "Left", left.map(|(target, why)| format!("- {target}: {}", quoted(why))));
        let all = || self.cycles.iter();
        let repaired = all().flat_map(|round| &round.repaired);
        let line =
            |target: &str, how: &str, lasted: u64| format!("- {target}: {} after {lasted} s", quoted(how));
        section(&mut text, "Repaired", repaired.map(|one| line(&one.target, &one.how, one.lasted_s)));
        let attempts = all().flat_map(|round| &round.attempts);
        let line = attempts
            .map(|one| format!("- {}: {}, {}: {}", one.target, one.action, one.outcome, quoted(&one.detail)));
        section(&mut text, "Attempts", line);
        self.checks(&mut text);
        self.rounds(&mut text);
        text
    }

    fn checks(&self, text: &mut String) {
        text.push_str("\n## Checks\n\n| Check | Status | Critical | Seen |\n|---|---|---|---|\n");
        for (name, check) in self.checkup.checks.iter().take(MAX_LINES) {
            let critical = if check.critical { "yes" } else { "no" };
            let _ = writeln!(
                text,
                "| {name} | {} | {critical} | {} |",
                check.status.word(),
                quoted(&check.message)
            );
        }
    }

    fn rounds(&self, text: &mut String) {
        text.push_str("\n## Cycles\n\n| | At | Took | Status | Found | Attempts | Repaired | Left |\n|---|---|---|---|---|---|---|---|\n");
        let hidden = self.cycles.len().saturating_sub(MAX_CYCLES);
        for (index, round) in self.cycles.iter().enumerate().skip(hidden) {
            let Round { at, took_ms, found, attempts, repaired, left, .. } = round;
            let status = round.status.map(Grade::word).unwrap_or_default();
            let counts =
                [found.len(), attempts.len(), repaired.len(), left.len()].map(|count| count.to_string());
            let _ =
                writeln!(text, "| {} | {at} | {took_ms} ms | {status} | {} |", index + 1, counts.join(" | "));
        }
    }
}

/// A list under its title; nothing where there is none.
fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## {title}\n\n{}", lines[..lines.len().min(MAX_LINES)].join("\n"));
    if lines.len() > MAX_LINES {
        let _ = writeln!(text, "- and {} more", lines.len() - MAX_LINES);
    }
}

/// A text as code, on one line, also in a table.
fn quoted(text: &str) -> String {
    let line = one_line(text, QUOTED_CHARS);
    format!("`{}`", line.replace('`', "'").replace('|', "¦"))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;

    #[test]
    fn what_others_said_is_code() {
        let text = report().markdown();
        assert!(text.starts_with("# picoclaw-watchdog: healthy\n"), "{text}");
        assert!(
            text.contains("- cache: `recovered by itself` after 9 s")
                && text.contains("- cache: restart, failed: `exit code 1`")
        );
        assert!(!text.contains("## Left"), "nothing is left: {text}");
        assert_eq!(super::quoted("no | <b> `x` @all\nsecond"), "`no ¦ <b> 'x' @all\\nsecond`");
    }

    #[test]
    fn many_cycles_fit_into_an_issue() {
        let mut long = report();
        long.cycles = long.cycles.iter().cycle().take(1000).cloned().collect();
        let text = long.markdown();
        assert!(
            text.len() < 60_000 && text.contains("| 1000 |") && !text.contains("| 970 |"),
            "{}",
            text.len()
        );
        assert!(text.contains("- and 470 more"), "{text}");
    }
}
