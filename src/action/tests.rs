//! What holds for actions of every kind: the dry run, and the backup without which nothing is done.

use super::*;
use crate::probe::clients::Clients;
use crate::section::{Source, Variables, read};
use crate::systemd::Bus;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn action(top: &Path, dry_run: bool, text: &str) -> Action {
    let variables = Variables::new();
    let allow = Allow { roots: vec![top.to_owned()], dry_run, ..Allow::default() };
    let text = text.replace("TOP", &top.display().to_string());
    let source = Source { file: "f", text: &text, variables: &variables };
    let (action, findings) = read(source, |section| Action::read(Name::parse("mend").ok(), section, &allow));
    let problems: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, [""; 0]);
    action.flatten().unwrap()
}

fn setting() -> (TempDir, std::path::PathBuf, Tools) {
    let kept = tempfile::tempdir().unwrap();
    let top = kept.path().canonicalize().unwrap();
    std::fs::write(top.join("data"), "data").unwrap();
    let tools = Tools {
        bus: Bus::user(),
        clients: Arc::new(Clients::new()),
        state: top.join("state"),
        scan: Arc::default(),
    };
    (kept, top, tools)
}

const TOUCH: &str = "do.run = { argv = [\"touch\", \"TOP/touched\"] }";

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let (_kept, top, tools) = setting();
    let touch = format!("would have run touch {}/touched", top.display());
    for (text, everywhere, would) in [
        (TOUCH, true, touch.as_str()),
        ("dry_run = true\ndo.run = { argv = [\"touch\", \"TOP/touched\"] }", false, touch.as_str()),
        ("do.restart-unit.unit = \"x\"", true, "would have restarted x.service"),
        ("do.http.url = \"http://127.0.0.1:9/\"", true, "would have sent its POST request"),
        ("do.create-dirs = { root = \"TOP\", dirs = [\"new\"] }", true, "would have made new"),
    ] {
        let outcome = action(&top, everywhere, text).perform(&tools).await;
        let Outcome::Done(told) = outcome else { panic!("{outcome:?}") };
        assert!(told.contains("nothing was changed") && told.contains(would), "{told}");
    }
    assert_eq!(std::fs::read_dir(&top).unwrap().count(), 1);
}

#[tokio::test]
async fn nothing_is_done_without_the_backup_that_is_wanted() {
    let (_kept, top, tools) = setting();
    let text = format!("backup = {{ root = \"TOP\", paths = [\"data\"] }}\n{TOUCH}");
    let wanted = action(&top, false, &text);
    std::fs::write(top.join("state"), "no directory").unwrap();
    let Outcome::Failed(why) = wanted.perform(&tools).await else { panic!() };
    assert!(why.starts_with("not done, for its backup could not be made: fix-backups: "), "{why}");
    assert!(!top.join("touched").exists());
    std::fs::remove_file(top.join("state")).unwrap();
    let Outcome::Done(told) = wanted.perform(&tools).await else { panic!() };
    assert!(told.contains("before: 1 files (4 bytes) were kept in fix-backups/mend-"), "{told}");
    assert!(top.join("touched").exists());
}

#[test]
fn a_backup_counts_in_the_time_that_is_waited() {
    let (_kept, top, _) = setting();
    let plain = action(&top, false, TOUCH);
    let kept = action(&top, false, &format!("backup = {{ root = \"TOP\", paths = [\"data\"] }}\n{TOUCH}"));
    assert_eq!(kept.timeout(), plain.timeout() + backup::TIMEOUT);
    assert!(!kept.is_errand() && kept.holds_up() <= *TIMEOUT.end());
    let clean =
        "backup = { root = \"TOP\", paths = [\"data\"] }\ndo.clean = { root = \"TOP\", match = \"*.tmp\" }";
    assert!(action(&top, false, clean).is_errand());
}
