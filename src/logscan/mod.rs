//! Reads logs and says which rules their new lines match.

pub mod engine;
pub mod follow;
