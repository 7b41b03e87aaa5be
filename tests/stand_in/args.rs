//! The command line, read by hand: a stand-in needs no more.

use anyhow::{Context, Result, bail};
use std::fmt::Display;
use std::str::FromStr;

/// What is left of the command line; every reader takes its part out.
pub(crate) struct Args(Vec<String>);

impl Args {
    /// All arguments of this process.
    pub(crate) fn from_env() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Takes out `--name`, and says whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let found = self.0.iter().position(|arg| arg == name);
        found.map(|at| self.0.remove(at)).is_some()
    }

    /// Takes out `--name VALUE`.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        let Some(at) = self.0.iter().position(|arg| arg == name) else { return Ok(None) };
        if at + 1 >= self.0.len() {
            bail!("{name} needs a value");
        }
        self.0.remove(at);
        Ok(Some(self.0.remove(at)))
    }

    /// Takes out `--name VALUE` and parses it; without it, the default.
    pub(crate) fn parsed<T>(&mut self, name: &str, default: T) -> Result<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.value(name)? {
            None => Ok(default),
            Some(text) => text.parse().map_err(|error| anyhow::anyhow!("{name} {text}: {error}")),
        }
    }

    /// Takes out the next word that is left.
    pub(crate) fn word(&mut self) -> Result<String> {
        let word = (!self.0.is_empty()).then(|| self.0.remove(0));
        word.context("a word is missing; see the head of tests/stand_in/stand_in.rs")
    }

    /// Refuses what nobody has taken out: a misspelt option must not be a silent default.
    pub(crate) fn done(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        bail!("cannot use {:?}", self.0)
    }
}
