//! The files of one source: which paths its patterns mean, and which file is followed under which of them. A file
//! with several names is followed under one.

use super::bell::Bell;
use super::own::Own;
use super::pattern::Pattern;
use super::siblings::{is_packed, parent, rotated_from};
use super::tail::{Seen, Turn};
use super::trail::Trail;
use super::{Sink, Start, wall};
use crate::recovery::evidence::Name;
use crate::recovery::scan::{FileId, FilesMark};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Paths that one source follows. Each keeps a file open.
const PATHS_MAX: usize = 64;
/// How often patterns are tried again although no directory has changed.
const EXPAND_EVERY: Duration = Duration::from_secs(30);

const NAME_OTHER: &str = "name the log of the service instead";

/// The files of one source.
#[derive(Debug)]
pub(super) struct Files {
    name: Name,
    own: Arc<Own>,
    patterns: Vec<Pattern>,
    trails: Vec<Trail>,
    /// When all paths were known, in nanoseconds since 1970.
    looked: u64,
    expanded: Option<Instant>,
    /// Files that are too many.
    surplus: usize,
    /// What was found wrong since it was last asked.
    news: Vec<String>,
}

impl Files {
    /// Goes on where the mark says; without one, the source is new, and `start` says where to begin.
    pub(super) fn open(
        name: Name,
        patterns: Vec<Pattern>,
        start: Start,
        (mark, own): (Option<&FilesMark>, &Arc<Own>),
    ) -> Self {
        // What is new to us is never read from its beginning only because it came.
        let looked = mark.map_or(u64::MAX, |mark| mark.looked);
        let (trails, news, own) = (Vec::new(), Vec::new(), Arc::clone(own));
        let mut files = Self { name, own, patterns, trails, looked, expanded: None, surplus: 0, news };
        let known = mark.iter().flat_map(|mark| &mark.paths).filter(|(path, _)| files.means(Path::new(path)));
        files.trails = known.map(|(path, mark)| Trail::resume(path.into(), mark)).collect();
        files.expand(Some(start));
        files
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn trails(&self) -> &[Trail] {
        &self.trails
    }

    /// Where it stands. What did not change keeps its old time, so that a quiet source changes no state.
    pub(super) fn mark(&self, before: Option<&FilesMark>) -> FilesMark {
        let mut mark = FilesMark { looked: self.looked, ..FilesMark::default() };
        for trail in &self.trails {
            let path = trail.path().to_string_lossy().into_owned();
            let (now, old) = (trail.mark(), before.and_then(|before| before.paths.get(&path)));
            let kept = old.filter(|old| old.files == now.files).cloned().unwrap_or(now);
            mark.paths.insert(path, kept);
        }
        match before {
            Some(before) if before.paths == mark.paths => before.clone(),
            Some(_) | None => mark,
        }
    }

    /// Looks which files lie at the paths by now.
    pub(super) fn look(&mut self, bell: &mut Bell, now: Instant, wall: u64) {
        let due = self.expanded.is_none_or(|at| now.saturating_duration_since(at) >= EXPAND_EVERY);
        if due || bell.has_new_names() {
            if self.expanded.is_some() {
                self.expand(None);
            }
            self.expanded = Some(now);
            self.looked = wall;
            self.watch(bell);
        }
        for index in 0..self.trails.len() {
            self.look_at(index, now, wall);
        }
        for tail in self.trails.iter_mut().flat_map(Trail::tails).filter(|tail| tail.watch.is_none()) {
            tail.watch = bell.watch_file(tail.file());
        }
    }

    fn look_at(&mut self, index: usize, now: Instant, wall: u64) {
        let trail = &mut self.trails[index];
        let there = identify(trail.path()).and_then(|there| Ok((there, trail.meet(there, wall)?)));
        let there = match there {
            Ok((_, true)) => return,
            Ok((there, false)) => there,
            Err(error) => return self.complain(index, &error),
        };
        if let Some(id) = there {
            if self.own.holds(self.trails[index].path(), id) {
                let path = self.trails[index].path().display();
                return self
                    .news
                    .push(format!("{path}: it is what we write ourselves, so it is not read; {NAME_OTHER}"));
            }
            if self.held_elsewhere(index, id) {
                return;
            }
        }
        self.settle(index, now, wall);
    }

    fn settle(&mut self, index: usize, now: Instant, wall: u64) {
        // What is ours is passed over like what is followed already.
        let own = self.own.ids();
        let known: Vec<FileId> = self.trails.iter().flat_map(Trail::ids).chain(own).collect();
        match self.trails[index].settle(&known, wall, now) {
            Ok(said) => self.news.extend(said),
            Err(error) => self.complain(index, &error),
        }
    }

    fn complain(&mut self, index: usize, error: &io::Error) {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let help =
            if denied { "; let the watchdog's user read it, for example through its group" } else { "" };
        self.news.push(format!("{}: {error}{help}", self.trails[index].path().display()));
    }

    /// What is wrong, and was not said yet or lasts.
    pub(super) fn news(&mut self) -> impl Iterator<Item = String> + use<> {
        let mut news = std::mem::take(&mut self.news);
        news.extend(self.missing());
        if self.surplus > 0 {
            news.push(format!(
                "{} files more than the {PATHS_MAX} that one source can follow; divide it into several",
                self.surplus
            ));
        }
        news.sort();
        news.dedup();
        news.into_iter()
    }

    /// A file that another path of ours holds: a second name of it is not read again, and a new name is where it
    /// is followed from now on.
    fn held_elsewhere(&mut self, index: usize, id: FileId) -> bool {
        let holder = self.trails.iter().position(|trail| trail.ids().any(|known| known == id));
        let Some(holder) = holder.filter(|holder| *holder != index && self.trails[index].has_found_all())
        else {
            return false;
        };
        if let Some(tail) = self.trails[holder].release(id) {
            self.trails[index].adopt(tail);
        }
        true
    }

    /// Reads one block under path `index`.
    pub(super) fn turn(&mut self, index: usize, room: &mut [u8], now: Instant, sink: &mut dyn Sink) -> Turn {
        let name = &self.name;
        let mut give = |path: &Path, block: &[u8], whole| sink.take(name, path, block, whole);
        match self.trails[index].turn(room, now, &mut give) {
            Ok(turn @ (Turn::Cut | Turn::Unsure)) => {
                // At once, before the new content is read: the old one may lie in a copy.
                self.settle(index, now, wall());
                turn
            }
            Ok(turn @ (Turn::Idle | Turn::Read { .. })) => turn,
            Err(error) => {
                self.complain(index, &error);
                Turn::Idle
            }
        }
    }

    /// Closes what is over; says whether anything was.
    pub(super) fn let_go(&mut self, bell: &Bell, now: Instant) -> bool {
        let gone: Vec<_> = self.trails.iter_mut().flat_map(|trail| trail.let_go(now)).collect();
        gone.iter().for_each(|tail| bell.forget(tail.watch));
        !gone.is_empty()
    }

    /// Finds the paths that the patterns mean by now. Of those that are new, a file that lay there before we came
    /// begins at `start`.
    fn expand(&mut self, start: Option<Start>) {
        let patterns = &self.patterns;
        let named = |trail: &Trail| patterns.iter().any(|pattern| pattern.is_exactly(trail.path()));
        self.trails.retain(|trail| !trail.is_bare() || named(trail));
        let known: BTreeSet<&Path> = self.trails.iter().map(Trail::path).collect();
        let mut meant = self.meant();
        meant.retain(|path| !known.contains(path.as_path()));
        let room = PATHS_MAX.saturating_sub(known.len());
        self.surplus = meant.len().saturating_sub(room);
        let looked = self.looked;
        self.trails.extend(meant.into_iter().take(room).map(|path| Trail::new(path, looked, start)));
    }

    fn meant(&self) -> BTreeSet<PathBuf> {
        let named = self.patterns.iter().filter_map(Pattern::exactly).map(Path::to_owned);
        let all: BTreeSet<_> = self.patterns.iter().flat_map(Pattern::paths).chain(named).collect();
        // The old files of a log that is followed itself are no logs of their own.
        let is_log = |path: &PathBuf| !is_packed(path) && !rotated_from(path).any(|log| all.contains(&log));
        all.iter().filter(|path| is_log(path)).cloned().collect()
    }

    fn means(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.means(path))
    }

    /// Patterns that mean nothing yet. What is there and cannot be followed has said so itself.
    fn missing(&self) -> impl Iterator<Item = String> {
        let found = |pattern: &Pattern| {
            self.trails.iter().any(|trail| !trail.is_bare() && pattern.means(trail.path()))
        };
        let missing =
            self.patterns.iter().filter(move |pattern| !found(pattern) && pattern.paths().next().is_none());
        missing.map(|pattern| format!("{pattern}: there is no such file yet"))
    }

    /// Listens for new names, wherever they may appear.
    fn watch(&self, bell: &mut Bell) {
        let fixed = self.patterns.iter().map(Pattern::base);
        let found = self.trails.iter().map(|trail| parent(trail.path()));
        for directory in fixed.chain(found).collect::<BTreeSet<_>>() {
            bell.watch_directory(directory);
        }
    }
}

/// The file at a path, if there is one.
fn identify(path: &Path) -> io::Result<Option<FileId>> {
    match Seen::at(path) {
        Ok(seen) => Ok(Some(seen.id)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
