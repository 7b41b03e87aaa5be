//! The finished policy, pass by pass: what two futile attempts forbid, how a start is learned, what happens
//! offline, after a boot, during a pause. Evidence is made by hand, so that each rule is seen alone.

mod bench;
mod cooldown;
#[path = "../core/mod.rs"]
mod core;
mod futility;
mod leftover;
mod limits;
mod passed_on;
mod persons;
mod quiet;
mod rare;
mod readings;
mod reloaded;
mod remembered;
mod starts;
mod turns;
mod unending;
mod verdicts;
mod wake;
