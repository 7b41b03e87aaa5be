//! The pure core: decides what to do and says why. It has no clock, no file, no socket and no log line;
//! `now` and all evidence are arguments, and every effect is a value that somebody else performs.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::wildcard_enum_match_arm)]

pub mod evidence;
pub mod policy;
pub mod time;
pub mod unit;
pub mod window;
