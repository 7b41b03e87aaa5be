//! Real directories, as the blog's backup and others write them.

use super::*;
use crate::section::{Source, Variables, read};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

/// A directory of backups, and a probe of it.
struct Stage {
    _folder: TempDir,
    root: PathBuf,
    settings: String,
}

impl Stage {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("daily");
        fs::create_dir(&root).unwrap();
        Self { _folder: folder, root, settings: settings.to_owned() }
    }

    /// The blog's: a marker that is written last, and a dump.
    fn blog() -> Self {
        Self::new(
            "names = \"%Y-%m-%d\"\nmax_age = \"26h\"\nmarker = \"checksums.sha256\"\n\
             holds = [{ path = \"mysql/all.sql.gz\", min_size = \"20B\", shrink = 50 }, { path = \"sites\" }]\n",
        )
    }

    fn probe(&self, more: &str) -> Files {
        let text = format!("directory = {:?}\n{}{more}", self.root, self.settings);
        let variables = Variables::new();
        let source = Source { file: "f", text: &text, variables: &variables };
        let (probe, findings) = read(source, Files::read);
        assert!(findings.problems.is_empty(), "{:?}", findings.problems);
        probe.flatten().unwrap()
    }

    fn ask(&self) -> Reading {
        self.ask_with("")
    }

    fn ask_with(&self, more: &str) -> Reading {
        asked(&self.probe(more))
    }

    /// When the time is over that a backup may take.
    fn ask_later(&self) -> Reading {
        asked(&Files { finish_within: Duration::ZERO, ..self.probe("") })
    }

    fn put(&self, path: &str, content: &[u8], age: Duration) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    /// A whole backup of so many days ago, with a dump of so many bytes before it was packed.
    fn back_up(&self, days: u32, bytes: usize) -> String {
        let age = HOUR * 24 * days + HOUR;
        let label = label(days);
        self.put(&format!("{label}/mysql/all.sql.gz"), &packed(bytes), age);
        self.put(&format!("{label}/sites/blog/index.php"), b"<?php", age);
        self.put(&format!("{label}/checksums.sha256"), b"0123  mysql/all.sql.gz\n", age);
        label
    }
}

fn asked(probe: &Files) -> Reading {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(probe.ask())
}

/// The name of the backup that was made so many days and an hour ago.
fn label(days: u32) -> String {
    let at = Timestamp::try_from(SystemTime::now() - HOUR * 24 * days - HOUR).unwrap();
    at.strftime("%Y-%m-%d").to_string()
}

/// So many bytes that cannot be made shorter.
fn packed(bytes: usize) -> Vec<u8> {
    let mut seed = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(bytes)
    .collect();
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&noise).unwrap();
    packer.finish().unwrap()
}

#[track_caller]
fn failed(reading: Reading) -> String {
    match reading {
        Reading::Fail(why) => why,
        other @ (Reading::Pass(_) | Reading::Unknown(_)) => panic!("{other:?}"),
    }
}

#[track_caller]
fn unclear(reading: Reading) -> String {
    match reading {
        Reading::Unknown(why) => why,
        other @ (Reading::Pass(_) | Reading::Fail(_)) => panic!("{other:?}"),
    }
}

#[test]
fn a_fresh_backup_passes_and_an_old_one_is_stale() {
    let stage = Stage::blog();
    stage.back_up(3, 1000);
    let newest = stage.back_up(2, 1000);
    let told = failed(stage.ask());
    assert!(told.starts_with(&format!("stale: {newest} is 2 d 1 h old, more than 1 d 2 h")), "{told}");
    let newest = stage.back_up(0, 1000);
    assert_eq!(stage.ask(), Reading::Pass(format!("fresh: {newest} is 1 h old")));
}

#[test]
fn an_empty_directory_and_none_are_no_backup() {
    let stage = Stage::blog();
    let told = failed(stage.ask());
    let root = stage.root.display();
    assert_eq!(
        told,
        format!("no directory in {root} is named like %Y-%m-%d: no backup yet, or another place")
    );
    // What else lies there is no backup: a link, a file, the name of another pattern, a day that has not come.
    fs::write(stage.root.join(label(0)), "a file").unwrap();
    symlink("x", stage.root.join(label(1))).unwrap();
    fs::create_dir(stage.root.join("latest")).unwrap();
    fs::create_dir(stage.root.join("2999-01-01")).unwrap();
    assert_eq!(failed(stage.ask()), told);
    fs::remove_dir_all(&stage.root).unwrap();
    assert_eq!(failed(stage.ask()), format!("there is no {root}: is its disk mounted?"));
}

#[test]
fn a_backup_that_broke_off_is_not_whole_but_one_under_way_has_its_time() {
    let stage = Stage::blog();
    let before = stage.back_up(1, 1000);
    let newest = stage.back_up(0, 1000);
    // As the program leaves it while it adds up, and when it dies of it.
    fs::write(stage.root.join(&newest).join("checksums.sha256"), "").unwrap();
    let Reading::Pass(told) = stage.ask() else { panic!() };
    assert_eq!(told, format!("fresh: {before} is 1 d 1 h old, and {newest} is under way"));
    // The system sets the time of a change, so the allowance is what is made shorter.
    let path = stage.root.join(&newest);
    let path = path.display();
    let told = failed(stage.ask_later());
    assert_eq!(told, format!("{path} is not whole: checksums.sha256 is empty"));
    fs::remove_file(stage.root.join(&newest).join("checksums.sha256")).unwrap();
    let told = failed(stage.ask_later());
    assert_eq!(told, format!("{path} is not whole: there is no checksums.sha256"));
    // The first of all proves nothing while it is under way.
    fs::remove_dir_all(stage.root.join(&before)).unwrap();
    assert!(unclear(stage.ask()).ends_with("is the first, and not whole yet: there is no checksums.sha256"));
}

#[test]
fn each_part_has_to_be_there_and_to_hold_something() {
    let stage = Stage::blog();
    let newest = stage.back_up(0, 1000);
    let sites = stage.root.join(&newest).join("sites");
    let told = |stage: &Stage| failed(stage.ask_later());
    assert!(matches!(stage.ask_later(), Reading::Pass(_)));
    fs::remove_dir_all(sites.join("blog")).unwrap();
    assert!(told(&stage).ends_with("is not whole: sites is empty"));
    fs::remove_dir(&sites).unwrap();
    symlink("/etc", &sites).unwrap();
    assert!(told(&stage).ends_with("is not whole: sites is no plain file"), "no link is followed");
    fs::remove_file(&sites).unwrap();
    fs::remove_dir_all(stage.root.join(&newest).join("mysql")).unwrap();
    assert!(told(&stage).ends_with("is not whole: there is no mysql/all.sql.gz"));
}

#[test]
fn what_is_small_or_has_shrunk_is_told_with_its_figures() {
    let stage = Stage::blog();
    for days in 1..4 {
        stage.back_up(days, 10_000);
    }
    let newest = stage.back_up(0, 5_100);
    assert!(matches!(stage.ask(), Reading::Pass(_)));
    stage.back_up(0, 4_000);
    let told = failed(stage.ask());
    let usual = packed(10_000).len();
    let size = packed(4_000).len();
    assert_eq!(
        told,
        format!(
            "{newest} is fresh, but mysql/all.sql.gz is shrunk: {size} bytes, less than 50 % of {usual}, the median of the 3 \
             before it"
        )
    );
    stage.put(&format!("{newest}/mysql/all.sql.gz"), b"x", HOUR);
    assert!(failed(stage.ask()).ends_with("mysql/all.sql.gz is too small: 1 bytes, less than 20"));
}

#[test]
fn a_dump_that_breaks_off_or_holds_nothing_is_damaged() {
    let stage = Stage::blog();
    let newest = stage.back_up(0, 200_000);
    let dump = format!("{newest}/mysql/all.sql.gz");
    let whole = packed(200_000);
    stage.put(&dump, &whole[..whole.len() / 2], HOUR);
    let told = failed(stage.ask());
    assert!(told.contains(&dump) && told.contains(" is damaged: it breaks off after "), "{told}");
    assert!(matches!(stage.ask_with("unpack = false\n"), Reading::Pass(_)));
    stage.put(&dump, &packed(0), HOUR);
    let told = failed(stage.ask());
    assert!(told.ends_with("is damaged: it is packed, and there is nothing in it"), "{told}");
    stage.put(&dump, b"mysqldump: Got error: 2002: no server", HOUR);
    assert!(failed(stage.ask()).ends_with("is damaged: it is not packed as its name says"));
    let mut spoilt = packed(200_000);
    let at = spoilt.len() - 6;
    spoilt[at] ^= 1;
    stage.put(&dump, &spoilt, HOUR);
    assert!(failed(stage.ask()).contains("is damaged: it cannot be unpacked beyond 200000 bytes"));
}

#[test]
fn a_time_that_was_touched_makes_no_old_backup_young() {
    let stage = Stage::blog();
    let old = stage.back_up(9, 1000);
    stage.put(&format!("{old}/checksums.sha256"), b"0123  x\n", Duration::ZERO);
    let told = failed(stage.ask());
    assert!(
        told.starts_with(&format!("stale: {old} is 7 d "))
            || told.starts_with(&format!("stale: {old} is 8 d ")),
        "{told}"
    );
}

#[test]
fn files_of_a_pattern_are_known_by_their_time() {
    let stage = Stage::new("names = \"blog-*.tar.gz\"\nmax_age = \"26h\"\nmin_size = \"30B\"\nshrink = 50\n");
    for (name, days) in [("blog-z.tar.gz", 3), ("blog-y.tar.gz", 2)] {
        stage.put(name, &packed(1000), HOUR * 24 * days);
    }
    stage.put("other.tar.gz", &packed(1000), HOUR);
    assert!(failed(stage.ask()).starts_with("stale: blog-y.tar.gz is 2 d old"));
    stage.put("blog-a.tar.gz", &packed(900), HOUR);
    assert_eq!(stage.ask(), Reading::Pass("fresh: blog-a.tar.gz is 1 h old".to_owned()));
    let judged = |modified: Duration, quiet: Duration, size: u64| {
        let probe = stage.probe("");
        let now = Timestamp::now();
        let piece = |size| look::Piece::File { size, modified: now, quiet };
        let backup = |age: Duration, size| look::Backup {
            name: "b".into(),
            modified: now - age,
            when: label::When::default(),
            quiet,
            marker: None,
            pieces: vec![piece(size)],
        };
        probe.judge(&[backup(modified, size), backup(HOUR * 30, 1000)], now).map(|chosen| chosen.praise)
    };
    let half_an_hour = HOUR / 2;
    assert!(judged(HOUR, half_an_hour, 500).is_ok());
    let told = failed(judged(HOUR, half_an_hour, 499).unwrap_err());
    assert_eq!(
        told,
        "b is fresh, but shrunk: 499 bytes, less than 50 % of 1000, the median of the 1 before it"
    );
    assert!(judged(HOUR, Duration::from_secs(5), 499).is_ok(), "it may still be written");
    assert!(judged(HOUR * 26, half_an_hour, 500).is_ok());
    assert!(judged(HOUR * 26 + Duration::from_millis(1), half_an_hour, 500).is_err());
}

#[test]
fn what_cannot_be_looked_into_proves_nothing() {
    let stage = Stage::blog();
    let newest = stage.back_up(0, 1000);
    let linked = stage.root.with_file_name("linked");
    symlink(&stage.root, &linked).unwrap();
    let through = Stage { root: linked, ..Stage::blog() };
    assert!(unclear(through.ask()).contains("a symbolic link is on the way"));
    // To root nothing is closed.
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let shut = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let dump = stage.root.join(&newest).join("mysql/all.sql.gz");
    shut(&dump, 0o000);
    let told = unclear(stage.ask());
    assert!(told.ends_with("cannot be read: permission denied; unpack = false leaves it closed"), "{told}");
    assert!(matches!(stage.ask_with("unpack = false\n"), Reading::Pass(_)), "its size is known all the same");
    shut(dump.parent().unwrap(), 0o000);
    assert!(unclear(stage.ask()).ends_with("cannot be looked at: permission denied"));
    shut(dump.parent().unwrap(), 0o700);
    shut(&stage.root, 0o000);
    assert!(unclear(stage.ask()).ends_with("daily cannot be looked into: permission denied"));
    shut(&stage.root, 0o700);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let problems = |text: &str| {
        let variables = Variables::new();
        let source = Source { file: "f", text, variables: &variables };
        let (_, findings) = read(source, Files::read);
        findings.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let base = "directory = \"/b\"\nnames = \"%Y-%m-%d\"\nmax_age = \"26h\"\n";
    assert_eq!(problems(base), "");
    let told = [
        ("", "directory is missing; add directory = …"),
        ("directory = \"b\"", "is not an absolute path"),
        ("directory = \"/a/../b\"", "goes back with .."),
        ("marker = \"../x\"", "is no path in a backup"),
        ("holds = [{ path = \"/x\" }]", "is no path in a backup"),
        ("marker = \"m\"\nshrink = 50", "shrink: each backup is a directory here, and its parts are weighed"),
        ("holds = [{}]", "path is missing"),
    ];
    for (text, told) in told {
        let text = if text.starts_with("dir") || text.is_empty() {
            text.to_owned()
        } else {
            format!("{base}{text}\n")
        };
        assert!(problems(&text).contains(told), "{text}: {}", problems(&text));
    }
}
