//! Keeps a small self-hosted AI gateway alive under `systemd --user`, and writes on LINE only when it
//! could not. The pure core in [`recovery`] decides; everything else observes, saves, acts and tells.
//!
//! Modules in reading order; who may import whom is kept by `tests/architecture.rs`.

pub mod action;
pub mod cli;
pub mod command;
pub mod config;
pub mod cycle;
pub mod doctor;
pub mod exec;
pub mod exit;
pub mod host;
pub mod logscan;
pub mod notify;
pub mod probe;
pub mod recovery;
pub mod section;
pub mod sim;
pub mod systemd;
pub mod values;
