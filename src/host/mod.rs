//! The real world around the core: its state on the disk, its clock, its log, the requests of people.
//! Nothing here decides what to recover.

pub mod clock;
pub mod files;
pub mod kicks;
pub mod legacy;
pub mod lock;
pub mod log;
pub mod store;
