//! Probes.

pub mod checks;
pub mod clients;
pub mod http;
pub mod port;
pub mod sock_diag;
