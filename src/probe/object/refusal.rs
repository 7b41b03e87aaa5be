//! What it means that a store refuses. Nearly all of it says something of our key, our clock or the name of the
//! bucket, and nothing of the backup. Pure.

use super::{Object, SHOWN_CHARS};
use crate::probe::http::exchange::Answer;
use crate::probe::http::shown;
use crate::recovery::evidence::Reading;
use crate::recovery::time::Age;
use crate::values::one_line;
use jiff::Timestamp;
use std::time::Duration;

/// Signatures are good for a quarter of an hour around their time.
const CLOCK_MAX: Duration = Duration::from_secs(900);

impl Object {
    /// What an answer that is not 200 means, when `wanted` was asked for. `now` is our own clock.
    pub(super) fn refused(&self, answer: &Answer, wanted: &str, now: Timestamp) -> Reading {
        let status = answer.status;
        if let Some(clock) = self.wrong_clock(answer, now) {
            return clock;
        }
        if let (300..=399, Some(to)) = (status, &answer.location) {
            let why = format!("{status}, redirected to {}: another endpoint, or a login page", shown(to));
            return self.misconfigured(&why);
        }
        let code = self.store.code(&answer.body).map(|code| one_line(&code, SHOWN_CHARS));
        let bucket = &self.bucket;
        match (status, code.as_deref()) {
            (404, Some("NoSuchKey")) => {
                Reading::Fail(format!("there is no {wanted} in {bucket}: no backup yet, or another key"))
            }
            (429, _) => Reading::Unknown(format!("429: {} is asked too often", self.host())),
            (500.., code) => {
                let code = code.map(|code| format!(" {code}")).unwrap_or_default();
                Reading::Unknown(format!(
                    "{status}{code}: {} is in trouble, so nothing is known",
                    self.host()
                ))
            }
            (_, code) => self.misconfigured(&format!("{status} {}", meaning(status, code))),
        }
    }

    /// A clock that is wrong by more than signatures bear is what refused us, whatever the code says.
    fn wrong_clock(&self, answer: &Answer, now: Timestamp) -> Option<Reading> {
        let date = answer.date().filter(|_| matches!(answer.status, 400 | 401 | 403))?;
        let ours = now.duration_since(date);
        let (off, host) = (ours.unsigned_abs(), self.host());
        let direction = if ours.is_negative() { "behind" } else { "ahead of" };
        (off > CLOCK_MAX).then(|| {
            let off = Age(off);
            Reading::Unknown(format!(
                "our clock is {off} {direction} that of {host}: set it, as with timedatectl set-ntp true"
            ))
        })
    }
}

/// What a person has to mend.
fn meaning(status: u16, code: Option<&str>) -> String {
    let says = match code {
        Some("NoSuchBucket") => "there is no such bucket: check its name, the account and the jurisdiction",
        Some("InvalidBucketName") => "no bucket can have this name",
        Some("SignatureDoesNotMatch") => "the secret key does not belong to the access key",
        Some("Unauthorized" | "InvalidAccessKeyId") => "the access key is not known, or was revoked",
        Some("AccessDenied") => "the key may not read this bucket",
        Some("NotEntitled") => "R2 is not switched on for this account",
        Some("ExpiredToken" | "ExpiredRequest" | "RequestTimeTooSkewed") => {
            "it has expired: check the token, and the clock of this machine"
        }
        Some(_) | None => match status {
            401 => "the key or token is wrong, or has expired",
            403 => "the key or token may not read this bucket",
            404 => "this is no object store",
            _ => "the store does not take the question",
        },
    };
    match code {
        Some(code) => format!("{code}: {says}"),
        None => format!("without a code: {says}"),
    }
}
