//! What we write ourselves. Whoever reads that acts on his own words for ever, as the predecessor did; so it is known
//! by what it is, and no other name makes it something else.

use super::pattern::Pattern;
use super::tail::Seen;
use crate::recovery::scan::FileId;
use std::path::{Component, Path, PathBuf};

/// Our own files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Logs, those that were rotated, and the like.
    pub files: Vec<PathBuf>,
    /// The directory in which nothing is a log; none in tests.
    pub state: Option<PathBuf>,
}

impl Own {
    /// What of it a pattern means, by now or once it is there. Links are followed, and `..` goes up.
    pub fn meant_by(&self, pattern: &Pattern) -> Option<&Path> {
        let (real_pattern, ids) = (pattern.real(), found(pattern));
        let is_meant = |own: &&PathBuf| {
            pattern.means(own)
                || real_pattern.means(own)
                || real_pattern.means(&real(own))
                || Seen::at(own).is_ok_and(|seen| ids.iter().any(|id| is_same(*id, seen.id)))
        };
        let file = self.files.iter().find(is_meant);
        file.or_else(|| self.state.as_ref().filter(|state| leads_below(pattern, &real(state))))
            .map(PathBuf::as_path)
    }

    /// Whether the file that lies at a path is ours.
    pub(super) fn holds(&self, path: &Path, id: FileId) -> bool {
        let within = |state: &PathBuf| real(path).starts_with(real(state));
        self.ids().into_iter().any(|own| is_same(own, id)) || self.state.as_ref().is_some_and(within)
    }

    /// Those that are there.
    pub(super) fn ids(&self) -> Vec<FileId> {
        self.files.iter().filter_map(|path| Some(Seen::at(path).ok()?.id)).collect()
    }
}

/// Not every file system says when a file was made, but which one it is.
fn is_same(one: FileId, other: FileId) -> bool {
    (one.device, one.inode) == (other.device, other.inode)
}

/// The files that a pattern means by now.
fn found(pattern: &Pattern) -> Vec<FileId> {
    pattern.paths().filter_map(|path| Some(Seen::at(&path).ok()?.id)).collect()
}

fn leads_below(pattern: &Pattern, state: &Path) -> bool {
    let real_pattern = pattern.real();
    let exact = real_pattern.exactly().unwrap_or(real_pattern.base());
    exact.starts_with(state) || pattern.paths().any(|path| real(&path).starts_with(state))
}

/// A path without links and `..`, as far as it is there; the rest is taken as it is written.
pub(super) fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, mut real) = there.unwrap_or((Path::new(""), PathBuf::new()));
    for part in path.strip_prefix(above).unwrap_or(path).components() {
        match part {
            Component::ParentDir => drop(real.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => real.push(part),
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logscan::follow::{Follow, Kind, Sink, Source, Start};
    use crate::recovery::evidence::Name;
    use crate::recovery::scan::ScanMark;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::time::Instant;

    #[test]
    fn no_other_name_makes_it_something_else() {
        let kept = tempfile::tempdir().unwrap();
        let top = kept.path().canonicalize().unwrap();
        let own = Own { files: vec![top.join("logs/own.log")], state: Some(top.join("state")) };
        let meant = |text: &str| {
            let pattern = Pattern::parse(&top.join(text).display().to_string()).unwrap();
            own.meant_by(&pattern).map(|path| path.strip_prefix(&top).unwrap().display().to_string())
        };
        // Before anything is there, names are all that can be compared.
        assert_eq!(meant("x/../logs/*.log").as_deref(), Some("logs/own.log"));
        assert_eq!(meant("state/history/*").as_deref(), Some("state"));
        assert_eq!(meant("state/deep/a.log").as_deref(), Some("state"));
        fs::create_dir_all(top.join("state/history")).unwrap();
        fs::create_dir_all(top.join("logs")).unwrap();
        symlink("logs", top.join("linked")).unwrap();
        assert_eq!(meant("linked/*.log").as_deref(), Some("logs/own.log"), "it will be there");
        fs::write(top.join("logs/own.log"), "").unwrap();
        fs::write(top.join("state/history/a"), "").unwrap();
        symlink("logs/own.log", top.join("other.log")).unwrap();
        symlink("state/history/a", top.join("past.log")).unwrap();
        fs::hard_link(top.join("logs/own.log"), top.join("twin.log")).unwrap();
        for text in
            ["other.log", "ot*.log", "twin.log", "linked/own.log", "logs/../logs/own.log", "*/own.log"]
        {
            assert_eq!(meant(text).as_deref(), Some("logs/own.log"), "{text}");
        }
        assert_eq!(meant("past.log").as_deref(), Some("state"));
        for text in ["logs/app.log", "logs/app*.log", "statement/*.log", "state.log", "logs/../app.log"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }

    /// Takes everything.
    struct All(Vec<u8>);

    impl Sink for All {
        fn take(&mut self, _: &Name, _: &Path, block: &[u8], _: bool) -> usize {
            self.0.extend_from_slice(block);
            block.len()
        }
    }

    #[test]
    fn what_became_ours_after_the_check_is_not_read_either() {
        let kept = tempfile::tempdir().unwrap();
        let top = kept.path().canonicalize().unwrap();
        fs::create_dir(top.join("state")).unwrap();
        for name in ["own.log", "state/a", "app.log"] {
            fs::write(top.join(name), format!("of {name}\n")).unwrap();
        }
        fs::hard_link(top.join("own.log"), top.join("app.log.1")).unwrap();
        symlink("own.log", top.join("linked.log")).unwrap();
        symlink("state/a", top.join("past.log")).unwrap();
        let own = Own { files: vec![top.join("own.log")], state: Some(top.join("state")) };
        let patterns = ["linked.log", "past.log", "app.log"]
            .map(|name| Pattern::parse(&top.join(name).display().to_string()).unwrap());
        let source = Source {
            name: Name::parse("a").unwrap(),
            kind: Kind::Files { patterns: patterns.to_vec() },
            start: Start::Beginning,
        };
        let mut follow = Follow::open_but(&Arc::new(own), vec![source], &ScanMark::default());
        let mut all = All(Vec::new());
        let told = follow.read(1 << 20, Instant::now(), &mut all).troubles;
        assert_eq!(String::from_utf8(all.0).unwrap(), "of app.log\n");
        for name in ["linked.log", "past.log"] {
            let wanted = format!("{name}: it is what we write ourselves, so it is not read");
            assert!(told.iter().any(|(_, told)| told.contains(&wanted)), "{told:?}");
        }
    }
}
