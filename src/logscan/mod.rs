//! Reads logs and says which rules their new lines match. It reads and compares; what a match means for a target,
//! and what is done about it, is decided elsewhere.

pub mod engine;
