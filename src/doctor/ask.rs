//! How the host is asked: by its own programs, which are on every systemd machine. Judges nothing.

use crate::exec::{self, Command, End};
use crate::recovery::policy::Manager;
use nix::unistd::{Uid, User};
use std::collections::BTreeMap;
use std::time::Duration;

/// These programs answer in milliseconds, or hang.
const DEADLINE: Duration = Duration::from_secs(5);

/// Whose host it is: name and number. A number without a name stands for itself.
pub(super) fn user() -> (String, u32) {
    let uid = Uid::current();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    (name.unwrap_or_else(|| uid.to_string()), uid.as_raw())
}

/// What a program says on its standard output.
///
/// # Errors
/// How it ended instead, with its last words.
pub(super) async fn said<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Result<String, String> {
    let argv: Vec<String> = argv.into_iter().map(Into::into).collect();
    let program = argv.first().cloned().unwrap_or_default();
    let finished = exec::run(&Command::new(argv, DEADLINE)).await;
    match finished.end {
        End::Exited { code: 0 } => Ok(finished.stdout),
        End::Exited { .. } | End::Signalled { .. } | End::TimedOut { .. } | End::CouldNotStart { .. } => {
            Err(format!("{program}: {}", finished.summary()))
        }
    }
}

/// Properties as systemd's programs print them.
pub(super) type Properties = BTreeMap<String, String>;

/// Properties of a unit.
///
/// # Errors
/// Why they cannot be had.
pub(super) async fn unit(manager: Manager, name: &str, properties: &str) -> Result<Properties, String> {
    let user = match manager {
        Manager::User => Some("--user"),
        Manager::System => None,
    };
    let argv = ["systemctl"].into_iter().chain(user).chain(["show", "-p", properties, "--", name]);
    Ok(pairs(&said(argv).await?))
}

/// Reads lines of `Key=value`.
pub(super) fn pairs(text: &str) -> Properties {
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.trim().to_owned());
    text.lines().filter_map(|line| line.split_once('=').map(pair)).collect()
}

/// A property, empty when it was not told.
pub(super) fn property<'p>(properties: &'p Properties, key: &str) -> &'p str {
    properties.get(key).map_or("", String::as_str)
}

/// Reads a span as systemd prints it: `1min 30s`, `100ms`, `0`. None for `infinity` and for what is none.
pub(super) fn span(text: &str) -> Option<Duration> {
    text.split_whitespace().map(part).sum()
}

fn part(part: &str) -> Option<Duration> {
    let split = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
    let (digits, unit) = part.split_at(split);
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        // A bare number is only ever zero.
        "s" | "" => 1_000_000,
        "min" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        "w" => 604_800_000_000,
        _ => return None,
    };
    Some(Duration::from_micros(digits.parse::<u64>().ok()?.checked_mul(micros)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_systemd_prints_them() {
        let ms = |text| span(text).map(|span| span.as_millis());
        assert_eq!(
            [ms("1min 30s"), ms("100ms"), ms("0"), ms("3min")],
            [Some(90_000), Some(100), Some(0), Some(180_000)]
        );
        for none in ["infinity", "1month", "s", "99999999999999999999s", "18446744073709551615w"] {
            assert_eq!(span(none), None, "{none}");
        }
    }

    #[test]
    fn properties_come_in_any_order_and_may_hold_an_equals_sign() {
        let read = pairs("B=1=2\nA=\n\ngarbage\n");
        assert_eq!((property(&read, "B"), property(&read, "A"), property(&read, "C")), ("1=2", "", ""));
    }

    #[tokio::test]
    async fn a_program_that_is_missing_or_fails_is_an_error() {
        assert!(said(["/no/such/program"]).await.unwrap_err().contains("not found"));
        let told = said(["sh", "-c", "echo why >&2; exit 3"]).await.unwrap_err();
        assert_eq!(told, "sh: exit code 3: why");
        assert_eq!(said(["sh", "-c", "echo yes"]).await.as_deref(), Ok("yes\n"));
    }
}
