//! What the README shows as TOML works when it is copied: each example that stands for itself is checked, and the
//! scenario is played.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use common::{Home, repository};
use std::fs;

/// Whatever the examples name by a variable.
const ENV: &str = "MAIL_PASSWORD=a-password-of-mail\nNTFY_URL=https://ntfy.example/topic\n\
                   DATABASE_URL=postgres://user:password@127.0.0.1/db\n\
                   PICOCLAW_WATCHDOG_CF_ACCESS_CLIENT_ID=an-id\nPICOCLAW_WATCHDOG_CF_ACCESS_CLIENT_SECRET=a-secret\n\
                   PICOCLAW_WATCHDOG_LINE_NOTIFY_TO=U0123456789abcdef0123456789abcdef\n\
                   PICOCLAW_CHANNELS_LINE_CHANNEL_ACCESS_TOKEN=a-token-of-line\n";
/// What examples without a target are put before.
const TARGET: &str =
    "\n[[target]]\nname = \"anything\"\n[[target.probe]]\nname = \"port\"\ncheck.port = { port = 9 }\n";

fn examples() -> Vec<String> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks = readme.split("\n```toml\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

#[test]
fn the_examples_of_the_readme_work_when_they_are_copied() {
    let mut tried = 0;
    for example in examples() {
        let home = Home::new("");
        home.write(".picoclaw/.env", ENV);
        // A part of a probe, whose beginning stands above it, and what names files of another project.
        if example.starts_with("[target.") || example.starts_with("[mirai]") {
            continue;
        }
        tried += 1;
        if example.starts_with("title = ") {
            fs::remove_file(home.path(".picoclaw/watchdog.toml")).unwrap();
            home.write("scenario.toml", &example);
            let output = home.ask(&["simulate", home.path("scenario.toml").to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(0), "{example}\n{output:?}");
            continue;
        }
        let target = if example.contains("[[target]]") { "" } else { TARGET };
        // The home of this test lies beneath /tmp, so that nothing may be allowed there.
        home.configure(&(example.replace("\"/tmp\"", "\"/var/tmp\"") + target));
        let output = home.ask(&["check"]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{example}\n{told}");
    }
    assert_eq!(tried, 5, "as many examples stand for themselves");
}
