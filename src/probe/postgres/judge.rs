//! What the refusals of PostgreSQL mean, by the code that each carries: its words come in the language of the
//! server. Pure.

use crate::probe::object::MISCONFIGURED;
use crate::recovery::evidence::{LEAVE_UP, Reading};
use crate::values::one_line;

/// Characters quoted of what it says.
const SAID_CHARS: usize = 200;
/// It takes no connections now: it starts, recovers, or shuts down.
const CANNOT_CONNECT_NOW: &str = "57P03";
/// All connections are taken.
const TOO_MANY: &str = "53300";

/// Its disk is full.
const DISK_FULL: &str = "53100";

/// A refusal that meets everybody; none when it is only about who asks.
pub(super) fn of_everybody(code: &str, message: &str) -> Option<Reading> {
    let said = one_line(message, SAID_CHARS);
    match code {
        CANNOT_CONNECT_NOW if message.contains("shut") => {
            Some(Reading::Fail(format!("rejects connections: {said}")))
        }
        // Whoever restarts it now makes the recovery begin anew.
        CANNOT_CONNECT_NOW => {
            Some(Reading::Unknown(format!("it is starting or recovering, and is left to it: {said}")))
        }
        TOO_MANY => Some(Reading::Fail(format!(
            "rejects connections: {said}; who holds them is in pg_stat_activity, how many there may be in max_connections"
        ))),
        // It still answers whoever only reads. On its way down it writes, and might not come up again.
        DISK_FULL => Some(Reading::Fail(format!("{LEAVE_UP}its disk is full; make room there: {said}"))),
        // Before there were codes: it has no process to spare for us.
        "" => Some(Reading::Fail(format!("rejects connections: {said}"))),
        _ => None,
    }
}

/// What a refusal means for somebody who wanted to log in and ask.
pub(super) fn of_us(code: &str, message: &str) -> Reading {
    let said = one_line(message, SAID_CHARS);
    let class = code.get(..2).unwrap_or_default();
    of_everybody(code, message).unwrap_or_else(|| match class {
        "28" if message.contains("no encryption") => Reading::Unknown(format!(
            "{MISCONFIGURED}it wants TLS, which is not spoken here; ask over its unix socket, or leave the url out: {said}"
        )),
        // Who we are, which database, or what we ask.
        "28" | "3D" | "42" | "0A" => Reading::Unknown(format!("{MISCONFIGURED}it answers, but not to us: {said}")),
        _ => Reading::Fail(format!("it fails: {said} ({code})")),
    })
}
