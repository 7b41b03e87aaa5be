//! Leaf values: parsed once, good ever after. Imports nothing of ours and does no I/O.

use std::fmt;
use std::time::Duration;

/// Text that must reach no log, argv, state or alert. Its `Debug` prints stars, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text read from the environment, a file or standard input.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must send or compare it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Replaces every occurrence of the secrets in `text` with stars. Secrets shorter than four bytes are
/// left alone: masking them would blot out half the text and protect nothing.
pub fn mask(text: &str, secrets: &[Secret]) -> String {
    let mut masked = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.0.len() >= 4) {
        masked = masked.replace(&secret.0, "***");
    }
    masked
}

/// The name of a systemd unit, such as `picoclaw-gateway.service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitName(String);

impl UnitName {
    /// Accepts systemd's own alphabet with a unit suffix; a name without one becomes a `.service`.
    ///
    /// # Errors
    /// A sentence saying what is wrong with the name.
    pub fn parse(text: &str) -> Result<Self, String> {
        const SUFFIXES: [&str; 5] = [".service", ".socket", ".timer", ".target", ".scope"];
        let good = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if text.is_empty() || text.len() > 255 || !text.chars().all(good) {
            return Err(format!(
                "{text:?} is not a unit name; write something like \"picoclaw-gateway.service\""
            ));
        }
        if SUFFIXES.iter().any(|suffix| text.ends_with(suffix)) {
            return Ok(Self(text.to_owned()));
        }
        Ok(Self(format!("{text}.service")))
    }

    /// The full name with its suffix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads `500ms`, `10s`, `5m`, `2h` or `7d`. The unit is required, so that nobody has to guess it.
///
/// # Errors
/// A sentence with the forms that are accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || match text.strip_suffix('s').filter(|rest| parse_duration(rest).is_ok()) {
        // The configuration has put its own s behind what a variable holds.
        Some(rest) => {
            format!("{rest:?} is not a number of seconds; write one without a unit, like \"30\"")
        }
        None => {
            format!("{text:?} is not a duration; write a whole number with ms, s, m, h or d, like \"30s\"")
        }
    };
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    // Ten years bound every sum of durations far below overflow.
    number
        .checked_mul(ms)
        .filter(|total| *total <= 3650 * 86_400_000)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{text:?} is longer than ten years"))
}

/// Makes outside text fit for one line of a log, an alert or a terminal: control characters become
/// escapes, and more than `max_chars` characters are cut with an ellipsis.
pub fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_chars + 4));
    for (count, c) in text.trim().chars().enumerate() {
        if count == max_chars {
            line.push('…');
            break;
        }
        match c {
            '\n' => line.push_str("\\n"),
            '\t' => line.push(' '),
            c if c.is_control() || is_direction_mark(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

/// Unicode marks that reorder what a reader sees, and so could disguise a log line.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
        assert_eq!(mask("a hunter2 b", &[Secret::new("hunter2"), Secret::new("a")]), "a *** b");
    }

    #[test]
    fn durations_need_their_unit() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["", "10", "s", "-1s", "1.5s", "1 s", "99999999999999999999s", "9999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_that_brings_its_own_unit_is_told_what_is_wanted() {
        let why = parse_duration("2hs").unwrap_err();
        assert_eq!(why, "\"2h\" is not a number of seconds; write one without a unit, like \"30\"");
        assert!(parse_duration("twos").unwrap_err().contains("like \"30s\""));
    }

    #[test]
    fn unit_names_gain_their_suffix_and_refuse_paths() {
        assert_eq!(UnitName::parse("picoclaw-gateway").unwrap().as_str(), "picoclaw-gateway.service");
        assert!(UnitName::parse("../x.service").is_err());
        assert!(UnitName::parse("a b").is_err());
    }

    #[test]
    fn one_line_cannot_forge_a_second() {
        assert_eq!(one_line("a\nb\u{1b}[31m\u{202e}", 99), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }
}
