//! What a source names: a path, or a pattern of paths with `*`, `?` and `[…]`.

use std::fmt;
use std::path::{Path, PathBuf};

/// Names looked at for one pattern; one that means more is a mistake.
const MATCHES_MAX: usize = 10_000;

/// A path or a pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    /// None for a path, and for what is no pattern either: it then means the file of that very name.
    glob: Option<glob::Pattern>,
}

impl Pattern {
    pub(super) fn new(text: String) -> Self {
        let glob = if text.contains(['*', '?', '[']) { glob::Pattern::new(&text).ok() } else { None };
        Self { text, glob }
    }

    /// The path, when it is not a pattern.
    pub(super) fn exactly(&self) -> Option<&Path> {
        if self.glob.is_none() { Some(Path::new(&self.text)) } else { None }
    }

    pub(super) fn is_exactly(&self, path: &Path) -> bool {
        self.exactly() == Some(path)
    }

    pub(super) fn means(&self, path: &Path) -> bool {
        self.is_exactly(path) || self.glob.as_ref().is_some_and(|glob| glob.matches_path(path))
    }

    /// What there is of it by now. Other things than files are left out when a pattern meets them by accident.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let found = self.glob.as_ref().and_then(|_| glob::glob(&self.text).ok());
        // A state document is text, and cannot name a path that is not.
        let found = found.into_iter().flatten().take(MATCHES_MAX).filter_map(Result::ok);
        let found = found.filter(|path| path.to_str().is_some() && path.is_file());
        found.chain(self.exactly().filter(|path| path.exists()).map(Path::to_owned))
    }

    /// The directory below which all that it can mean lies.
    pub(super) fn base(&self) -> &Path {
        let wild = self.glob.as_ref().and_then(|_| self.text.find(['*', '?', '[']));
        let plain = &self.text[..wild.unwrap_or(self.text.len())];
        let end = plain.rfind('/').map_or(0, |at| at.max(1));
        Path::new(&plain[..end])
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_itself_and_a_pattern_what_fits() {
        let path = Pattern::new("/a/app.log".to_owned());
        assert!(path.means(Path::new("/a/app.log")) && !path.means(Path::new("/a/app.log.1")));
        let glob = Pattern::new("/a/*/app?.log".to_owned());
        assert!(glob.means(Path::new("/a/b/app1.log")) && !glob.means(Path::new("/a/app1.log")));
        assert_eq!((path.base(), glob.base()), (Path::new("/a"), Path::new("/a")));
        assert_eq!(Pattern::new("/*.log".to_owned()).base(), Path::new("/"));
        let odd = Pattern::new("/a/[.log".to_owned());
        assert!(odd.means(Path::new("/a/[.log")));
    }
}
