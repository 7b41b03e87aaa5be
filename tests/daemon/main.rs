//! The real binary end to end, story by story. Most of a story is waiting, so they all stand in one test program and
//! run side by side (`RUST_TEST_THREADS` in .cargo/config.toml).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../rotation/writer.rs"]
mod writer;

// Under a real user manager, in a machine of its own.
mod asked;
mod bus;
mod disk;
mod gateway;
mod mirai;
mod offline;
mod processes;
mod profiles;
mod servers;
mod supervised;
mod system;
mod units;

// Where no systemd is needed: as a process in a home directory of its own.
mod alerts;
mod backup;
mod blog;
mod channel;
mod funnel;
mod fusou;
mod kick;
mod lifesign;
mod logs;
mod ollama;
mod owner;
mod seven;
mod state;
mod taken_over;
mod telling;
mod webhook;
