//! `config/blog-backup.toml` as it is shipped, over real directories: the disk's part is switched off, for a test has no
//! disk of its own.

use crate::common::{Home, repository};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

struct Blog {
    home: Home,
}

impl Blog {
    fn new() -> Self {
        let home = Home::new(&fs::read_to_string(repository().join("config/blog-backup.toml")).unwrap());
        // No link may be on the way, and a temporary directory may lie behind one.
        let root = home.path("backup").to_owned();
        for period in ["daily", "weekly"] {
            fs::create_dir_all(root.join(period)).unwrap();
        }
        let root = root.canonicalize().unwrap();
        home.write(".picoclaw/.env", &format!("BLOG_BACKUP_DIR={}\n", root.display()));
        let blog = Self { home };
        blog.back_up("weekly", &named("%Y-week-%U", HOUR * 48), HOUR * 48, 40_000);
        blog
    }

    fn root(&self) -> PathBuf {
        self.home.path("backup")
    }

    /// As the program does it: the sums come last.
    fn back_up(&self, period: &str, label: &str, age: Duration, bytes: usize) -> PathBuf {
        let root = self.root().join(period).join(label);
        put(&root.join("sites/index.php"), b"<?php", age);
        put(&root.join("mysql/all-databases.sql.gz"), &packed(bytes), age);
        put(&root.join("config/blog-config.tar.gz"), &packed(500), age);
        put(&root.join("checksums.sha256"), b"0123  mysql/all-databases.sql.gz\n", age);
        root
    }

    fn daily(&self, age: Duration, bytes: usize) -> PathBuf {
        self.back_up("daily", &named("%Y-%m-%d", age), age, bytes)
    }

    /// The exit code and what is said.
    fn once(&self) -> (Option<i32>, String) {
        let output = self.home.ask(&["once"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[track_caller]
    fn fails_with(&self, words: &str) {
        let (code, said) = self.once();
        assert!(code != Some(0) && said.contains(words), "{words}: {said}");
    }
}

fn named(pattern: &str, age: Duration) -> String {
    Timestamp::try_from(SystemTime::now() - age).unwrap().strftime(pattern).to_string()
}

fn packed(bytes: usize) -> Vec<u8> {
    let mut seed = 7_u32;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    });
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&noise.take(bytes).collect::<Vec<_>>()).unwrap();
    packer.finish().unwrap()
}

fn put(path: &Path, content: &[u8], age: Duration) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn a_fresh_backup_is_well_and_the_configuration_has_no_problems() {
    let blog = Blog::new();
    blog.daily(HOUR * 25, 40_000);
    blog.daily(HOUR, 40_000);
    let output = blog.home.ask(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !said.contains("error") && !said.contains("warning"), "{said}");
    let (code, said) = blog.once();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("fresh: ") && said.contains(" is 1 h old"), "{said}");
}

#[test]
fn the_incident_is_told_an_empty_directory() {
    Blog::new().fails_with("/daily is named like %Y-%m-%d: no backup yet, or another place");
}

#[test]
fn a_backup_that_is_old_small_empty_or_gone_is_told_with_its_figures() {
    let blog = Blog::new();
    blog.daily(HOUR * 50, 40_000);
    blog.fails_with(" is 2 d 2 h old, more than 1 d 2 h");

    let blog = Blog::new();
    blog.daily(HOUR * 25, 40_000);
    blog.daily(HOUR, 15_000);
    blog.fails_with("mysql/all-databases.sql.gz is shrunk: 15");

    let blog = Blog::new();
    let newest = blog.daily(HOUR, 40_000);
    put(&newest.join("mysql/all-databases.sql.gz"), &packed(40_000)[..20_000], HOUR);
    blog.fails_with("mysql/all-databases.sql.gz is damaged: it breaks off after ");

    let blog = Blog::new();
    blog.daily(HOUR, 0);
    blog.fails_with("mysql/all-databases.sql.gz is too small: 2");

    let blog = Blog::new();
    fs::remove_dir(blog.root().join("daily")).unwrap();
    blog.fails_with("/daily: is its disk mounted?");
}

#[test]
fn a_backup_under_way_is_no_fault_while_the_one_before_it_is_young() {
    let blog = Blog::new();
    blog.daily(HOUR * 25, 40_000);
    let newest = blog.daily(HOUR, 40_000);
    fs::write(newest.join("checksums.sha256"), "").unwrap();
    let (code, said) = blog.once();
    assert!(code == Some(0) && said.contains(" is under way"), "{said}");
    // Three hours later the same is a backup that broke off.
    let text = fs::read_to_string(repository().join("config/blog-backup.toml")).unwrap();
    let blog = Blog { home: blog.home };
    blog.home.configure(&text.replace("finish_within = \"3h\"", "finish_within = \"1s\""));
    fs::remove_dir_all(blog.home.state()).unwrap();
    fs::create_dir_all(blog.home.state()).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    blog.fails_with(" is not whole: checksums.sha256 is empty");
}

#[test]
fn what_may_not_be_looked_into_is_unknown() {
    let blog = Blog::new();
    blog.daily(HOUR, 40_000);
    let elsewhere = blog.home.path("linked");
    std::os::unix::fs::symlink(blog.root(), &elsewhere).unwrap();
    blog.home.write(".picoclaw/.env", &format!("BLOG_BACKUP_DIR={}\n", elsewhere.display()));
    let (_, said) = blog.once();
    assert!(said.contains("cannot be looked into: a symbolic link is on the way"), "{said}");
}
