//! Real files and the real kernel; what root may not be refused is judged by hand.

use super::super::Grade;
use super::*;

fn app() -> Name {
    Name::parse("app").unwrap()
}

#[test]
fn a_path_that_means_nothing_is_said_and_one_that_can_be_read_too() {
    let dir = tempfile::tempdir().unwrap();
    let pattern = dir.path().join("*.log").display().to_string();
    let [missing] = &look(&app(), &pattern, "pico")[..] else { panic!() };
    assert_eq!(
        (missing.grade, missing.what.clone()),
        (Grade::Warn, format!("app: there is no file {pattern}"))
    );
    std::fs::write(dir.path().join("a.log"), "").unwrap();
    assert_eq!(look(&app(), &pattern, "pico")[0].grade, Grade::Ok);
    assert_eq!(look(&app(), &dir.path().join("a.log").display().to_string(), "pico")[0].grade, Grade::Ok);
    assert_eq!(closed_above(&dir.path().join("no/such/file")), None);
}

#[test]
fn what_may_not_be_read_is_named_with_the_command_that_mends_it() {
    let finding = unreadable(&app(), Path::new("/var/log/nginx/access.log"), 3, "pico");
    assert_eq!(finding.what, "app: pico may not read /var/log/nginx/access.log and 2 more");
    assert!(finding.fix.unwrap().starts_with("sudo setfacl -m u:pico:r '/var/log/nginx/access.log'"));
}

#[test]
fn one_journal_that_can_be_read_is_enough() {
    let grade = |own, readable: &[bool]| judge_journal(&app(), own, "pico", readable).grade;
    assert_eq!(grade(false, &[false, true]), Grade::Ok);
    assert_eq!(grade(true, &[false, true]), Grade::Ok);
    assert_eq!(grade(false, &[false]), Grade::Fail);
    assert_eq!(grade(true, &[]), Grade::Fail);
    assert_eq!(grade(false, &[]), Grade::Unknown);
    let fix = |own| judge_journal(&app(), own, "pico", &[false]).fix.unwrap();
    assert!(fix(false).contains("usermod -aG systemd-journal pico"), "{}", fix(false));
    assert!(fix(true).contains("mkdir -p /var/log/journal"), "{}", fix(true));
}

#[test]
fn a_bell_that_cannot_be_had_names_the_limit() {
    assert_eq!(bell(Ok(())).grade, Grade::Ok);
    let fix = |errno| bell(Err(errno)).fix.unwrap_or_default();
    assert!(fix(Errno::EMFILE).contains("fs.inotify.max_user_instances=1024"));
    assert!(fix(Errno::ENOSPC).contains("fs.inotify.max_user_watches=524288"));
    assert_eq!(bell(Err(Errno::ENOSYS)).grade, Grade::Unknown);
}
