//! The harness of the integration tests: real processes, a real systemd, and bounded waits. It must not look
//! inside the watchdog; whatever a test learns, an operator could learn the same way.
#![allow(dead_code, unused_imports, reason = "every test crate includes all of it and uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test must be seen")]

mod daemon;
mod http;
mod installation;
mod kept_port;
mod log;
mod machine;
mod stand_in;
mod wait;
mod watched;

pub(crate) use daemon::{Daemon, Home, read};
pub(crate) use http::{exchange, status};
pub(crate) use installation::{Installation, copy_sources, install};
pub(crate) use kept_port::KeptPort;
pub(crate) use log::OpsLog;
pub(crate) use machine::Machine;
pub(crate) use stand_in::{Recorded, StandIn};
pub(crate) use wait::{wait_until, wait_until_showing};
pub(crate) use watched::{GATEWAY, UNIT, Watched};

use std::path::{Path, PathBuf};

/// The watchdog that this test run has built.
pub(crate) fn watchdog_binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_picoclaw-watchdog"))
}

/// The stand-in that this test run has built, beside the watchdog.
pub(crate) fn stand_in_binary() -> PathBuf {
    let path = watchdog_binary().with_file_name("examples").join("stand-in");
    assert!(
        path.exists(),
        "run `cargo build --example stand-in` first; `cargo test --test NAME` builds no examples"
    );
    path
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
