//! Writes TOML. It knows how a value is written, and no table.

/// The text so far, and what there is to say about it.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) text: String,
    /// What is wrong, and what to write instead.
    pub(super) problems: Vec<(String, String)>,
}

impl Tables {
    /// Begins a table.
    pub(super) fn begin(&mut self, header: &str) {
        self.line("");
        self.line(header);
    }

    /// Writes a line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Writes a key with a text.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {}", quoted(&dollars(value))));
    }

    /// Writes a key with a text in which a dollar is a dollar.
    pub(super) fn verbatim(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {}", quoted(value)));
    }

    /// Writes a key with a list of texts.
    pub(super) fn texts<T: AsRef<str>>(&mut self, key: &str, values: &[T]) {
        self.line(&format!("{key} = {}", list(values)));
    }

    /// Says what is wrong, and what to write instead.
    pub(super) fn warn(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push((what.into(), hint.into()));
    }
}

/// A list of texts.
pub(super) fn list<T: AsRef<str>>(values: &[T]) -> String {
    let quoted = values.iter().map(|value| quoted(&dollars(value.as_ref())));
    format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
}

/// No value of the file is a variable of ours.
pub(super) fn dollars(text: &str) -> String {
    text.replace('$', "$$")
}

/// A basic string: the escapes of JSON are those of TOML, which has one more.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::{self, Source, Variables, parse};

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in ["", "a\"b\\c", "\u{0}\u{1}\u{7f}\u{80}\n\r\t", "障害 🎉", r"HTTP/[0-9.]+ 4[0-9]{2}$"]
        {
            let mut tables = Tables::default();
            tables.text("filled", text);
            tables.verbatim("verbatim", text);
            let source = Source { file: "x", text: &tables.text, variables: &Variables::default() };
            let (read, findings) = section::read(source, |root| {
                (root.opt("filled", parse::text), root.verbatim("verbatim", parse::text))
            });
            assert_eq!(read, Some((Some(text.to_owned()), vec![text.to_owned()])), "{:?}", findings.problems);
        }
        assert_eq!(list(&["a", "$b"]), "[\"a\", \"$$b\"]");
    }
}
