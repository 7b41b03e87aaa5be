//! The pure core: decides what to do and says why. It has no clock, no file, no socket and no log line;
//! `now` and all evidence are arguments, and every effect is a value that somebody else performs.
//!
//! ```text
//! Evidence ─▶ health ─▶ decide ─▶ gate ─▶ Decision { state, attempts, letters, answers, verdicts }
//!                                            state is saved, then attempts run ─▶ record ─▶ state
//! ```
//!
//! Phase × health, total (a `Held` proposal changes no phase):
//!
//! | phase     | Healthy                      | Unhealthy                         | Unknown                  | Off              |
//! |-----------|------------------------------|-----------------------------------|--------------------------|------------------|
//! | Healthy   | stay; forget the ladder      | → Failing, open an incident       | stay                     | stay, said once  |
//! | Failing   | proven: → Healthy, close     | next rung: → Settling; held: stay; window or ladder spent: → Exhausted | stay; told when it lasts | → Healthy, close |
//! | Settling  | proven: → Healthy, close     | time over: next rung, else stay   | stay; told when it lasts | → Healthy, close |
//! | Exhausted | proven: → Healthy, close     | single try when due: → Settling   | stay; told when it lasts | → Healthy, close |
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::wildcard_enum_match_arm)]

pub mod alert;
pub mod cadence;
pub mod decide;
pub mod digest;
pub mod evidence;
pub mod gate;
pub mod health;
mod incident;
mod ladder;
mod leftover;
mod offline;
pub mod outbox;
pub mod pause;
pub mod policy;
pub mod quota;
pub mod record;
mod request;
pub mod rest;
pub mod scan;
pub mod starts;
pub mod state;
pub mod tally;
pub mod text;
pub mod time;
mod turn;
pub mod unit;
pub mod verdict;
mod wake;
pub mod window;
