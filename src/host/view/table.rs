//! A view as text: the table that people read, and the one line for systemd and the log. It arranges what
//! stands in the view and knows no more.

use super::{AlertsView, Grade, ProbeView, TargetView, View};
use crate::recovery::time::Age;
use std::fmt::Write as _;
use std::time::Duration;

impl View {
    /// One line for systemd's `STATUS=` and for the end of a cycle.
    pub fn summary(&self) -> String {
        let unwell: Vec<String> = self
            .targets
            .iter()
            .filter(|target| target.grade != Grade::Healthy)
            .map(|target| format!("{}: {}", target.name, target.summary))
            .collect();
        let mut line =
            if unwell.is_empty() { format!("all well ({})", self.names()) } else { unwell.join(" | ") };
        let waiting = self.alerts.pending;
        if waiting > 0 {
            let _ = write!(line, " | alerts waiting: {waiting}");
        }
        line
    }

    /// Who is watched. With so many that nobody would read it, only how many: the line is written in every cycle.
    fn names(&self) -> String {
        const MOST: usize = 20;
        match self.targets.len() {
            0..=MOST => {
                let names: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
                names.join(", ")
            }
            many => format!("{many} targets"),
        }
    }

    /// The table for people.
    pub fn table(&self) -> String {
        // What is not watched has neither a state nor messages.
        if let Some(why) = &self.off {
            return format!("{why}\n");
        }
        let mut text = String::new();
        for target in &self.targets {
            let _ = writeln!(text, "{:<10} {:<9} {}", target.name, mark(target.grade), target.summary);
            text.push_str(&target.details());
        }
        if let Some(why) = &self.unsaved {
            let _ = writeln!(text, "state      the running watchdog cannot save it: {why}");
        }
        for paused in &self.paused {
            let _ = writeln!(text, "paused     {}", paused.line());
        }
        let _ = writeln!(text, "{}", self.alerts.line());
        text
    }
}

fn mark(grade: Grade) -> &'static str {
    match grade {
        Grade::Healthy => "ok",
        Grade::Degraded => "DEGRADED",
        Grade::Critical => "CRITICAL",
    }
}

impl ProbeView {
    /// What it saw, and how far that is from counting against its target.
    fn row(&self) -> String {
        let note = match (self.counts, self.fails) {
            (false, _) => " (does not count until it first passes)".to_owned(),
            (true, 0) => String::new(),
            // One is enough, and says so by itself.
            (true, _) if self.fail_after == 1 => String::new(),
            (true, fails) => format!(" (failure {fails}, {} make it a fault)", self.fail_after),
        };
        format!("  {:<12} {:<9} {}{note}\n", self.name, self.reading, self.detail)
    }
}

impl TargetView {
    /// All that is known beyond the summary, one indented line each.
    pub fn details(&self) -> String {
        let mut text: String = self.probes.iter().map(ProbeView::row).collect();
        let _ = writeln!(text, "  {}", self.numbers());
        if !self.outlook.is_empty() {
            let _ = writeln!(text, "  next: {}", self.outlook);
        }
        if !self.depends_on.is_empty() {
            let links = self.depends_on.iter().map(|link| format!("{} ({})", link.name, mark(link.grade)));
            let _ = writeln!(text, "  depends on {}", links.collect::<Vec<_>>().join(", "));
        }
        if !self.needed_by.is_empty() {
            let _ = writeln!(text, "  needed by {}", self.needed_by.join(", "));
        }
        text
    }

    /// The budget, the incident and the next moment, in numbers.
    fn numbers(&self) -> String {
        let age = |seconds: u64| Age(Duration::from_secs(seconds)).to_string();
        let (used, allowed) = (self.attempts_used, self.attempts_allowed);
        let mut line = match allowed {
            0 => "no repair is configured; people are told".to_owned(),
            _ => format!("{used} of {allowed} attempts used in {}", age(self.window_s)),
        };
        if let Some(frees) = self.frees_in_s {
            let _ = write!(line, ", one frees in {}", age(frees));
        }
        if let Some(next) = self.next_in_s {
            let _ = write!(line, "; could next act in {}", age(next));
        }
        if let Some(incident) = &self.incident {
            let told = if incident.told { "people were told" } else { "nobody was told yet" };
            let _ = write!(line, "; incident {} is {} old, {told}", incident.id, age(incident.age_s));
        }
        line
    }
}

impl AlertsView {
    fn line(&self) -> String {
        if !self.channel_off.is_empty() {
            return format!("alerts     off: {} ({} withheld)", self.channel_off, self.withheld);
        }
        let mut line = format!(
            "alerts     {} accepted, {} pending, {} refused",
            self.accepted, self.pending, self.refused
        );
        if !self.last_answer.is_empty() {
            let _ = write!(line, "; {}", self.last_answer);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests::letter;
    use crate::recovery::evidence::Name;
    use crate::recovery::outbox::{Fate, Letter, Outbox};
    use crate::recovery::time::Timestamp;
    use std::sync::Arc;

    fn of(channel: &str, fate: Fate, last_answer: &str) -> Arc<Letter> {
        let channel = Name::parse(channel).unwrap();
        Arc::new(Letter { channel, fate, last_answer: last_answer.to_owned(), ..letter() })
    }

    fn line(letters: Vec<Arc<Letter>>) -> String {
        AlertsView::new(&Outbox { letters, ..Outbox::default() }, &Ok(())).line()
    }

    #[test]
    fn what_a_channel_answered_last_is_said_under_its_name() {
        let refused = || Fate::Refused { reason: "550 no such user".to_owned(), at: Timestamp(0) };
        let accepted = || Fate::Accepted { request_id: String::new(), at: Timestamp(0), wall: 0 };
        let waits = || of("line", Fate::Pending, "500");
        assert!(line(vec![of("email", refused(), "")]).ends_with("; email said: 550 no such user"));
        assert!(line(vec![waits(), of("line", Fate::Pending, "")]).ends_with("; line said: 500"));
        assert!(line(vec![waits(), of("line", accepted(), "")]).ends_with(" 0 refused"), "it is well again");
        assert!(line(vec![waits(), of("email", accepted(), "")]).ends_with("; line said: 500"));
    }
}
