//! Reads logs and finds in them what rules are about. A rule is one more signal of a target: this says what was seen,
//! and never what follows from it.
//!
//! ```text
//! follow: files and journals ─bytes▶ matcher: engine finds lines, traceback joins them ─events▶ scanner: counts
//! ```

pub mod engine;
pub mod follow;
pub mod lint;
pub mod matcher;
pub mod rule;
pub mod scanner;
mod traceback;

use crate::recovery::evidence::Name;
use follow::{Own, Source};
use rule::Rule;
use std::sync::Arc;

/// A rule, and whose signal it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The target.
    pub target: Name,
    /// The probe.
    pub probe: Name,
    /// The rule.
    pub rule: Rule,
}

impl Watched {
    /// By what name its counts are kept.
    pub fn key(&self) -> String {
        format!("{}/{}", self.target, self.probe)
    }
}

/// What is read, and what is looked for in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The logs that some rule is about.
    pub sources: Vec<Source>,
    /// The rules.
    pub rules: Vec<Watched>,
    /// How many bytes are read in one cycle at most.
    pub max_bytes: u64,
    /// What we write ourselves, and so do not read.
    pub own: Arc<Own>,
}
