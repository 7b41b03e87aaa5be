//! Just enough XML for what S3 answers: elements without attributes that matter, none within one of its own
//! name. It is no parser: what it does not understand is not found.

use std::iter;

/// What stands within the first element of this name.
pub(super) fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    elements(text, name).next()
}

/// What stands within each element of this name.
pub(super) fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut rest = text;
    iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once(open.as_str())?;
            let (tag, content) = after.split_once('>')?;
            rest = content;
            if tag.ends_with('/') {
                // Empty, unless it is another name that begins like this one.
                if tag == "/" || tag.starts_with(char::is_whitespace) {
                    return Some("");
                }
            } else if tag.is_empty() || tag.starts_with(char::is_whitespace) {
                let (content, after) = rest.split_once(close.as_str())?;
                rest = after;
                return Some(content);
            }
        }
    })
}

/// A text with its entities replaced. What is none stays as it is.
pub(super) fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(';').and_then(|(entity, rest)| Some((entity_char(entity)?, rest))) {
            Some((character, rest)) => {
                unescaped.push(character);
                unescaped.push_str(rest);
            }
            None => {
                unescaped.push('&');
                unescaped.push_str(part);
            }
        }
    }
    unescaped
}

fn entity_char(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_found_by_their_whole_name() {
        let text = r#"<?xml version="1.0"?><List xmlns="x"><Keys>1</Keys><Key>a</Key><Key/><Key a="b">c</Key></List>"#;
        let list = element(text, "List").unwrap();
        assert_eq!(elements(list, "Key").collect::<Vec<_>>(), ["a", "", "c"]);
        assert_eq!(element(list, "Size"), None);
        assert_eq!(element("<Key>not closed", "Key"), None);
    }

    #[test]
    fn entities_are_replaced_and_rubbish_stays() {
        assert_eq!(unescaped("a&amp;b&lt;&#x2F;&#47;&quot;"), "a&b<//\"");
        assert_eq!(unescaped("&nbsp; & &#xffffff; &amp"), "&nbsp; & &#xffffff; &amp");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>/&;#x \"=Keya-c日]{0,200}") {
            for found in elements(&text, "Key") {
                unescaped(found);
            }
        }
    }
}
