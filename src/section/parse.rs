//! What a value may be: functions from a text to a value, or to a sentence `what is wrong; what to write`.
//! They see one text each and know nothing of files or keys.

use reqwest::Url;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use crate::values::parse_duration as duration;

/// Any text, the empty one included.
///
/// # Errors
/// None; the signature is that of all the others.
pub fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// Any text but the empty one.
///
/// # Errors
/// When it is empty.
pub fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("empty; write a text".to_owned()) } else { Ok(text.to_owned()) }
}

/// Yes or no, in the words that shells and people use.
///
/// # Errors
/// For any other word.
pub fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no; write true or false")),
    }
}

/// Whether a `when` leaves its table on: everything does but the empty text and a no.
///
/// # Errors
/// None; the signature is that of all the others.
pub fn when(text: &str) -> Result<bool, String> {
    Ok(!text.trim().is_empty() && flag(text.trim()) != Ok(false))
}

/// A whole number within bounds, both included.
pub fn within<N: FromStr + PartialOrd + Display>(
    bounds: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> {
    move |text| {
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let (least, most) = (bounds.start(), bounds.end());
        number
            .ok_or_else(|| format!("{text:?} is out of bounds; write a whole number from {least} to {most}"))
    }
}

/// A duration within bounds, both included.
pub fn span(bounds: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let span = duration(text)?;
        let (least, most) = (written(*bounds.start()), written(*bounds.end()));
        let outside = || format!("{text:?} is out of bounds; write a duration from {least} to {most}");
        Some(span).filter(|span| bounds.contains(span)).ok_or_else(outside)
    }
}

/// A duration as it is written in the configuration: `90s`, `10m`, `500ms`.
pub fn written(span: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let ms = span.as_millis();
    let unit = UNITS.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{ms}ms"), |(unit, letter)| format!("{}{letter}", ms / unit))
}

/// An absolute path; `~` at the start stands for `home`.
pub fn path(home: &Path) -> impl Fn(&str) -> Result<PathBuf, String> {
    move |text| {
        let path = match text.strip_prefix('~') {
            Some("") => home.to_owned(),
            Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
            Some(_) | None => PathBuf::from(text),
        };
        let wrong = || format!("{text:?} is not an absolute path; start it with / or ~/");
        Some(path).filter(|path| path.is_absolute()).ok_or_else(wrong)
    }
}

/// An absolute path, and no other way to write one.
///
/// # Errors
/// When it is relative.
pub fn absolute(text: &str) -> Result<PathBuf, String> {
    let wrong = || format!("{text:?} is not an absolute path; start it with /");
    Some(PathBuf::from(text)).filter(|path| path.is_absolute()).ok_or_else(wrong)
}

/// A share in whole percent, from 1 to 100; the sign may be left out.
///
/// # Errors
/// When it is not one.
pub fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().parse().ok();
    let wrong = || format!("{text:?} is not a share; write a whole number from 1% to 100%");
    number.filter(|number| (1..=100).contains(number)).ok_or_else(wrong)
}

/// A number of bytes: `512MiB`, `5GiB`, `5GB`. The unit is required, so that nobody has to guess it.
///
/// # Errors
/// When it is not one.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, factor)| *factor);
    let number =
        digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    number
        .ok_or_else(|| format!("{text:?} is not a size; write a whole number with MiB or GiB, like \"5GiB\""))
}

/// A URL of http or https, without credentials: URLs are logged and told.
///
/// # Errors
/// When it is not one. Credentials are not repeated in the sentence.
pub fn url(text: &str) -> Result<Url, String> {
    // What stands before an @ may be a password, also in a text that is no URL.
    let shown = if text.contains('@') { "this".to_owned() } else { format!("{text:?}") };
    let wrong = |why: &str| {
        format!("{shown} is not a URL to use: {why}; write something like \"http://127.0.0.1:18790/health\"")
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if has_credentials(&url) => Err(wrong("its user name or password would be logged")),
        // The parser would take the first part of the path of `http:///path` for the host.
        "http" | "https" if text.contains(":///") => Err(wrong("it has no host")),
        "http" | "https" => Ok(url),
        _ => Err(wrong("only http and https are spoken")),
    }
}

/// A URL to which a token is sent: it must not travel in the clear, except to a stand-in on this machine.
///
/// # Errors
/// When it would, or is no URL.
pub fn private_url(text: &str) -> Result<Url, String> {
    let url = url(text)?;
    let local = url.host_str().is_some_and(is_local);
    match url.scheme() == "https" || local {
        true => Ok(url),
        false => Err("the token would be sent in the clear; write https://".to_owned()),
    }
}

/// Whether a host is this machine, by name.
pub fn is_local(host: &str) -> bool {
    ["127.0.0.1", "::1", "[::1]", "localhost"].contains(&host)
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_have_many_words() {
        assert_eq!(
            [flag("TRUE"), flag("1"), flag("off"), flag("no")],
            [Ok(true), Ok(true), Ok(false), Ok(false)]
        );
        assert!(flag("").is_err() && flag("2").is_err());
        let on = |text| when(text) == Ok(true);
        assert!(
            on("http://x/") && on("true") && !on("") && !on(" ") && !on("False") && !on("0") && !on("off")
        );
    }

    #[test]
    fn numbers_keep_their_bounds() {
        let port = within(1..=65_535_u16);
        assert_eq!([port("1"), port("65535")], [Ok(1), Ok(65_535)]);
        for bad in ["0", "65536", "-1", "1.5", "", "x"] {
            assert!(port(bad).unwrap_err().contains("from 1 to 65535"), "{bad}");
        }
    }

    #[test]
    fn durations_keep_their_bounds_and_read_back() {
        let short = span(Duration::from_secs(1)..=Duration::from_secs(120));
        assert!(short("1s").is_ok() && short("2m").is_ok());
        assert!(short("121s").unwrap_err().ends_with("from 1s to 2m"));
        for text in ["90s", "10m", "500ms", "2h", "7d", "1500ms"] {
            assert_eq!(duration(text).map(written).as_deref(), Ok(text));
        }
    }

    #[test]
    fn paths_start_at_the_root_or_at_home() {
        let path = path(Path::new("/home/x"));
        assert_eq!(path("~"), Ok(PathBuf::from("/home/x")));
        assert_eq!(path("~/a"), Ok(PathBuf::from("/home/x/a")));
        assert_eq!(path("/a/~"), Ok(PathBuf::from("/a/~")));
        assert!(path("a").is_err() && path("").is_err() && path("~other/a").is_err());
    }

    #[test]
    fn shares_and_sizes_are_whole_and_have_their_units() {
        assert_eq!(
            [percent("90%"), percent("90"), percent("1 %"), percent("100%")],
            [90, 90, 1, 100].map(Ok)
        );
        for bad in ["", "0%", "101%", "-1%", "9.5%", "%", "x"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        assert_eq!([bytes("5GiB"), bytes("5 GB"), bytes("0B")], [Ok(5 << 30), Ok(5_000_000_000), Ok(0)]);
        for bad in ["", "5", "GiB", "5gib", "1.5GiB", "-1GiB", "99999999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_are_http_and_hold_no_credentials() {
        assert!(url("http://127.0.0.1:18790/health").is_ok() && url("https://x.example/a@b").is_ok());
        for bad in ["", "127.0.0.1", "ftp://x/", "http:///health", "http://"] {
            assert!(url(bad).is_err(), "{bad}");
        }
        for secret in ["http://me:hunter2@x/", "http://hunter2@x/", "htp:/me:hunter2@x y"] {
            assert!(!url(secret).unwrap_err().contains("hunter2"), "{secret}");
        }
    }
}
