//! Python's tracebacks: many lines, one event. Knows where one ends, and nothing of what it means.

use memchr::memchr;

/// What its first line holds, whatever stands before it.
pub(super) const HEADER: &str = r"Traceback \(most recent call last\)";

/// Between a traceback and the one that it caused.
const LINKS: [&[u8]; 2] =
    [b"During handling of the above exception", b"The above exception was the direct cause"];

/// A deep recursion is cut by Python itself after some twenty lines; what is longer than this is no traceback.
const MOST_LINES: usize = 500;

/// Where the traceback ends whose first line begins at `start`: behind the line that names the exception, the ones
/// that it caused included. None when more has to be read before that can be told.
pub(super) fn end(text: &[u8], start: usize) -> Option<usize> {
    let mut lines = Lines { text, at: start };
    let mut seen = 0;
    lines.next()?;
    while seen < MOST_LINES {
        let line = lines.next()?;
        seen += 1;
        if !is_indented(line) {
            let end = lines.at;
            match lines.link()? {
                true => seen += 3,
                false => return Some(end),
            }
        }
    }
    Some(lines.at)
}

fn is_indented(line: &[u8]) -> bool {
    line.first().is_some_and(|first| b" \t".contains(first))
}

/// The whole lines of a text, one after the other.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Lines<'t> {
    /// The next line; none when its end has not been written yet.
    fn next(&mut self) -> Option<&'t [u8]> {
        let rest = &self.text[self.at..];
        let line = &rest[..memchr(b'\n', rest)?];
        self.at += line.len() + 1;
        Some(line)
    }

    /// Whether another traceback follows that belongs to this one; then it stands behind its first line. None when
    /// that cannot be told yet.
    fn link(&mut self) -> Option<bool> {
        let after = self.at;
        let linked = self.next()?.is_empty() && {
            let link = self.next()?;
            LINKS.iter().any(|words| link.starts_with(words)) && self.next()?.is_empty() && {
                self.next()?;
                true
            }
        };
        self.at = if linked { self.at } else { after };
        Some(linked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n    ~^^\nValueError: x\n";

    #[test]
    fn it_ends_behind_the_line_that_names_the_exception() {
        let text = format!("before\n{ONE}after\n");
        assert_eq!(end(text.as_bytes(), 7), Some(7 + ONE.len()));
        let with_prefix = format!("app[7]: {ONE}after\n");
        assert_eq!(end(with_prefix.as_bytes(), 0), Some(8 + ONE.len()));
    }

    #[test]
    fn what_was_caused_by_it_belongs_to_it() {
        let link = "\nDuring handling of the above exception, another exception occurred:\n\n";
        let chain = format!("{ONE}{link}{ONE}");
        assert_eq!(end(format!("{chain}\nnext\nx\n").as_bytes(), 0), Some(chain.len()));
        assert_eq!(end(format!("{ONE}\nDuring the night\n").as_bytes(), 0), Some(ONE.len()));
    }

    #[test]
    fn before_its_end_is_written_nothing_is_said() {
        let chain = format!(
            "{ONE}\nThe above exception was the direct cause of the following exception:\n\n{ONE}z\n"
        );
        // Wherever the writer is interrupted, what is there so far is either undecided or the end of the first one.
        for cut in 0..chain.len() {
            assert_eq!(end(&chain.as_bytes()[..cut], 0), None, "{cut}");
        }
        assert_eq!(end(chain.as_bytes(), 0), Some(chain.len() - 2));
    }

    #[test]
    fn what_only_pretends_to_be_one_is_cut() {
        let endless = format!("Traceback (most recent call last)\n{}", " x\n".repeat(10_000));
        assert!(end(endless.as_bytes(), 0).is_some_and(|end| end < 2_000));
        assert_eq!(end(b"Traceback (most recent call last)", 0), None);
    }
}
