//! What a source names: a path, or a pattern of paths with `*`, `?` and `[…]`.

use super::own::real;
use std::fmt;
use std::path::{Path, PathBuf};

/// Names looked at for one pattern; one that means more is a mistake.
const MATCHES_MAX: usize = 10_000;

/// As a shell reads patterns, and as those of [`glob::glob`] are read: `*` does not go down into directories.
const AS_A_SHELL: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A path or a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// None for a path.
    glob: Option<glob::Pattern>,
}

impl Pattern {
    /// Reads an absolute path, with `*`, `?` and `[…]` as in a shell.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wild = text.contains(['*', '?', '[']);
        let glob = wild.then(|| glob::Pattern::new(text)).transpose();
        let wrong = |error: glob::PatternError| format!("{text:?} is no pattern of paths: {}", error.msg);
        Ok(Self { text: text.to_owned(), glob: glob.map_err(wrong)? })
    }

    /// The path, when it is not a pattern.
    pub(super) fn exactly(&self) -> Option<&Path> {
        if self.glob.is_none() { Some(Path::new(&self.text)) } else { None }
    }

    pub(super) fn is_exactly(&self, path: &Path) -> bool {
        self.exactly() == Some(path)
    }

    /// Whether it means this path.
    pub fn means(&self, path: &Path) -> bool {
        let fits = |glob: &glob::Pattern| glob.matches_path_with(path, AS_A_SHELL);
        self.is_exactly(path) || self.glob.as_ref().is_some_and(fits)
    }

    /// What there is of it by now. Other things than files are left out when a pattern meets them by accident.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let found = self.glob.as_ref().and_then(|_| glob::glob(&self.text).ok());
        // A state document is text, and cannot name a path that is not.
        let found = found.into_iter().flatten().take(MATCHES_MAX).filter_map(Result::ok);
        let found = found.filter(|path| path.to_str().is_some() && path.is_file());
        found.chain(self.exactly().filter(|path| path.exists()).map(Path::to_owned))
    }

    /// The same without links and `..` in what is no pattern of it.
    pub(super) fn real(&self) -> Self {
        let base = real(self.base());
        match self.exactly() {
            Some(path) => Self { text: real(path).display().to_string(), glob: None },
            None => {
                let rest = self.text[self.base().as_os_str().len()..].trim_start_matches('/');
                let base = glob::Pattern::escape(&base.join("").display().to_string());
                Self::parse(&format!("{base}{rest}")).unwrap_or_else(|_| self.clone())
            }
        }
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

    fn parse(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_path_means_itself_and_a_pattern_what_fits() {
        let path = parse("/a/app.log");
        assert!(path.means(Path::new("/a/app.log")) && !path.means(Path::new("/a/app.log.1")));
        let glob = parse("/a/*/app?.log");
        assert!(glob.means(Path::new("/a/b/app1.log")) && !glob.means(Path::new("/a/app1.log")));
        assert!(!glob.means(Path::new("/a/b/c/app1.log")), "a star stays within one directory");
        assert_eq!((path.base(), glob.base()), (Path::new("/a"), Path::new("/a")));
        assert_eq!(parse("/*.log").base(), Path::new("/"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["/a/[.log", "/a/***/b.log", "/a/b**.log"] {
            let told = Pattern::parse(text).unwrap_err();
            assert!(told.starts_with(&format!("{text:?} is no pattern of paths: ")), "{told}");
        }
    }
}
