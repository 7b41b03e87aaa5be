//! The forms that a `.env` file may take, and those that are passed over. Checked against bash where it
//! can be asked: see `bash_reads_the_same`.

use super::*;
use proptest::prelude::*;

fn env() -> BTreeMap<String, String> {
    [("HOME", "/home/x"), ("OUTER", "out")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn dotenv(text: &str) -> Dotenv {
    parse(text, &env(), Path::new("/home/x"))
}

fn value(text: &str) -> Option<String> {
    dotenv(text).values.get("A").map(|(value, _)| value.clone())
}

/// Assignments of `A`, with what a shell makes of them.
const GOOD: [(&str, &str); 37] = [
    ("A=b", "b"),
    ("A=", ""),
    ("  A=b  ", "b"),
    ("export A=b", "b"),
    ("export  A=b B=c", "b"),
    ("A=b\nexport A", "b"),
    ("A=1\nA=2", "2"),
    ("A=b # c", "b"),
    ("A=b#c", "b#c"),
    ("A='b # c'", "b # c"),
    ("A=\"b # c\"", "b # c"),
    ("A='$X `y` \\n'", "$X `y` \\n"),
    ("A=\"a\\\"b\\\\c\\$d\\`e\"", "a\"b\\c$d`e"),
    ("A=\"a\\nb\"", "a\\nb"),
    ("A=a\\ b\\#", "a b#"),
    ("A=a\"b\"'c'", "abc"),
    ("A='it'\\''s'", "it's"),
    ("A=~", "/home/x"),
    ("A=~/y", "/home/x/y"),
    ("A=\"~/y\"", "~/y"),
    ("A=x~/y", "x~/y"),
    ("A=$HOME/y", "/home/x/y"),
    ("A=\"${HOME}y\"", "/home/xy"),
    ("B=1\nA=$B$B", "11"),
    ("OUTER=in\nA=$OUTER", "in"),
    ("A=$OUTER", "out"),
    ("A=${NONE:-d}", "d"),
    ("A=${OUTER:-d}", "out"),
    ("A=\"${NONE:-x ${OUTER}}\"", "x out"),
    ("A=$NONE", ""),
    ("A=5$", "5$"),
    ("A='1\n2'", "1\n2"),
    ("A=\"1\n2\"", "1\n2"),
    ("A=1; B=2", "1"),
    ("A=b\\\nc", "bc"),
    ("A=http://x/?a=1", "http://x/?a=1"),
    ("A={\"k\":1}", "{k:1}"),
];

#[test]
fn assignments_mean_what_they_mean_to_a_shell() {
    for (text, expected) in GOOD {
        let found = dotenv(text);
        assert_eq!(found.values.get("A").map(|(value, _)| value.as_str()), Some(expected), "{text}");
        assert_eq!(found.refusals, [], "{text}");
    }
}

#[test]
fn bash_reads_the_same() {
    for (text, expected) in GOOD {
        let mut bash = std::process::Command::new("bash");
        bash.args(["--norc", "-c", &format!("{text}\nprintf %s \"$A\"")]).env_clear().envs(env());
        // A machine without bash has nothing to compare with.
        let Ok(output) = bash.output() else { return };
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{text}");
    }
}

#[test]
fn other_line_ends_and_marks_are_understood() {
    assert_eq!(value("\u{feff}A=b\r\nB=c\r\n").as_deref(), Some("b"));
    assert_eq!(value("A='b'\r\n").as_deref(), Some("b"));
    assert_eq!(value("# only a comment\n\n  # another\nA=b").as_deref(), Some("b"));
}

#[test]
fn lines_are_counted_through_quotes() {
    let found = dotenv("A='1\n2'\n\nB=3\nif x\n");
    assert_eq!(found.values["A"].1, 1);
    assert_eq!(found.values["B"].1, 4);
    assert_eq!(found.refusals[0].line, 5);
}

#[test]
fn what_is_no_assignment_is_passed_over_and_never_run() {
    for (text, why) in [
        ("source ~/x", "not an assignment"),
        ("if true; then", "not an assignment"),
        ("A=b command", "not an assignment"),
        ("A+=b", "not an assignment"),
        ("A", "not an assignment"),
        ("1A=b", "not an assignment"),
        ("A=$(touch /tmp/x)", "nothing in this file is run"),
        ("A=\"$(touch /tmp/x)\"", "nothing in this file is run"),
        ("A=`touch /tmp/x`", "nothing in this file is run"),
        ("A=x&y", "put the value in quotes"),
        ("A=$'x'", "plain quotes"),
        ("A=${B%x}", "are understood"),
        ("A=${", "are understood"),
        ("A='x", "not closed"),
        ("A=\"x", "not closed"),
        ("A=${B:-x", "not closed"),
    ] {
        let found = dotenv(&format!("{text}\nB=kept\n"));
        assert!(!found.values.contains_key("A"), "{text}");
        assert_eq!(found.values.get("B"), Some(&("kept".to_owned(), 2)), "{text}");
        assert!(
            found.refusals[0].what.contains(why) && found.refusals[0].line == 1,
            "{text}: {:?}",
            found.refusals
        );
    }
}

#[test]
fn values_and_refusals_are_bounded() {
    let doubling = std::iter::repeat_n("A=\"$A$A\"\n", 40).collect::<String>();
    let found = dotenv(&format!("A=12345678\n{doubling}"));
    assert!(found.values["A"].0.len() <= MAX_VALUE_BYTES && !found.refusals.is_empty());
    assert_eq!(dotenv(&"no\n".repeat(1000)).refusals.len(), MAX_REFUSALS + 1);
    let deep = format!("A={}x{}", "${B:-".repeat(50), "}".repeat(50));
    assert!(dotenv(&deep).refusals[0].what.contains("too deep"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[A-C=$(){}'\"\\\\`#~;:\\-& \n\r\texport日]{0,120}") {
        dotenv(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        dotenv(&String::from_utf8_lossy(&bytes));
    }
}
