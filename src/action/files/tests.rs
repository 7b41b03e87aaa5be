//! What each kind does on a real file system, and what no attack makes it do. Time is given to an action, so three
//! days pass at once.

mod cleaning;
mod mending;
mod restoring;

use super::*;
use crate::probe::clients::Clients;
use crate::section::{KnowingReader, Source, Variables, read};
use crate::systemd::Bus;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

const THREE_DAYS: Duration = Duration::from_secs(3 * 86_400);

/// A root, what is beside it, and our own directory.
pub(super) struct Place {
    kept: TempDir,
    pub(super) root: PathBuf,
    pub(super) tools: Tools,
}

impl Place {
    pub(super) fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let top = kept.path().canonicalize().unwrap();
        for dir in ["root", "outside"] {
            fs::create_dir(top.join(dir)).unwrap();
        }
        fs::write(top.join("outside/file.tmp"), "outside").unwrap();
        let tools = Tools {
            bus: Bus::user(),
            clients: Arc::new(Clients::new()),
            state: top.join("state"),
            scan: Arc::default(),
        };
        Self { kept, root: top.join("root"), tools }
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    /// All paths below the root.
    pub(super) fn all(&self) -> Vec<String> {
        let mut ways = vec![self.root.clone()];
        let mut all = Vec::new();
        while let Some(dir) = ways.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                all.push(entry.path().strip_prefix(&self.root).unwrap().display().to_string());
                ways.extend(entry.file_type().unwrap().is_dir().then(|| entry.path()));
            }
        }
        all.sort();
        all
    }

    pub(super) fn read(&self, kind: KnowingReader<Allow, Files>, text: &str) -> Files {
        let (files, problems) = self.try_read(kind, text);
        assert_eq!(problems, [""; 0]);
        files.unwrap()
    }

    pub(super) fn try_read(
        &self,
        kind: KnowingReader<Allow, Files>,
        text: &str,
    ) -> (Option<Files>, Vec<String>) {
        let (variables, top) = (Variables::new(), self.kept.path().canonicalize().unwrap());
        let allow = Allow { roots: vec![top], owners: vec!["daemon".into()], ..Allow::default() };
        let text = format!("root = {:?}\n{text}", self.root);
        let source = Source { file: "f", text: &text, variables: &variables };
        let (files, findings) = read(source, |section| kind(section, &allow));
        (files.flatten(), findings.problems.iter().map(ToString::to_string).collect())
    }

    /// Performs it when everything that is there now is three days old.
    pub(super) async fn later(&self, files: &Files) -> Outcome {
        files.perform_at(&self.tools, Hand::Real, SystemTime::now() + THREE_DAYS).await
    }

    pub(super) async fn still(&self, files: &Files) -> Outcome {
        files.perform_at(&self.tools, Hand::Still, SystemTime::now() + THREE_DAYS).await
    }

    pub(super) fn modify(&self, path: &str, at: SystemTime) {
        fs::File::open(self.root.join(path)).unwrap().set_modified(at).unwrap();
    }
}

pub(super) fn done(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done(text) => text,
        Outcome::Running(text) | Outcome::Failed(text) => panic!("not done: {text}"),
    }
}

pub(super) fn failed(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(text) => text,
        Outcome::Running(text) | Outcome::Done(text) => panic!("not failed: {text}"),
    }
}

#[tokio::test]
async fn a_root_that_is_not_there_or_led_elsewhere_is_told() {
    let place = Place::new();
    let clean = place.read(Files::clean, "match = \"*\"");
    fs::remove_dir(&place.root).unwrap();
    assert!(failed(place.later(&clean).await).ends_with("/root: it does not exist"));
    std::os::unix::fs::symlink("outside", &place.root).unwrap();
    let told = failed(place.later(&clean).await);
    assert!(
        told.contains("none is followed; if that is right, allow /") && told.ends_with("outside instead"),
        "{told}"
    );
    assert!(place.root.join("file.tmp").exists(), "what is there is not touched");
}

#[tokio::test]
async fn nothing_is_forgotten_in_the_configuration() {
    let place = Place::new();
    for (kind, text, what) in [
        (Files::clean as KnowingReader<Allow, Files>, "", "match is missing"),
        (Files::clean, "match = []", "nothing is named"),
        (Files::clean, "match = \"*\"\nolder_than = \"59s\"", "out of bounds"),
        (Files::clean, "match = \"../*\"", "not a pattern of names"),
        (Files::rotate, "match = \"*\"\nabove = \"1KiB\"", "no such amount"),
        (Files::create_dirs, "", "dirs is missing"),
        (Files::create_dirs, "dirs = \"../data\"", "not a path below the root"),
        (Files::create_dirs, "dirs = \"data\"\nmode = \"4755\"", "no such mode"),
        (Files::permissions, "paths = \"/etc\"", "not a path below the root"),
        (Files::permissions, "paths = \"a\"\nowner = \"nobody\"", "add it to owners in [allow]"),
        (Files::permissions, "paths = \"a\"\nfile_mode = \"u+s\"", "no such mode"),
        (Files::restore_json, "match = \"*.json\"\ngood = \"/etc\"", "is not allowed; add"),
        (Files::clean, "match = \"*\"\nmatches = \"*\"", "unknown key"),
    ] {
        let (_, problems) = place.try_read(kind, text);
        assert!(problems.len() == 1 && problems[0].contains(what), "{text}: {problems:?}");
    }
}
