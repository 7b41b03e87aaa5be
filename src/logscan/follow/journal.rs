//! systemd's journal as a log: one long-lived `journalctl`, whose entries become lines. The position is the
//! journal's own cursor, and moves only when an entry was taken.

use super::tail::{Turn, nanoseconds};
use super::{BLOCK, HOLD, Sink, Start};
use crate::exec::stream::Stream;
use crate::recovery::evidence::Name;
use crate::recovery::scan::JournalMark;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Where a busy journal does not wake us more often, as with files.
const PAUSE: Duration = Duration::from_millis(50);
/// An entry longer than this is skipped. Lines of services are cut by journald at 48 KiB (`LineMax=`).
const ENTRY_MAX: usize = 1 << 20;
/// Pauses before another start, doubled from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);

/// One followed journal.
#[derive(Debug)]
pub(super) struct Journal {
    name: Name,
    program: String,
    filter: Vec<String>,
    /// How to begin without a cursor.
    begin: String,
    mark: JournalMark,
    child: Option<Stream>,
    /// When it may be started again, and how long the next pause is.
    again_at: Option<Instant>,
    pause: Duration,
    /// What was read of an entry that is not complete yet.
    raw: Vec<u8>,
    /// The rest of an entry that is too long.
    skipping: bool,
    /// Messages not taken yet, and where each ends, with its cursor.
    waiting: Vec<u8>,
    ends: VecDeque<(usize, String)>,
    shown: usize,
    held: Option<Instant>,
    news: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "MESSAGE", default)]
    message: Value,
}

impl Journal {
    pub(super) fn open(
        name: Name,
        units: &[String],
        user: bool,
        start: Start,
        mark: Option<&JournalMark>,
    ) -> Self {
        let since = nanoseconds(SystemTime::now()) / 1000;
        let mark_now = mark.cloned().unwrap_or(JournalMark { since, cursor: None });
        let from_then = format!("--since=@{}.{:06}", mark_now.since / 1_000_000, mark_now.since % 1_000_000);
        let begin = match start {
            Start::Beginning => "--no-tail".to_owned(),
            Start::Last(lines) if mark.is_none() => format!("--lines={lines}"),
            Start::Last(_) | Start::End => from_then,
        };
        let units =
            units.iter().map(|unit| format!("{}={unit}", if user { "--user-unit" } else { "--unit" }));
        let filter = user.then(|| "--user".to_owned()).into_iter().chain(units).collect();
        Self {
            name,
            program: "journalctl".to_owned(),
            filter,
            begin,
            mark: mark_now,
            child: None,
            again_at: None,
            pause: PAUSE_FIRST,
            raw: Vec::new(),
            skipping: false,
            waiting: Vec::new(),
            ends: VecDeque::new(),
            shown: 0,
            held: None,
            news: Vec::new(),
        }
    }

    /// Asks another program than `journalctl`.
    #[cfg(test)]
    pub(super) fn spoken_by(self, program: String) -> Self {
        Self { program, ..self }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn mark(&self) -> JournalMark {
        self.mark.clone()
    }

    /// What was found wrong since it was last asked.
    pub(super) fn news(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.news).into_iter()
    }

    /// When something is to be done although nothing new came.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let start_at = self.child.is_none().then_some(self.again_at).flatten();
        self.held.map(|since| since + HOLD).into_iter().chain(start_at).min()
    }

    /// Waits until there is something new, and a moment longer.
    pub(super) async fn rung(&self) {
        match &self.child {
            Some(child) => child.readable().await,
            None => std::future::pending().await,
        }
        tokio::time::sleep(PAUSE).await;
    }

    /// Reads what came, up to a block.
    pub(super) fn turn(&mut self, room: &mut [u8], now: Instant, sink: &mut dyn Sink) -> Turn {
        if self.child.is_none() && self.again_at.is_none_or(|at| at <= now) {
            self.start(now);
        }
        let read = if self.waiting.len() < BLOCK { self.hear(room, now) } else { 0 };
        let taken = self.show(now, sink);
        match read + taken {
            0 => Turn::Idle,
            _ => Turn::Read { read: read as u64, taken: taken as u64 },
        }
    }

    pub(super) fn argv(&self) -> Vec<String> {
        let fixed = [
            &self.program,
            "--follow",
            "--output=json",
            "--output-fields=MESSAGE",
            "--all",
            "--no-pager",
            "--quiet",
        ];
        // After the last entry that was taken comes everything, not the last ten.
        let place = match &self.mark.cursor {
            Some(cursor) => vec!["--no-tail".to_owned(), format!("--after-cursor={cursor}")],
            None if self.begin.starts_with("--since") => vec!["--no-tail".to_owned(), self.begin.clone()],
            None => vec![self.begin.clone()],
        };
        fixed.into_iter().map(str::to_owned).chain(place).chain(self.filter.iter().cloned()).collect()
    }

    fn start(&mut self, now: Instant) {
        // What an earlier child wrote and nobody took comes again.
        (self.raw, self.waiting, self.ends) = (Vec::new(), Vec::new(), VecDeque::new());
        (self.skipping, self.shown, self.held) = (false, 0, None);
        match Stream::start(self.argv()) {
            Ok(child) => self.child = Some(child),
            Err(reason) => self.fail(&reason, now),
        }
    }

    fn fail(&mut self, reason: &str, now: Instant) {
        self.news.push(format!("the journal cannot be followed: {reason}"));
        self.child = None;
        self.again_at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_LAST);
    }

    fn hear(&mut self, room: &mut [u8], now: Instant) -> usize {
        let Some(child) = &mut self.child else { return 0 };
        let read = child.read(room);
        let complaint = child.complaint();
        match read {
            Ok(count @ 1..) => {
                self.news.extend(complaint.map(|words| format!("journalctl says: {words}")));
                self.parse(&room[..count]);
                count
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.news.extend(complaint.map(|words| format!("journalctl says: {words}")));
                0
            }
            Ok(0) | Err(_) => {
                let end = child.end().map_or("it closed its output".to_owned(), |end| end.to_string());
                self.fail(&complaint.map_or(end.clone(), |words| format!("{end}: {words}")), now);
                0
            }
        }
    }

    fn parse(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            self.raw.extend_from_slice(line);
            self.enter();
            self.raw.clear();
        }
        if !self.skipping {
            self.raw.extend_from_slice(rest);
        }
        if self.raw.len() > ENTRY_MAX {
            self.news.push("an entry of the journal was longer than 1 MiB and was skipped".to_owned());
            (self.raw, self.skipping) = (Vec::new(), true);
        }
    }

    fn enter(&mut self) {
        let Ok(entry) = serde_json::from_slice::<Entry>(&self.raw) else {
            self.news.push("journalctl wrote a line that is no entry; it was skipped".to_owned());
            return;
        };
        put(&entry.message, &mut self.waiting);
        self.ends.push_back((self.waiting.len(), entry.cursor));
    }

    /// Gives what waits to the sink, and moves on by what it took.
    fn show(&mut self, now: Instant, sink: &mut dyn Sink) -> usize {
        let block = &self.waiting[..self.waiting.len().min(BLOCK)];
        let due = self.held.is_some_and(|since| since + HOLD <= now) || block.len() == BLOCK;
        let mut give = |whole| sink.take(&self.name, Path::new("journal"), block, whole).min(block.len());
        let mut taken = if block.len() > self.shown { give(false) } else { 0 };
        if taken == 0 && due && !block.is_empty() {
            give(true);
            taken = block.len();
        }
        (self.shown, self.held) = (block.len() - taken, if taken > 0 { None } else { self.held });
        self.waiting.drain(..taken);
        for (end, _) in &mut self.ends {
            *end = end.saturating_sub(taken);
        }
        while let Some((_, cursor)) = self.ends.pop_front_if(|(end, _)| *end == 0) {
            self.mark.cursor = Some(cursor);
            self.pause = PAUSE_FIRST;
        }
        self.held = if self.waiting.is_empty() { None } else { self.held.or(Some(now)) };
        taken
    }
}

/// A message is text, or its bytes when they are no UTF-8, or several of both; with --all it is never cut short.
fn put(message: &Value, into: &mut Vec<u8>) {
    match message {
        Value::String(text) => into.extend_from_slice(text.as_bytes()),
        Value::Array(parts) if parts.iter().all(Value::is_u64) => {
            into.extend(parts.iter().filter_map(Value::as_u64).filter_map(|byte| u8::try_from(byte).ok()));
        }
        Value::Array(parts) => return parts.iter().for_each(|part| put(part, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return,
    }
    into.push(b'\n');
}
