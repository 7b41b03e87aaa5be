//! Steering at run time: a file that exists switches something on, its content says how. Read anew at every
//! request, so that a test flips a running process without a protocol.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The control directory, if one was given.
#[derive(Clone)]
pub(crate) struct Control(Option<PathBuf>);

impl Control {
    /// Steering by the files of `dir`; without one, nothing is ever switched on.
    pub(crate) fn new(dir: Option<String>) -> Self {
        Self(dir.map(PathBuf::from))
    }

    /// Whether the file is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The trimmed content of the file, if it is there.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.0.as_ref()?.join(name)).ok()?;
        Some(text.trim().to_owned())
    }

    /// As [`Self::text`], and the file is gone afterwards.
    pub(crate) fn take(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        fs::remove_file(self.0.as_ref()?.join(name)).ok()?;
        Some(text)
    }

    /// The content as milliseconds; a file without a number means one second.
    pub(crate) fn millis(&self, name: &str) -> Option<Duration> {
        self.text(name).map(|text| Duration::from_millis(text.parse().unwrap_or(1_000)))
    }
}
