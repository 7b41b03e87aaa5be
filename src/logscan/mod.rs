//! Scanning of logs: [`follow`] brings every line once. What a line means is no business of its.

pub mod follow;
